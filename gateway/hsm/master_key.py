"""The key block protection key of a store: 32 bytes of AES, from a file or a systemd credential.

It is `master.key` in the store, or the credential ``social-master.key`` or
``financial-master.key`` of the unit (systemd.exec(5), `LoadCredential=` or, enciphered to the
machine's TPM, `LoadCredentialEncrypted=`). Never both: a copy on the disk would make the
credential pointless.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from gateway.hsm.private_files import read_credential, read_private
from gateway.terms.errors import SpecificationError
from gateway.terms.sides import Side

MASTER_KEY_FILE = "master.key"
MASTER_KEY_BYTES = 32
CREDENTIALS_DIRECTORY = "CREDENTIALS_DIRECTORY"


def credential_name(side: Side) -> str:
    """Name the systemd credential of a side."""
    return f"{side.value}-{MASTER_KEY_FILE}"


def read_master_key(
    directory: Path, side: Side, environment: Mapping[str, str] = os.environ
) -> bytes:
    """Read the master key of the store in `directory`; raises `SpecificationError`."""
    file = directory / MASTER_KEY_FILE
    given = environment.get(CREDENTIALS_DIRECTORY)
    credential = Path(given) / credential_name(side) if given else None
    if credential is None or not credential.exists():
        return _parsed(read_private(file), file)
    if file.exists():
        raise SpecificationError(
            str(file), "", f"must not be there beside the credential {credential.name}: remove it"
        )
    return _parsed(read_credential(credential), credential)


def _parsed(text: str, file: Path) -> bytes:
    if not re.fullmatch(rf"[0-9A-Fa-f]{{{2 * MASTER_KEY_BYTES}}}", text.strip()):
        raise SpecificationError(str(file), "", "must be 64 hexadecimal digits")
    return bytes.fromhex(text.strip())
