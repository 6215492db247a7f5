"""A gateway's connection to a simulated far side, over real TCP."""

import pytest
from twisted.internet.testing import StringTransport

from gateway.iso8583 import private_data
from gateway.iso8583.frames import FrameReader
from gateway.simulators.cipher import retail_mac
from gateway.simulators.population import person
from gateway.simulators.protocol import CONNECTIONS_MAX, Connection, ConnectionFactory
from gateway.terms.masking import mask

CARD, PAN = person(1).card, person(1).pan
LINK = f"lnk_{1:026d}"
BUREAU = {100: "99350201", 102: CARD}


def _link(gateway, link=LINK):
    return gateway.ask("link-register", BUREAU, IN="99350201", LK=link, MB="15400000001")


def test_bureau_carries_the_main_job(bureau_simulator, caller):
    """Card inquiry, link, PIN set and account-activated are answered as the message set says."""
    gateway = bureau_simulator.gateway()
    pin = {**BUREAU, 52: caller.format_1("135792"), 53: "16" + "0" * 14}

    answers = [
        gateway.ask("card-inquiry", BUREAU, IN="99350201"),
        _link(gateway),
        gateway.ask("pin-set", pin, IN="99350201", LK=LINK),
        gateway.ask("account-activated", BUREAU, IN="99350201", LK=LINK, AT="20261121040000"),
        gateway.ask("sign-off"),
    ]

    assert [answer.text(39) for answer in answers] == ["00"] * 5
    assert private_data.unpack(answers[0].text(48))["NM"] == "测试甲"


def test_core_carries_the_main_job(core_simulator, caller):
    """Account inquiry, link, activation and activation inquiry go over the BCD dialect."""
    pan = person(2).pan
    gateway = core_simulator.gateway()
    fields = {2: pan, 52: caller.format_0("135792", pan), 53: "26" + "0" * 14}
    activation = gateway.request("account-activation", fields, LK=LINK, SV="SO")
    trace = activation.mti + activation.text(11) + activation.text(7)
    trace += activation.text(32).zfill(11) + activation.text(33).zfill(11)

    answers = [
        gateway.ask("account-inquiry", {2: pan}),
        gateway.ask("link-register", {2: pan}, LK=LINK),
        gateway.ask(activation),
        gateway.ask("outcome-inquiry", {2: pan, 90: trace}),
        gateway.ask("link-remove", {2: pan}, LK=LINK),
    ]

    assert [answer.text(39) for answer in answers] == ["00"] * 5
    assert private_data.unpack(answers[3].text(48))["AS"] == "A"


def test_answer_of_a_core_swaps_the_tpdu(core_simulator):
    """Destination and source of the request come back exchanged."""
    gateway = core_simulator.connect()
    gateway.send(gateway.request("echo"))

    header = gateway.socket.recv(7)

    assert header[2:].hex() == "6000000001"


def test_repeat_is_answered_with_the_same_bytes(bureau_simulator):
    """The stored answer comes back, from another connection too; a changed body is 94."""
    first, second = bureau_simulator.gateway(), bureau_simulator.gateway()
    request = first.request("link-register", BUREAU, IN="99350201", LK=LINK, MB="15400000001")

    answer, again = first.ask(request), second.ask(request.as_repeat())
    changed = second.ask(request.as_repeat().with_fields({102: person(14).card}))

    assert (answer.text(39), again) == ("00", answer)
    assert changed.text(39) == "94"


def test_nothing_is_carried_out_before_sign_on(bureau_simulator):
    """Without a sign-on on this connection, and after a sign-off, the answer is 91."""
    gateway = bureau_simulator.connect()
    before = _link(gateway)
    gateway.sign_on()
    gateway.ask("sign-off")
    after = _link(gateway)

    assert [before.text(39), after.text(39)] == ["91", "91"]
    assert bureau_simulator.control("GET", "state")[1]["touched"] == 0


def test_bad_mac_is_answered_a0_and_changes_nothing(bureau_simulator):
    """A message under another MAC key is refused, and the connection goes on."""
    gateway = bureau_simulator.gateway()
    request = gateway.request("link-register", BUREAU, IN="99350201", LK=LINK, MB="15400000001")
    gateway.send(request, retail_mac(b"another key 16 b", 2))

    assert gateway.receive().text(39) == "A0"
    assert bureau_simulator.control("GET", "state")[1]["touched"] == 0
    assert _link(gateway).text(39) == "00"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({3: "000000"}, "40"),
        ({101: "OTHER"}, "40"),
        ({103: "1"}, "30"),
        ({48: "IN00899350201"}, "30"),
    ],
)
def test_message_outside_the_set_is_refused(bureau_simulator, fields, code):
    """An unknown kind is 40; a field too many and a missing subfield are 30."""
    gateway = bureau_simulator.gateway()
    request = gateway.request("link-register", BUREAU, IN="99350201", LK=LINK, MB="15400000001")
    gateway.send(request.with_fields(fields))

    assert gateway.receive().text(39) == code


@pytest.mark.parametrize(
    "junk",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"9999" + b"0" * 100,
        b"0008ABCDEFGH",
        b"00200800" + b"\xff" * 16,
    ],
)
def test_junk_ends_its_connection_and_no_other(bureau_simulator, junk):
    """Foreign protocols, oversized and malformed messages: closed, with a reason in the journal."""
    good, bad = bureau_simulator.gateway(), bureau_simulator.gateway()
    bad.socket.sendall(junk)

    assert bad.closed()
    assert good.ask("echo").text(39) == "00"
    assert any("at byte" in note for note in bureau_simulator.notes())


