"""Key blocks: ANSI X9.143 (TR-31) versions B and D, by the derivation method.

A key block binds a key to what it may be used for: version B under a TDES, version D under an
AES key block protection key (KBPK). Versions A and C are not read: their MAC is four bytes over
ciphertext. Layout, constants and known answers: ``reference/pin-and-keys.md`` 2.1, 2.2, 8.2.
"""

import hmac
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.cmac import CMAC

from gateway.hsm.ciphers import block_algorithm, cipher_of
from gateway.pinblock.zone import Algorithm
from gateway.terms.errors import LocalError

HEADER_CHARACTERS = 16
_BLOCK_CHARACTERS_MAX = 9999  # four digits of length
_OPTIONAL_CHARACTERS_MAX = 255  # two hexadecimal digits; longer blocks are of no use to us

_HEADER = re.compile(
    r"(?P<version>[BD])(?P<length>[0-9]{4})(?P<usage>[0-9A-Z]{2})(?P<algorithm>[0-9A-Z])"
    r"(?P<mode>[0-9A-Z])(?P<key_version>[0-9A-Za-z]{2})(?P<exportability>[0-9A-Z])"
    r"(?P<count>[0-9]{2})00"
)
_OPTIONAL = re.compile(r"[0-9A-Z]{2}")
_HEXADECIMAL = re.compile(r"(?:[0-9A-F]{2})+")
_PRINTABLE = re.compile(r"[ -~]*")

# Version: the cipher of the KBPK, and by KBPK length the algorithm code of the key derivation.
_CIPHER = {"B": Algorithm.TDES, "D": Algorithm.AES}
_DERIVED = {
    ("B", 16): b"\x00\x00",
    ("B", 24): b"\x00\x01",
    ("D", 16): b"\x00\x02",
    ("D", 24): b"\x00\x03",
    ("D", 32): b"\x00\x04",
}
_BLOCK_BYTES = {"B": 8, "D": 16}  # of the cipher, and of the MAC

# X9.143:2021, 6.3.2, table 3 has the letters A, D, E, H, R, S and T, and leaves digits to the
# parties (openemv/tr31, ``src/tr31.c``); ISO 20038 adds I and J for HMAC. None is for SM4, so 4 is
# ours: an SM4 key goes to another party in a key block only when that one reads 4 as well.
ALGORITHM_LETTER = {Algorithm.TDES: "T", Algorithm.AES: "A", Algorithm.SM4: "4"}
# Strength in bits by algorithm letter and key length in bytes (NIST SP 800-57 part 1, 5.6.1); E
# is the private scalar of P-256. The longest length of a letter is what its keys are padded to.
_STRENGTH_BITS = {
    "T": {16: 80, 24: 112},
    "A": {16: 128, 24: 192, 32: 256},
    "E": {32: 128},
    "4": {16: 128},
}


class KeyBlockError(LocalError):
    """A key block is malformed, altered, or not of the key that it should be."""


