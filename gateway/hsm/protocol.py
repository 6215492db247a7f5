"""The commands of the security module and their answers, as typed values and as payloads.

Payloads are JSON; the module checks every member of a request, for its memory and its policy
must not depend on the gateway being right. No value here prints what is in it.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import IntEnum, StrEnum
from functools import lru_cache
from typing import Any, TypeVar

from gateway.hsm.envelope import ENVELOPE_CHARACTERS_MAX
from gateway.hsm.key_purpose import KeyPurpose
from gateway.pinblock.policy import PinAdvice, PinHolder, PinPolicy, PinRule
from gateway.terms.errors import LocalError
from gateway.terms.sides import PinPurpose

T = TypeVar("T")

_ENCODE = json.JSONEncoder(separators=(",", ":")).encode  # `json.dumps` would make one each time
_PURPOSES = {purpose.value: purpose for purpose in PinPurpose}

_NUMBERS_MAX = 16  # of the holder: id, mobile, cards, accounts, and room to grow
_LISTED_MAX = 128  # published PINs of a region; the rules do the rest
_TEXT_CHARACTERS_MAX = 64
_POLICY_CHARACTERS_MAX = 4_096  # all rules and as many listed PINs as may be
_POLICIES_MAX = 256  # one for each region and day on which its rules change
_PIN_DIGITS = re.compile(r"[0-9]{4,12}")
_PIN_DIGITS_OR_NONE = re.compile(r"([0-9]{4,12})?")
_PIN_BLOCK = re.compile(r"[0-9a-f]{16}|[0-9a-f]{32}")
_ACCOUNT = re.compile(r"[0-9A-Z]{0,19}")  # an SS card number may have letters
_CHECK_VALUE = re.compile(r"(?:[0-9A-Fa-f]{2}){0,8}")
_REFERENCE = re.compile(r"[0-9A-Za-z_.:-]{1,128}")


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


class PinRefusal(StrEnum):
    """Why a PIN was not enciphered; as coarse as a customer may know."""

    SESSION = "session"
    ENVELOPE = "envelope"
    FORMAT = "format"
    TRIVIAL = "trivial"
    PERSONAL = "personal"
    RATE_LIMITED = "rate-limited"


# Keys that a far side may change by 0800; the others come by ceremony only.
CHANGEABLE = {purpose.value: purpose for purpose in (KeyPurpose.PIN, KeyPurpose.MAC)}


class BadRequest(LocalError):
    """A request to the module, or its answer, is not of the agreed form."""


@dataclass(frozen=True, slots=True, repr=False)
class SetPin:
    """The request for a PIN to be opened, judged and enciphered.

    `expires_at` is in seconds since the epoch. `account` is what the zone's format binds, empty
    for none. `card` is the reference under which refused attempts are counted.
    """

    purpose: PinPurpose
    session: str
    nonce: str
    expires_at: int
    kid: str
    envelope: str
    zone: str
    account: str
    card: str
    policy: PinPolicy
    holder: PinHolder


@dataclass(frozen=True, slots=True, repr=False)
class TranslatePin:
    """The request for a PIN block of a channel's PIN pad to be judged and enciphered anew.

    `channel` is the zone of the PIN pads, `account` what both formats bind, or the one of them
    that binds any; the rest is as in `SetPin`.
    """

    session: str
    expires_at: int
    channel: str
    block: bytes
    zone: str
    account: str
    card: str
    policy: PinPolicy
    holder: PinHolder


@dataclass(frozen=True, slots=True, repr=False)
class EncipheredPin:
    """A PIN block for DE 52 and the security control information of DE 53 that goes with it.

    `advice` says why the customer had better choose another PIN, where a region only advises.
    """

    block: bytes
    security_control: str
    advice: PinAdvice | None = None


@dataclass(frozen=True, slots=True, repr=False)
class SessionMacKey:
    """A zone's MAC key, 16 bytes, for the link's process and the length of its life."""

    key: bytes


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key to which browsers encipher PINs; `not_after` is its last day."""

    purpose: PinPurpose
    kid: str
    not_after: date
    jwk: dict[str, str]


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """What the module says of itself: side, stage of its keys, its zones."""

    side: str
    stage: str
    zones: tuple[str, ...]


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


def write_set_pin(request: SetPin) -> bytes:
    """Write a `SET_PIN` request."""
    own = {
        "purpose": request.purpose,
        "nonce": request.nonce,
        "kid": request.kid,
        "envelope": request.envelope,
    }
    return _write(own | _shared(request))


def read_set_pin(payload: bytes) -> SetPin:
    """Read a `SET_PIN` request; raises `BadRequest`."""
    return _read(payload, _set_pin)


def _set_pin(values: dict[str, Any]) -> SetPin:
    return SetPin(
        purpose=_PURPOSES[values["purpose"]],
        nonce=_matching(_REFERENCE, values["nonce"]),
        kid=_text(values["kid"]),
        envelope=_text(values["envelope"], ENVELOPE_CHARACTERS_MAX),
        **_read_shared(values),
    )


def write_translate_pin(request: TranslatePin) -> bytes:
    """Write a `TRANSLATE_PIN` request."""
    own = {"channel": request.channel, "block": request.block.hex()}
    return _write(own | _shared(request))


