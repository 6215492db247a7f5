"""A link that far sides dial: who may connect, and what is answered to whom."""

from hashlib import sha256
from ipaddress import ip_network

import pytest
from structlog.testing import capture_logs
from twisted.internet.defer import succeed
from twisted.internet.testing import MemoryReactorClock

from gateway.iso8583.key_change import PREVIOUS_MAC_KEY_SECONDS, ChangedKey
from gateway.iso8583.message import Message
from gateway.iso8583.session import (
    ECHO_ANSWER_SECONDS,
    ECHO_INTERVAL_SECONDS,
    ECHO_MISSES_MAX,
    SIGN_ON_ANSWER_SECONDS,
    State,
)
from gateway.terms.response_codes import ResponseCode
from gateway.wire.inbound_link import InboundLink, InboundPlan, not_supported
from gateway.wire.key_changes import KeyChanged

NEW_KEY = {"NK": "0123456789ABCDEF" * 2, "KV": "CB9DEA"}


class Guest:
    """A far side that dialled us."""

    def __init__(self, host, transport):
        self.host = host
        self.transport = transport

    @property
    def is_connected(self):
        return self.transport.connected

    def say(self, message, envelope=b"", mac=None):
        words = self.host.words
        sealed = words.codec.encode(message, mac or self.host.mac)
        self.transport.protocol.dataReceived(words.framing.frame(sealed, envelope))

    def heard(self, mac=None):
        data = self.transport.value()
        self.transport.clear()
        return self.host.words.read(data, mac or self.host.mac)

    def ask(self, name=None):
        """Send a request; give what is answered."""
        self.say(self.host.words.request(name))
        (answer,) = self.heard()
        return answer


class Host:
    """A listener, and the far sides that come to it."""

    def __init__(self, words, new_transport, mac):
        self.words, self.mac = words, mac
        self.reactor = MemoryReactorClock()
        self._new_transport = new_transport
        self.handler = not_supported(words.messages)
        self.new_keys, self.key_is, self.closed = [], None, 0
        plan = InboundPlan(
            name="core-in",
            peers=[ip_network("10.0.0.0/24"), ip_network("fd00::/8")],
            codec=words.codec,
            message_set=words.messages,
            mac=mac,
            network_message=words.request,
            handler=self._handle,
            connections_max=3,
            connections_per_peer_max=2,
            change_key=self._change_key,
        )
        self.link = InboundLink(plan, self.reactor)
        self.link.start(self)

    def open(self, link):
        """Be the door."""
        assert link is self.link

    def close(self):
        """Give the port back."""
        self.closed += 1
        return succeed(None)

    def _handle(self, message, reply):
        self.handler(message, reply)

    def _change_key(self, change, changed):
        self.new_keys.append(change)
        self.key_is = changed

    def connect(self, peer="10.0.0.1"):
        """Have a far side connect; None when it may not."""
        protocol = self.link.accept(peer)
        if protocol is None:
            return None
        transport = self._new_transport(self.reactor)
        transport.attach(protocol)
        return Guest(self, transport)

    def signed_on(self, peer="10.0.0.1"):
        """Have a far side connect and sign on."""
        guest = self.connect(peer)
        assert guest.ask("sign-on").text(39) == "00"
        return guest


@pytest.fixture
def host(words, new_transport, mac):
    return Host(words, new_transport, mac)


@pytest.mark.parametrize("peer", ["10.0.1.1", "fe80::1", "127.0.0.1"])
def test_far_side_outside_the_allowed_networks_is_turned_away(host, peer):
    """Nothing is read from it, and the line names its address."""
    with capture_logs() as lines:
        guest = host.connect(peer)

    assert (guest, host.link.turned_away) == (None, 1)
    assert (lines[0]["event"], lines[0]["peer"]) == ("connection-refused", peer)


