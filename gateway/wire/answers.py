"""The answers of one link: awaited, matched, counted and brought to who asked."""

from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

import structlog

from gateway.iso8583.matching import DuplicateKey, Outcome, PendingTable
from gateway.iso8583.message import Message
from gateway.terms.errors import Unavailable
from gateway.terms.response_codes import ResponseCode
from gateway.wire.tally import Tally

log = structlog.get_logger()

_APPROVED = ResponseCode.APPROVED.value
_MATCHED, _LATE = Outcome.MATCHED, Outcome.LATE

Token = TypeVar("Token")


class Answers(Generic[Token]):
    """What goes out over a link and waits, and what comes back."""

    def __init__(self, plan: Any, reactor: Any) -> None:  # noqa: ANN401 - either link's plan
        self._plan = plan
        self._reactor = reactor
        self._pending: PendingTable[Token] = PendingTable(
            plan.answer_seconds_max, plan.in_flight_max, match_on=plan.message_set.match_on
        )
        self.tally = Tally()
        self._seconds: Callable[[], float] = reactor.seconds
        self._answered: Callable[[Token, Message], None] = plan.answered

    @property
    def in_flight(self) -> int:
        """How many requests wait for their answer."""
        self._pending.expire(self._reactor.seconds())
        return len(self._pending)

    def in_flight_over(self, connection: Hashable) -> int:
        """Count those sent over one connection."""
        self._pending.expire(self._reactor.seconds())
        return self._pending.count(connection)

    def await_answer(self, message: Message, token: Token, connection: Hashable) -> bool:
        """Remember a request about to be sent; tells whether it may be."""
        now = self._seconds()
        if now >= self._pending.look_at:
            self._pending.expire(now)
        try:
            self._pending.add(message, token, now, connection)
        except DuplicateKey:
            pass  # a repeat of what is still awaited: the first answer to either will do
        except Unavailable:
            log.warning("link-full", link=self._plan.name, in_flight=len(self._pending))
            return False
        return True

    def give_up(self, connection: Hashable) -> None:
        """Wait no longer for what went over a connection."""
        self._pending.clear(connection)

    def take(self, message: Message) -> None:
        """Bring an answer to who asked, once; count whatever belongs to nobody."""
        now = self._seconds()
        if now >= self._pending.look_at:
            self._pending.expire(now)
        outcome, token, data_element, waited = self._pending.match(message, now)
        if outcome is _MATCHED:
            self.tally.round_trips.add(waited)
        elif outcome is _LATE:
            self.tally.late += 1
        else:
            self._count_stray(message, outcome, data_element)
            return
        assert token is not None  # of a request, whether it was given up or not
        if message.fields.get(39) != _APPROVED:
            self.tally.decline(message.text(39))
        self._answered(token, message)

    def _count_stray(self, message: Message, outcome: Outcome, data_element: int | None) -> None:
        if outcome is Outcome.DUPLICATE:
            self.tally.duplicates += 1
        else:
            self.tally.unmatched += 1
        log.warning(
            "answer-unmatched",
            link=self._plan.name,
            outcome=outcome.value,
            data_element=data_element,
            trace=message.trace,
        )
