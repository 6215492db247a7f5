"""A link with several connections: turns by weight, and one loss that is not everybody's."""

import pytest
import structlog
from twisted.internet import error
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure

from gateway.iso8583.key_change import PREVIOUS_MAC_KEY_SECONDS
from gateway.iso8583.session import State
from gateway.terms.errors import Unavailable
from gateway.wire.outbound_link import Address, LinkPlan, OutboundLink


class Pool:
    """A link over several connections, and the far side of each."""

    def __init__(self, words, new_transport, mac, weights):
        self.words = words
        self.reactor = MemoryReactorClock()
        self._new_transport = new_transport
        self.answers, self.states = [], []
        plan = LinkPlan(
            name="bureau",
            addresses=[Address(f"10.0.0.{n}:8583", w) for n, w in enumerate(weights)],
            codec=words.codec,
            message_set=words.messages,
            mac=mac,
            network_message=words.request,
            answered=lambda token, _message: self.answers.append(token),
            became=self.states.append,
            answer_seconds_max=20.0,
            in_flight_max=512,
        )
        self.link = OutboundLink(plan, self.reactor)
        self.link.start()
        self.transports = [None] * len(weights)

    def sign_on(self, *numbers):
        """Accept the latest connection to each address, and its sign-on."""
        for number in numbers:
            dials = [c for c in self.reactor.tcpClients if c[0] == f"10.0.0.{number}"]
            transport = self.transports[number] = self._new_transport(self.reactor)
            transport.attach(dials[-1][2].buildProtocol(None))
            (request,) = self.heard(number)
            self.say(number, self.words.answer(request))
        return self

    def heard(self, number):
        """Give the messages that came over a connection since the last look."""
        data = self.transports[number].value()
        self.transports[number].clear()
        return self.words.read(data)

    def say(self, number, message):
        """Send a message over a connection."""
        self.transports[number].protocol.dataReceived(self.words.framed(message))

    def ask(self):
        """Send a request; give the number of the connection that it came over."""
        request = self.words.request()
        self.link.send(request, request.text(11))
        counts = [len(self.heard(n)) if t else 0 for n, t in enumerate(self.transports)]
        return request, counts.index(1)


@pytest.fixture
def pool_of(bureau_words, new_transport, mac):
    """Give a maker of pools by their weights."""
    return lambda *weights: Pool(bureau_words, new_transport, mac, weights)


def test_requests_take_turns_by_weight(pool_of):
    """Over weights 2 and 1, every third request goes over the second connection."""
    pool = pool_of(2, 1).sign_on(0, 1)

    over = [pool.ask()[1] for _ in range(6)]

    assert over == [0, 1, 0, 0, 1, 0]
    assert pool.link.connections_up == 2


def test_loss_of_one_connection_fails_nothing_on_the_others(pool_of):
    """What went over the lost one will be late; the rest is answered, new requests go elsewhere."""
    pool = pool_of(1, 1).sign_on(0, 1)
    (first, over_first), (second, over_second) = pool.ask(), pool.ask()
    pool.transports[over_first].close()
    pool.reactor.advance(0)

    in_flight = pool.link.in_flight
    _, over_third = pool.ask()
    pool.say(over_second, pool.words.answer(second))
    pool.say(over_second, pool.words.answer(first))

    assert (over_first, over_second, over_third, in_flight) == (0, 1, 1, 1)
    assert pool.answers == [second.text(11), first.text(11)]
    assert pool.link.tally.late == 1
    assert (pool.link.state, pool.link.is_ready) == (State.SIGNED_ON, True)
    assert pool.states == [State.CONNECTED, State.SIGNED_ON]


def test_link_is_down_only_with_its_last_connection(pool_of):
    """One after the other they go; the link says so once, with the reason."""
    pool = pool_of(1, 1).sign_on(0, 1)

    for number in (0, 1):
        pool.transports[number].close()
        pool.reactor.advance(0)

    assert pool.states == [State.CONNECTED, State.SIGNED_ON, State.CLOSED]
    assert (pool.link.reason, pool.link.is_ready) == ("the connection was closed", False)


