"""Keys as the HSM hands them out: under its LMK or under a ZMK, never clear.

A key is a scheme letter and what follows it (``reference/pin-and-keys.md`` 2.4)::

    U X    32 hexadecimal digits   double-length TDES: variant, ANSI X9.17
    T Y    48 hexadecimal digits   triple-length TDES: variant, ANSI X9.17
    S      Thales key block        one character of version, four digits of length, …
    R      X9.143 (TR-31) block    the same

For us a key is opaque; only its form is checked.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from gateway.terms.errors import LocalError

KEY_CHARACTERS_MAX = 1_000  # of a key block: a header, a TDES or AES key, some optional blocks

_HEXADECIMAL_DIGITS = {"U": 32, "X": 32, "T": 48, "Y": 48}
_KEY_BLOCK_LENGTH = re.compile(r"[0-9A-Z]([0-9]{4})")
_KEY_BLOCK_HEADER_CHARACTERS = 16


class KeyRole(StrEnum):
    """What a key is for, by its key type code under a variant LMK."""

    ZMK = "000"
    ZPK = "001"
    TPK = "002"
    TAK = "003"
    ZAK = "008"


class KeyScheme(StrEnum):
    """Under which scheme the HSM is to give out a key."""

    VARIANT_DOUBLE = "U"
    VARIANT_TRIPLE = "T"
    ANSI_DOUBLE = "X"
    ANSI_TRIPLE = "Y"
    KEY_BLOCK = "S"
    TR31 = "R"


class BadKey(LocalError):
    """Something is not a key as an HSM hands it out; never says what it is."""


@dataclass(frozen=True, slots=True, repr=False)
class HostKey:
    """One key; raises `BadKey` when its form is wrong."""

    token: str

    def __post_init__(self) -> None:
        if key_characters(self.token) != len(self.token):
            raise BadKey("payment HSM: key has a wrong form")

    def __repr__(self) -> str:
        return f"HostKey({self.token[0]}…)"

    @property
    def is_key_block(self) -> bool:
        """Tell whether the key says itself what it is for."""
        return self.token[0] in "SR"

    @property
    def length_flag(self) -> str:
        """Key length flag of command BU: 1 double, 2 triple, F for a key block."""
        if self.is_key_block:
            return "F"
        return "1" if _HEXADECIMAL_DIGITS[self.token[0]] == _HEXADECIMAL_DIGITS["U"] else "2"

    def type_code(self, role: KeyRole) -> str:
        """Key type of a command: the role under a variant LMK, FFF for a key block."""
        return "FFF" if self.is_key_block else role.value


def key_characters(text: str) -> int:
    """Give how many characters of `text` are the key that it begins with; raises `BadKey`."""
    digits = _HEXADECIMAL_DIGITS.get(text[:1])
    end = 1 + digits if digits else _key_block_end(text)
    body = text[1:end]
    # The characters of a block's header and of its optional blocks are up to the HSM.
    right = re.fullmatch(r"[0-9A-F]+", body) if digits else re.fullmatch(r"[!-~]+", body)
    if len(text) < end or not right or end > KEY_CHARACTERS_MAX:
        raise BadKey("payment HSM: key has a wrong form")
    return end


def _key_block_end(text: str) -> int:
    length = _KEY_BLOCK_LENGTH.match(text, 1)
    if text[:1] not in {"S", "R"} or not length:
        raise BadKey("payment HSM: key has a scheme that is not one of UTXYSR")
    if int(length[1]) < _KEY_BLOCK_HEADER_CHARACTERS:
        raise BadKey("payment HSM: key block is shorter than its header")
    return 1 + int(length[1])
