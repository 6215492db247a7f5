"""What every far side does around its own rules: duplicates, reversals, tombstones.

A request is known by class, DE 11, 7, 32 and 33; those are what DE 90 of a reversal can name. A
repeat gets the stored outcome, the same key with another body 94. A reversal or inquiry whose
original never came leaves a tombstone, and the original is refused when it comes after all.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final, NamedTuple, Protocol

from gateway.iso8583.message import Message
from gateway.terms.response_codes import ResponseCode

# One busy hour of a large bank at 30 requests per second: nothing is repeated later than that.
REMEMBERED_MAX: Final = 100_000
_REVERSIBLE: Final = frozenset({"link-register", "link-remove", "ecard-issue"})
_QUESTIONS: Final = frozenset({"account-inquiry", "card-inquiry", "outcome-inquiry"})
_MAC_FIELDS: Final = (64, 128)


class Key(NamedTuple):
    """What makes two requests the same one."""

    message_class: str
    stan: str
    transmitted: str
    acquirer: str
    forwarder: str

    @classmethod
    def of(cls, request: Message) -> "Key":
        """Take the key of a request; the repeat digit does not count."""
        return cls(
            request.mti[:3],
            text(request, 11),
            text(request, 7),
            text(request, 32).lstrip("0"),
            text(request, 33).lstrip("0"),
        )

    @classmethod
    def named_by(cls, request: Message) -> "Key":
        """Take the key of the original that DE 90 names: n4, n6, n10, n11 and n11."""
        original = text(request, 90)
        return cls(
            original[:3],
            original[4:10],
            original[10:20],
            original[20:31].lstrip("0"),
            original[31:42].lstrip("0"),
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the rules say: DE 39, the subfields of DE 48, and how to undo what was done."""

    code: ResponseCode
    private: Mapping[str, str] = field(default_factory=dict)
    undo: Callable[[], bool] | None = None

    @classmethod
    def refused(cls, code: ResponseCode, reason: str) -> "Outcome":
        """Refuse with a reason finer than DE 39."""
        return cls(code, {"RC": reason})


class Request(NamedTuple):
    """One request as the rules see it: name in the message set, fields, subfields of DE 48."""

    name: str
    message: Message
    private: Mapping[str, str]


class Rules(Protocol):
    """One far side's own rules."""

    def carry_out(self, request: Request, now: datetime) -> Outcome:
        """Decide a request and change the state."""

    def describe(self, request: Request, stored: Outcome) -> Outcome:
        """Say what became of a request that is on record."""


class _Record(NamedTuple):
    name: str
    fingerprint: bytes
    outcome: Outcome


class Desk:
    """Takes the requests of one far side, each of them once."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._records: OrderedDict[Key, _Record] = OrderedDict()
        self._tombstones: OrderedDict[Key, None] = OrderedDict()

    def answer(self, request: Request, now: datetime) -> Outcome:
        """Decide a request, or repeat what was decided."""
        key, fingerprint = Key.of(request.message), _fingerprint(request.message)
        record = self._records.get(key)
        if record is None:
            outcome = self._decide(key, request, now)
            self._records[key] = _Record(request.name, fingerprint, outcome)
            _forget_oldest(self._records)
            return outcome
        if record.fingerprint != fingerprint:
            return Outcome.refused(ResponseCode.DUPLICATE, "CHANGED_REPEAT")
        return record.outcome

    def _decide(self, key: Key, request: Request, now: datetime) -> Outcome:
        if key in self._tombstones:
            return Outcome.refused(ResponseCode.STATE_DOES_NOT_ALLOW, "REVERSED_BEFORE_ARRIVAL")
        match request.name:
            case "reversal":
                return self._reverse(request)
            case "outcome-inquiry":
                return self._inquire(request)
            case _:
                return self._rules.carry_out(request, now)

    def _reverse(self, request: Request) -> Outcome:
        """Undo what the original did; what did nothing needs no undoing."""
        record = self._original(request)
        if record is None:
            return Outcome.refused(ResponseCode.ORIGINAL_NOT_FOUND, "UNKNOWN_ORIGINAL")
        if record.name not in _REVERSIBLE:
            return Outcome.refused(ResponseCode.FORMAT_ERROR, "NOT_REVERSIBLE")
        if record.outcome.undo is not None and not record.outcome.undo():
            return Outcome.refused(ResponseCode.MALFUNCTION, "SUPERSEDED")
        return Outcome(ResponseCode.APPROVED)

    def _inquire(self, request: Request) -> Outcome:
        record = self._original(request)
        if record is None:
            return Outcome.refused(ResponseCode.ORIGINAL_NOT_FOUND, "UNKNOWN_ORIGINAL")
        if record.name in _QUESTIONS:
            return Outcome.refused(ResponseCode.FORMAT_ERROR, "NOTHING_TO_ASK_AFTER")
        return self._rules.describe(request, record.outcome)

    def _original(self, request: Request) -> _Record | None:
        """Find the original that DE 90 names, or see to it that it never takes effect."""
        key = Key.named_by(request.message)
        record = self._records.get(key)
        if record is None:
            self._tombstones[key] = None
            _forget_oldest(self._tombstones)
        return record


def text(message: Message, data_element: int) -> str:
    """Give a text field, empty when it is absent."""
    value = message.fields.get(data_element, "")
    return value if isinstance(value, str) else ""


def binary(message: Message, data_element: int) -> bytes:
    """Give a binary field, empty when it is absent."""
    value = message.fields.get(data_element, b"")
    return value if isinstance(value, bytes) else b""


def _fingerprint(request: Message) -> bytes:
    """Hash every field but the MAC: a PIN block is compared without being kept."""
    fields = dict(sorted(request.fields.items()))
    for mac in _MAC_FIELDS:
        fields.pop(mac, None)
    return blake2b(repr(fields).encode(), digest_size=16).digest()


def _forget_oldest(remembered: OrderedDict[Key, Any]) -> None:
    if len(remembered) > REMEMBERED_MAX:
        remembered.popitem(last=False)
