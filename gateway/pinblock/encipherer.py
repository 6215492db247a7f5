"""PINs enciphered for one zone, as often as they come: what does not change is worked out once.

Formats 0, 1 and 3 are written into a buffer of eight bytes that is overwritten afterwards; the
others go through `Zone.encipher`. Both ways give the same blocks.
"""

from functools import partial
from typing import Protocol

from gateway.pinblock.formats import (
    CONTROLS,
    FILLINGS,
    BlockCipher,
    Octets,
    account_field,
    check_pin,
    write_digits,
)
from gateway.pinblock.zone import Zone


class Encipher(Protocol):
    """Enciphers PINs for a zone; not safe to share between threads."""

    def __call__(self, pin: Octets, account: str, fill: bytes) -> bytes:
        """Give the PIN block, as `formats.encipher`; raises `ValueError` with the broken rule."""


def encipherer(zone: Zone, cipher: BlockCipher) -> Encipher:
    """Give what enciphers PINs for a zone."""
    if zone.format in CONTROLS:
        return _in_place(zone, cipher)
    return partial(zone.encipher, cipher)


def _in_place(zone: Zone, cipher: BlockCipher) -> Encipher:
    fill_up, control = FILLINGS[zone.format], CONTROLS[zone.format] << 4
    binds_account, encrypt = zone.format.binds_account, cipher.encrypt_block
    zeros = bytes(8)

    def encipher(pin: Octets, account: str, fill: bytes) -> bytes:
        check_pin(pin)
        if bool(account) is not binds_account:
            raise ValueError("account must be given exactly when the zone binds one")
        clear = fill_up(fill)
        try:
            clear[0] = control | len(pin)
            write_digits(clear, pin)
            if binds_account:
                for at, byte in enumerate(account_field(account)):
                    clear[at] ^= byte
            return encrypt(clear)
        finally:
            clear[:] = zeros

    return encipher
