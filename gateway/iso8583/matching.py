"""Which request an answer belongs to: declared key, bounded memory, a reason for every miss.

Time is an argument: seconds of any clock that never goes back.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, NamedTuple, TypeVar

from gateway.iso8583.message import Message
from gateway.terms.errors import LocalError, Unavailable

Token = TypeVar("Token")

# DESIGN section 5: class, STAN, transmission date and time, acquirer, forwarder, retrieval
# reference, terminal. More than DE 11 and 41, because those repeat within a day.
KEY_DATA_ELEMENTS = (11, 7, 32, 33, 37, 41)
_INSTITUTIONS = frozenset({32, 33})
PENDING_MAX = 4_096  # requests in flight on one link; more means the far side has stopped
# Ten minutes at full rate of one link: an answer later than that meets no waiting caller anyway.
REMEMBERED_MAX = 65_536


class MatchKey(NamedTuple):
    """What an answer shares with its request, normalised."""

    message_class: str
    fields: tuple[str, ...]

    @property
    def stan(self) -> str:
        """Data element 11."""
        return self.fields[0]


def match_key(message: Message) -> MatchKey:
    """Take the key of a request or an answer.

    Peers pad differently: institutions are compared without leading zeros, text without the
    spaces behind it.
    """
    return MatchKey(message.mti[1], tuple(_normal(message, de) for de in KEY_DATA_ELEMENTS))


def _normal(message: Message, data_element: int) -> str:
    text = message.text(data_element)
    return text.lstrip("0") if data_element in _INSTITUTIONS else text.rstrip(" ")


class Outcome(StrEnum):
    """What an answer turned out to be."""

    MATCHED = "matched"
    DUPLICATE = "duplicate"  # its request was answered before
    LATE = "late"  # its request was given up before
    FIELD_DIFFERS = "field-differs"  # a request with this class and STAN waits, not quite this one
    UNKNOWN = "unknown"  # nothing with this class and STAN waits or waited


@dataclass(frozen=True, slots=True)
class Match(Generic[Token]):
    """Where an answer belongs.

    `token` is that of the request for MATCHED, DUPLICATE and LATE; `data_element` the first one
    that differs for FIELD_DIFFERS.
    """

    outcome: Outcome
    token: Token | None = None
    data_element: int | None = None


class DuplicateKey(LocalError):
    """A request with the same key is in flight; sending it would let answers change places."""

    def __init__(self) -> None:
        super().__init__("a request with this key is in flight")


@dataclass(frozen=True, slots=True)
class _Pending(Generic[Token]):
    token: Token
    deadline: float


@dataclass(slots=True)
class PendingTable(Generic[Token]):
    """The requests in flight on one link, each with a token that means nothing here."""

    pending_max: int = PENDING_MAX
    remembered_max: int = REMEMBERED_MAX
    _pending: dict[MatchKey, _Pending[Token]] = field(default_factory=dict, init=False)
    _by_stan: dict[tuple[str, str], set[MatchKey]] = field(default_factory=dict, init=False)
    _settled: OrderedDict[MatchKey, tuple[Outcome, Token]] = field(
        default_factory=OrderedDict, init=False
    )

    def __len__(self) -> int:
        return len(self._pending)

    def add(self, request: Message, token: Token, deadline: float) -> None:
        """Remember a request about to be sent.

        Raises `DuplicateKey` while one with its key is in flight, `Unavailable` at the limit. A
        repeat of a request that was given up waits again under the same key.
        """
        key = match_key(request)
        if key in self._pending:
            raise DuplicateKey
        if len(self._pending) >= self.pending_max:
            raise Unavailable(f"{self.pending_max} requests are in flight on this link")
        self._settled.pop(key, None)
        self._pending[key] = _Pending(token, deadline)
        self._by_stan.setdefault((key.message_class, key.stan), set()).add(key)

    def match(self, answer: Message) -> Match[Token]:
        """Find the request of an answer; a match takes it out of the table."""
        key = match_key(answer)
        if key in self._pending:
            return Match(Outcome.MATCHED, self._settle(key, Outcome.DUPLICATE))
        if key in self._settled:
            outcome, token = self._settled[key]
            # The first late answer is late; a second one of the same is a duplicate.
            self._settled[key] = (Outcome.DUPLICATE, token)
            return Match(outcome, token)
        return self._miss(key)

    def _miss(self, key: MatchKey) -> Match[Token]:
        near = self._by_stan.get((key.message_class, key.stan))
        if not near:
            return Match(Outcome.UNKNOWN)
        nearest = max(near, key=lambda other: _first_difference(key, other))
        return Match(
            Outcome.FIELD_DIFFERS, None, KEY_DATA_ELEMENTS[_first_difference(key, nearest)]
        )

    def expire(self, now: float) -> list[Token]:
        """Give up the requests whose deadline is reached; their answers will be late."""
        over = [key for key, entry in self._pending.items() if entry.deadline <= now]
        return [self._settle(key, Outcome.LATE) for key in over]

    def clear(self) -> list[Token]:
        """Give up everything in flight, because the connection is lost."""
        return [self._settle(key, Outcome.LATE) for key in tuple(self._pending)]

    def _settle(self, key: MatchKey, then: Outcome) -> Token:
        token = self._pending.pop(key).token
        near = self._by_stan[key.message_class, key.stan]
        near.remove(key)
        if not near:
            del self._by_stan[key.message_class, key.stan]
        self._settled[key] = (then, token)
        if len(self._settled) > self.remembered_max:
            self._settled.popitem(last=False)
        return token


def _first_difference(key: MatchKey, other: MatchKey) -> int:
    pairs = zip(key.fields, other.fields, strict=True)
    return next(index for index, (mine, its) in enumerate(pairs) if mine != its)
