"""Which request an answer belongs to: declared key, bounded memory, a reason for every miss.

Time is an argument: seconds of any clock that never goes back.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping
from enum import StrEnum
from operator import call, itemgetter, methodcaller
from typing import Any, Generic, NamedTuple, TypeVar

from gateway.iso8583.field_content import Value
from gateway.iso8583.message import Message
from gateway.terms.errors import LocalError, Unavailable

Token = TypeVar("Token")

# DESIGN section 5: class, STAN, transmission date and time, acquirer, forwarder, retrieval
# reference, terminal. More than DE 11 and 41, because those repeat within a day.
KEY_DATA_ELEMENTS = (11, 7, 32, 33, 37, 41)
PENDING_MAX = 4_096  # requests in flight on one link; more means the far side has stopped
# Ten minutes at full rate of one link: an answer later than that meets no waiting caller anyway.
REMEMBERED_MAX = 65_536

# What an answer shares with its request, normalised: the message class, then the declared fields.
MatchKey = tuple[str, ...]

# Peers pad differently: institutions are compared without leading zeros, text without the spaces
# behind it.
_INSTITUTION = methodcaller("lstrip", "0")
_TEXT = methodcaller("rstrip", " ")
_NORMAL: dict[int, Callable[[Value], str]] = {32: _INSTITUTION, 33: _INSTITUTION}


class KeyReader:
    """Takes the key of a request or an answer: the class and these data elements."""

    def __init__(self, data_elements: Iterable[int] = KEY_DATA_ELEMENTS) -> None:
        self.data_elements = tuple(data_elements)
        self._rules = [_NORMAL.get(de, _TEXT) for de in self.data_elements]
        self._institutions = [de for de in self.data_elements if de in _NORMAL]
        self._values: Callable[[Mapping[int, Value]], tuple[Any, ...]] = (
            itemgetter(*self.data_elements) if len(self.data_elements) > 1 else self._only_value
        )

    def __call__(self, message: Message) -> MatchKey:
        """Give the key of `message`."""
        try:
            return (message.mti[1], *map(call, self._rules, self._values(message.fields)))
        except (KeyError, TypeError):  # one is absent, or binary: that is in no key
            texts = map(message.text, self.data_elements)
            return (message.mti[1], *map(call, self._rules, texts))

    def lines(self, message: Message) -> str:
        """Give the key of `message` with each part on a line of its own."""
        fields = message.fields
        try:
            lines = "\n".join(self._values(fields))
        except (KeyError, TypeError):
            return "\n".join(self(message))
        # Few have anything to normalise.
        if " " in lines:
            return "\n".join(self(message))
        for de in self._institutions:
            if fields[de][:1] == "0":
                return "\n".join(self(message))
        return f"{message.mti[1]}\n{lines}"

    def _only_value(self, fields: Mapping[int, Value]) -> tuple[Value]:
        return (fields[self.data_elements[0]],)


class Outcome(StrEnum):
    """What an answer turned out to be."""

    MATCHED = "matched"
    DUPLICATE = "duplicate"  # its request was answered before
    LATE = "late"  # its request was given up before
    FIELD_DIFFERS = "field-differs"  # a request with this class and STAN waits, not quite this one
    UNKNOWN = "unknown"  # nothing with this class and STAN waits or waited


_MATCHED = Outcome.MATCHED


class Match(NamedTuple, Generic[Token]):
    """Where an answer belongs.

    For MATCHED and LATE `token` is that of the request; for these and DUPLICATE `waited` is the
    seconds since it was added; `data_element` is the first one that differs for FIELD_DIFFERS.
    """

    outcome: Outcome
    token: Token | None = None
    data_element: int | None = None
    waited: float = 0.0


_match = tuple.__new__  # half of the time that the class takes by itself


class DuplicateKey(LocalError):
    """A request with the same key is in flight; sending it would let answers change places."""

    def __init__(self) -> None:
        super().__init__("a request with this key is in flight")


class PendingTable(Generic[Token]):
    """The requests in flight on one link, each with a token that means nothing here.

    Every request waits for `wait_seconds`, so that the oldest is the first to be given up.
    """

    def __init__(
        self,
        wait_seconds: float,
        pending_max: int = PENDING_MAX,
        remembered_max: int = REMEMBERED_MAX,
        match_on: Iterable[int] = KEY_DATA_ELEMENTS,
    ) -> None:
        self._wait = wait_seconds
        self.look_at = 0.0  # nothing is to be given up before
        self._pending_max = pending_max
        self._remembered_max = remembered_max
        self._key = KeyReader(match_on)
        # By the lines of the key: of each its token, when it was added, and over what it went.
        self._pending: dict[str, tuple[Token, float, Hashable]] = {}
        # Of those that were answered only when they were added, of those given up all: memory, and
        # work of the garbage collector, for each answer of the last minutes.
        self._settled: OrderedDict[str, float | tuple[Token, float, Hashable]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._pending)

    def add(self, request: Message, token: Token, now: float, over: Hashable = None) -> None:
        """Remember a request about to be sent at `now`, over the connection `over`.

        Raises `DuplicateKey` while one with its key is in flight, `Unavailable` at the limit. A
        repeat of a request that was given up waits again under the same key.
        """
        key = self._key.lines(request)
        if key in self._pending:
            raise DuplicateKey
        if len(self._pending) >= self._pending_max:
            raise Unavailable(f"{self._pending_max} requests are in flight on this link")
        if key in self._settled:
            del self._settled[key]
        if not self._pending:
            self.look_at = now + self._wait
        self._pending[key] = (token, now, over)

    def match(self, answer: Message, now: float) -> Match[Token]:
        """Find the request of an answer that came at `now`; a match takes it out of the table."""
        key = self._key.lines(answer)
        entry = self._pending.pop(key, None)
        if entry is None:
            return self._match_settled(key, now)
        token, added, _ = entry
        self._settled[key] = added
        if len(self._settled) > self._remembered_max:
            self._settled.popitem(last=False)
        return _match(Match, (_MATCHED, token, None, now - added))

    def _match_settled(self, key: str, now: float) -> Match[Token]:
        settled = self._settled.get(key)
        if settled is None:
            return self._miss(tuple(key.split("\n")))
        if isinstance(settled, tuple):
            # The first late answer is late; a second one of the same is a duplicate.
            token, added, _ = settled
            self._settled[key] = added
            return Match(Outcome.LATE, token, None, now - added)
        return Match(Outcome.DUPLICATE, None, None, now - settled)

    def _miss(self, key: MatchKey) -> Match[Token]:
        stan = 1 + self._key.data_elements.index(11)
        others = (tuple(other.split("\n")) for other in self._pending)
        near = [other for other in others if other[0] == key[0] and other[stan] == key[stan]]
        if not near:
            return Match(Outcome.UNKNOWN)
        furthest = max(_first_difference(key, other) for other in near)
        return Match(Outcome.FIELD_DIFFERS, None, self._key.data_elements[furthest - 1])

    def expire(self, now: float) -> list[Token]:
        """Give up the requests that waited long enough; their answers will be late."""
        if now < self.look_at:
            return []
        due: list[str] = []
        for key, (_, added, _) in self._pending.items():
            self.look_at = added + self._wait
            if self.look_at > now:
                break
            due.append(key)
        return [self._give_up(key) for key in due]

    def clear(self, over: Hashable = None) -> list[Token]:
        """Give up everything in flight over a connection, because it is lost."""
        lost = [key for key, (_, _, way) in self._pending.items() if way is over]
        return [self._give_up(key) for key in lost]

    def count(self, over: Hashable) -> int:
        """Count the requests in flight over a connection."""
        return sum(way is over for _, _, way in self._pending.values())

    def _give_up(self, key: str) -> Token:
        entry = self._pending.pop(key)
        self._settled[key] = entry
        if len(self._settled) > self._remembered_max:
            self._settled.popitem(last=False)
        return entry[0]


def _first_difference(key: MatchKey, other: MatchKey) -> int:
    pairs = zip(key, other, strict=True)
    return next(index for index, (mine, its) in enumerate(pairs) if mine != its)
