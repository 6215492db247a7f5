"""A link that far sides dial: who may, how many, and what is answered once they signed on."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

import structlog
from twisted.internet.defer import Deferred, succeed

from gateway.iso8583.codec import Codec
from gateway.iso8583.key_change import KEY_CHANGE, PREVIOUS_MAC_KEY_SECONDS
from gateway.iso8583.mac import Mac
from gateway.iso8583.message import Message
from gateway.iso8583.message_set import MessageSet
from gateway.iso8583.session import ECHO_INTERVAL_SECONDS, Event, State
from gateway.terms.response_codes import ResponseCode
from gateway.wire.connection import MessageConnection
from gateway.wire.doorway import Doorway
from gateway.wire.key_changes import ChangeKey, KeyTaker, MacChange
from gateway.wire.line import Line, Speech
from gateway.wire.link_mac import LinkMac
from gateway.wire.tally import Tally

log = structlog.get_logger()

Reply = Callable[[Message], None]
Handler = Callable[[Message, Reply], None]


@dataclass(frozen=True, slots=True)
class InboundPlan:
    """What a listener needs besides its port.

    Far sides are the gateway of the message set, and we are its peer. `handler` answers requests
    that are in the set and no 08xx, at once or later; `peers` are the networks that may connect.
    With `change_key` a far side's new keys are taken in. `echo_seconds` of silence end in an echo.
    """

    name: str
    peers: Sequence[IPv4Network | IPv6Network]
    codec: Codec
    message_set: MessageSet
    mac: Mac
    network_message: Callable[[str], Message]
    handler: Handler
    connections_max: int
    connections_per_peer_max: int
    change_key: ChangeKey | None = None
    echo_seconds: float = ECHO_INTERVAL_SECONDS


class InboundLink:
    """Listens, and keeps a session with each far side that may connect.

    A far side that has not signed on gets DE 39 = 91 for everything but 08xx.
    """

    def __init__(self, plan: InboundPlan, reactor: Any) -> None:  # noqa: ANN401 - Twisted's
        self._plan = plan
        self._reactor = reactor
        self._mac = LinkMac(plan.mac, reactor.seconds)
        self._speech = Speech(
            plan.name,
            plan.codec,
            plan.message_set,
            self._mac,
            plan.network_message,
            dials=False,
            echo_seconds=plan.echo_seconds,
        )
        self._mac_change = MacChange(self._mac, lambda: self._lines, reactor)
        self.business_day: str | None = None  # MMDD, as the latest cut-over has it
        self._lines: dict[Line, str] = {}  # with the address of the far side
        self._door: Doorway | None = None
        self._stopping: list[Deferred[None]] = []
        self._tally = Tally()
        self._keys = KeyTaker(
            plan.name, plan.message_set, plan.change_key, self.change_mac, self._tally
        )
        self.turned_away = 0

    @property
    def name(self) -> str:
        """The listener's name in the configuration."""
        return self._plan.name

    @property
    def tally(self) -> Tally:
        """What was counted."""
        return self._tally

    @property
    def states(self) -> Counter[State]:
        """How many connections are in each state."""
        return Counter(line.state for line in self._lines)

    def start(self, door: Doorway) -> None:
        """Let far sides in at a port that was taken."""
        self._door = door
        door.open(self)

    def mac(self, data: bytes) -> bytes:
        """Compute the MAC that far sides are answered with now, 8 bytes."""
        return self._mac(data)

    def change_mac(self, mac: Mac, overlap_seconds: float = PREVIOUS_MAC_KEY_SECONDS) -> None:
        """Send under a new MAC key from now on; the one before still verifies for a while."""
        self._mac_change.change(mac, overlap_seconds)

    def stop(self) -> "Deferred[None]":
        """Listen no more and hang up; fires when every connection is gone."""
        stopped: Deferred[None] = Deferred()
        self._stopping.append(stopped)
        closed: Deferred[None] = self._door.close() if self._door else succeed(None)

        def hang_up(_: object) -> None:
            for line in tuple(self._lines):
                line.apply_if_allowed(Event.HANG_UP)
            self._finish()

        closed.addBoth(hang_up)
        return stopped

    def accept(self, peer: str) -> MessageConnection | None:
        """Make the protocol for a far side that connects; None for one that may not."""
        refusal = self._refusal(peer)
        if refusal:
            self._turn_away(refusal, peer=peer)
            # A host that was switched off keeps itself out: its places are not its own any more.
            for line in tuple(self._lines):
                line.prove()
            return None
        line = Line(self._speech, self, self.tally, self._reactor)
        self._lines[line] = peer
        return line.connection()

    def _turn_away(self, reason: str, **who: str) -> None:
        self.turned_away += 1
        log.warning("connection-refused", link=self.name, reason=reason, **who)

    def refuse_subject(self, subject: str) -> None:
        """Hear of a good certificate whose subject may not connect."""
        self._turn_away("not an allowed certificate", subject=subject)

    def _refusal(self, peer: str) -> str:
        address = ip_address(peer)
        if isinstance(address, IPv6Address):
            address = address.ipv4_mapped or address  # as a socket for both kinds gives it
        if not any(address in network for network in self._plan.peers):
            return "not an allowed peer"
        if len(self._lines) >= self._plan.connections_max:
            return "too many connections"
        if list(self._lines.values()).count(peer) >= self._plan.connections_per_peer_max:
            return "too many connections of this peer"
        return ""

    # ------------------------------------------------------------------ from the connections

    def changed(self, line: Line, reason: str) -> None:
        """Hear that the state of a connection is another, which the line has logged."""

    def answered(self, message: Message) -> None:
        """Hear an answer to something that we never ask here."""
        self.tally.unmatched += 1
        log.warning("answer-unmatched", link=self.name, outcome="unknown", trace=message.trace)

    def requested(self, kind: str, message: Message, reply: Callable[[Message], None]) -> None:
        """Have a request answered, or a new key taken in."""
        if kind == KEY_CHANGE:
            self._keys.take(message, reply)
            return
        self._plan.handler(message, reply)

    def cut_over(self, business_day: str) -> None:
        """Hear the new business day."""
        self.business_day = business_day
        log.info("cut-over", link=self.name, business_day=business_day)

    def in_flight_over(self, line: Line) -> int:
        """Count nothing: who was not answered when we stop asks again, and is answered then."""
        del line
        return 0

    def lost(self, line: Line) -> None:
        """Forget a connection that is gone."""
        del self._lines[line]
        self._finish()

    def _finish(self) -> None:
        if not self._lines:
            if self._stopping:
                self._mac_change.end()
            for stopped in self._stopping:
                if not stopped.called:
                    stopped.callback(None)


def not_supported(message_set: MessageSet) -> Handler:
    """Give the handler of a channel that does no business yet: DE 39 = 40 for every request."""

    def handle(request: Message, reply: Reply) -> None:
        reply(message_set.identify(request).answer(request, ResponseCode.NOT_SUPPORTED.value))

    return handle
