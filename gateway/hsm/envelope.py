"""The browser's envelope: one fixed profile of compact JWE (RFC 7516).

``alg`` ECDH-ES on P-256, ``enc`` A256GCM, ``kid`` the current key of the purpose, no compression,
no critical extensions. Its payload is a JSON object of exactly two strings, without escapes::

    {"pin": "…", "nonce": "…"}

Whatever is wrong with an envelope, there is one error and it says nothing else.
"""

import binascii
import hmac
import json
import re
from typing import Any

from joserfc import jwe
from joserfc.jwe import JWERegistry

from gateway.hsm.key_store import EnvelopeKey
from gateway.terms.errors import LocalError

ENVELOPE_CHARACTERS_MAX = 2_048  # a full one has some 450

_REQUIRED = frozenset({"alg", "enc", "kid", "epk"})
_ALLOWED = _REQUIRED | {"typ", "cty", "apu", "apv"}
_REGISTRY = JWERegistry(algorithms=["ECDH-ES", "A256GCM"])

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


def open_envelope(envelope: str, key: EnvelopeKey, nonce: str) -> bytearray:
    """Open an envelope and give the PIN that is in it, whatever its form.

    Raises `EnvelopeRefused` unless the envelope is of the fixed profile, for this key and with
    this nonce.
    """
    try:
        _check_header(envelope, key.kid)
        opened = jwe.decrypt_compact(envelope, key.private, registry=_REGISTRY)
        return _pin_of(opened.plaintext or b"", nonce)
    except Exception:  # noqa: BLE001 - the library raises several kinds, and all must look alike
        raise EnvelopeRefused from None


def _check_header(envelope: str, kid: str) -> None:
    segment = envelope.partition(".")[0]
    padded = segment + "=" * (-len(segment) % 4)
    header: dict[str, Any] = json.loads(binascii.a2b_base64(padded.translate(_URL_SAFE)))
    if not _REQUIRED <= header.keys() <= _ALLOWED or header["kid"] != kid:
        raise EnvelopeRefused


def _pin_of(payload: bytes, nonce: str) -> bytearray:
    for pattern in _PAYLOADS:
        found = pattern.fullmatch(payload)
        if found:
            if not hmac.compare_digest(found["nonce"], nonce.encode()):
                raise EnvelopeRefused
            start, end = found.span("pin")
            return bytearray(memoryview(payload)[start:end])
    raise EnvelopeRefused


_URL_SAFE = str.maketrans("-_", "+/")
