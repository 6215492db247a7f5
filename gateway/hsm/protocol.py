"""The commands of the security module and their answers, as typed values and as payloads.

Those about a new PIN are in `gateway.hsm.pin_protocol`; the payloads of the others are JSON. The
module checks every member of a request, for its memory and its policy must not depend on the
gateway being right. No value here prints what is in it.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import IntEnum
from functools import lru_cache
from typing import Any, TypeVar

from gateway.hsm.key_purpose import KeyPurpose
from gateway.iso8583.key_change import PREVIOUS_MAC_KEY_SECONDS
from gateway.pinblock.zone import Algorithm
from gateway.terms.errors import LocalError
from gateway.terms.sides import PinPurpose

T = TypeVar("T")

_ENCODE = json.JSONEncoder(separators=(",", ":")).encode  # `json.dumps` would make one each time

_TEXT_CHARACTERS_MAX = 64
_PUBLIC_KEYS_MAX = 8  # answers: one of each side, and those before a change
_CHECK_VALUE = re.compile(r"(?:[0-9A-Fa-f]{2}){0,8}")


MISUSE = b"misuse"
"""The answer to a request that the module does not take."""


class Command(IntEnum):
    """What the module can be asked to do; an answer carries the command of its request."""

    SET_PIN = 1
    SESSION_MAC_KEY = 2
    PUBLIC_KEYS = 3
    DIAGNOSTICS = 4
    TRANSLATE_PIN = 5
    TAKE_KEY = 6
    ACTIVATE_KEY = 7
    REOPEN_STORE = 8


# Keys that a far side may change by 0800; the others come by ceremony only.
CHANGEABLE = {purpose.value: purpose for purpose in (KeyPurpose.PIN, KeyPurpose.MAC)}


class BadRequest(LocalError):
    """A request to the module, or its answer, is not of the agreed form."""


@dataclass(frozen=True, slots=True, repr=False)
class SessionMacKey:
    """A zone's MAC key and its cipher, for the link's process and the length of its life.

    `previous` is the key before it while messages in flight may still have it, else empty;
    `previous_seconds` is how long that is still so.
    """

    key: bytes
    algorithm: Algorithm
    previous: bytes = b""
    previous_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key to which browsers encipher PINs; `not_after` is its last day."""

    purpose: PinPurpose
    kid: str
    not_after: date
    jwk: dict[str, str]


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """What the module says of itself: side, stage of its keys, its zones.

    `binding` are those of the zones that bind PIN blocks to an account, `pads` those that have a
    key of a channel's PIN pads; `controls` gives DE 53 of each zone, 16 digits.
    """

    side: str
    stage: str
    zones: tuple[str, ...]
    binding: tuple[str, ...] = ()
    controls: Mapping[str, str] = field(default_factory=dict)
    pads: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class TakeKey:
    """The request to take in a key that a far side sent, enciphered under the zone's KEK.

    `check_value` is what was sent with it, or nothing.
    """

    zone: str
    purpose: KeyPurpose
    enciphered: bytes
    check_value: str


@dataclass(frozen=True, slots=True)
class KeyTaken:
    """A key from a far side is there, pending; its check value, or none when it was refused."""

    check_value: str | None


def write_take_key(request: TakeKey) -> bytes:
    """Write a `TAKE_KEY` request."""
    return _write(
        {
            "zone": request.zone,
            "purpose": request.purpose,
            "enciphered": request.enciphered.hex(),
            "check_value": request.check_value,
        }
    )


def read_take_key(payload: bytes) -> TakeKey:
    """Read a `TAKE_KEY` request; raises `BadRequest`."""
    return _read(
        payload,
        lambda values: TakeKey(
            _text(values["zone"]),
            CHANGEABLE[values["purpose"]],
            bytes.fromhex(_text(values["enciphered"])),
            _matching(_CHECK_VALUE, values["check_value"]),
        ),
    )


def write_take_key_answer(answer: KeyTaken) -> bytes:
    """Write the answer to `TAKE_KEY`."""
    return _write({"check_value": answer.check_value})


def read_take_key_answer(payload: bytes) -> KeyTaken:
    """Read the answer to `TAKE_KEY`; raises `BadRequest`."""

    def taken(values: dict[str, Any]) -> KeyTaken:
        given = values["check_value"]
        return KeyTaken(None if given is None else _matching(_CHECK_VALUE, given))

    return _read(payload, taken)


def write_activate_key(zone: str, purpose: KeyPurpose) -> bytes:
    """Write an `ACTIVATE_KEY` request."""
    return _write({"zone": zone, "purpose": purpose})


def read_activate_key(payload: bytes) -> tuple[str, KeyPurpose]:
    """Read an `ACTIVATE_KEY` request; raises `BadRequest`."""
    return _read(payload, lambda values: (_text(values["zone"]), CHANGEABLE[values["purpose"]]))


