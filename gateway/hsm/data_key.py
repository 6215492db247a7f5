"""The data key of a side: seals what the side stores in the database, and makes it findable.

The store's process holds it, not the security module: sealed columns are read at every request.
It is therefore in a file of its own, apart from the keys that only the module may read, and the
master key is not needed to load it.
"""

import secrets
import tomllib
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.hsm.private_files import read_private, write_private
from gateway.terms.errors import LocalError, SpecificationError
from gateway.terms.sides import Side

DATA_KEY_FILE = "data.key"
DATA_KEY_BYTES = 32
_NONCE_BYTES = 12  # 96 bits at random: up to 2**32 values under one key (SP 800-38D, 8.3)
_VERSION = b"\x01"  # of the sealed form, so that a successor of the key can be told apart
_INNER_PAD = bytes(byte ^ 0x36 for byte in range(256))  # ipad and opad of RFC 2104
_OUTER_PAD = bytes(byte ^ 0x5C for byte in range(256))


class Fingerprints:
    """Fingerprints by HMAC-SHA-256 (RFC 2104) under a key of 32 bytes, which opens nothing."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        # With both pads taken in once (2): a third of the time of `hmac.digest`, which also lets
        # go of the interpreter, for microseconds of work on the event loop.
        block = key.ljust(sha256().block_size, b"\0")
        self._inner = sha256(block.translate(_INNER_PAD))
        self._outer = sha256(block.translate(_OUTER_PAD))

    def of(self, value: bytes) -> bytes:
        """Give the 32 bytes by which an equal value is found again under this key only."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(value)
        outer.update(inner.digest())
        return outer.digest()


class DataKey:
    """Seals values with AES-256-GCM and fingerprints them with HMAC-SHA-256.

    Each purpose has a key of its own, derived by HKDF (RFC 5869) from the 32 bytes given.
    """

    __slots__ = ("_fingerprints", "_sealing", "fingerprint_key")

    def __init__(self, key: bytes) -> None:
        if len(key) != DATA_KEY_BYTES:
            raise ValueError("data key must have 32 bytes")
        self._sealing = AESGCM(_derived(key, b"seal"))
        self.fingerprint_key = _derived(key, b"fingerprint")
        self._fingerprints = Fingerprints(self.fingerprint_key)

    def seal(self, plaintext: bytes, context: bytes) -> bytes:
        """Encipher a value, bound to its context (table and column, say): 29 bytes longer."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _VERSION + nonce + self._sealing.encrypt(nonce, plaintext, _VERSION + context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Decipher a sealed value; raises `LocalError` when value, key or context differ."""
        nonce, enciphered = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            return self._sealing.decrypt(nonce, enciphered, sealed[:1] + context)
        except (InvalidTag, ValueError):
            raise LocalError("a sealed value does not open with this key and context") from None

    def fingerprint(self, value: bytes) -> bytes:
        """Give the 32 bytes by which an equal value is found again under this key only."""
        return self._fingerprints.of(value)


def load_data_key(file: Path, side: Side) -> DataKey:
    """Load the data key of a side; raises `SpecificationError` with file, rule and remedy."""
    values = _parse(read_private(file), file)
    if values.get("side") != side.value:
        raise SpecificationError(str(file), "side", f"must be the data key of side {side.value}")
    try:
        return DataKey(bytes.fromhex(values["key"]))
    except (KeyError, TypeError, ValueError):
        raise SpecificationError(str(file), "key", "must be 64 hexadecimal digits") from None


def create_data_key(file: Path, side: Side) -> None:
    """Write a fresh data key for a side; raises `SpecificationError` when the file exists."""
    key = secrets.token_bytes(DATA_KEY_BYTES).hex()
    write_private(file, f'side = "{side.value}"\nkey = "{key}"\n')


def _parse(text: str, file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        # The parser's own text may quote what stands in the file.
        raise SpecificationError(str(file), "", "is not valid TOML") from None


def _derived(key: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), DATA_KEY_BYTES, salt=None, info=b"sscard-gateway data " + purpose).derive(
        key
    )