def test_answers_before_junk_still_arrive(bureau_simulator):
    """A good request with junk behind it in the same bytes is answered before the end."""
    gateway = bureau_simulator.gateway()
    request = gateway.request("echo")
    data = gateway.framed(bureau_simulator.wire.codec.encode(request, bureau_simulator.wire.mac))
    gateway.socket.sendall(data + b"junk")

    assert gateway.receive().text(39) == "00"
    assert gateway.closed()


@pytest.mark.parametrize("side", ["bureau_simulator", "core_simulator"])
def test_frame_may_come_byte_by_byte(request, side):
    """However TCP cuts a request, and keep-alives before it, it is answered once."""
    simulator = request.getfixturevalue(side)
    gateway = simulator.connect()
    framing = simulator.wire.codec.dialect.framing
    echo = simulator.wire.codec.encode(gateway.request("echo"), simulator.wire.mac)

    for byte in framing.keep_alive() * 2 + gateway.framed(echo):
        gateway.socket.sendall(bytes((byte,)))

    assert gateway.receive().text(39) == "00"
    assert gateway.silent()


def test_journal_holds_both_ways_masked(bureau_simulator, caller):
    """Every message is there field by field; no number, PIN block or MAC is readable."""
    gateway = bureau_simulator.gateway()
    pin = {**BUREAU, 52: caller.format_1("135792"), 53: "16" + "0" * 14}
    _link(gateway)
    gateway.ask("pin-set", pin, IN="99350201", LK=LINK)

    entries = bureau_simulator.control("GET", "journal")[1]["entries"]

    named = [(entry["direction"], entry["message"]) for entry in entries if "message" in entry]
    assert named[-2:] == [("received", "pin-set"), ("sent", "pin-set")]
    values = {field["place"]: field["value"] for field in entries[-2]["fields"]}
    assert (values["DE 102"], values["DE 52"]) == (mask(CARD), "****")
    assert CARD not in str(entries)
    assert "15400000001" not in str(entries)


class _Transport(StringTransport):
    """A transport in memory that knows how it was ended."""

    def setTcpNoDelay(self, enabled):  # noqa: N802 - Twisted's name
        assert enabled

    def abortConnection(self):  # noqa: N802 - Twisted's name
        self.aborting = True


def _signed_on(host):
    """Give a connection in memory with its transport, signed on and silent."""
    connection, transport = Connection(host, 1), _Transport()
    connection.makeConnection(transport)
    wire = host.wire
    sign_on = wire.message_set.kind("sign-on").build({7: "1121040000", 11: "000001", 33: "1"})
    framing = wire.codec.dialect.framing
    connection.dataReceived(framing.frame(wire.codec.encode(sign_on, wire.mac)))
    transport.clear()
    return connection, transport


def _said(host, transport):
    """Give the messages written since the last look."""
    frames = FrameReader(host.wire.codec.dialect.framing).feed(transport.value())
    transport.clear()
    return [host.wire.codec.decode(frame.payload) for frame in frames]


@pytest.mark.parametrize("side", ["bureau", "core"])
def test_silent_gateway_is_asked_for_a_sign_of_life(clocked, side):
    """After a silent interval an echo goes out; whatever is heard counts as its answer."""
    host, clock = clocked(side)
    connection, transport = _signed_on(host)

    clock.pump([60, 60])
    (echo,) = _said(host, transport)
    connection.dataReceived(host.wire.codec.dialect.framing.keep_alive())
    clock.advance(60)

    assert host.wire.message_set.check_request(echo).name == "echo"
    assert _said(host, transport) == []


def test_echo_answered_by_the_gateway_is_journaled(clocked):
    """The answer to the echo is taken as it is."""
    host, clock = clocked()
    connection, transport = _signed_on(host)
    clock.pump([60, 60])
    (echo,) = _said(host, transport)
    answer = host.wire.message_set.kind("echo").answer(echo, "00")
    framing = host.wire.codec.dialect.framing
    connection.dataReceived(framing.frame(host.wire.codec.encode(answer, host.wire.mac)))

    assert host.journal.read()[-1]["direction"] == "received"
    assert connection.is_open


def test_gateway_that_answers_no_echo_is_given_up(clocked):
    """Three echoes without a sign of life end the connection."""
    host, clock = clocked()
    connection, transport = _signed_on(host)

    clock.pump([60] * 4)
    assert len(_said(host, transport)) == 3
    clock.advance(60)

    assert transport.aborting
    assert not connection.is_open


def test_gateway_that_never_signed_on_is_not_asked(clocked):
    """Before sign-on there is no session to keep alive."""
    host, clock = clocked()
    transport = _Transport()
    Connection(host, 1).makeConnection(transport)

    clock.pump([60] * 10)

    assert transport.value() == b""


def test_connection_that_ends_stops_its_clock(clocked):
    """No timer outlives its connection."""
    host, clock = clocked()
    connection, _ = _signed_on(host)

    connection.connectionLost()

    assert clock.getDelayedCalls() == []


def test_connections_are_bounded(clocked):
    """One more than the limit is refused; a closed one makes room."""
    factory = ConnectionFactory(clocked()[0])
    connections = [factory.buildProtocol(None) for _ in range(CONNECTIONS_MAX)]
    for connection in connections:
        connection.makeConnection(_Transport())

    assert factory.connections == CONNECTIONS_MAX
    assert factory.buildProtocol(None) is None
    connections[0].connectionLost()
    assert factory.buildProtocol(None) is not None
