"""Requests about a new PIN and their answers, as typed values and as payloads.

A payload is lines of text, one for each member, in one order; one pattern says what each may be.
These are what a module is asked thousands of times in a second, and an object of JSON took six
times as long to read and check. No value here prints what is in it.
"""

import json
import re
from datetime import date
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

from gateway.hsm.protocol import MISUSE, BadRequest
from gateway.pinblock.policy import PinAdvice, PinHolder, PinPolicy, PinRule
from gateway.terms.sides import PinPurpose

_LISTED_MAX = 128  # published PINs of a region; the rules do the rest
ENVELOPE_CHARACTERS_MAX = 2_048  # a full one has some 450
_POLICY_CHARACTERS_MAX = 4_096  # all rules and as many listed PINs as may be
_POLICIES_MAX = 256  # one for each region and day on which its rules change
_NUMBERS_MAX = 16  # of the holder: id, mobile, cards, accounts, and room to grow
_PURPOSES = {purpose.value: purpose for purpose in PinPurpose}
_PIN_DIGITS = re.compile(r"[0-9]{4,12}")
_PIN_DIGITS_OR_NONE = re.compile(r"([0-9]{4,12})?")


class PinRefusal(StrEnum):
    """Why a PIN was not enciphered; as coarse as a customer may know."""

    SESSION = "session"
    ENVELOPE = "envelope"
    FORMAT = "format"
    TRIVIAL = "trivial"
    PERSONAL = "personal"
    SAME = "same"  # as the PIN that it must not be
    RATE_LIMITED = "rate-limited"


class SetPin(NamedTuple):
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

    def __repr__(self) -> str:
        return "SetPin(…)"


class TranslatePin(NamedTuple):
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

    def __repr__(self) -> str:
        return "TranslatePin(…)"


class EncipheredPin(NamedTuple):
    """A PIN block for DE 52 and the security control information of DE 53 that goes with it.

    `advice` says why the customer had better choose another PIN, where a region only advises.
    """

    block: bytes
    security_control: str
    advice: PinAdvice | None = None

    def __repr__(self) -> str:
        return "EncipheredPin(…)"


# ---------------------------------------------------------------- requests


def write_set_pin(request: SetPin) -> bytes:
    """Write a `SET_PIN` request."""
    own = (request.purpose, request.nonce, request.kid, request.envelope)
    return "\n".join((*own, *_shared(request))).encode()


def read_set_pin(payload: bytes) -> SetPin:
    """Read a `SET_PIN` request; raises `BadRequest`."""
    purpose, nonce, kid, envelope, session, expires_at, zone, account, card, *rest = _members(
        _SET_PIN, payload
    )
    return SetPin(
        _PURPOSES[purpose],
        session,
        nonce,
        int(expires_at),
        kid,
        envelope,
        zone,
        account,
        card,
        *_policy_and_holder(*rest),
    )


def write_translate_pin(request: TranslatePin) -> bytes:
    """Write a `TRANSLATE_PIN` request."""
    return "\n".join((request.channel, request.block.hex(), *_shared(request))).encode()


def read_translate_pin(payload: bytes) -> TranslatePin:
    """Read a `TRANSLATE_PIN` request; raises `BadRequest`."""
    channel, block, session, expires_at, zone, account, card, *rest = _members(
        _TRANSLATE_PIN, payload
    )
    return TranslatePin(
        session,
        int(expires_at),
        channel,
        bytes.fromhex(block),
        zone,
        account,
        card,
        *_policy_and_holder(*rest),
    )


def _shared(request: SetPin | TranslatePin) -> tuple[str, ...]:
    """Write what every request about a new PIN says of session, zone, card, rules and holder."""
    born = request.holder.birth_date
    return (
        request.session,
        str(request.expires_at),
        request.zone,
        request.account,
        request.card,
        _written_policy(request.policy),
        born.isoformat() if born else "",
        " ".join(request.holder.numbers),
    )


def _policy_and_holder(policy: str, born: str, numbers: str) -> tuple[PinPolicy, PinHolder]:
    try:
        birth_date = date.fromisoformat(born) if born else None
        return _policy(policy), PinHolder(birth_date, tuple(numbers.split()))
    except (LookupError, TypeError, ValueError, RecursionError):
        raise _not_agreed() from None


_REFERENCE = r"([0-9A-Za-z_.:-]{1,128})\n"
_NAME = r"([^\n]{0,64})\n"
_NUMBER = r"[^ \n]{1,64}"
_SHARED = (
    _REFERENCE  # session
    + r"(-?[0-9]{1,20})\n"  # expires_at
    + _NAME  # zone
    + r"([0-9A-Z]{0,19})\n"  # account; an SS card number may have letters
    + _REFERENCE  # card
    + rf"([^\n]{{1,{_POLICY_CHARACTERS_MAX}}})\n"
    + r"([0-9]{4}-[0-9]{2}-[0-9]{2}|)\n"  # birth date
    + rf"((?:{_NUMBER}(?: {_NUMBER}){{0,{_NUMBERS_MAX - 1}}})?)"
)
_SET_PIN = re.compile(
    rf"({'|'.join(_PURPOSES)})\n"
    + _REFERENCE  # nonce
    + _NAME  # kid
    + rf"([^\n]{{0,{ENVELOPE_CHARACTERS_MAX}}})\n"
    + _SHARED
)
_TRANSLATE_PIN = re.compile(_NAME + r"([0-9a-f]{16}|[0-9a-f]{32})\n" + _SHARED)


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
        listed=_listed(values["listed"]),
        advised=frozenset(map(PinRule, values["advised"])),
        initial=_matching(_PIN_DIGITS_OR_NONE, values["initial"]),
    )


def _integer(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError
    return value


def _listed(values: Any) -> tuple[str, ...]:  # noqa: ANN401 - what JSON may hold
    if len(values) > _LISTED_MAX:
        raise ValueError
    return tuple(_matching(_PIN_DIGITS, value) for value in values)


def _matching(pattern: re.Pattern[str], value: object) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError
    return value


# ---------------------------------------------------------------- answers


def write_pin_answer(answer: EncipheredPin | PinRefusal) -> bytes:
    """Write the answer to `SET_PIN` and to `TRANSLATE_PIN`."""
    if isinstance(answer, PinRefusal):
        return f"refused {answer}".encode()
    return f"{answer.block.hex()}\n{answer.security_control}\n{answer.advice or ''}".encode()


def read_pin_answer(payload: bytes) -> EncipheredPin | PinRefusal:
    """Read the answer to `SET_PIN` or `TRANSLATE_PIN`; raises `BadRequest`."""
    if payload == MISUSE:
        raise BadRequest("security module: the request is not one that it takes")
    block, security_control, advice, refusal = _members(_ANSWER, payload)
    if refusal:
        return PinRefusal(refusal)
    return EncipheredPin(
        bytes.fromhex(block), security_control, PinAdvice(advice) if advice else None
    )


_ANSWER = re.compile(
    rf"([0-9a-f]{{16}}|[0-9a-f]{{32}})\n([0-9]{{16}})\n({'|'.join(PinAdvice)}|)"
    rf"|refused ({'|'.join(PinRefusal)})"
)


def _members(pattern: re.Pattern[str], payload: bytes) -> tuple[str, ...]:
    try:
        found = pattern.fullmatch(payload.decode())
    except UnicodeDecodeError:
        found = None
    if found is None:
        raise _not_agreed()
    return found.groups("")


def _not_agreed() -> BadRequest:
    # Nothing is quoted, and no cause is kept that might quote.
    return BadRequest("security module: message is not of the agreed form")
