"""A link of one exchange per connection: dial, ask, hear the answer, hang up."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import structlog
from twisted.application.internet import backoffPolicy
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure

from gateway.iso8583.key_change import PREVIOUS_MAC_KEY_SECONDS, ChangedKey
from gateway.iso8583.mac import Mac
from gateway.iso8583.message import Message
from gateway.iso8583.session import State
from gateway.terms.errors import LocalError, Unavailable
from gateway.wire.addresses import client_endpoint
from gateway.wire.answers import Answers
from gateway.wire.connection import MessageConnection
from gateway.wire.line import DRAIN_SECONDS_MAX
from gateway.wire.link_mac import LinkMac
from gateway.wire.outbound_link import (
    RECONNECT_SECONDS_FIRST,
    RECONNECT_SECONDS_MAX,
    LinkPlan,
)
from gateway.wire.rotation import Rotation
from gateway.wire.tally import Tally
from gateway.wire.tls import why_lost

log = structlog.get_logger()

Token = TypeVar("Token")


class ExchangeLink(Generic[Token]):
    """Takes requests as an `OutboundLink` does, and makes a connection for each.

    Nobody signs on. The link counts as signed on while an address may be dialled: one that cannot
    be reached is left alone for a pause that grows with each failure.
    """

    def __init__(self, plan: LinkPlan[Token], reactor: Any) -> None:  # noqa: ANN401 - Twisted's
        self._plan = plan
        self._reactor = reactor
        self._answers: Answers[Token] = Answers(plan, reactor)
        self._mac = LinkMac(plan.mac, reactor.seconds)
        self._pause = backoffPolicy(RECONNECT_SECONDS_FIRST, RECONNECT_SECONDS_MAX)
        self._places = [_Place(client_endpoint(reactor, a.place)) for a in plan.addresses]
        self._turns = Rotation(self._places, [address.weight for address in plan.addresses])
        self._open: set[_Exchange[Token]] = set()
        self._stopping: list[Deferred[None]] = []
        self._overtime: IDelayedCall | None = None
        self.state = State.CLOSED
        self.since = reactor.seconds()
        self.reason = "not started yet"
        self.business_day: str | None = None  # no far side says it here

    @property
    def name(self) -> str:
        """The link's name in the configuration."""
        return self._plan.name

    @property
    def tally(self) -> Tally:
        """What was counted."""
        return self._answers.tally

    @property
    def connections_up(self) -> int:
        """How many exchanges have a connection, or wait for one."""
        return len(self._open)

    @property
    def in_flight(self) -> int:
        """How many requests wait for their answer."""
        return self._answers.in_flight

    @property
    def is_ready(self) -> bool:
        """Tell whether a new request may be sent now."""
        return self.state is State.SIGNED_ON and len(self._open) < self._plan.in_flight_max

    def start(self) -> None:
        """Take requests from now on."""
        self._become("started")

    def send(self, message: Message, token: Token, until: float | None = None) -> None:
        """Dial, write a request or a repeat and await its answer under `token`.

        While no address may be dialled nothing is written, nor after `until` on the reactor's
        clock: whoever watches the answer repeats it.
        """
        place = self._turns.next(_may_be_dialled) if self.is_ready else None
        if place is None:
            return
        exchange = _Exchange(self, message, until)
        if not self._answers.await_answer(message, token, exchange):
            return
        self._open.add(exchange)
        exchange.timer = self._reactor.callLater(self._plan.answer_seconds_max, exchange.end)
        exchange.dial(place)

    def mac(self, data: bytes) -> bytes:
        """Compute the MAC that the link sends with now, 8 bytes."""
        return self._mac(data)

    def change_mac(self, mac: Mac, overlap_seconds: float = PREVIOUS_MAC_KEY_SECONDS) -> None:
        """Send under a new MAC key from now on; the one before still verifies for a while."""
        self._mac.change(mac, overlap_seconds)

    def request_key(self, key: ChangedKey, heard: Callable[[str], None]) -> None:
        """Raise `Unavailable`: a key comes in a request of the far side, and here none comes."""
        del key, heard
        raise Unavailable(f"link {self.name} takes no keys: it is one of single exchanges")

    def announce(self, business_day: str, heard: Callable[[str], None]) -> None:
        """Raise `Unavailable`: without a session there is no cut-over."""
        del business_day, heard
        raise Unavailable(f"link {self.name} has no session: it is one of single exchanges")

    def stop(self) -> "Deferred[None]":
        """Wait for what is in flight and take nothing new; fires when every connection is gone."""
        stopped: Deferred[None] = Deferred()
        self._stopping.append(stopped)
        if len(self._stopping) == 1:
            self._overtime = self._reactor.callLater(DRAIN_SECONDS_MAX, self._end_all)
            for place in self._places:
                place.bar(None)
            self._become("stopped")
        self._finish()
        return stopped

    # ------------------------------------------------------------------ from the exchanges

    def connection(self, exchange: "_Exchange[Token]") -> MessageConnection:
        """Make the protocol of an exchange's connection."""
        plan = self._plan
        return MessageConnection(
            plan.name, plan.codec, self._mac, exchange, self.tally, self._reactor
        )

    def answered(self, message: Message) -> None:
        """Take an answer."""
        self._answers.take(message)

    def reached(self, place: "_Place") -> None:
        """Hear that an address took a connection."""
        self.tally.reconnects += 1
        place.failures = 0

    def missed(self, place: "_Place", reason: str) -> None:
        """Hear that an address took none: leave it alone for a while."""
        if self._stopping or place.is_barred:
            return
        place.failures += 1
        place.bar(self._reactor.callLater(self._pause(place.failures), self._unbar, place))
        self._become(reason)

    def ended(self, exchange: "_Exchange[Token]") -> None:
        """Hear that an exchange is over."""
        self._open.discard(exchange)
        self._answers.give_up(exchange)
        self._finish()

    # ------------------------------------------------------------------ parts

    def _unbar(self, place: "_Place") -> None:
        place.is_barred = False
        self._become("to be tried again")

    def _become(self, reason: str) -> None:
        state = State.SIGNED_ON if any(map(_may_be_dialled, self._places)) else State.CLOSED
        if state is not self.state:
            self.state, self.since, self.reason = state, self._reactor.seconds(), reason
            log.info("link", link=self.name, state=state.value, why=reason)
            self._plan.became(state)

    def _end_all(self) -> None:
        for exchange in tuple(self._open):
            exchange.end()

    def _finish(self) -> None:
        if self._stopping and not self._open:
            if self._overtime is not None and self._overtime.active():
                self._overtime.cancel()
            for stopped in self._stopping:
                if not stopped.called:
                    stopped.callback(None)


