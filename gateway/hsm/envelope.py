"""The browser's envelope: one fixed profile of compact JWE (RFC 7516, RFC 7518 4.6 and 5.3).

``alg`` ECDH-ES on P-256, ``enc`` A256GCM, ``kid`` the current key of the purpose; no compression,
no critical extensions, no party information. Its payload is a JSON object of exactly two strings,
without escapes, or of three for a PIN that must be another one than the holder types beside it::

    {"pin": "…", "nonce": "…"}
    {"pin": "…", "nonce": "…", "other_than": "…"}

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
from functools import lru_cache
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDH,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.pinblock.formats import wipe
from gateway.terms.errors import LocalError

_P256, _ECDH = SECP256R1(), ECDH()  # the library takes objects of theirs in each call
_FIXED = {"alg": "ECDH-ES", "enc": "A256GCM"}
_MEMBERS_WITHOUT_EFFECT = ("typ", "cty")
_COORDINATE_BYTES = 32
_CONTENT_KEY_BYTES = 32
_TAG_BYTES = 16
# In base64url: 96 bits of IV and 128 bits of tag (RFC 7516, 7.1), and a coordinate of P-256.
_IV_BEGINS, _IV_ENDS = _TAG_BYTES + 2, _TAG_BYTES + 14  # behind the tag, as it is read here
_IV_CHARACTERS, _TAG_CHARACTERS, _COORDINATE_CHARACTERS = 16, 22, 43
# RFC 7518, 4.6.2: algorithm id, no party information, key length in bits.
_OTHER_INFO = b"\x00\x00\x00\x07A256GCM" + bytes(8) + (8 * _CONTENT_KEY_BYTES).to_bytes(4)
_UNCOMPRESSED = b"\x04"  # form of a point (SEC 1, 2.3.3)
_ROUND_1 = hashlib.sha256((1).to_bytes(4))  # begun once: to look the hash up takes longer than it
_READ_JSON = json.JSONDecoder().raw_decode  # `json.loads` would look for options each time
# The signs of the other alphabet become ones of neither, and so does padding.
_URL_SAFE = bytes.maketrans(b"-_+/=", b"+/!!!")
_FROM_BASE64 = binascii.a2b_base64
_PADDING = (b"", b"===", b"==", b"=")  # by the length, modulo four
_HEADER_FORMS_MAX = 64  # a library writes one or two for each key

# The payload is matched as bytes: a JSON parser would make a `str` of the PIN, which cannot be
# overwritten. The PIN's own form is for the policy to judge, so anything short is taken here.
_PIN = rb'"pin"\s*:\s*"(?P<pin>[^"\\]{0,64})"'
_NONCE = rb'"nonce"\s*:\s*"(?P<nonce>[0-9A-Za-z_-]{16,128})"'
_PIN_BYTES_MAX = 64
# As browsers write it and as Python does: what is before the PIN, between it and the nonce.
_USUAL_PAYLOADS = ((b'{"pin":"', b'","nonce":"'), (b'{"pin": "', b'", "nonce": "'))
_OTHER = rb'"other_than"\s*:\s*"(?P<other>[^"\\]{1,64})"'
_PAYLOADS = tuple(
    re.compile(rb"\s*\{\s*" + rb"\s*,\s*".join(members) + rb"\s*\}\s*")
    for members in ((_PIN, _NONCE), (_NONCE, _PIN), (_PIN, _NONCE, _OTHER))
)


class EnvelopeRefused(LocalError):
    """The envelope cannot be opened, or is not the one that was asked for; never says why."""

    def __init__(self) -> None:
        super().__init__("envelope cannot be opened")


class SamePin(LocalError):
    """The PIN in the envelope is the one that it must not be."""

    def __init__(self) -> None:
        super().__init__("the PIN is the one that it must not be")


class SealedPayload(NamedTuple):
    """An envelope of the right form, all but opened: `enciphered` ends with the tag.

    `point` is the sender's, in uncompressed form, and may be on the curve or not.
    """

    point: bytes
    protected: bytes
    iv: bytes
    enciphered: bytes

    def __repr__(self) -> str:
        return "SealedPayload(…)"


def read_envelope(envelope: str, kid: str) -> SealedPayload:
    """Check an envelope's form; nothing is agreed on or deciphered.

    Raises `EnvelopeRefused` unless the envelope is of the fixed profile and names this key.
    """
    try:
        return _read(envelope.encode("ascii"), kid)
    except Exception:  # noqa: BLE001 - faults of many kinds must look alike
        raise EnvelopeRefused from None


def agree_on(sealed: SealedPayload, private: EllipticCurvePrivateKey) -> AESGCM:
    """Derive the content key and give its cipher.

    Raises `EnvelopeRefused` for a point that is not on the curve.
    """
    try:
        secret = agree(private, sealed.point)
    except Exception:  # noqa: BLE001 - as above
        raise EnvelopeRefused from None
    # One round of the Concat KDF (NIST SP 800-56A, 5.8.1), which SHA-256 fills the key with.
    derived = _ROUND_1.copy()
    derived.update(secret + _OTHER_INFO)
    return AESGCM(derived.digest())


def agree(private: EllipticCurvePrivateKey, point: bytes) -> bytes:
    """Agree on a secret with a point in uncompressed form; raises `ValueError` for none of it."""
    return private.exchange(_ECDH, EllipticCurvePublicKey.from_encoded_point(_P256, point))


def open_payload(sealed: SealedPayload, content: AESGCM, nonce: str) -> bytearray:
    """Open an envelope and give the PIN that is in it, whatever its form.

    Raises `EnvelopeRefused` unless the payload is of the agreed form and has this nonce, and
    `SamePin` for a PIN that is the other one in the payload.
    """
    _, protected, iv, enciphered = sealed
    # A buffer of just this size leaves the library no tag but one of its full 128 bits.
    payload = bytearray(len(enciphered) - _TAG_BYTES)
    try:
        content.decrypt_into(iv, enciphered, protected, payload)
        return _pin_of(payload, nonce)
    except InvalidTag:
        raise EnvelopeRefused from None
    finally:
        wipe(payload)


def _read(envelope: bytes, kid: str) -> SealedPayload:
    """Take apart header, no encrypted key, IV, ciphertext and tag (RFC 7516, 7.1)."""
    header, encrypted_key, iv, ciphertext, tag = envelope.translate(_URL_SAFE).split(b".")
    right_lengths = len(iv) == _IV_CHARACTERS and len(tag) == _TAG_CHARACTERS
    if encrypted_key or not ciphertext or not right_lengths:
        raise EnvelopeRefused
    x, y = _coordinates(_decode(header), kid)
    # The tag filled up to whole bytes, and the IV, which is of whole bytes: all are read at once.
    joined = _decode(tag + b"AA" + iv + ciphertext)
    return SealedPayload(
        _point(x, y),
        envelope[: len(header)],
        joined[_IV_BEGINS:_IV_ENDS],
        joined[_IV_ENDS:] + joined[:_TAG_BYTES],
    )


def _coordinates(header: bytes, kid: str) -> tuple[bytes, bytes]:
    """Give the sender's point out of a header that has what the profile has, and no more.

    But for the point, the headers of a browser library are all alike for a key. So one is known
    by what stands around its point: that is read as JSON, strictly, when it is seen first.
    """
    before, _, rest = header.partition(b'"x":"')
    between, _, after = rest[_COORDINATE_CHARACTERS:].partition(b'"y":"')
    if _is_of_profile(before, between, after[_COORDINATE_CHARACTERS:], kid):
        return rest[:_COORDINATE_CHARACTERS], after[:_COORDINATE_CHARACTERS]
    return _read_header(header, kid)


@lru_cache(_HEADER_FORMS_MAX)
def _is_of_profile(before: bytes, between: bytes, after: bytes, kid: str) -> bool:
    """Tell whether a header with any point in these two places is one of the profile for a key."""
    x, y = b"x" * _COORDINATE_CHARACTERS, b"y" * _COORDINATE_CHARACTERS
    header = b'%b"x":"%b%b"y":"%b%b' % (before, x, between, y, after)
    try:
        return _read_header(header, kid) == (x, y)
    except (ArithmeticError, AttributeError, LookupError, LocalError, TypeError, ValueError):
        return False


def _read_header(header: bytes, kid: str) -> tuple[bytes, bytes]:
    text = header.decode()
    members, end = _READ_JSON(text)
    ephemeral: dict[str, Any] = members.pop("epk")
    for name in _MEMBERS_WITHOUT_EFFECT:
        members.pop(name, None)
    if end != len(text) or members != {**_FIXED, "kid": kid}:
        raise EnvelopeRefused
    if (ephemeral["kty"], ephemeral["crv"]) != ("EC", "P-256"):
        raise EnvelopeRefused
    return ephemeral["x"].encode("ascii"), ephemeral["y"].encode("ascii")


def _point(x: bytes, y: bytes) -> bytes:
    if not len(x) == len(y) == _COORDINATE_CHARACTERS:
        raise EnvelopeRefused
    # Each is filled up to whole bytes, of which the last says nothing: both are read at once.
    joined = _decode((x + b"A" + y + b"A").translate(_URL_SAFE))
    return _UNCOMPRESSED + joined[:_COORDINATE_BYTES] + joined[_COORDINATE_BYTES + 1 : -1]


def _decode(segment: bytes) -> bytes:
    return _FROM_BASE64(segment + _PADDING[len(segment) & 3], strict_mode=True)


def _pin_of(payload: bytearray, nonce: str) -> bytearray:
    expected = nonce.encode()
    for head, middle in _USUAL_PAYLOADS:
        if payload.startswith(head):
            tail = middle + expected + b'"}'
            start, end = len(head), len(payload) - len(tail)
            if 0 < end - start <= _PIN_BYTES_MAX and hmac.compare_digest(payload[end:], tail):
                pin = payload[start:end]
                if pin.isdigit():
                    return pin
                wipe(pin)
    return _pin_of_any_form(payload, expected)


def _pin_of_any_form(payload: bytearray, nonce: bytes) -> bytearray:
    for pattern in _PAYLOADS:
        found = pattern.fullmatch(payload)
        if found:
            if not hmac.compare_digest(found["nonce"], nonce):
                raise EnvelopeRefused
            start, end = found.span("pin")
            pin = payload[start:end]
            if "other" in found.groupdict():
                _must_differ(pin, payload, found.span("other"))
            return pin
    raise EnvelopeRefused


def _must_differ(pin: bytearray, payload: bytearray, place: tuple[int, int]) -> None:
    with memoryview(payload) as read:  # no copy that could not be overwritten
        start, end = place
        with read[start:end] as other:
            if hmac.compare_digest(pin, other):
                wipe(pin)
                raise SamePin
