"""Captures read through libpcap, packet by packet, and told as conversations."""

import pytest

from gateway.app.message_tools.capture import Capture
from gateway.app.message_tools.conversation import CONNECTIONS_MAX, Conversations
from gateway.app.message_tools.fitting import tongues as all_tongues
from gateway.app.message_tools.message_input import BadInput


@pytest.fixture
def told(tmp_path):
    """Give the lines that a capture is told in, and the capture as it was counted."""

    def tell(content, known, port=None):
        file = tmp_path / "capture"
        file.write_bytes(content)
        capture = Capture(file, Conversations(known, port))
        return list(capture.lines()), capture

    return tell


@pytest.fixture(params=["bureau", "core"])
def spoken(request, tongues):
    """Give each of the two dialects that a message set is written for."""
    return tongues[request.param]


@pytest.fixture
def frames(spoken, requests, answers):
    """Give a request and its answer in frames."""
    both = requests[spoken.dialect.name], answers[spoken.dialect.name]
    return tuple(spoken.dialect.framing.frame(each) for each in both)


@pytest.fixture
def heard(spoken, frames):
    """Give a dialect with a request and an answer in it."""
    return spoken, frames


def heads(lines):
    """Keep the lines that say when, from whom and to whom."""
    return [line for line in lines if " > " in line]


@pytest.mark.parametrize("form", ["pcap", "pcapng"])
def test_every_message_is_told_with_time_and_direction(told, tape, ends, heard, form):
    """Split at odd places and joined with a keep-alive, in both file formats."""
    spoken, (request, answer) = heard
    keep_alive = spoken.dialect.framing.keep_alive()
    tape.open().say(ends[0], request, 1, 3, 50).say(ends[1], answer + keep_alive + answer, 9)

    lines, capture = told(getattr(tape.close(), form)(), [spoken])

    assert (capture.messages, capture.flaws) == (3, 0)
    assert heads(lines) == [
        "2023-11-14T22:13:20.005000+00:00 192.0.2.1:41000 > 192.0.2.2:8583",
        "2023-11-14T22:13:20.007000+00:00 192.0.2.2:8583 > 192.0.2.1:41000",
        "2023-11-14T22:13:20.007000+00:00 192.0.2.2:8583 > 192.0.2.1:41000  keep-alive",
        "2023-11-14T22:13:20.007000+00:00 192.0.2.2:8583 > 192.0.2.1:41000",
    ]
    assert lines[-1] == "3 messages, 0 flaws"


def test_nothing_sensitive_is_told(told, tape, ends, heard, leaks):
    """Neither of good messages nor of those that a missing packet has damaged."""
    spoken, (request, answer) = heard
    tape.open().say(ends[0], request + request, 30, 90).say(ends[1], answer, 50)
    good, _ = told(tape.pcap(), [spoken])
    del tape.packets[3]

    damaged, _ = told(tape.pcap(), [spoken])

    assert leaks("\n".join(good + damaged)) == []


def test_order_and_repetition_of_packets_make_no_difference(told, tape, ends, spoken, frames):
    """Swapped and retransmitted segments give each message once."""
    tape.open().say(ends[0], frames[0], 20, 40, 60)
    tape.packets[2:] = [tape.packets[at] for at in (3, 2, 5, 3, 4, 2, 5)]

    lines, capture = told(tape.pcap(), [spoken])

    assert (capture.messages, capture.flaws) == (1, 0)
    assert len(heads(lines)) == 1


def test_missing_packet_costs_its_message_only(told, tape, ends, spoken, frames):
    """The gap is reported, and the next segment that begins with a frame is found."""
    request, _ = frames
    tape.open().say(ends[0], request + request + request, len(request) + 30, 2 * len(request))
    tape.say(ends[0], request).close()
    del tape.packets[3]  # the rest of the second message

    lines, capture = told(tape.pcap(), [spoken])

    gap = len(request) - 30
    assert capture.messages == 3
    assert sum(f"{gap} bytes are not in the capture" in line for line in lines) == 1
    assert sum("30 bytes skipped up to here" in line for line in lines) == 1


def test_capture_begun_inside_a_message_finds_the_next(told, tape, ends, spoken, frames):
    """Without the handshake, what cannot be read is skipped and counted."""
    request, _ = frames
    tape.say(ends[0], request, 33).say(ends[0], request).packets.pop(0)

    lines, capture = told(tape.pcap(), [spoken])

    assert capture.messages == 1
    assert sum(f"{len(request) - 33} bytes skipped" in line for line in lines) == 1


def test_malformed_message_is_told_as_far_as_it_goes(told, tape, ends, spoken, requests):
    """With its place, and the stream goes on."""
    framing, data = spoken.dialect.framing, requests[spoken.dialect.name]
    tape.open().say(ends[0], framing.frame(data[:-20]) + framing.frame(data)).close()

    lines, capture = told(tape.pcap(), [spoken])

    assert (capture.messages, capture.flaws) == (2, 1)
    assert any(line.startswith("stopped: DE ") for line in lines)


