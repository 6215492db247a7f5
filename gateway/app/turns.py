"""Whose turn it is: one request at a time for an Idempotency-Key, one operation for a link."""

import secrets
from collections import Counter
from collections.abc import Awaitable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, TypeVar

from gateway.api.service import Caller, IdempotencyKey
from gateway.app.conductor import Conductor
from gateway.operations.facts import OperationState
from gateway.store import questions
from gateway.store.errors import Conflict
from gateway.store.found import Linked
from gateway.store.questions import Query
from gateway.terms.errors import RequestRefused
from gateway.terms.numbers import LinkId, PinSessionId
from gateway.terms.refusals import Refusal

T = TypeVar("T")
KeyName = tuple[str, str]
"""A channel and the Idempotency-Key that it used."""


class Reader(Protocol):
    """Runs a query on a reader's thread."""

    def __call__(self, query: Query[T], /) -> Awaitable[T]:
        """Give what the query gives."""


@dataclass(slots=True, eq=False)
class _Reading:
    """What a request that is under way has read of a link, true until a loss is reported."""

    link: LinkId | None
    is_outdated: bool = False


_reading: ContextVar[_Reading | None] = ContextVar("reading", default=None)  # of this request


class Turns:
    """What is in use in this process now; what was used before is read from the store."""

    def __init__(self, read: Reader, conductor: Conductor) -> None:
        self._read = read
        self._conductor = conductor
        self._keys_in_use: set[KeyName] = set()
        self._links_in_use: set[LinkId] = set()
        self._read_while_busy: Counter[LinkId] = Counter()
        self._readings: set[_Reading] = set()

    def once(
        self,
        caller: Caller,
        key: IdempotencyKey,
        link: LinkId | None = None,
        session: PinSessionId | None = None,
    ) -> AbstractAsyncContextManager[tuple[str | None, Linked | None]]:
        """Let one request at a time use a key; gives the resource when it was used before.

        Gives also the link that the request names, with the PIN session that it names, read on
        the same trip to the store. Raises
        `RequestRefused` (IN_PROGRESS) while the first is being answered, and
        (IDEMPOTENCY_KEY_REUSED) when the key stands for another request. What another node did
        in between is told as if it had been done before.
        """
        return _Once(self, caller.channel, key, link, session)

    def take(self, name: KeyName, link: LinkId | None) -> tuple[_Reading, LinkId | None]:
        """Begin a request: with what it will have read, and its link if others use that now."""
        if name in self._keys_in_use:
            raise RequestRefused(Refusal.IN_PROGRESS)
        self._keys_in_use.add(name)
        was_busy = link if link is not None and self._is_busy(link) else None
        if was_busy is not None:
            self._read_while_busy[was_busy] += 1
        reading = _Reading(link)
        self._readings.add(reading)
        _reading.set(reading)
        return reading, was_busy

    def give_back(self, name: KeyName, reading: _Reading, was_busy: LinkId | None) -> None:
        """End a request."""
        self._keys_in_use.discard(name)
        self._readings.discard(reading)
        if was_busy is not None:
            self._read_while_busy -= Counter({was_busy: 1})

    async def look_up(
        self, name: KeyName, digest: bytes, link: LinkId | None, session: PinSessionId | None
    ) -> tuple[str | None, Linked | None]:
        """Give what a key stands for and what the request names; raises as `once` does."""
        stored, found = await self._read(questions.asked(*name, link, session))
        if stored is None:
            return None, found
        if not secrets.compare_digest(stored.request_digest, digest):
            raise RequestRefused(Refusal.IDEMPOTENCY_KEY_REUSED)
        return stored.resource, found

    async def who_was_faster(self, name: KeyName, link: LinkId | None) -> Refusal:
        """Say what another node did while this one looked: with the key, the link, the session."""
        is_used, holder = await self._read(questions.faster(*name, link))
        if is_used or holder is OperationState.PENDING:
            return Refusal.IN_PROGRESS  # asked again, the same request is answered or is refused
        if holder is OperationState.UNKNOWN:
            return Refusal.EARLIER_PIN_OPEN
        if holder is OperationState.MANUAL:
            return Refusal.UNLINKING_OPEN
        return Refusal.PIN_SESSION_UNUSABLE

    def alone(self, link: LinkId) -> AbstractContextManager[None]:
        """Let one operation at a time change what a link leads to.

        An older message that may still be delivered must not overtake a newer one. What was read
        of the link while another operation was under way is not true any more when that is over:
        the request is to be asked again.
        """
        return _Alone(self, link)

    def begin(self, link: LinkId) -> None:
        """Begin to change what a link leads to; raises `RequestRefused` while another does."""
        if self._conductor.is_held(link):
            raise RequestRefused(Refusal.EARLIER_PIN_OPEN)
        if self._is_busy(link) or link in self._read_while_busy:
            raise RequestRefused(Refusal.IN_PROGRESS)
        self._links_in_use.add(link)

    def end(self, link: LinkId) -> None:
        """End what was begun."""
        self._links_in_use.discard(link)

    @contextmanager
    def losing(self, link: LinkId) -> Iterator[None]:
        """Report a loss, which waits for nobody: what others have read of the link is not true."""
        self._outdate(link)
        try:
            yield
        finally:
            self._outdate(link)

    def must_be_current(self) -> None:
        """See that no loss was reported since this request read its link; else it is asked again.

        It may have waited meanwhile, such as for a security module.
        """
        reading = _reading.get()
        if reading is not None and reading.is_outdated:
            raise RequestRefused(Refusal.IN_PROGRESS)

    def _outdate(self, link: LinkId) -> None:
        for reading in self._readings:
            reading.is_outdated |= reading.link == link

    def _is_busy(self, link: LinkId) -> bool:
        return link in self._links_in_use or self._conductor.is_busy(link)


class _Once(AbstractAsyncContextManager[tuple[str | None, Linked | None]]):
    """One request's use of a key; no generator, which costs ten times as much."""

    __slots__ = ("_digest", "_link", "_name", "_reading", "_session", "_turns", "_was_busy")

    def __init__(
        self,
        turns: Turns,
        channel: str,
        key: IdempotencyKey,
        link: LinkId | None,
        session: PinSessionId | None,
    ) -> None:
        self._turns = turns
        self._name = (channel, key.key)
        self._digest = key.fingerprint
        self._link, self._session = link, session

    async def __aenter__(self) -> tuple[str | None, Linked | None]:
        self._reading, self._was_busy = self._turns.take(self._name, self._link)
        try:
            return await self._turns.look_up(self._name, self._digest, self._link, self._session)
        except BaseException:
            self._turns.give_back(self._name, self._reading, self._was_busy)
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if isinstance(error, Conflict):
                refusal = await self._turns.who_was_faster(self._name, self._link)
                raise RequestRefused(refusal) from None
        finally:
            self._turns.give_back(self._name, self._reading, self._was_busy)


class _Alone(AbstractContextManager[None]):
    """One operation's turn on a link."""

    __slots__ = ("_link", "_turns")

    def __init__(self, turns: Turns, link: LinkId) -> None:
        self._turns, self._link = turns, link

    def __enter__(self) -> None:
        self._turns.begin(self._link)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._turns.end(self._link)
