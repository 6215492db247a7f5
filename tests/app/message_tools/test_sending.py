"""One message out and its answer back: to a simulator, and to peers that behave badly."""

import json
import socket
import subprocess
import sys
import threading

import pytest

from gateway.app.message_tools.message_input import BadInput
from gateway.app.message_tools.sending import Sending, conversation
from gateway.app.specifications import shipped_directory
from gateway.iso8583.codec import Codec
from gateway.iso8583.errors import MalformedFrame, MalformedMessage, UnencodableMessage
from gateway.iso8583.message import Message
from gateway.simulators.cipher import retail_mac
from gateway.terms.errors import SpecificationError, Unavailable

KEYS = """
zone_pin_key = "0123456789ABCDEFFEDCBA9876543210"
zone_mac_key = "89ABCDEF0123456776543210FEDCBA98"
"""
MAC = retail_mac(bytes.fromhex("89ABCDEF0123456776543210FEDCBA98"), 1)
DIALECTS = sorted(file.stem for file in (shipped_directory() / "dialects").glob("*.toml"))
SIGN_ON = """
mti = "0800"
[fields]
7 = "1121202103"
11 = "000001"
33 = "99350201"
70 = "001"
"""


def drain(connection):
    """Read until the other end closes: bytes left unread would make the close a reset."""
    while connection.recv(4096):
        pass


def talk(sending, address, timeout_seconds):
    """Send one message and give every line that is written of it."""
    return list(conversation([sending], address, timeout_seconds))


def sends(data):
    """Give a script that says `data` and waits for the other end to close."""

    def script(connection):
        connection.sendall(data)
        drain(connection)

    return script


@pytest.fixture
def prepared(tmp_path, specifications):
    """Give what makes a message ready: its text, the dialect, and whether there are keys."""

    def prepare(text=SIGN_ON, dialect="core", *, keys=True):
        (tmp_path / "message").write_text(text, "utf-8")
        (tmp_path / "keys.toml").write_text(KEYS, "utf-8")
        given = tmp_path / "keys.toml" if keys else None
        return Sending.prepare(specifications, dialect, str(tmp_path / "message"), given)

    return prepare


@pytest.fixture
def peer():
    """Give what listens, plays a script on the first connection, and says where it is."""
    listening = socket.create_server(("127.0.0.1", 0))
    threads = []

    def listen(script):
        def run():
            connection, _ = listening.accept()
            with connection:
                script(connection)

        threads.append(threading.Thread(target=run, daemon=True))
        threads[0].start()
        return f"127.0.0.1:{listening.getsockname()[1]}"

    yield listen
    # A connection that was made is still to be accepted when nobody waited for its answer.
    for thread in threads:
        thread.join(10)
    listening.close()


@pytest.fixture
def answer(tongues):
    """Give the framed answer to the sign-on, changed as told."""
    codec = tongues["core"].codec
    good = {7: "1121202103", 11: "000001", 33: "99350201", 39: "00", 70: "001"}

    def make(mti="0810", mac=MAC, **changed):
        fields = {**good, **{int(de.removeprefix("de")): value for de, value in changed.items()}}
        return codec.dialect.framing.frame(codec.encode(Message(mti, fields), mac))

    return make


