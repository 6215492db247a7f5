"""A zone: what two parties have agreed about the PIN blocks between them.

A zone has one fixed output format. A caller can choose neither key nor format, nor another
account than the one its rule takes (``reference/pin-and-keys.md`` 1.2: attacks on PIN
translation begin with exactly those choices).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from string import digits
from typing import Any, ClassVar

from gateway.pinblock.formats import BlockCipher, Octets, PinBlockFormat, decipher, encipher
from gateway.terms.specification import structure


class Algorithm(StrEnum):
    """Block cipher of a zone's PIN key."""

    TDES = "tdes"
    AES = "aes"
    SM4 = "sm4"


class AccountRule(StrEnum):
    """Which number a PIN block is bound to."""

    NONE = "none"
    PAN = "pan"
    # Format 4 as some gateways build it: only the digits that format 0 would take
    # (pin-and-keys.md 1.1, "interop trap").
    PAN_RIGHTMOST_12 = "pan-rightmost-12"
    # A number with letters, as SS cards have: no format can encode a letter, so only the digits
    # are bound. Format 4 alone takes as few of them as are left (ISO 9564-1:2017, 9.4.2.2.3).
    CARD_DIGITS = "card-digits"


_ALGORITHMS = {
    PinBlockFormat.ISO_0: {Algorithm.TDES},
    PinBlockFormat.ISO_1: {Algorithm.TDES},
    PinBlockFormat.ISO_3: {Algorithm.TDES},
    PinBlockFormat.ISO_4: {Algorithm.AES, Algorithm.SM4},
    PinBlockFormat.SM4_PAN: {Algorithm.SM4},
    PinBlockFormat.SM4_NO_PAN: {Algorithm.SM4},
}
_ISO_4_ONLY = {AccountRule.PAN_RIGHTMOST_12, AccountRule.CARD_DIGITS}
_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_SECURITY_CONTROL = re.compile(r"[0-9]{16}")


@dataclass(frozen=True, slots=True)
class Zone:
    """The declaration of a zone; raises `ValueError` with the rule that it breaks.

    `security_control` is DE 53 (n16) as agreed. For TDES it may be left out: first digit 1
    without and 2 with account, second digit 6 for a double-length key (domain.md 4.7). For AES
    and SM4 no public value exists, so it must be given.
    """

    name: str
    format: PinBlockFormat
    algorithm: Algorithm
    account: AccountRule
    security_control: str = ""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError("name must be lower-case letters, digits and hyphens, at most 32")
        if self.algorithm not in _ALGORITHMS[self.format]:
            allowed = " or ".join(sorted(_ALGORITHMS[self.format]))
            raise ValueError(f"format {self.format} goes with algorithm {allowed}")
        self._check_account_rule()
        self._check_security_control()

    def _check_account_rule(self) -> None:
        if self.format.binds_account is (self.account is AccountRule.NONE):
            needs = "an" if self.format.binds_account else "no"
            raise ValueError(f"format {self.format} binds {needs} account")
        if self.account in _ISO_4_ONLY and self.format is not PinBlockFormat.ISO_4:
            raise ValueError(f"account rule {self.account} is a variant of format iso-4")

    def _check_security_control(self) -> None:
        if not self.security_control and self.algorithm is not Algorithm.TDES:
            raise ValueError("security_control must be given for AES and SM4")
        if self.security_control and not _SECURITY_CONTROL.fullmatch(self.security_control):
            raise ValueError("security_control must be 16 digits")

    @property
    def security_control_information(self) -> str:
        """DE 53 to send along with a PIN block of this zone."""
        derived = ("2" if self.format.binds_account else "1") + "6" + "0" * 14
        return self.security_control or derived

    def encipher(self, cipher: BlockCipher, pin: Octets, account: str, fill: bytes) -> bytes:
        """Build and encipher the PIN block of this zone, as `formats.encipher`."""
        return encipher(self.format, cipher, pin, self._bound(account), fill)

    def decipher(self, cipher: BlockCipher, block: bytes, account: str) -> bytearray:
        """Decipher a PIN block of this zone, as `formats.decipher`."""
        return decipher(self.format, cipher, block, self._bound(account))

    def _bound(self, account: str) -> str:
        if (self.account is AccountRule.NONE) is bool(account):
            raise ValueError("account must be given exactly when the zone binds one")
        match self.account:
            case AccountRule.PAN_RIGHTMOST_12:
                return account[-13:-1]
            case AccountRule.CARD_DIGITS:
                return "".join(sign for sign in account if sign in digits)
            case AccountRule.PAN | AccountRule.NONE:
                return account


def parse_zone(values: Mapping[str, Any], file: str) -> Zone:
    """Build a zone from a specification's table; raises `SpecificationError`."""
    return structure(Zone, values, file)
