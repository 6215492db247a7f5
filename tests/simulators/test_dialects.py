"""Every shipped dialect over real TCP: a whole conversation, and each fault of a network.

The gateway's end is the gateway's own codec, MACs and PIN blocks; the far end is
`gateway simulate`, whose ciphers were written apart from them.
"""

import contextlib
import select
import socket

import pytest

from gateway.hsm.ciphers import sm4, tdes
from gateway.iso8583 import private_data
from gateway.iso8583.errors import MacMismatch
from gateway.pinblock.formats import PinBlockFormat, encipher
from gateway.simulators.population import person

LINK = f"lnk_{1:026d}"
PIN = b"135792"
PIN_KEY = bytes.fromhex("11112222333344445555666677778888")
FILL = bytes(range(16))
UNREAD_BYTES_MAX = 500_000  # far more than the buffers of both ends hold


class Talk:
    """Business with a bureau or with a core, in whatever dialect they speak.

    Person 18 has a name with a character of four bytes, person 19 one in letters, for a plain
    dialect has no others; the account of person 20 waits for its activation.
    """

    def __init__(self, simulator, asked=None):
        self.is_bureau = "card-inquiry" in (k.name for k in simulator.wire.message_set.messages)
        self.codec = simulator.wire.codec
        is_plain = self.codec.dialect.name.startswith("iso8583-1987")
        self.asked = person(asked or (19 if is_plain else 18))
        self.linked = self.asked if self.is_bureau else person(20)

    def _of(self, who):
        return {100: "99350201", 102: who.card} if self.is_bureau else {2: who.pan}

    @property
    def inquiry(self):
        """Name, fields and subfields of the inquiry."""
        if self.is_bureau:
            return "card-inquiry", self._of(self.asked), {"IN": "99350201"}
        return "account-inquiry", self._of(self.asked), {}

    @property
    def registration(self):
        """Name, fields and subfields of the link's registration."""
        more = {"IN": "99350201", "MB": self.linked.at_bank.mobile} if self.is_bureau else {}
        return "link-register", self._of(self.linked), {"LK": LINK} | more

    def pin(self, key=PIN_KEY):
        """Set the SS PIN at a bureau, activate the account with its PIN at a core."""
        fields = self._of(self.linked)
        if self.codec.dialect.name == "bureau-sm4":
            block = encipher(PinBlockFormat.SM4_NO_PAN, sm4(key), PIN, "", FILL)
            fields |= {53: "1000000000000000", 63: self.codec.pack(63, {"SM": block})}
            return "pin-set", fields, {"IN": "99350201", "LK": LINK}
        if self.is_bureau:
            block = encipher(PinBlockFormat.ISO_1, tdes(key), PIN, "", FILL)
            fields |= {52: block, 53: "1600000000000000"}
            return "pin-set", fields, {"IN": "99350201", "LK": LINK}
        block = encipher(PinBlockFormat.ISO_0, tdes(key), PIN, self.linked.pan, FILL)
        fields |= {52: block, 53: "2600000000000000"}
        return "account-activation", fields, {"LK": LINK, "SV": "SO"}


def _ask(gateway, what):
    """Ask and give response code and subfields."""
    name, fields, private = what
    answer = gateway.ask(name, fields, **private)
    return answer.text(39), private_data.unpack(answer.text(48))


def _framed(gateway, what="echo"):
    """Word a request and give it with its bytes on the wire."""
    name, fields, private = (what, {}, {}) if isinstance(what, str) else what
    request = gateway.request(name, fields, **private)
    return request, gateway.framed(gateway._wire.codec.encode(request, gateway._wire.mac))


def _answers(gateway, requests):
    """Check that the next answers are those of these requests, in order, each of them good."""
    for request in requests:
        answer = gateway.receive()
        assert (answer.text(11), answer.text(39)) == (request.text(11), "00")


# ---------------------------------------------------------------- what is said


def test_conversation_is_understood(speaker):
    """Sign-on, inquiry, link, PIN, sign-off: answered, decoded, and true."""
    gateway, talk = speaker.connect(), Talk(speaker)
    refused, _ = _ask(gateway, talk.inquiry)
    gateway.sign_on()

    code, told = _ask(gateway, talk.inquiry)
    linked, _ = _ask(gateway, talk.registration)
    set_, _ = _ask(gateway, talk.pin())
    off = gateway.ask("sign-off").text(39)

    assert (refused, code, linked, set_, off) == ("91", "00", "00", "00", "00")
    assert (told["NM"], told["ID"]) == (talk.asked.at_bank.name, talk.asked.at_bank.citizen_id)


