"""A link of one exchange per connection, on a stepped clock."""

import pytest
from structlog.testing import capture_logs
from twisted.internet import error
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure

from gateway.iso8583.message import Message
from gateway.iso8583.session import State
from gateway.terms.errors import Unavailable
from gateway.wire.exchange_link import ExchangeLink
from gateway.wire.outbound_link import Address, LinkPlan


class FarSides:
    """What is at each address of a link under test, and the link."""

    def __init__(self, words, new_transport, mac, addresses=1, in_flight_max=4):
        self.words = words
        self.reactor = MemoryReactorClock()
        self._new_transport = new_transport
        self.answers, self.states = [], []
        plan = LinkPlan(
            name="bureau",
            addresses=[Address(f"10.0.0.{n}:8583") for n in range(addresses)],
            codec=words.codec,
            message_set=words.messages,
            mac=mac,
            network_message=words.request,
            answered=lambda token, _message: self.answers.append(token),
            became=self.states.append,
            answer_seconds_max=20.0,
            in_flight_max=in_flight_max,
        )
        self.link = ExchangeLink(plan, self.reactor)
        self.link.start()

    @property
    def dialled(self):
        """The addresses dialled so far."""
        return [client[0] for client in self.reactor.tcpClients]

    def ask(self, name="asked"):
        """Send a request."""
        self.link.send(self.words.request(), name)

    def accept(self):
        """Accept the latest connection; give its transport and what came over it."""
        transport = self._new_transport(self.reactor)
        transport.attach(self.reactor.tcpClients[-1][2].buildProtocol(None))
        (request,) = self.words.read(transport.value())
        return transport, request

    def refuse(self):
        """Refuse the latest connection."""
        refused = Failure(error.ConnectionRefusedError())
        self.reactor.tcpClients[-1][2].clientConnectionFailed(None, refused)


@pytest.fixture
def far(bureau_words, new_transport, mac):
    return FarSides(bureau_words, new_transport, mac)


@pytest.fixture
def far_of(bureau_words, new_transport, mac):
    return lambda **options: FarSides(bureau_words, new_transport, mac, **options)


def test_each_request_has_a_connection_of_its_own(far):
    """Nobody signs on: the request is the first word, and the answer ends the connection."""
    far.ask("first")
    transport, request = far.accept()

    transport.protocol.dataReceived(far.words.framed(far.words.answer(request)))
    far.reactor.advance(0)
    far.ask("second")

    assert far.answers == ["first"]
    assert not transport.connected
    assert len(far.dialled) == 2
    assert far.link.tally.reconnects == 1


def test_request_whose_time_is_over_while_its_connection_is_made_is_not_written(far):
    """A PIN does not wait for a far side that is slow to take the connection."""
    until = far.reactor.seconds() + 5
    far.link.send(far.words.request(), "late", until)
    far.reactor.advance(6)

    transport = far._new_transport(far.reactor)
    transport.attach(far.reactor.tcpClients[-1][2].buildProtocol(None))

    assert transport.value() == b""


def test_connections_take_turns_over_the_addresses(far_of):
    """Two hosts share the exchanges."""
    far = far_of(addresses=2)

    for _ in range(4):
        far.ask()

    assert far.dialled == ["10.0.0.0", "10.0.0.1"] * 2


def test_address_that_refuses_is_left_alone_for_a_while(far_of):
    """The other one serves; when none is left the link is down, and says when it is back."""
    far = far_of(addresses=2)
    far.ask()
    far.refuse()
    after_one = far.link.is_ready
    for _ in range(2):
        far.ask()
    dialled = far.dialled[1:]
    far.refuse()
    after_both = (far.link.is_ready, far.link.state, far.link.reason)
    far.ask("while down")
    far.reactor.advance(5)

    assert dialled == ["10.0.0.1", "10.0.0.1"]
    assert after_one
    assert after_both == (False, State.CLOSED, "ConnectionRefusedError")
    assert far.states == [State.SIGNED_ON, State.CLOSED, State.SIGNED_ON]
    assert len(far.dialled) == 3


def test_exchanges_are_bounded(far):
    """A far side that is slow to answer gets no more connections than the link may have."""
    for _ in range(5):
        far.ask()

    assert (len(far.dialled), far.link.in_flight, far.link.connections_up) == (4, 4, 4)
    assert not far.link.is_ready


def test_silence_ends_the_exchange_in_time(far):
    """A connection is not kept for an answer that nobody waits for."""
    far.ask()
    transport, _ = far.accept()

    far.reactor.advance(20)
    far.reactor.advance(0)

    assert not transport.connected
    assert (far.link.in_flight, far.link.is_ready) == (0, True)


def test_lost_connection_ends_its_exchange_only(far):
    """The other exchange goes on."""
    far.ask("first")
    first, _ = far.accept()
    far.ask("second")
    second, request = far.accept()

    first.close()
    far.reactor.advance(0)
    second.protocol.dataReceived(far.words.framed(far.words.answer(request)))

    assert far.answers == ["second"]


def test_keep_alive_and_requests_of_the_far_side_mean_nothing(far):
    """A far side has no business of its own on such a connection."""
    far.ask()
    transport, _ = far.accept()

    transport.protocol.dataReceived(far.words.framing.keep_alive())
    alive = transport.connected
    transport.protocol.dataReceived(far.words.framed(far.words.request("echo")))
    far.reactor.advance(0)

    assert (alive, transport.connected, far.answers) == (True, False, [])


def test_message_that_fits_no_dialect_is_logged_and_its_connection_ended(far):
    """Our own mistake is written down by place and rule."""
    far.link.send(Message("0100", {11: "000001", 3: "not a processing code"}), "wrong")
    transport = far._new_transport(far.reactor)

    with capture_logs() as lines:
        transport.attach(far.reactor.tcpClients[-1][2].buildProtocol(None))

    assert transport.is_aborted
    assert lines[0]["event"] == "message-unencodable"
    assert "not a processing code" not in str(lines)


def test_stop_waits_for_what_is_in_flight(far):
    """Nothing new is taken; the stop ends with the last exchange."""
    far.ask("asked")
    transport, request = far.accept()
    stopped = far.link.stop()
    far.ask("too late")
    before = stopped.called

    transport.protocol.dataReceived(far.words.framed(far.words.answer(request)))
    far.reactor.advance(0)

    assert (before, stopped.called, far.answers) == (False, True, ["asked"])
    assert far.reactor.getDelayedCalls() == []
    assert far.link.stop().called


def test_stop_waits_ten_seconds_at_most(far):
    """Neither a far side that is silent nor one that is still dialled holds anybody up."""
    far.ask("silent")
    far.accept()
    far.ask("dialling")
    stopped = far.link.stop()

    far.reactor.advance(10)
    far.reactor.advance(0)

    assert stopped.called
    assert far.reactor.getDelayedCalls() == []


def test_new_mac_key_is_used_and_none_is_asked_for(far, mac):
    """A key may be renewed from our side; no message of the far side could bring one."""
    far.link.change_mac(lambda _data: b"12345678")
    changed = far.link.mac(b"probe")

    with pytest.raises(Unavailable):
        far.link.request_key("1", print)
    with pytest.raises(Unavailable):
        far.link.announce("1122", print)

    assert changed == b"12345678"
    assert mac(b"probe") != changed
