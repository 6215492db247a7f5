"""Whose turn it is: one request at a time for an Idempotency-Key, one operation for a link."""

import secrets
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
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
        self._keys_in_use: set[tuple[str, str]] = set()
        self._links_in_use: set[LinkId] = set()
        self._read_while_busy: Counter[LinkId] = Counter()
        self._readings: set[_Reading] = set()

    @asynccontextmanager
    async def once(
        self,
        caller: Caller,
        key: IdempotencyKey,
        link: LinkId | None = None,
        session: PinSessionId | None = None,
    ) -> AsyncIterator[tuple[str | None, Linked | None]]:
        """Let one request at a time use a key; gives the resource when it was used before.

        Gives also the link that the request names, with the PIN session that it names, read on
        the same trip to the store. Raises
        `RequestRefused` (IN_PROGRESS) while the first is being answered, and
        (IDEMPOTENCY_KEY_REUSED) when the key stands for another request. What another node did
        in between is told as if it had been done before.
        """
        name = (caller.channel, key.key)
        if name in self._keys_in_use:
            raise RequestRefused(Refusal.IN_PROGRESS)
        self._keys_in_use.add(name)
        was_busy = link if link is not None and self._is_busy(link) else None
        if was_busy is not None:
            self._read_while_busy[was_busy] += 1
        reading = _Reading(link)
        self._readings.add(reading)
        _reading.set(reading)
        try:
            stored, found = await self._read(questions.asked(*name, link, session))
            if stored is not None and not secrets.compare_digest(
                stored.request_digest, key.fingerprint
            ):
                raise RequestRefused(Refusal.IDEMPOTENCY_KEY_REUSED)
            yield stored.resource if stored else None, found
        except Conflict:
            raise RequestRefused(await self._who_was_faster(name, link)) from None
        finally:
            self._keys_in_use.discard(name)
            self._readings.discard(reading)
            if was_busy is not None:
                self._read_while_busy -= Counter({was_busy: 1})

    async def _who_was_faster(self, name: tuple[str, str], link: LinkId | None) -> Refusal:
        """Say what another node did while this one looked: with the key, the link, the session."""
        is_used, holder = await self._read(questions.faster(*name, link))
        if is_used or holder is OperationState.PENDING:
            return Refusal.IN_PROGRESS  # asked again, the same request is answered or is refused
        if holder is OperationState.UNKNOWN:
            return Refusal.EARLIER_PIN_OPEN
        if holder is OperationState.MANUAL:
            return Refusal.UNLINKING_OPEN
        return Refusal.PIN_SESSION_UNUSABLE

    @contextmanager
    def alone(self, link: LinkId) -> Iterator[None]:
        """Let one operation at a time change what a link leads to.

        An older message that may still be delivered must not overtake a newer one. What was read
        of the link while another operation was under way is not true any more when that is over:
        the request is to be asked again.
        """
        if self._conductor.is_held(link):
            raise RequestRefused(Refusal.EARLIER_PIN_OPEN)
        if self._is_busy(link) or link in self._read_while_busy:
            raise RequestRefused(Refusal.IN_PROGRESS)
        self._links_in_use.add(link)
        try:
            yield
        finally:
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