def test_command_line_starts_a_simulator_of_a_dialect(commanded):
    """`gateway simulate bureau --dialect NAME --messages NAME` speaks and reads PINs as asked."""
    simulator = commanded("bureau-sm4")
    gateway, talk = simulator.gateway(), Talk(simulator)

    codes = [_ask(gateway, what)[0] for what in (talk.inquiry, talk.registration, talk.pin())]

    assert codes == ["00"] * 3


def test_far_side_opens_the_pin_block(speaker):
    """A block of another key is refused, and at a bureau the PIN that was set is the PIN."""
    gateway, talk = speaker.gateway(), Talk(speaker)
    _ask(gateway, talk.registration)

    wrong, _ = _ask(gateway, talk.pin(PIN_KEY[::-1]))
    right, _ = _ask(gateway, talk.pin())

    assert (wrong, right) == ("99", "00")
    if talk.is_bureau:
        body = {"scene": "pharmacy", "card": talk.linked.card, "pin": PIN.decode()}
        assert speaker.control("POST", "terminal", body)[1]["answer"] == "accepted"


def test_answer_comes_back_in_the_envelope_of_its_request(speaker):
    """TPDU and header have destination and source exchanged."""
    gateway = speaker.connect()
    framing = gateway._wire.codec.dialect.framing
    request, data = _framed(gateway, "sign-on")
    gateway.socket.sendall(data)
    length = framing.length_of(_exactly(gateway.socket, framing.prefix_bytes))
    body = _exactly(gateway.socket, length)

    frame = framing.open(body)

    expected = framing.answer_envelope(framing.own_envelope)
    if framing.header:
        expected = expected[: framing.tpdu_bytes] + framing.header.filled(
            expected[framing.tpdu_bytes :], len(frame.payload)
        )
    assert frame.envelope == expected
    assert gateway._wire.codec.decode(frame.payload).text(11) == request.text(11)


def test_wrong_mac_is_refused_and_the_conversation_goes_on(speaker):
    """A0 to a request whose MAC is another key's; the same connection serves the next one."""
    gateway, talk = speaker.gateway(), Talk(speaker)
    name, fields, private = talk.registration

    gateway.send(gateway.request(name, fields, **private), lambda _: bytes(8))
    refused = gateway.receive().text(39)

    assert (refused, _ask(gateway, talk.registration)[0]) == ("A0", "00")


def test_garbled_mac_of_an_answer_is_found(speaker):
    """Wrong in what the dialect keeps of a MAC, be it half or hex; the next answer is right."""
    speaker.fault("echo", "garble_mac")
    gateway = speaker.gateway()
    gateway.send(gateway.request("echo"))

    with pytest.raises(MacMismatch):
        gateway.receive()

    assert gateway.ask("echo").text(39) == "00"


@pytest.mark.parametrize("dialect", ["iso8583-1987-ascii", "iso8583-1987-binary"])
def test_answer_that_a_dialect_has_no_characters_for_is_a_malfunction(speakers, dialect):
    """A Chinese name cannot be said in ASCII: 96, the reason in the journal, no dead connection."""
    speaker = speakers[dialect].fresh()
    gateway, talk = speaker.gateway(), Talk(speaker, 1)

    code, told = _ask(gateway, talk.inquiry)

    assert (code, told) == ("96", {})
    assert any(note.startswith("answer not of this dialect") for note in speaker.notes())
    assert _ask(gateway, Talk(speaker).inquiry)[0] == "00"


def test_sm4_block_is_in_no_journal(speakers):
    """Not even enciphered: the control port shows DE 63 without it."""
    speaker = speakers["bureau-sm4"].fresh()
    gateway, talk = speaker.gateway(), Talk(speaker)
    _ask(gateway, talk.registration)
    name, fields, private = talk.pin()

    _ask(gateway, (name, fields, private))

    entries = str(speaker.control("GET", "journal")[1])
    assert "pin-set" in entries
    assert fields[63][5:].hex() not in entries.lower()


def test_sm4_messages_are_those_of_the_bureau_but_for_the_pin_block(speakers):
    """Two files say the same of everything else: a change in one belongs into both."""
    sets = [speakers[name].wire.message_set for name in ("bureau", "bureau-sm4")]
    plain, under_sm4 = ({kind.name: kind for kind in each.messages} for each in sets)

    differing = {name for name in plain if plain[name] != under_sm4.get(name)}

    assert plain.keys() == under_sm4.keys()
    with_pin = {name for name, kind in plain.items() if 52 in kind.request_mandatory}
    assert differing == with_pin
    moved = {52} ^ set(plain["pin-set"].request_mandatory) ^ {63}
    assert moved == set(under_sm4["pin-set"].request_mandatory)
    assert sets[0].private_subfields == sets[1].private_subfields


# ---------------------------------------------------------------- what a network does


