"""Frames and what is around the fields, byte for byte."""

import pytest

from gateway.hsm.payshield.framing import (
    FRAME_BYTES_MAX,
    Answer,
    BrokenMessage,
    Envelope,
    FrameReader,
    OversizedMessage,
    response_code_of,
)
from gateway.terms.errors import LocalError


@pytest.mark.parametrize(
    ("envelope", "frame"),
    [
        (Envelope(4), b"\x00\x060007NC"),
        (Envelope(12), b"\x00\x0e000000000007NC"),
        (Envelope(4, lmk="01"), b"\x00\x090007NC%01"),
        (Envelope(4, trailer="end"), b"\x00\x0a0007NC\x19end"),
        (Envelope(4, "01", "end"), b"\x00\x0d0007NC%01\x19end"),
    ],
)
def test_request_is_framed_with_header_lmk_and_trailer(envelope, frame):
    """Length, header, code, LMK and trailer stand where the manual has them."""
    assert envelope.write(7, "NC", b"") == frame


def test_fields_after_the_lmk_stand_before_the_trailer():
    """The key block fields of A0 come between LMK and trailer."""
    frame = Envelope(4, "01", "end").write(7, "A0", b"0FFFS", b"#P0T2")

    assert frame[2:] == b"0007A00FFFS%01#P0T2\x19end"


def test_length_is_two_bytes_big_endian():
    """A message of 300 bytes has the length 0x012C."""
    frame = Envelope(4).write(1, "B2", bytes(294))

    assert frame[:2] == b"\x01\x2c"


def test_message_that_fits_no_frame_is_refused():
    """Beyond 65,535 bytes there is no length for a message."""
    with pytest.raises(OversizedMessage):
        Envelope(4).write(1, "B2", bytes(FRAME_BYTES_MAX - 5))


@pytest.mark.parametrize(
    "wrong",
    [
        {"header_characters": 2},
        {"header_characters": 13},
        {"lmk": "1"},
        {"lmk": "0a"},
        {"trailer": "x" * 33},
        {"trailer": "\x19"},
    ],
)
def test_impossible_envelope_is_refused(wrong):
    """Header, LMK and trailer must be ones that an HSM can be set to."""
    with pytest.raises(LocalError, match="payment HSM"):
        Envelope(**wrong)


def test_answer_is_taken_apart():
    """Header, response code, error code and fields are told apart, the trailer taken off."""
    answer = Envelope(4, trailer="end").read(b"0007CD0006ABC\x19end")

    assert answer == Answer(7, "CD", "00", b"06ABC")


def test_trailer_control_character_within_the_fields_is_data():
    """Only the trailer that was sent is taken off the end."""
    assert Envelope(4).read(b"0007B300\x19end").fields == b"\x19end"
    assert Envelope(4, trailer="e").read(b"0007B300\x19e\x19e").fields == b"\x19e"


@pytest.mark.parametrize(
    "message",
    [b"", b"0007", b"0007CD", b"0007CD0", b"000xCD00", b"0007cd00", b"0007CD\x0000"],
)
def test_message_that_is_no_answer_is_broken(message):
    """An answer has a header of digits and two codes of letters and digits."""
    with pytest.raises(BrokenMessage):
        Envelope(4).read(message)


@pytest.mark.parametrize("message", [b"0007CD00", b"0007CD00\x19enx", b"CD00\x19end"])
def test_answer_without_the_trailer_that_was_sent_is_broken(message):
    """The HSM returns the trailer unchanged."""
    with pytest.raises(BrokenMessage):
        Envelope(4, trailer="end").read(message)


@pytest.mark.parametrize("cut", range(21))
def test_messages_are_put_together_wherever_they_are_cut(cut):
    """Two messages come whole out of a stream that was cut at any byte."""
    stream = b"\x00\x080001ND00\x00\x080002BV15"
    reader = FrameReader()

    messages = reader.feed(stream[:cut]) + reader.feed(stream[cut:])

    assert messages == [b"0001ND00", b"0002BV15"]


def test_many_messages_may_come_at_once():
    """One chunk may hold several messages, an empty one among them."""
    assert FrameReader().feed(b"\x00\x01a\x00\x00\x00\x02bc\x00") == [b"a", b"", b"bc"]


@pytest.mark.parametrize(
    ("code", "response"),
    [("CA", "CB"), ("NC", "ND"), ("A0", "A1"), ("A8", "A9"), ("M6", "M7"), ("FW", "FX")],
)
def test_response_code_is_the_next_one(code, response):
    """The second letter or digit of the command goes one up."""
    assert response_code_of(code) == response
