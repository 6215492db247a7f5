"""What is not ISO 8583, or not ours, on an ISO 8583 port: refused or hung up on, and logged masked.

Every other connection goes on meanwhile.
"""

import json
import socket

import pytest

from gateway.app.specifications import Specifications, shipped_directory
from gateway.iso8583.codec import Codec
from gateway.iso8583.frames import FrameReader
from gateway.simulators.cipher import ZoneKeys, retail_mac

HTTP_REQUEST = b"GET / HTTP/1.1\r\nHost: T00001234\r\n\r\n"
TLS_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(range(200))
CLOSED = {
    "bureau": [HTTP_REQUEST, TLS_HELLO, b"9999" + bytes(9_999), b"\xef\xbc\x91" * 40],
    "core": [b"\xff\xff" + bytes(65_535), b"\x00\x03abc"],
}
REFUSED = {
    "bureau": [b"00400110" + b"T00001234" * 4, b"00040110", b"0020" + bytes(20)],
    "core": [b"\x00\x19\x60\x00\x00\x00\x00\x01\x10" + b"T00001234x" + bytes(8)],
}


def cases(table):
    return [
        pytest.param(side, data, id=f"{side} {data[:8]!r}")
        for side in table
        for data in table[side]
    ]


def codec(side):
    return Codec(Specifications(shipped_directory()).dialect(side))


def log_since(town, mark):
    return town.log()[mark:]


def events(log):
    return [json.loads(line)["event"] for line in log.splitlines() if line.startswith("{")]


def answers(speaks, record):
    """Give the answers to business in what one connection carried."""
    frames = FrameReader(speaks.dialect.framing).feed(bytes(record))
    said = [speaks.decode(frame.payload) for frame in frames if frame.payload]
    return [each for each in said if not each.is_request and each.mti[1] != "8"]


@pytest.mark.parametrize(("side", "data"), cases(CLOSED))
def test_stream_that_is_none_of_frames_is_hung_up_on(town, newcomer, eventually, side, data):
    """The gateway closes that connection with a logged reason, dials again, and works."""
    other = {"bureau": "core", "core": "bureau"}[side]
    dialled, untouched = town.wires[side].accepted, town.wires[other].accepted
    mark = len(town.log())

    town.wires[side].inject(data)
    eventually(lambda: town.wires[side].accepted > dialled)
    town.wait_until_ready()

    log = log_since(town, mark)
    assert "connection-closed" in events(log)
    assert "T00001234" not in log
    assert town.wires[other].accepted == untouched
    assert newcomer().ask_link().status == 201


@pytest.mark.parametrize(("side", "data"), cases(REFUSED))
def test_frame_that_is_no_message_is_refused(town, newcomer, eventually, side, data):
    """A sound frame around something else costs one log line, and the connection goes on."""
    dialled, mark = town.wires[side].accepted, len(town.log())

    town.wires[side].inject(data)
    eventually(lambda: "message-malformed" in events(log_since(town, mark)))

    assert "T00001234" not in log_since(town, mark)
    assert newcomer().ask_link().status == 201
    assert town.wires[side].accepted == dialled


@pytest.mark.parametrize("side", ["bureau", "core"])
def test_answers_said_again_are_no_answers(town, citizen, eventually, side):
    """Everything a far side has said, said once more, settles nothing and breaks nothing."""
    citizen.linked()
    wire, mark = town.wires[side], len(town.log())
    said, dialled = bytes(wire.to_gateway[-1]), wire.accepted

    wire.inject(said)
    eventually(lambda: "answer-unmatched" in events(log_since(town, mark)))

    assert citizen.who.card not in log_since(town, mark)
    assert citizen.who.pan not in log_since(town, mark)
    assert citizen.set_pin().status == 200
    assert wire.accepted == dialled


@pytest.mark.parametrize("side", ["bureau", "core"])
def test_answer_of_another_trace_is_unmatched(town, newcomer, eventually, side):
    """A well-formed answer with a good MAC but somebody else's trace number is set aside."""
    citizen = newcomer().linked()
    speaks, wire = codec(side), town.wires[side]
    # The newest connection may have been that of another gateway, which only signed on.
    answer = [each for record in wire.to_gateway for each in answers(speaks, record)][-1]
    keys = ZoneKeys.parse((town.directory / "keys" / f"simulated-{side}.toml").read_text(), "keys")
    mac = retail_mac(keys.mac, speaks.dialect.mac.padding)
    foreign = answer.with_fields({11: "999999"})
    mark = len(town.log())

    wire.inject(speaks.dialect.framing.frame(speaks.encode(foreign, mac)))
    eventually(lambda: "answer-unmatched" in events(log_since(town, mark)))

    assert citizen.unlink().status == 200


def test_connection_cut_in_the_middle_of_a_frame_is_made_anew(town, newcomer, eventually):
    """Half a frame and then nothing: the link is dialled again by itself."""
    dialled = town.wires["bureau"].accepted

    town.wires["bureau"].inject(b"01000110", then_close=True)
    eventually(lambda: town.wires["bureau"].accepted > dialled)
    town.wait_until_ready()

    assert newcomer().ask_link().status == 201


def test_frame_that_never_ends_is_given_up(town, newcomer, eventually):
    """A length that promises more than comes must not swallow the answers that follow."""
    dialled, mark = town.wires["bureau"].accepted, len(town.log())

    town.wires["bureau"].inject(b"01000110")
    eventually(lambda: town.wires["bureau"].accepted > dialled)
    town.wait_until_ready()

    assert "connection-closed" in events(log_since(town, mark))
    assert newcomer().ask_link().status == 201


@pytest.mark.parametrize("data", CLOSED["bureau"], ids=lambda data: repr(data[:8]))
def test_foreign_client_of_a_far_side_is_hung_up_on(town, bureau, newcomer, data):
    """Whoever speaks something else on the bureau's port is closed; the gateway's link goes on."""
    dialled, mark = town.wires["bureau"].accepted, bureau.mark()
    host, _, port = town.wires["bureau"].upstream.rpartition(":")

    with socket.create_connection((host, int(port)), 10) as client:
        client.sendall(data)
        try:
            answer = client.recv(1)
        except ConnectionResetError:
            answer = b""

    notes = [entry["note"] for entry in bureau.entries(mark)]
    assert answer == b""
    assert len([note for note in notes if note not in {"connected", "disconnected"}]) == 1
    assert "T00001234" not in " ".join(notes)
    assert newcomer().ask_link().status == 201
    assert town.wires["bureau"].accepted == dialled