def test_request_in_single_bytes_is_one_request(speaker):
    """Every byte in a segment of its own, answers read one byte at a time."""
    gateway, talk = speaker.gateway(), Talk(speaker)
    gateway.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    request, data = _framed(gateway, talk.inquiry)

    for byte in data:
        gateway.socket.send(bytes((byte,)))
    framing = gateway._wire.codec.dialect.framing
    length = framing.length_of(_exactly(gateway.socket, framing.prefix_bytes))
    frame = framing.open(_exactly(gateway.socket, length))

    gateway._wire.codec.verify_mac(frame.payload, gateway._wire.mac)
    answer = gateway._wire.codec.decode(frame.payload)
    assert (answer.text(11), answer.text(39)) == (request.text(11), "00")


def test_request_halted_at_every_byte_waits_and_keeps_nobody_waiting(speaker):
    """While one connection has sent a part, another one is served; then the rest comes."""
    slow, neighbour = speaker.gateway(), speaker.gateway()
    slow.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    request, data = _framed(slow)

    for at in range(1, len(data)):
        slow.socket.sendall(data[:at])
        assert neighbour.ask("echo").text(39) == "00"
        slow.socket.sendall(data[at:])
        _answers(slow, [request])


def test_requests_in_one_segment_are_all_answered_in_order(speaker):
    """Fifty requests, keep-alives between them, and the last one completed later."""
    gateway, talk = speaker.gateway(), Talk(speaker)
    keep_alive = gateway._wire.codec.dialect.framing.keep_alive()
    pairs = [_framed(gateway, talk.inquiry if n % 5 else "echo") for n in range(50)]
    stream = keep_alive.join(data for _, data in pairs)

    gateway.socket.sendall(stream[:-3])
    _answers(gateway, [request for request, _ in pairs[:-1]])
    gateway.socket.sendall(stream[-3:])
    _answers(gateway, [pairs[-1][0]])


def test_garbage_ends_its_own_connection_only(speaker):
    """Noise, HTTP, TLS, a frame around no message, a good request with noise behind it."""
    neighbour = speaker.gateway()
    framing = speaker.wire.codec.dialect.framing
    for noise in (
        b"\xff" * 64,
        b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n",
        bytes.fromhex("160301020001000001fc0303") + bytes(32),
        framing.frame(b"\xff" * 40),
        framing.frame(b"0800"),
    ):
        stranger, polite = speaker.connect(), speaker.gateway()
        request, data = _framed(polite)
        stranger.socket.sendall(noise)
        polite.socket.sendall(data + noise)

        _answers(polite, [request])
        assert stranger.closed()
        assert polite.closed()
        assert neighbour.ask("echo").text(39) == "00"


def test_half_closed_peer_is_a_closed_one(speaker):
    """Who says that it sends no more has gone; everybody else is served."""
    gateway, neighbour = speaker.gateway(), speaker.gateway()
    _, data = _framed(gateway)
    gateway.socket.sendall(data[:-1])
    gateway.socket.shutdown(socket.SHUT_WR)

    assert gateway.closed()
    assert neighbour.ask("echo").text(39) == "00"


def test_peer_that_stops_reading_is_not_read_and_others_are_served(speaker):
    """What waits for it is bounded, nothing of it is lost, and nobody else notices."""
    stuck, neighbour = speaker.connect(buffer_bytes=4096).sign_on(), speaker.gateway()
    request, data = _framed(stuck, Talk(speaker).inquiry)

    sent = _send_until_stuck(stuck.socket, data)
    served = [neighbour.ask("echo").text(39) for _ in range(10)]

    assert sent < UNREAD_BYTES_MAX
    assert served == ["00"] * 10
    stuck.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 200_000)
    _answers(stuck, [request] * (sent // len(data)))


def test_connection_cut_in_the_middle_of_a_request_leaves_no_trace(speaker):
    """Reset after half of a registration: not carried out, and the repeat is the first."""
    talk, dying = Talk(speaker), speaker.gateway()
    request, data = _framed(dying, talk.registration)
    linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"  # on, 0 seconds: close with a reset
    dying.socket.sendall(data[: len(data) // 2])
    dying.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    dying.socket.close()

    gateway = speaker.gateway()

    assert gateway.ask(request.as_repeat()).text(39) == "00"


def _exactly(connection, count):
    """Read so many bytes, one at a time."""
    data = b""
    while len(data) < count:
        byte = connection.recv(1)
        assert byte, "closed too early"
        data += byte
    return data


def _send_until_stuck(connection, data):
    """Send one message over and over without reading; give the bytes that the far side took."""
    burst, sent = data * 100, 0
    connection.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while sent < UNREAD_BYTES_MAX:
            if not select.select([], [connection], [], 0.2)[1]:
                break
            sent += connection.send(burst[sent % len(data) :])
    connection.settimeout(5)
    return sent
