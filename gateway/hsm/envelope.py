"""The browser's envelope: one fixed profile of compact JWE (RFC 7516, RFC 7518 4.6 and 5.3).

``alg`` ECDH-ES on P-256, ``enc`` A256GCM, ``kid`` the current key of the purpose; no compression,
no critical extensions, no party information. Its payload is a JSON object of exactly two strings,
without escapes::

    {"pin": "…", "nonce": "…"}

Whatever is wrong with an envelope, there is one error and it says nothing else.

The profile is opened here and not by the JOSE library, because the library gives the payload as
immutable `bytes`; here it is deciphered into a buffer that is overwritten afterwards. It is also
1.7 times as fast. The library makes the envelopes of the tests.
"""

import binascii
import hashlib
import hmac
import json
import re
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDH,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.hsm.key_store import EnvelopeKey
from gateway.pinblock.formats import wipe
from gateway.terms.errors import LocalError

_P256, _ECDH = SECP256R1(), ECDH()  # the library takes objects of theirs in each call
_FIXED = {"alg": "ECDH-ES", "enc": "A256GCM"}
_MEMBERS_WITHOUT_EFFECT = ("typ", "cty")
_COORDINATE_BYTES = 32
_CONTENT_KEY_BYTES = 32
_TAG_BYTES = 16
# RFC 7518, 4.6.2: algorithm id, no party information, key length in bits.
_OTHER_INFO = b"\x00\x00\x00\x07A256GCM" + bytes(8) + (8 * _CONTENT_KEY_BYTES).to_bytes(4)
_UNCOMPRESSED = b"\x04"  # form of a point (SEC 1, 2.3.3)
_ROUND_1 = hashlib.sha256((1).to_bytes(4))  # begun once: to look the hash up takes longer than it
# Header, no encrypted key, 96 bits of IV, ciphertext and 128 bits of tag (RFC 7516, 7.1).
_COMPACT = re.compile(
    rb"([0-9A-Za-z_-]+)\.\.([0-9A-Za-z_-]{16})\.([0-9A-Za-z_-]+)\.([0-9A-Za-z_-]{22})"
)
_READ_JSON = json.JSONDecoder().raw_decode  # `json.loads` would look for options each time
# The signs of the other alphabet become ones of neither.
_URL_SAFE = bytes.maketrans(b"-_+/", b"+/!!")

# The payload is matched as bytes: a JSON parser would make a `str` of the PIN, which cannot be
# overwritten. The PIN's own form is for the policy to judge, so anything short is taken here.
_PIN = rb'"pin"\s*:\s*"(?P<pin>[^"\\]{0,64})"'
_NONCE = rb'"nonce"\s*:\s*"(?P<nonce>[0-9A-Za-z_-]{16,128})"'
_PAYLOADS = tuple(
    re.compile(rb"\s*\{\s*" + first + rb"\s*,\s*" + second + rb"\s*\}\s*")
    for first, second in ((_PIN, _NONCE), (_NONCE, _PIN))
)


class EnvelopeRefused(LocalError):
    """The envelope cannot be opened, or is not the one that was asked for; never says why."""

    def __init__(self) -> None:
        super().__init__("envelope cannot be opened")


class SealedPayload(NamedTuple):
    """An envelope of which all is known but what is in it: `enciphered` ends with the tag."""

    content_key: bytes
    protected: bytes
    iv: bytes
    enciphered: bytes

    def __repr__(self) -> str:
        return "SealedPayload(…)"


def agree_on(envelope: str, key: EnvelopeKey) -> SealedPayload:
    """Check an envelope's form and derive its content key; nothing is deciphered.

    Raises `EnvelopeRefused` unless the envelope is of the fixed profile and for this key.
    """
    try:
        return _agreed(envelope, key)
    except Exception:  # noqa: BLE001 - faults of many kinds must look alike
        raise EnvelopeRefused from None


def open_payload(sealed: SealedPayload, nonce: str) -> bytearray:
    """Open an envelope and give the PIN that is in it, whatever its form.

    Raises `EnvelopeRefused` unless the payload is of the agreed form and has this nonce.
    """
    # A buffer of just this size leaves the library no tag but one of its full 128 bits.
    payload = bytearray(len(sealed.enciphered) - _TAG_BYTES)
    try:
        AESGCM(sealed.content_key).decrypt_into(
            sealed.iv, sealed.enciphered, sealed.protected, payload
        )
        return _pin_of(payload, nonce)
    except InvalidTag:
        raise EnvelopeRefused from None
    finally:
        wipe(payload)


def _agreed(envelope: str, key: EnvelopeKey) -> SealedPayload:
    found = _COMPACT.fullmatch(envelope.encode("ascii"))
    if found is None:
        raise EnvelopeRefused
    protected, iv, ciphertext, tag = found.groups()
    text = _decode(protected).decode()
    header, end = _READ_JSON(text)
    if end != len(text):
        raise EnvelopeRefused
    content_key = _content_key(key.private_key, _ephemeral_key(header, key.kid))
    return SealedPayload(content_key, protected, _decode(iv), _decode(ciphertext) + _decode(tag))


def _ephemeral_key(header: dict[str, Any], kid: str) -> dict[str, str]:
    """Give the sender's key out of a header that has what the profile has, and no more."""
    ephemeral: dict[str, str] = header.pop("epk")
    for name in _MEMBERS_WITHOUT_EFFECT:
        header.pop(name, None)
    if header != {**_FIXED, "kid": kid}:
        raise EnvelopeRefused
    return ephemeral


def agree(private: EllipticCurvePrivateKey, point: bytes) -> bytes:
    """Agree on a secret with a point in uncompressed form; raises `ValueError` for none of it."""
    return private.exchange(_ECDH, EllipticCurvePublicKey.from_encoded_point(_P256, point))


def _content_key(private: EllipticCurvePrivateKey, ephemeral: dict[str, str]) -> bytes:
    """Derive the content key; raises `ValueError` for a point that is not on the curve."""
    if (ephemeral["kty"], ephemeral["crv"]) != ("EC", "P-256"):
        raise EnvelopeRefused
    x, y = (_decode(ephemeral[name].encode("ascii")) for name in ("x", "y"))
    if not len(x) == len(y) == _COORDINATE_BYTES:
        raise EnvelopeRefused
    secret = agree(private, _UNCOMPRESSED + x + y)
    # One round of the Concat KDF (NIST SP 800-56A, 5.8.1), which SHA-256 fills the key with.
    derived = _ROUND_1.copy()
    derived.update(secret + _OTHER_INFO)
    return derived.digest()


def _decode(segment: bytes) -> bytes:
    padded = segment.translate(_URL_SAFE) + b"=" * (-len(segment) % 4)
    return binascii.a2b_base64(padded, strict_mode=True)


def _pin_of(payload: bytearray, nonce: str) -> bytearray:
    for pattern in _PAYLOADS:
        found = pattern.fullmatch(payload)
        if found:
            if not hmac.compare_digest(found["nonce"], nonce.encode()):
                raise EnvelopeRefused
            start, end = found.span("pin")
            return payload[start:end]
    raise EnvelopeRefused