def read_translate_pin(payload: bytes) -> TranslatePin:
    """Read a `TRANSLATE_PIN` request; raises `BadRequest`."""
    return _read(payload, _translate_pin)


def _translate_pin(values: dict[str, Any]) -> TranslatePin:
    return TranslatePin(
        channel=_text(values["channel"]),
        block=bytes.fromhex(_matching(_PIN_BLOCK, values["block"])),
        **_read_shared(values),
    )


def _shared(request: SetPin | TranslatePin) -> dict[str, Any]:
    """Write what every request about a new PIN says of session, zone, card, rules and holder."""
    born = request.holder.birth_date
    return {
        "session": request.session,
        "expires_at": request.expires_at,
        "zone": request.zone,
        "account": request.account,
        "card": request.card,
        "policy": _written_policy(request.policy),
        "birth_date": born.isoformat() if born else None,
        "numbers": request.holder.numbers,
    }


def _read_shared(values: dict[str, Any]) -> dict[str, Any]:
    born = values["birth_date"]
    return {
        "session": _matching(_REFERENCE, values["session"]),
        "expires_at": _integer(values["expires_at"]),
        "zone": _text(values["zone"]),
        "account": _matching(_ACCOUNT, values["account"]),
        "card": _matching(_REFERENCE, values["card"]),
        "policy": _policy(_text(values["policy"], _POLICY_CHARACTERS_MAX)),
        "holder": PinHolder(
            birth_date=None if born is None else date.fromisoformat(born),
            numbers=_several(values["numbers"], _NUMBERS_MAX, _text),
        ),
    }


# A policy is the same for every card of a region, so its text is written and read once.
@lru_cache(_POLICIES_MAX)
def _written_policy(policy: PinPolicy) -> str:
    return json.dumps(
        {
            "length": policy.length,
            "rules": sorted(policy.rules),
            "advised": sorted(policy.advised),
            "listed": policy.listed,
            "initial": policy.initial,
        }
    )


@lru_cache(_POLICIES_MAX)
def _policy(text: str) -> PinPolicy:
    values = json.loads(text)
    return PinPolicy(
        length=_integer(values["length"]),
        rules=frozenset(map(PinRule, values["rules"])),
        listed=_several(values["listed"], _LISTED_MAX, _listed_pin),
        advised=frozenset(map(PinRule, values["advised"])),
        initial=_matching(_PIN_DIGITS_OR_NONE, values["initial"]),
    )


def write_set_pin_answer(answer: EncipheredPin | PinRefusal) -> bytes:
    """Write the answer to `SET_PIN` and to `TRANSLATE_PIN`."""
    if isinstance(answer, PinRefusal):
        return _write({"refusal": answer})
    return _write(
        {
            "block": answer.block.hex(),
            "security_control": answer.security_control,
            "advice": answer.advice,
        }
    )


def read_set_pin_answer(payload: bytes) -> EncipheredPin | PinRefusal:
    """Read the answer to `SET_PIN` or `TRANSLATE_PIN`; raises `BadRequest`."""
    return _read(payload, _set_pin_answer)


def _set_pin_answer(values: dict[str, Any]) -> EncipheredPin | PinRefusal:
    if "refusal" in values:
        return PinRefusal(values["refusal"])
    advice = values["advice"]
    return EncipheredPin(
        block=bytes.fromhex(values["block"]),
        security_control=_text(values["security_control"]),
        advice=None if advice is None else PinAdvice(advice),
    )


def write_session_mac_key(zone: str) -> bytes:
    """Write a `SESSION_MAC_KEY` request."""
    return _write({"zone": zone})


def read_session_mac_key(payload: bytes) -> str:
    """Read a `SESSION_MAC_KEY` request and give its zone; raises `BadRequest`."""
    return _read(payload, lambda values: _text(values["zone"]))


def write_session_mac_key_answer(key: bytes) -> bytes:
    """Write the answer to `SESSION_MAC_KEY`."""
    return _write({"key": key.hex()})


def read_session_mac_key_answer(payload: bytes) -> SessionMacKey:
    """Read the answer to `SESSION_MAC_KEY`; raises `BadRequest`."""
    return _read(payload, lambda values: SessionMacKey(bytes.fromhex(values["key"])))


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
        }
    )


def read_diagnostics_answer(payload: bytes) -> Diagnostics:
    """Read the answer to `DIAGNOSTICS`; raises `BadRequest`."""
    return _read(
        payload,
        lambda values: Diagnostics(
            _text(values["side"]), _text(values["stage"]), tuple(map(_text, values["zones"]))
        ),
    )


def write_misuse() -> bytes:
    """Write the answer to a request that the module does not take."""
    return _write({"misuse": True})


def _write(values: dict[str, Any]) -> bytes:
    return _ENCODE(values).encode()


def _read(payload: bytes, build: Callable[[dict[str, Any]], T]) -> T:
    try:
        values = json.loads(payload.decode())
        misuse = "misuse" in values
        built = None if misuse else build(values)
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


def _matching(pattern: re.Pattern[str], value: object) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError
    return value


def _integer(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError
    return value


def _listed_pin(value: object) -> str:
    return _matching(_PIN_DIGITS, value)


def _several(values: object, size_max: int, check: Callable[[object], str]) -> tuple[str, ...]:
    if not isinstance(values, list) or len(values) > size_max:
        raise ValueError
    return tuple(map(check, values))
