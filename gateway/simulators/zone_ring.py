"""A far side's keys of its zone, as they change: in use, before that, and offered by 0800.

``reference/domain.md`` 4.3: the new key goes out enciphered under the key encipherment key, and
the 0810 to a new MAC key must carry the new key's MAC.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Final, Literal

from gateway.iso8583.codec import Codec
from gateway.iso8583.errors import MacMismatch
from gateway.iso8583.mac import Mac, MacRule
from gateway.simulators.cipher import ZoneKeys, encipher_key, key_check_value, mac_of

KEY_BYTES: Final = 16
KeyName = Literal["pin", "mac"]
SECURITY_CONTROL: Final[dict[KeyName, str]] = {"pin": "1600000000000000", "mac": "2600000000000000"}


@dataclass(frozen=True, slots=True, repr=False)
class Offer:
    """A new key on its way; `stan` is that of the 0800 which brings it."""

    name: KeyName
    key: bytes
    stan: str


class ZoneRing:
    """The keys of one far side; calling it gives the MAC under the key in use."""

    def __init__(
        self,
        keys: ZoneKeys,
        rule: MacRule,
        draw: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._keys = keys
        self._rule = rule
        self._draw = draw
        self._mac: Mac = mac_of(rule, keys.mac)
        self._previous: Mac | None = None
        self.offered: Offer | None = None

    def __call__(self, data: bytes, /) -> bytes:
        """Compute the MAC, 8 bytes."""
        return self._mac(data)

    @property
    def can_offer(self) -> bool:
        """Tell whether there is a key to encipher new ones under, which go out under TDES only."""
        return self._keys.kek is not None and self._rule.algorithm != "sm4-cbc-mac"

    def reader(self, make: Callable[[bytes], Callable[..., str]]) -> Callable[..., str]:
        """Give a reader of PIN blocks that follows the PIN key."""
        made = cache(make)

        def read(*block: bytes | str) -> str:
            return made(self._keys.pin)(*block)

        return read

    def offer(self, name: KeyName, stan: str) -> dict[str, str]:
        """Draw a new key and give the subfields of DE 48 that bring it."""
        assert self._keys.kek is not None  # can_offer was asked
        drawn = self._draw(KEY_BYTES)
        key = bytes(byte ^ (byte.bit_count() + 1) % 2 for byte in drawn)  # odd parity
        self.offered = Offer(name, key, stan)
        enciphered = encipher_key(self._keys.kek, key)
        return {"NK": enciphered.hex().upper(), "KV": key_check_value(key)}

    def verify(self, codec: Codec, payload: bytes) -> None:
        """Check a MAC under the key in use or the one before; raises `MacMismatch`."""
        try:
            codec.verify_mac(payload, self._mac)
        except MacMismatch:
            if self._previous is None:
                raise
            codec.verify_mac(payload, self._previous)

    def accepted(self, codec: Codec, payload: bytes) -> bool:
        """Put the offered key into use if the 0810 shows that the gateway has it."""
        offer, self.offered = self.offered, None
        if offer is None:
            return False
        if offer.name == "pin":
            codec.verify_mac(payload, self._mac)
            self._keys = replace(self._keys, pin=offer.key)
            return True
        new = mac_of(self._rule, offer.key)
        codec.verify_mac(payload, new)
        self._keys = replace(self._keys, mac=offer.key)
        self._previous, self._mac = self._mac, new
        return True
