"""Message authentication codes of the links, by the names that a dialect declares.

======================  ==========================================================================
``RetailMac``           ISO/IEC 9797-1 algorithm 3 over DES (ANSI X9.19)
``CbcMac``              algorithm 1 over DES (ANSI X9.9), TDES or SM4 (GB/T 15852.1)
``Cmac``                algorithm 5, CMAC (NIST SP 800-38B) over TDES, AES or SM4
======================  ==========================================================================

Each is made for one key and keeps its cipher context, which is why none is safe to share between
threads. Where an algorithm gives 16 bytes, a link carries the left 8.
"""

import hmac
from enum import IntEnum
from typing import NamedTuple

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm, Cipher
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.cmac import CMAC

from gateway.hsm.ciphers import block_algorithm, tdes
from gateway.hsm.protocol import SessionMacKey
from gateway.iso8583.mac import MAC_BYTES, Mac, MacRule
from gateway.pinblock.zone import Algorithm

_DES_BYTES = 8  # of a block, and of a single-length key
_DOUBLE_LENGTH_BYTES = 16


class MacPadding(IntEnum):
    """Padding method of ISO/IEC 9797-1:2011, 6.3."""

    ZEROS = 1
    ONE_THEN_ZEROS = 2
    LENGTH_FIRST = 3

    def apply(self, data: bytes, block_bytes: int = _DES_BYTES) -> bytes:
        """Fill up to whole blocks; without method 2 an empty message becomes a block of zeros."""
        if self is _ONE_THEN_ZEROS:
            return data + _MARKS[block_bytes - 1 - len(data) % block_bytes]
        padded = data + bytes(-len(data) % block_bytes or block_bytes * (not data))
        if self is MacPadding.LENGTH_FIRST:
            return (8 * len(data)).to_bytes(block_bytes) + padded
        return padded


_ONE_THEN_ZEROS = MacPadding.ONE_THEN_ZEROS
_MARKS = tuple(b"\x80" + bytes(zeros) for zeros in range(16))  # up to the largest block


class SessionMacs(NamedTuple):
    """The MAC that a link sends with, and the one that may still come in, if any, and how long."""

    current: Mac
    previous: Mac | None
    previous_seconds: float = 0.0


def session_macs(rule: MacRule, session: SessionMacKey) -> SessionMacs:
    """Make the MACs of a link whose dialect has this rule; raises `ValueError` for another's key.

    Keys of all three ciphers may have 16 bytes: their length does not tell them apart.
    """
    if session.algorithm is not _CIPHER[rule.algorithm]:
        raise ValueError(f"its MAC key is for {session.algorithm.value}")
    previous = mac_of(rule, session.previous) if session.previous else None
    return SessionMacs(mac_of(rule, session.key), previous, session.previous_seconds)


_CIPHER = {
    "iso-9797-1-algorithm-1": Algorithm.TDES,
    "iso-9797-1-algorithm-3": Algorithm.TDES,
    "cmac-tdes": Algorithm.TDES,
    "cmac-aes": Algorithm.AES,
    "sm4-cbc-mac": Algorithm.SM4,
}


def mac_of(rule: MacRule, key: bytes) -> Mac:
    """Make the MAC that a dialect declares; raises `ValueError` for a key of a wrong length."""
    match rule.algorithm:
        case "iso-9797-1-algorithm-1":
            return CbcMac(_des_or_tdes(key), MacPadding(rule.padding))
        case "iso-9797-1-algorithm-3":
            return RetailMac(key, MacPadding(rule.padding))
        case "cmac-tdes":
            return Cmac(block_algorithm(Algorithm.TDES, key))
        case "cmac-aes":
            return Cmac(block_algorithm(Algorithm.AES, key))
        case "sm4-cbc-mac":
            return CbcMac(block_algorithm(Algorithm.SM4, key), MacPadding(rule.padding))


class RetailMac:
    """ISO/IEC 9797-1 algorithm 3 over DES; calling it gives the 8-byte MAC of the data.

    `key` has 16 bytes, K1|K2.
    """

    __slots__ = ("_chain", "_last", "_padding")

    def __init__(self, key: bytes, padding: MacPadding) -> None:
        if len(key) != _DOUBLE_LENGTH_BYTES:
            raise ValueError("retail MAC key must have 16 bytes")
        self._padding = padding
        self._chain = _Chain(_single_des(key[:_DES_BYTES]))
        # D(K2) then E(K1) on the last CBC block is TDES under K1|K2|K1 of what goes into it.
        self._last = tdes(key)

    def __call__(self, data: bytes) -> bytes:
        """Compute the MAC, 8 bytes."""
        padded = self._padding.apply(data)
        last = padded[-_DES_BYTES:]
        if len(padded) > _DES_BYTES:
            chained = self._chain.last_block(padded[:-_DES_BYTES])
            last = (int.from_bytes(last) ^ int.from_bytes(chained)).to_bytes(_DES_BYTES)
        return self._last.encrypt(last)

    def verify(self, data: bytes, mac: bytes) -> bool:
        """Compare in constant time; only the full 8 bytes count."""
        return hmac.compare_digest(self(data), mac)


class CbcMac:
    """ISO/IEC 9797-1 algorithm 1; calling it gives the left 8 bytes of the last block.

    Safe only where no message is the beginning of another one: links have it because each message
    says its own length by its bitmap (``reference/pin-and-keys.md`` 3).
    """

    __slots__ = ("_block_bytes", "_chain", "_padding")

    def __init__(self, algorithm: BlockCipherAlgorithm, padding: MacPadding) -> None:
        self._padding = padding
        self._block_bytes = algorithm.block_size // 8
        self._chain = _Chain(algorithm)

    def __call__(self, data: bytes) -> bytes:
        """Compute the MAC, 8 bytes."""
        return self._chain.last_block(self._padding.apply(data, self._block_bytes))[:MAC_BYTES]


class Cmac:
    """CMAC (NIST SP 800-38B, ISO/IEC 9797-1 algorithm 5); calling it gives the left 8 bytes."""

    __slots__ = ("_begun",)

    def __init__(self, algorithm: BlockCipherAlgorithm) -> None:
        self._begun = CMAC(algorithm)

    def __call__(self, data: bytes) -> bytes:
        """Compute the MAC, 8 bytes."""
        context = self._begun.copy()
        context.update(data)
        return context.finalize()[:MAC_BYTES]


class _Chain:
    """CBC under one key, from a zero initial vector each time, with its context kept.

    The context begins where the message before ended; taking that block out of the first one
    puts the initial vector back to zero.
    """

    __slots__ = ("_block_bytes", "_chained", "_encryptor")

    def __init__(self, algorithm: BlockCipherAlgorithm) -> None:
        self._block_bytes = algorithm.block_size // 8
        self._encryptor = Cipher(algorithm, CBC(bytes(self._block_bytes))).encryptor()
        self._chained = 0

    def last_block(self, blocks: bytes) -> bytes:
        """Encipher whole blocks, at least one, and give the last one."""
        size = self._block_bytes
        first = int.from_bytes(blocks[:size]) ^ self._chained
        last = self._encryptor.update(first.to_bytes(size) + blocks[size:])[-size:]
        self._chained = int.from_bytes(last)
        return last


def _des_or_tdes(key: bytes) -> BlockCipherAlgorithm:
    return _single_des(key) if len(key) == _DES_BYTES else block_algorithm(Algorithm.TDES, key)


def _single_des(key: bytes) -> TripleDES:
    """DES, which the cipher library has only as TDES under K|K|K."""
    return TripleDES(key * 3)
