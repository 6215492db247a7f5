"""The store's process: it does what the gateway's asks for over one socket.

One thread reads the socket and the database, the journal's writes; both answer by themselves.
"""

import pickle
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Lock
from time import monotonic
from typing import Any

from gateway.store.frames import (
    ANSWER,
    BEAT,
    CHORE,
    CLOSE,
    FAILED,
    LOST,
    QUERY,
    STANDS,
    STATE,
    UNIT,
    Frames,
    Item,
    frame,
    plain_error,
)
from gateway.store.journal import Journal
from gateway.store.lease import Lease
from gateway.store.reader import Question, Reader
from gateway.store.unit import Packed
from gateway.terms.errors import Unavailable

_READ_MAX = 64  # queries answered together: bounds how long the first waits for the last
_RECEIVED_MAX = 262_144  # bytes at a time: some hundreds of units
_BEATS = 1.5  # renewals for which the gateway may be silent: then it stands still


class Host:
    """Serves one gateway; `lease` is what it hears of along with its answers."""

    def __init__(self, line: socket.socket, lease: Lease) -> None:
        self._line = line
        self._lease = lease
        self._speaking = Lock()
        self._stand: list[int] = []
        self._to_say: list[Item] = []
        self._asked: list[tuple[int, Any]] = []
        self._state: tuple[Any, ...] | None = None
        self._workers: tuple[Journal, Reader] | None = None  # until it serves, nothing is asked
        self._heard_at = monotonic()

    def serve(self, journal: Journal, reader: Reader) -> bool:
        """Do what is asked for until told to close; False when the gateway is gone instead."""
        self._journal, self._reader = self._workers = journal, reader
        self.deliver(_nothing)
        frames = Frames()
        while data := self._receive():
            self._heard_at = monotonic()
            for item in frames.take(data):
                if item[0] == CLOSE:
                    self._read()
                    return True
                self._take(*item)
            self._read()
        return False

    @property
    def is_followed(self) -> bool:
        """Tell whether the gateway's process shows life; one that stands still loses its lease."""
        every_s = self._lease.renew_every_s
        return every_s is None or monotonic() - self._heard_at < _BEATS * every_s

    def deliver(self, call: Callable[[], None]) -> None:
        """Make a call that gives answers, and send them along with how the store is."""
        with self._speaking:
            call()
            if self._workers is None:
                return
            journal, reader = self._workers
            refusing, failing = journal.why_refusing, reader.why_failing
            state = (journal.is_stalled, refusing, failing, self._lease.span)
            items: list[Item] = []
            if state != self._state:
                self._state = state
                items.append((STATE, *state))
            if self._stand:
                items.append((STANDS, self._stand))
            items += self._to_say
            self._stand, self._to_say = [], []
            if items:
                # That it is gone is heard by whoever listens to it.
                with suppress(ConnectionError):
                    self._line.sendall(frame(items))

    def lost(self, error: Exception) -> None:
        """Say that nothing is written any more."""
        self._to_say.append((LOST, *plain_error(error)))

    def _receive(self) -> bytes:
        try:
            return self._line.recv(_RECEIVED_MAX)
        except ConnectionError:
            return b""

    def _take(self, what: int, number: int = 0, *said: Any) -> None:  # noqa: ANN401 - what came
        try:
            if what == UNIT:
                self._journal.submit(Packed(*said), partial(self._written, number))
            elif what == QUERY:
                self._asked.append((number, said[0]))
            elif what == CHORE:
                chore = pickle.loads(said[0])  # noqa: S301 - our parent's
                self._journal.run(chore, partial(self._done, number))
            else:
                assert what == BEAT
        except Unavailable as error:
            self.deliver(partial(self._done, number, error))

    def _read(self) -> None:
        while self._asked:
            part, self._asked = self._asked[:_READ_MAX], self._asked[_READ_MAX:]
            outcomes = self._reader.read([_question(about) for _, about in part])
            self.deliver(partial(self._answer, part, outcomes))

    def _answer(self, part: list[tuple[int, Any]], outcomes: list[Any]) -> None:
        for (number, about), outcome in zip(part, outcomes, strict=True):
            if type(about) is tuple and not isinstance(outcome, Exception):
                self._to_say.append((ANSWER, number, outcome))
            else:
                self._done(number, outcome)

    def _written(self, number: int, error: Exception | None) -> None:
        if error is None:
            self._stand.append(number)
        else:
            self._done(number, error)

    def _done(self, number: int, outcome: object) -> None:
        if isinstance(outcome, Exception):
            self._to_say.append((FAILED, number, *plain_error(outcome)))
        else:
            self._to_say.append((ANSWER, number, pickle.dumps(outcome)))


def _question(about: object) -> Question:
    """Give the query: what nearly every request asks for comes and goes as plain values."""
    if isinstance(about, bytes):
        question: Question = pickle.loads(about)  # noqa: S301 - our parent's
        return question
    named: tuple[str, str, str, str] = about  # type: ignore[assignment]
    return lambda queries: queries.asked_plain(*named)


def _nothing() -> None:
    pass
