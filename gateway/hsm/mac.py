"""Message authentication codes of the links: ISO 9797-1 algorithm 3, the "retail MAC" (X9.19)."""

import hmac
from enum import IntEnum

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import CBC

from gateway.hsm.ciphers import tdes

_BLOCK_BYTES = 8
_DOUBLE_LENGTH_BYTES = 16


class MacPadding(IntEnum):
    """Padding method of ISO 9797-1:2011, 6.3."""

    ZEROS = 1
    ONE_THEN_ZEROS = 2

    def apply(self, data: bytes) -> bytes:
        """Fill up to whole blocks; with method 1 an empty message becomes a block of zeros."""
        if self is MacPadding.ONE_THEN_ZEROS:
            data += b"\x80"
        return data + bytes(-len(data) % _BLOCK_BYTES or _BLOCK_BYTES * (not data))


class RetailMac:
    """ISO 9797-1 algorithm 3 over DES; calling it gives the 8-byte MAC of the data.

    `key` has 16 bytes, K1|K2. Not safe to share between threads.
    """

    __slots__ = ("_cbc", "_chained", "_last", "_padding")

    def __init__(self, key: bytes, padding: MacPadding) -> None:
        if len(key) != _DOUBLE_LENGTH_BYTES:
            raise ValueError("retail MAC key must have 16 bytes")
        self._padding = padding
        # TDES under K1|K1|K1 is DES under K1; the cipher library has no plain DES.
        single = TripleDES(key[:_BLOCK_BYTES] * 3)
        self._cbc = Cipher(single, CBC(bytes(_BLOCK_BYTES))).encryptor()
        self._chained = 0
        # D(K2) then E(K1) on the last CBC block is TDES under K1|K2|K1 of what goes into it.
        self._last = tdes(key)

    def __call__(self, data: bytes) -> bytes:
        """Compute the MAC, 8 bytes."""
        padded = self._padding.apply(data)
        head, last = padded[:-_BLOCK_BYTES], int.from_bytes(padded[-_BLOCK_BYTES:])
        if head:
            last ^= self._chain(head)
        return self._last.encrypt(last.to_bytes(_BLOCK_BYTES))

    def verify(self, data: bytes, mac: bytes) -> bool:
        """Compare in constant time; only the full 8 bytes count."""
        return hmac.compare_digest(self(data), mac)

    def _chain(self, blocks: bytes) -> int:
        """Give the last block of DES-CBC with a zero initial vector.

        The context is kept, so it begins where the message before ended; taking that block out
        of the first one puts the initial vector back to zero.
        """
        first = int.from_bytes(blocks[:_BLOCK_BYTES]) ^ self._chained
        enciphered = self._cbc.update(first.to_bytes(_BLOCK_BYTES) + blocks[_BLOCK_BYTES:])
        self._chained = int.from_bytes(enciphered[-_BLOCK_BYTES:])
        return self._chained