def test_simulator_answers_and_both_messages_are_shown(prepared, tmp_path):
    """The MAC of the request is good to the simulator, and that of its answer to us."""
    sending = prepared(dialect="bureau")
    command = [sys.executable, "-m", "gateway", "simulate", "bureau", "--embedded", "--keys"]
    with subprocess.Popen(
        [*command, str(tmp_path / "keys.toml")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as simulator:
        address = json.loads(simulator.stdout.readline())["iso8583"]

        lines = talk(sending, address, 10)

        simulator.stdin.close()

    assert sending.answered_well
    assert [line for line in lines if line[:1] not in {" ", "o"}] == [
        "sent", "bureau, 57 bytes", "sign-on: Open the session on a connection",
        "", "the answer", "bureau, 59 bytes", "MAC: good",
    ]  # fmt: skip
    assert sum("DE 39" in line and " 00 " in line for line in lines) == 1


def test_messages_go_over_one_connection_in_turn(prepared, peer, answer):
    """Each after the answer to the one before, so that a sign-on may go first."""

    def script(connection):
        for de11 in ("000001", "000002"):
            connection.recv(4096)
            connection.sendall(answer(de11=de11))
        drain(connection)

    sendings = [prepared(), prepared(SIGN_ON.replace("000001", "000002"))]

    lines = list(conversation(sendings, peer(script), 10))

    assert [line for line in lines if line in {"sent", "the answer"}] == ["sent", "the answer"] * 2
    assert all(sending.answered_well for sending in sendings)


def test_nothing_follows_an_answer_with_a_bad_mac(prepared, peer, answer):
    """The conversation ends there: whoever answers is not who holds the key."""
    sendings = [prepared(), prepared(SIGN_ON.replace("000001", "000002"))]

    lines = list(conversation(sendings, peer(sends(answer(mac=None))), 10))

    assert lines.count("sent") == 1
    assert not sendings[0].answered_well


def test_answer_is_picked_out_of_what_comes_before_it(prepared, peer, answer, tongues):
    """A keep-alive, the peer's own echo and an answer to somebody else are not the answer."""
    keep_alive = tongues["core"].dialect.framing.keep_alive()
    echo, other = answer("0800", de70="301", de11="000077"), answer(de11="000002")
    sending = prepared()

    lines = talk(sending, peer(sends(keep_alive + echo + other + answer())), 10)

    said = [line for line in lines if line in {"the answer", "received, not the answer"}]
    assert said == ["received, not the answer", "received, not the answer", "the answer"]
    assert sending.answered_well


def test_answer_may_come_byte_by_byte(prepared, peer, answer):
    """However the network splits it."""

    def script(connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in answer():
            connection.sendall(bytes((byte,)))
        drain(connection)

    sending = prepared()

    assert "the answer" in talk(sending, peer(script), 10)


@pytest.mark.parametrize(
    ("mac", "rule"),
    [(lambda _: bytes(8), "does not belong to this message"), (None, "missing")],
    ids=["wrong", "missing"],
)
def test_bad_mac_of_an_answer_is_named(prepared, peer, answer, mac, rule):
    """The answer is shown, and is no good one."""
    sending = prepared()

    lines = talk(sending, peer(sends(answer(mac=mac))), 10)

    assert lines[-1] == f"MAC: {rule}"
    assert not sending.answered_well


def test_malformed_message_is_shown_as_far_as_it_goes(prepared, peer, answer, tongues):
    """It is not the answer, whatever it was meant to be."""
    framing = tongues["core"].dialect.framing
    bad = framing.frame(answer()[7:-1])
    sending = prepared()

    lines = talk(sending, peer(sends(bad + answer())), 10)

    assert any(line.startswith("stopped: DE 128 at byte") for line in lines)
    assert sending.answered_well


@pytest.mark.parametrize(
    ("script", "error", "rule"),
    [
        (lambda c: c.recv(9999), Unavailable, "closed the connection|connection lost"),
        (lambda c: (c.recv(9999), c.recv(9999)), Unavailable, "no answer in time"),
        (sends(b"HTTP/1.1 400 Bad Request"), MalformedFrame, "HTTP"),
    ],
    ids=["closes", "silent", "http"],
)
def test_without_an_answer_the_reason_is_named(prepared, peer, script, error, rule):
    """A timeout says that the peer may have acted all the same."""
    sending = prepared()

    with pytest.raises(error, match=rule):
        talk(sending, peer(script), 0.5)

    assert not sending.answered_well


def test_nobody_listening_is_said_at_once(prepared):
    """A refused connection is no timeout."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

    with pytest.raises(Unavailable, match="no connection: Connection refused"):
        talk(prepared(), f"127.0.0.1:{port}", 5)


def test_message_that_wants_no_answer_is_not_waited_for(prepared, peer):
    """An answer of our own goes out, and that is all."""
    sending = prepared(SIGN_ON.replace("0800", "0810"))

    lines = talk(sending, peer(lambda c: c.recv(9999)), 5)

    assert lines[0] == "sent"
    assert sending.answered_well


def test_hex_is_sent_as_it_is(prepared, peer, tongues):
    """Its own MAC included; without keys none is checked."""
    got = []
    data = tongues["core"].codec.encode(Message("0800", {11: "000001", 70: "301"}))
    sending = prepared(data.hex(" "), keys=False)

    with pytest.raises(Unavailable):
        talk(sending, peer(lambda c: got.append(c.recv(9999))), 5)

    assert got == [tongues["core"].dialect.framing.frame(data)]


@pytest.mark.parametrize("address", ["host", ":1", "host:", "host:99999", "host:1x", "host:\uff11"])
def test_address_is_host_and_port(prepared, address):
    """Anything else is refused before a connection is tried."""
    with pytest.raises(BadInput, match="HOST:PORT"):
        talk(prepared(), address, 5)


@pytest.mark.parametrize(
    ("text", "dialect", "error", "rule"),
    [
        (SIGN_ON.replace("301", "3O1").replace("001", "OO1"), "core", UnencodableMessage, "DE "),
        ("mti = 1", "core", SpecificationError, "mti"),
    ],
)
def test_what_cannot_be_encoded_is_refused_before_sending(prepared, text, dialect, error, rule):
    """With the field or the key."""
    with pytest.raises(error, match=rule):
        prepared(text, dialect)


def test_malformed_hex_is_not_sent(prepared):
    """What the tool sends is a message of the dialect; nothing is connected for another."""
    with pytest.raises(MalformedMessage):
        talk(prepared("0800"), "127.0.0.1:9", 1)


def test_keys_file_that_cannot_be_read_is_named(tmp_path, specifications):
    """By its name, and before anything else happens."""
    with pytest.raises(SpecificationError, match="no-keys"):
        Sending.prepare(specifications, "core", "-", tmp_path / "no-keys")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_gets_the_mac_that_it_names(prepared, dialect):
    """CBC-MAC, retail MAC, CMAC and SM4, whole or in part, over all or some of the fields."""
    sending = prepared(dialect=dialect)

    sending.tongue.codec.verify_mac(sending.data, sending.mac)
    assert 128 in sending.tongue.codec.decode(sending.data).fields


def test_mac_of_the_core_is_the_one_that_its_simulator_makes(prepared):
    """Two implementations of the retail MAC, written apart, agree."""
    sending = prepared()

    Codec(sending.tongue.dialect).verify_mac(sending.data, MAC)