@dataclass(frozen=True, slots=True)
class KeyUse:
    """What a key may do: usage, algorithm and mode of use of its key block."""

    usage: str
    algorithm: str
    mode: str


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a key block; `optional` are pairs of block id and data, `PB` left out."""

    use: KeyUse
    exportability: str = "N"
    version: str = "D"
    key_version: str = "00"
    optional: tuple[tuple[str, str], ...] = ()

    @property
    def label(self) -> str:
        """Data of the `LB` block, or nothing."""
        for block, data in self.optional:
            if block == "LB":
                return data
        return ""

    def require(self, use: KeyUse, exportability: str, label: str) -> None:
        """Raise `KeyBlockError` unless the key is exactly for this; to be asked at every use."""
        if (self.use, self.exportability, self.label) == (use, exportability, label):
            return
        rules = {
            "usage": self.use.usage == use.usage,
            "algorithm": self.use.algorithm == use.algorithm,
            "mode of use": self.use.mode == use.mode,
            "exportability": self.exportability == exportability,
            "label": self.label == label,
        }
        broken = [name for name, holds in rules.items() if not holds]
        raise KeyBlockError(f"key is for another purpose: {', '.join(broken)}")


def wrap(kbpk: bytes, header: Header, key: bytes) -> str:
    """Wrap a key; its length is hidden by random padding to the longest of its algorithm.

    Raises `KeyBlockError` when the key is stronger than the KBPK or of a wrong length.
    """
    _check_strength(kbpk, header, key)
    size = _BLOCK_BYTES[header.version]
    padding = max(_STRENGTH_BITS[header.use.algorithm]) - len(key)
    padding += -(2 + len(key) + padding) % size
    clear = (len(key) * 8).to_bytes(2) + key + secrets.token_bytes(padding)
    text = _write_header(header, body_characters=2 * (len(clear) + size))
    encryption_key, mac_key = _derive(header.version, kbpk)
    mac = _cmac(header.version, mac_key, text.encode("ascii") + clear)
    cipher = Cipher(block_algorithm(_CIPHER[header.version], encryption_key), CBC(mac))
    return text + (cipher.encryptor().update(clear) + mac).hex().upper()


def unwrap(kbpk: bytes, block: str) -> tuple[Header, bytes]:
    """Unwrap a key; raises `KeyBlockError` when the block is malformed or its MAC differs."""
    header, header_end = _read_header(block)
    size = _BLOCK_BYTES[header.version]
    if not _HEXADECIMAL.fullmatch(block, header_end):
        raise KeyBlockError("key block: body must be hexadecimal")
    body = bytes.fromhex(block[header_end:])
    enciphered, mac = body[:-size], body[-size:]
    if not enciphered or len(enciphered) % size:
        raise KeyBlockError("key block: body must be whole cipher blocks")
    encryption_key, mac_key = _derive(header.version, kbpk)
    cipher = Cipher(block_algorithm(_CIPHER[header.version], encryption_key), CBC(mac))
    clear = cipher.decryptor().update(enciphered)
    covered = block[:header_end].encode("ascii") + clear
    if not hmac.compare_digest(_cmac(header.version, mac_key, covered), mac):
        raise KeyBlockError("key block: MAC differs (altered, or under another master key)")
    key = _key_of(clear)
    _check_strength(kbpk, header, key)
    return header, key


def check_value(algorithm: Algorithm, key: bytes) -> str:
    """Key check value in hexadecimal: TDES 3 bytes of ECB, AES 5 of CMAC, SM4 8 of ECB."""
    size = {Algorithm.TDES: 3, Algorithm.AES: 5, Algorithm.SM4: 8}[algorithm]
    return full_check_value(algorithm, key)[:size].hex().upper()


def full_check_value(algorithm: Algorithm, key: bytes) -> bytes:
    """Give a block of zeros enciphered, or its CMAC: what parties take their check values from."""
    if algorithm is Algorithm.AES:
        return _cmac("D", key, bytes(16))
    cipher = cipher_of(algorithm, key)
    return cipher.encrypt(bytes(cipher.block_bytes))


def _key_of(clear: bytes) -> bytes:
    length_bits = int.from_bytes(clear[:2])
    key = clear[2 : 2 + length_bits // 8]
    if length_bits % 8 or not key or len(key) != length_bits // 8:
        raise KeyBlockError("key block: key length does not fit")
    return key


def _check_strength(kbpk: bytes, header: Header, key: bytes) -> None:
    lengths = _STRENGTH_BITS.get(header.use.algorithm, {})
    if len(key) not in lengths:
        raise KeyBlockError("key block: no such length of a key of this algorithm")
    protection = _STRENGTH_BITS[ALGORITHM_LETTER[_CIPHER[header.version]]]
    if lengths[len(key)] > protection.get(len(kbpk), 0):
        raise KeyBlockError("key block: key is stronger than the key that protects it")


def _derive(version: str, kbpk: bytes) -> tuple[bytes, bytes]:
    """Derive encryption and MAC key from the KBPK: NIST SP 800-108 in counter mode with CMAC."""
    code = _DERIVED.get((version, len(kbpk)))
    if code is None:
        raise KeyBlockError(f"key block: no version {version} under a key of this length")
    bits = (len(kbpk) * 8).to_bytes(2)
    rounds = -(-len(kbpk) // _BLOCK_BYTES[version])
    encryption, authentication = (
        b"".join(
            _cmac(version, kbpk, bytes([counter]) + usage + b"\x00" + code + bits)
            for counter in range(1, rounds + 1)
        )[: len(kbpk)]
        for usage in (b"\x00\x00", b"\x00\x01")
    )
    return encryption, authentication


def _cmac(version: str, key: bytes, data: bytes) -> bytes:
    mac = CMAC(block_algorithm(_CIPHER[version], key))
    mac.update(data)
    return mac.finalize()


def _write_header(header: Header, body_characters: int) -> str:
    blocks = [_write_optional(id_, data) for id_, data in header.optional]
    missing = -sum(map(len, blocks)) % _BLOCK_BYTES[header.version]
    if missing:
        # A padding block has four characters of its own.
        size = missing if missing > len("PB00") - 1 else missing + _BLOCK_BYTES[header.version]
        blocks.append(_write_optional("PB", "0" * (size - 4)))
    optional, use = "".join(blocks), header.use
    length = HEADER_CHARACTERS + len(optional) + body_characters
    text = (
        f"{header.version}{length:04d}{use.usage}{use.algorithm}{use.mode}"
        f"{header.key_version}{header.exportability}{len(blocks):02d}00"
    )
    if not _HEADER.fullmatch(text) or length > _BLOCK_CHARACTERS_MAX:
        raise KeyBlockError("key block: header has a value of a wrong form")
    return text + optional


def _write_optional(id_: str, data: str) -> str:
    length = len(data) + 4
    if not (
        _OPTIONAL.fullmatch(id_)
        and _PRINTABLE.fullmatch(data)
        and length <= _OPTIONAL_CHARACTERS_MAX
    ):
        raise KeyBlockError("key block: optional block has a wrong form")
    return f"{id_}{length:02X}{data}"


def _read_header(block: str) -> tuple[Header, int]:
    """Read the header and give also where it ends."""
    fixed = _HEADER.match(block)
    if not fixed or int(fixed["length"]) != len(block) or not _PRINTABLE.fullmatch(block):
        raise KeyBlockError("key block: header is not one of version B or D")
    optional, end = [], HEADER_CHARACTERS
    for id_, data, after in _read_optional(block, int(fixed["count"])):
        optional.append((id_, data))
        end = after
    if len({id_ for id_, _ in optional}) != len(optional):
        raise KeyBlockError("key block: optional block occurs twice")
    header = Header(
        use=KeyUse(fixed["usage"], fixed["algorithm"], fixed["mode"]),
        exportability=fixed["exportability"],
        version=fixed["version"],
        key_version=fixed["key_version"],
        optional=tuple(entry for entry in optional if entry[0] != "PB"),
    )
    return header, end


def _read_optional(block: str, count: int) -> Iterator[tuple[str, str, int]]:
    at = HEADER_CHARACTERS
    for _ in range(count):
        id_, length = block[at : at + 2], block[at + 2 : at + 4]
        end = at + int(length, 16) if _HEXADECIMAL.fullmatch(length) else 0
        if not _OPTIONAL.fullmatch(id_) or not at + 4 <= end <= len(block):
            raise KeyBlockError("key block: optional block has a wrong form")
        yield id_, block[at + 4 : end], end
        at = end
