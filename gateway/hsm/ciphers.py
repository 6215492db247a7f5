"""Block ciphers with their contexts kept: TDES, AES and SM4 in ECB mode.

They offer `gateway.pinblock.formats.BlockCipher`. A context that is kept does 3 to 4 times as
many blocks per second as one made per call (``reference/pin-and-keys.md`` 4.2). None is safe to
share between threads.
"""

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm, Cipher, CipherAlgorithm
from cryptography.hazmat.primitives.ciphers.algorithms import AES, SM4
from cryptography.hazmat.primitives.ciphers.modes import ECB

from gateway.pinblock.formats import Octets
from gateway.pinblock.zone import Algorithm

_DES_KEY_BYTES = 8


class KeptCipher:
    """One key in ECB mode; `encrypt` and `decrypt` take whole blocks of `block_bytes`.

    `encrypt_block` and `decrypt_block_into` take just one, and leave it to the caller that it is.
    """

    __slots__ = (
        "_decryptor",
        "_encryptor",
        "block_bytes",
        "decrypt_block_into",
        "encrypt_block",
    )

    def __init__(self, algorithm: CipherAlgorithm, block_bytes: int) -> None:
        cipher = Cipher(algorithm, ECB())  # noqa: S305 - PIN blocks and check values are ECB
        self._encryptor = cipher.encryptor()
        self._decryptor = cipher.decryptor()
        self.encrypt_block = self._encryptor.update
        self.decrypt_block_into = self._decryptor.update_into
        self.block_bytes = block_bytes

    def encrypt(self, block: Octets) -> bytes:
        """Encipher whole blocks; raises `ValueError` otherwise."""
        self._check(block)
        return self._encryptor.update(block)

    def decrypt(self, block: Octets) -> bytearray:
        """Decipher whole blocks into a buffer of the caller's; raises `ValueError` otherwise."""
        self._check(block)
        # The library asks for room for one block more, less a byte, whatever the mode.
        clear = bytearray(len(block) + self.block_bytes - 1)
        self._decryptor.update_into(block, clear)
        del clear[len(block) :]
        return clear

    def _check(self, block: Octets) -> None:
        # A part of a block would stay in the kept context and spoil every later call.
        if len(block) % self.block_bytes:
            raise ValueError(f"data must be whole blocks of {self.block_bytes} bytes")


def tdes(key: bytes) -> KeptCipher:
    """TDES under a double- (16 byte) or triple-length (24 byte) key."""
    return KeptCipher(TripleDES(triple_length(key)), 8)


def aes(key: bytes) -> KeptCipher:
    """AES under a key of 16, 24 or 32 bytes."""
    return KeptCipher(AES(key), 16)


def sm4(key: bytes) -> KeptCipher:
    """SM4 (GB/T 32907) under a key of 16 bytes."""
    return KeptCipher(SM4(key), 16)


def cipher_of(algorithm: Algorithm, key: bytes) -> KeptCipher:
    """Give the cipher of an algorithm under a key; raises `ValueError` for a wrong key length."""
    match algorithm:
        case Algorithm.TDES:
            return tdes(key)
        case Algorithm.AES:
            return aes(key)
        case Algorithm.SM4:
            return sm4(key)


def block_algorithm(algorithm: Algorithm, key: bytes) -> BlockCipherAlgorithm:
    """Give the cipher library's own object for CMAC and CBC."""
    match algorithm:
        case Algorithm.TDES:
            return TripleDES(triple_length(key))
        case Algorithm.AES:
            return AES(key)
        case Algorithm.SM4:
            return SM4(key)


def triple_length(key: bytes) -> bytes:
    """Write a double-length key as K1|K2|K1, the only form the cipher library will keep."""
    if len(key) not in {2 * _DES_KEY_BYTES, 3 * _DES_KEY_BYTES}:
        raise ValueError("TDES key must have 16 or 24 bytes")
    return (key + key[:_DES_KEY_BYTES])[: 3 * _DES_KEY_BYTES]