def test_address_that_refuses_is_dialled_while_the_other_works(pool_of):
    """One host is down: its connection is tried again and again, the other serves."""
    pool = pool_of(1, 1).sign_on(1)
    refused = next(c for c in pool.reactor.tcpClients if c[0] == "10.0.0.0")
    refused[2].clientConnectionFailed(None, Failure(error.ConnectionRefusedError()))

    over = [pool.ask()[1] for _ in range(3)]
    pool.reactor.advance(3)
    pool.sign_on(0)

    assert over == [1, 1, 1]
    assert pool.ask()[1] in {0, 1}
    assert pool.link.connections_up == 2


def test_link_says_once_why_nobody_can_be_reached(pool_of):
    """The reason is kept for whoever asks, and logged when it is new, not at every attempt."""
    pool = pool_of(1)
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            attempt = pool.reactor.tcpClients[-1]
            attempt[2].clientConnectionFailed(None, Failure(error.ConnectionRefusedError()))
            pool.reactor.advance(60)

    said = [line["why"] for line in logs if line["event"] == "link-unreachable"]
    assert pool.link.reason.startswith("10.0.0.0:")
    assert "refused" in pool.link.reason
    assert said == [pool.link.reason]


def test_answer_may_come_over_another_connection(pool_of):
    """A far side that answers where it pleases is understood: the key is the link's."""
    pool = pool_of(1, 1).sign_on(0, 1)
    request, over = pool.ask()

    pool.say(1 - over, pool.words.answer(request))

    assert pool.answers == [request.text(11)]


def test_stop_signs_every_connection_off(pool_of):
    """Each far side hears goodbye, and the stop ends with the last."""
    pool = pool_of(1, 1).sign_on(0, 1)
    stopped = pool.link.stop()

    said = []
    for number in (0, 1):
        (sign_off,) = pool.heard(number)
        said.append(sign_off.text(70))
        before = stopped.called
        pool.say(number, pool.words.answer(sign_off))
        pool.reactor.advance(0)

    assert said == ["002", "002"]
    assert (before, stopped.called) == (False, True)
    assert pool.reactor.getDelayedCalls() == []


def test_key_change_is_a_state_of_the_whole_link(pool_of, mac):
    """All connections sign with the new key at once, and take requests all the while."""
    pool = pool_of(1, 1).sign_on(0, 1)

    pool.link.change_mac(mac)
    during = (pool.link.state, pool.link.is_ready)
    pool.link.change_mac(mac)
    pool.reactor.advance(PREVIOUS_MAC_KEY_SECONDS / 2)
    pool.transports[0].close()
    pool.reactor.advance(PREVIOUS_MAC_KEY_SECONDS / 2)

    assert during == (State.CHANGING_KEY, True)
    assert pool.link.state is State.SIGNED_ON


def test_stop_ends_a_key_change(pool_of, mac):
    """No timer of the change outlives the link."""
    pool = pool_of(1).sign_on(0)
    pool.link.change_mac(mac)

    stopped = pool.link.stop()
    (sign_off,) = pool.heard(0)
    pool.say(0, pool.words.answer(sign_off))
    pool.reactor.advance(0)

    assert stopped.called
    assert pool.reactor.getDelayedCalls() == []


def test_silent_bureau_delays_no_other(pool_of):
    """Two links on one reactor: one bureau says nothing, the other's answers come in order."""
    silent, lively = pool_of(1).sign_on(0), pool_of(1).sign_on(0)
    waiting = [silent.ask()[0] for _ in range(512)]
    asked = []
    for _ in range(3):
        request, _ = lively.ask()
        asked.append(request.text(11))
        lively.say(0, lively.words.answer(request))

    silent.link.send(silent.words.request(), "beyond the limit")

    assert lively.answers == asked
    assert (lively.link.in_flight, lively.link.is_ready) == (0, True)
    assert (silent.link.in_flight, silent.link.is_ready) == (512, False)
    assert silent.heard(0) == []
    assert len(waiting) == 512


def test_key_is_asked_for_over_a_connection_that_is_up(pool_of):
    """A link that is down says so instead."""
    pool = pool_of(1, 1)

    with pytest.raises(Unavailable):
        pool.link.request_key("1", print)