def test_connections_are_bounded_for_each_peer_and_in_all(host):
    """One peer cannot take every place, and one that leaves makes room."""
    first, _ = host.connect(), host.connect()
    third_of_one = host.connect()
    other = host.connect("10.0.0.2")
    fourth = host.connect("fd00::3")
    first.transport.close()
    host.reactor.advance(0)

    assert (third_of_one, fourth) == (None, None)
    assert other.is_connected
    assert host.connect("fd00::3") is not None
    assert host.link.turned_away == 2


def test_far_side_that_was_switched_off_does_not_keep_itself_out(host):
    """Who is turned away has those before it asked for a sign of life, once they were silent."""
    gone, alive = host.signed_on(), host.signed_on()
    host.reactor.advance(5)
    early = host.connect()
    unasked = gone.heard(), alive.heard()
    host.reactor.advance(5)
    late = [host.connect(), host.connect()]

    for _ in range(ECHO_MISSES_MAX):
        for echo in alive.heard():
            alive.say(host.words.answer(echo))
        host.reactor.advance(ECHO_ANSWER_SECONDS)
    host.reactor.advance(0)

    assert unasked == ([], [])
    assert [early, *late] == [None] * 3
    assert [message.text(70) for message in gone.heard()] == ["301"] * ECHO_MISSES_MAX
    assert (gone.is_connected, alive.is_connected) == (False, True)
    assert host.connect() is not None


def test_nothing_but_08xx_is_answered_before_the_sign_on(host):
    """A request is declined with 91 and its own trace; an echo is answered."""
    guest = host.connect()

    answer, echo = guest.ask(), guest.ask("echo")

    assert (answer.mti, answer.text(39), echo.text(39)) == ("0110", "91", "00")
    assert answer.text(11) == "000001"
    assert host.link.tally.refused == 1
    assert host.link.states == {State.ACCEPTED: 1}


def test_far_side_that_does_not_sign_on_is_left(host):
    """It has as long as we have for our own sign-on."""
    guest = host.connect()

    host.reactor.advance(SIGN_ON_ANSWER_SECONDS)
    host.reactor.advance(0)

    assert not guest.is_connected
    assert host.link.states == {}


def test_business_is_declined_as_not_supported_until_there_is_some(host):
    """The handler answers 40; nothing is left without an answer."""
    guest = host.signed_on()

    assert guest.ask().text(39) == "40"


@pytest.mark.parametrize("answers", [True, False])
def test_request_goes_to_the_handler_and_its_answer_back(host, answers):
    """The handler gets the message, and answers it or does not."""
    asked = []

    def handler(message, reply):
        asked.append(message.text(11))
        if answers:
            reply(host.words.answer(message))

    host.handler = handler
    guest = host.signed_on()
    guest.say(host.words.request())

    assert [answer.text(39) for answer in guest.heard()] == ["00"] * answers
    assert asked == ["000002"]


def test_request_outside_the_message_set_is_answered_with_its_code(host):
    """Who dials us waits for an answer, to nonsense as well."""
    guest = host.signed_on()

    guest.say(Message("0100", {3: "999999", 11: "000009"}))

    (answer,) = guest.heard()
    assert (answer.mti, answer.text(39), answer.text(11)) == ("0110", "40", "000009")


def test_answer_goes_under_the_requests_envelope_turned_round(host):
    """Where there is a TPDU, the answer goes to where the request came from."""
    guest = host.connect()
    envelope = b"\x60\x00\x11\x00\x22" if host.words.framing.tpdu else b""
    turned = b"\x60\x00\x22\x00\x11" if host.words.framing.tpdu else b""

    guest.say(host.words.request("sign-on"), envelope)

    prefix = host.words.framing.prefix_bytes
    assert guest.transport.value()[prefix:].startswith(turned)


