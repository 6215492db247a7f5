"""A payment HSM beside a side's security module, as the settings have it."""

import os
from pathlib import Path

from gateway.app.clock import utc_now
from gateway.app.settings import PayShieldSettings
from gateway.hsm.attempts import AttemptFile
from gateway.hsm.payshield.framing import Envelope
from gateway.hsm.payshield.host import HostConnection
from gateway.hsm.payshield.key_file import read_hsm_keys
from gateway.hsm.payshield.module import PayShieldModule
from gateway.hsm.payshield.port import PayShieldSecurityModule
from gateway.terms.errors import SpecificationError

ATTEMPTS_SUFFIX = ".attempts"  # of the file of refused attempts, beside that of the keys


def beside(socket: Path, settings: PayShieldSettings) -> PayShieldSecurityModule:
    """Give the client of the module at `socket` with the HSM beside it; nothing is connected yet.

    Raises `SpecificationError` when the HSM's keys, or the attempts beside them, are not right.
    """
    if not os.access(settings.keys.parent, os.W_OK):
        rule = "lies where this process may not write: refused attempts are kept beside it"
        raise SpecificationError(str(settings.keys), "", rule)
    host, _, port = settings.address.rpartition(":")
    envelope = Envelope(settings.header_characters, settings.lmk, settings.trailer)
    connection = HostConnection((host.strip("[]"), int(port)), envelope)
    # What is remembered of blocks and cards is by the wall clock, as sessions are.
    attempts = AttemptFile(settings.keys.with_suffix(ATTEMPTS_SUFFIX))
    module = PayShieldModule(
        connection, read_hsm_keys(settings.keys), lambda: utc_now().timestamp(), attempts
    )
    return PayShieldSecurityModule(socket, module)