def write_activate_key_answer() -> bytes:
    """Write the answer to `ACTIVATE_KEY`."""
    return _write({})


def read_activate_key_answer(payload: bytes) -> None:
    """Read the answer to `ACTIVATE_KEY`; raises `BadRequest`."""
    _read(payload, lambda _: True)


def write_reopen_store_answer() -> bytes:
    """Write the answer to `REOPEN_STORE`, whose request is empty."""
    return _write({})


def read_reopen_store_answer(payload: bytes) -> None:
    """Read the answer to `REOPEN_STORE`; raises `BadRequest` when the store is not right."""
    _read(payload, lambda _: True)


def write_session_mac_key(zone: str) -> bytes:
    """Write a `SESSION_MAC_KEY` request."""
    return _write({"zone": zone})


def read_session_mac_key(payload: bytes) -> str:
    """Read a `SESSION_MAC_KEY` request and give its zone; raises `BadRequest`."""
    return _read(payload, lambda values: _text(values["zone"]))


def write_session_mac_key_answer(answer: SessionMacKey) -> bytes:
    """Write the answer to `SESSION_MAC_KEY`."""
    keys = {"key": answer.key.hex(), "previous": answer.previous.hex()}
    rest = {"previous_seconds": answer.previous_seconds, "algorithm": answer.algorithm}
    return _write(keys | rest)


def read_session_mac_key_answer(payload: bytes) -> SessionMacKey:
    """Read the answer to `SESSION_MAC_KEY`; raises `BadRequest`."""
    return _read(
        payload,
        lambda values: SessionMacKey(
            bytes.fromhex(values["key"]),
            Algorithm(values["algorithm"]),
            bytes.fromhex(values["previous"]),
            _seconds(values["previous_seconds"]),
        ),
    )


def write_public_keys_answer(keys: tuple[PublicKey, ...]) -> bytes:
    """Write the answer to `PUBLIC_KEYS`."""
    return _write(
        {
            "keys": [
                {
                    "purpose": key.purpose,
                    "kid": key.kid,
                    "not_after": key.not_after.isoformat(),
                    "jwk": key.jwk,
                }
                for key in keys
            ]
        }
    )


# Asked for with every PIN session, and the same until a key is changed: read when it is new.
@lru_cache(_PUBLIC_KEYS_MAX)
def read_public_keys_answer(payload: bytes) -> tuple[PublicKey, ...]:
    """Read the answer to `PUBLIC_KEYS`; raises `BadRequest`."""
    return _read(payload, lambda values: tuple(map(_public_key, values["keys"])))


def _public_key(values: dict[str, Any]) -> PublicKey:
    return PublicKey(
        purpose=PinPurpose(values["purpose"]),
        kid=_text(values["kid"]),
        not_after=date.fromisoformat(values["not_after"]),
        jwk={name: _text(value) for name, value in values["jwk"].items()},
    )


def write_diagnostics_answer(diagnostics: Diagnostics) -> bytes:
    """Write the answer to `DIAGNOSTICS`."""
    return _write(
        {
            "side": diagnostics.side,
            "stage": diagnostics.stage,
            "zones": list(diagnostics.zones),
            "binding": list(diagnostics.binding),
            "controls": dict(diagnostics.controls),
            "pads": list(diagnostics.pads),
        }
    )


def read_diagnostics_answer(payload: bytes) -> Diagnostics:
    """Read the answer to `DIAGNOSTICS`; raises `BadRequest`."""
    return _read(
        payload,
        lambda values: Diagnostics(
            _text(values["side"]),
            _text(values["stage"]),
            tuple(map(_text, values["zones"])),
            tuple(map(_text, values["binding"])),
            {_text(zone): _text(control) for zone, control in values["controls"].items()},
            tuple(map(_text, values["pads"])),
        ),
    )


def _write(values: dict[str, Any]) -> bytes:
    return _ENCODE(values).encode()


def _read(payload: bytes, build: Callable[[dict[str, Any]], T]) -> T:
    try:
        built = None if payload == MISUSE else build(json.loads(payload.decode()))
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError):
        # The cause is dropped: it may quote the payload.
        raise BadRequest("security module: message is not of the agreed form") from None
    if built is None:
        raise BadRequest("security module: the request is not one that it takes")
    return built


def _text(value: object, characters_max: int = _TEXT_CHARACTERS_MAX) -> str:
    if not isinstance(value, str) or len(value) > characters_max:
        raise ValueError
    return value


def _seconds(value: object) -> float:
    if not isinstance(value, float) or not 0 <= value <= PREVIOUS_MAC_KEY_SECONDS:
        raise ValueError
    return value


def _matching(pattern: re.Pattern[str], value: object) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError
    return value