class _Place:
    """One address: whether it may be dialled, and how often it failed in a row."""

    def __init__(self, endpoint: Any) -> None:  # noqa: ANN401 - Twisted's
        self.endpoint = endpoint
        self.failures = 0
        self.is_barred = False
        self._until: IDelayedCall | None = None

    def bar(self, until: IDelayedCall | None) -> None:
        """Dial it no more, until a timer ends or for good."""
        if self._until is not None and self._until.active():
            self._until.cancel()
        self.is_barred, self._until = True, until


def _may_be_dialled(place: _Place) -> bool:
    return not place.is_barred


class _Exchange(Generic[Token]):
    """One request and the connection that is made for it."""

    def __init__(
        self, link: ExchangeLink[Token], request: Message, until: float | None = None
    ) -> None:
        self._link = link
        self._request = request
        self._until = until
        self._connection: MessageConnection | None = None
        self._dialling: Deferred[Any] | None = None
        self.timer: IDelayedCall | None = None

    def dial(self, place: _Place) -> None:
        """Connect; the request is written as soon as there is a connection."""

        def failed(failure: Failure) -> None:
            self._link.missed(place, why_lost(failure))
            self._over()

        def reached(_: object) -> None:
            self._link.reached(place)

        factory = _OneConnection(lambda: self._link.connection(self))
        self._dialling = place.endpoint.connect(factory)
        self._dialling.addCallbacks(reached, failed)

    def end(self) -> None:
        """Hang up, whether the answer came or not."""
        if self._connection is not None:
            self._connection.disconnect()
        elif self._dialling is not None:
            self._dialling.cancel()

    def connected(self, connection: MessageConnection) -> None:
        """Write the request."""
        self._connection = connection
        try:
            connection.send(self._request, until=self._until)
        except LocalError as error:
            # No traceback: its frames hold the message.
            log.error("message-unencodable", link=self._link.name, reason=str(error))  # noqa: TRY400
            connection.disconnect()

    def heard(self, message: Message) -> None:
        """Take the answer and hang up; a request of the far side is none."""
        if message.is_answer:
            self._link.answered(message)
        self.end()

    def alive(self) -> None:
        """Hear a keep-alive, which means nothing here."""

    def lost(self, _reason: str) -> None:
        """Hear that the connection is gone."""
        self._over()

    def _over(self) -> None:
        if self.timer is not None and self.timer.active():
            self.timer.cancel()
        self._link.ended(self)


class _OneConnection(Factory[MessageConnection]):
    noisy = False

    def __init__(self, make: Callable[[], MessageConnection]) -> None:
        self._make = make

    def buildProtocol(self, addr: object) -> MessageConnection:  # noqa: N802 - Twisted's name
        """Make the protocol of the connection."""
        del addr
        return self._make()