def test_unfinished_frame_at_the_end_is_reported(told, tape, ends, spoken, frames):
    """A capture that was stopped too early says so."""
    tape.open().say(ends[0], frames[0][:-1])

    lines, capture = told(tape.pcap(), [spoken])

    assert capture.messages == 0
    assert f"the last {len(frames[0]) - 1} bytes are no whole frame" in lines[0]


def test_dialect_is_found_for_each_connection(told, tape, ends, spoken, frames, specifications):
    """With all dialects to choose from, what fits is taken, from the first byte on."""
    tape.open().say(ends[0], frames[0], 2, 30).say(ends[1], frames[1]).close()

    lines, capture = told(tape.pcap(), all_tongues(specifications))

    assert (capture.messages, capture.flaws) == (2, 0)
    assert sum(line.startswith(f"{spoken.dialect.name}, ") for line in lines) == 2


def test_other_traffic_is_set_aside(told, tape, ends, specifications):
    """What fits no dialect is named once and not shown."""
    tape.open().say(ends[0], b"GET / HTTP/1.1\r\nHost: bank\r\n\r\n" * 80, *range(30, 2300, 30))

    lines, capture = told(tape.pcap(), all_tongues(specifications))

    assert capture.messages == 0
    assert sum("fits no dialect" in line for line in lines) == 1
    assert not any("GET" in line for line in lines)


@pytest.mark.parametrize("port", [8583, 41000, 9999])
def test_port_of_either_end_chooses_connections(told, tape, ends, heard, port):
    """Everything else in the capture is left alone."""
    spoken, frames = heard
    tape.open().say(ends[0], frames[0]).close()

    _, capture = told(tape.pcap(), [spoken], port)

    assert capture.messages == (port != 9999)


def test_fragments_and_other_protocols_are_passed_over(told, tape, ends, heard):
    """Fragments are counted, because a message may be in them; the rest is none of ours."""
    spoken, frames = heard
    tape.open().say(ends[0], frames[0])
    fragment = bytearray(tape.packets[2])
    fragment[20] |= 0x20  # more fragments
    udp = bytearray(tape.packets[2])
    udp[23] = 17
    tape.packets += [bytes(fragment), bytes(udp), b"\0" * 60]

    lines, capture = told(tape.pcap(), [spoken])

    assert (capture.messages, capture.fragments) == (1, 1)
    assert lines[-1] == "1 packets are IP fragments, which are not put together"


def test_connection_opened_again_on_the_same_ports_is_read_anew(told, tape, ends, heard):
    """What the old one left unfinished is said, and the new one begins with its first byte."""
    spoken, frames = heard
    tape.open().say(ends[0], frames[0][:20]).open().say(ends[0], frames[0])

    lines, capture = told(tape.pcap(), [spoken])

    assert capture.messages == 1
    assert "the last 20 bytes are no whole frame" in lines[0]


@pytest.mark.parametrize(
    ("damage", "rule"),
    [
        (lambda _: b"", "truncated"),
        (lambda _: b"no capture at all, but text", "unknown file format"),
        (lambda content: content[:-1], "truncated"),
        (lambda content: content[:20] + b"\x93\x00\x00\x00" + content[24:], "link-layer type 147"),
    ],
)
def test_what_is_no_whole_capture_is_refused(told, tape, tongues, damage, rule):
    """The error is libpcap's, without a byte of the file."""
    content = tape.open().pcap()

    with pytest.raises(BadInput, match=rule):
        told(damage(content), [tongues["core"]])


def test_messages_before_a_damaged_place_are_told(tape, ends, tongues, requests, tmp_path):
    """A capture cut off in the middle is read up to there."""
    framing = tongues["core"].dialect.framing
    tape.open().say(ends[0], framing.frame(requests["core"])).close()
    (tmp_path / "capture").write_bytes(tape.pcap()[:-1])
    capture, lines = Capture(tmp_path / "capture", Conversations([tongues["core"]])), []

    with pytest.raises(BadInput):
        lines.extend(capture.lines())

    assert capture.messages == 1


def test_memory_does_not_grow_with_the_capture(tmp_path, tape, ends, ethernet_frame, tongues):
    """Of ever new connections, each left inside a frame, no more than the bound are kept."""
    head = (4000).to_bytes(2, "big") + bytes.fromhex("6000010000") + b"\x08\x00"
    count = 3 * CONNECTIONS_MAX
    tape.packets = [
        ethernet_frame(("192.0.2.1", 1024 + n), ends[1], 1, 1, 0x18, head) for n in range(count)
    ]
    (tmp_path / "capture").write_bytes(tape.pcap())
    capture = Capture(tmp_path / "capture", Conversations([tongues["core"]]))

    kept = [len(capture.conversations._open) for _ in capture.lines()]

    assert capture.flaws == count
    assert max(kept) < CONNECTIONS_MAX