def test_both_ends_ask_for_signs_of_life(host):
    """We send an echo after a minute of silence, and leave after three without an answer."""
    guest = host.signed_on()

    host.reactor.advance(ECHO_INTERVAL_SECONDS)
    (echo,) = guest.heard()
    guest.say(host.words.answer(echo))
    host.reactor.advance(ECHO_INTERVAL_SECONDS)
    for _ in range(ECHO_MISSES_MAX):
        host.reactor.advance(ECHO_ANSWER_SECONDS)
    host.reactor.advance(0)

    assert echo.text(70) == "301"
    assert not guest.is_connected


def test_far_side_that_signs_off_hears_so_and_is_left(host):
    """The answer leaves before the connection ends; a sign-on in between comes too late."""
    guest = host.signed_on()

    assert guest.ask("sign-off").text(39) == "00"
    host.reactor.advance(0)

    assert not guest.transport.is_aborted
    assert not guest.is_connected


def test_answer_to_nothing_is_counted(host):
    """We ask for nothing here but echoes."""
    guest = host.signed_on()

    guest.say(host.words.answer(host.words.request()))

    assert (guest.heard(), host.link.tally.unmatched) == ([], 1)


def new_mac(data):
    """Give the MAC under the new key."""
    return sha256(b"new" + data).digest()[:8]


def test_far_side_that_dialled_brings_a_new_mac_key(host):
    """Answered under the new key; what is under way under the old one is still taken."""
    guest, other = host.signed_on(), host.signed_on("10.0.0.2")
    bringing = host.words.request("key-change", {53: ChangedKey.MAC.security_control}, NEW_KEY)
    guest.say(bringing)
    before = guest.heard()

    host.key_is(KeyChanged(ResponseCode.APPROVED, "CB9DEA", new_mac))
    (answer,) = guest.heard(new_mac)
    states = dict(host.link.states)
    guest.say(host.words.request("echo"))
    late = guest.heard(new_mac)
    other.say(host.words.request("echo"), mac=new_mac)
    at_once = other.heard(new_mac)
    host.reactor.advance(PREVIOUS_MAC_KEY_SECONDS)
    guest.heard(new_mac)  # an echo of ours, after that silence
    guest.say(host.words.request("echo"))

    assert (before, host.new_keys[0].key) == ([], ChangedKey.MAC)
    assert (answer.mti, answer.text(39), answer.text(48)) == ("0810", "00", "KV006CB9DEA")
    assert states == {State.CHANGING_KEY: 2}
    assert [each.text(39) for each in (*late, *at_once)] == ["00", "00"]
    assert guest.heard(new_mac) == []
    assert host.link.tally.mac_failures == 1
    assert host.link.states == {State.SIGNED_ON: 2}


def test_far_side_that_has_not_signed_on_brings_no_key(host):
    """The module is not asked: 91."""
    guest = host.connect()

    guest.say(host.words.request("key-change", {53: ChangedKey.PIN.security_control}, NEW_KEY))

    assert [answer.text(39) for answer in guest.heard()] == ["91"]
    assert host.new_keys == []


def test_listener_that_stops_forgets_the_old_key_with_its_timer(host):
    """Nothing of a key change outlives the listener."""
    host.signed_on()
    host.link.change_mac(new_mac)
    changed = host.link.mac(b"probe")

    host.link.stop()
    host.reactor.advance(0)

    assert changed == new_mac(b"probe")
    assert host.reactor.getDelayedCalls() == []


def test_stop_hangs_up_on_everybody(host):
    """Who signed on and who did not: every connection ends, and then the stop."""
    guests = [host.signed_on(), host.connect()]

    stopped = host.link.stop()
    before = stopped.called
    host.reactor.advance(0)

    assert (before, stopped.called) == (False, True)
    assert not any(guest.is_connected for guest in guests)
    assert host.reactor.getDelayedCalls() == []


def test_stop_of_a_listener_without_guests_is_at_once(host):
    """Nobody is waited for, and whoever asks again hears so too."""
    assert host.link.stop().called
    assert host.link.stop().called
    assert host.closed == 2
