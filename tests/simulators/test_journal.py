"""The journal keeps the newest entries and no PIN block."""

from datetime import UTC, datetime

from gateway.iso8583.message import Message
from gateway.simulators.journal import ENTRIES_MAX, Direction, Journal

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)


def test_no_pin_block_is_kept(clocked):
    """Not even enciphered: the bytes in memory hold zeros in its place."""
    host, _ = clocked()
    message = Message("0100", {11: "000001", 52: b"PINBLOCK", 128: bytes(8)})
    data = host.wire.codec.encode(message)

    host.journal.message(NOW, 1, Direction.RECEIVED, "pin-set", message, data)

    assert b"PINBLOCK" in data
    assert b"PINBLOCK" not in host.journal._entries[0].said.fields.values()
    assert host.journal.read()[0]["fields"][2]["value"] == "****"


def test_no_sm4_pin_block_is_kept(sm4_codec):
    """Nor the one of 16 bytes in DE 63."""
    journal, block = Journal(sm4_codec, {}), bytes(range(16))
    message = Message("0100", {11: "000001", 63: sm4_codec.pack(63, {"SM": block}), 128: bytes(8)})
    data = sm4_codec.encode(message)

    journal.message(NOW, 1, Direction.RECEIVED, "pin-set", message, data)

    assert block in data
    assert b"SM016" + bytes(16) in sm4_codec.encode(journal._entries[0].said)


def test_journal_is_bounded_and_its_sequence_goes_on(clocked):
    """The oldest entries go; numbers never start anew, not even after a reset."""
    host, _ = clocked()
    for _ in range(ENTRIES_MAX + 1):
        host.journal.event(NOW, 1, "connected")

    assert host.journal.read()[0]["sequence"] == 2
    host.journal.clear()
    host.journal.event(NOW, 1, "connected")
    assert [entry["sequence"] for entry in host.journal.read()] == [ENTRIES_MAX + 2]
    assert host.journal.last == ENTRIES_MAX + 2
