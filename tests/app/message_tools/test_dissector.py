"""The Lua dissector in a real tshark, against the gateway's own description; and the stock one."""

import json
import os
import shutil
import signal
import socket
import subprocess
from dataclasses import replace
from functools import partial
from time import monotonic, sleep
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner

from gateway.app.message_tools.commands import app as message_app
from gateway.app.message_tools.dissector import dissector, lua, protocol_name
from gateway.app.message_tools.fitting import Tongue, tongue
from gateway.iso8583.codec import Codec
from gateway.iso8583.dialect import parse_dialect
from gateway.iso8583.framing import Framing
from gateway.iso8583.message import Message

PLAIN = Framing("binary-2", 4096)  # the one framing that the stock dissector knows
STOCK = {
    "ascii, binary bitmap": ("bureau", {}, ("ascii", "bin")),
    "ascii, hex bitmap": ("bureau", {"bitmap": "hex", "binary": "hex"}, ("ascii", "ascii")),
    "standard's own ascii": ("iso8583-1987-ascii", {}, ("ascii", "ascii")),
    "standard's own bcd": ("iso8583-1987-binary", {}, ("bcd", "bin")),
}
# Data elements that the stock dissector's table has as we have them; track 2 it reads otherwise.
STOCK_FIELDS = {
    2: "6200000000000000005", 3: "310000", 4: "000000001500", 7: "1121202103", 11: "000123",
    12: "202103", 13: "1121", 32: "99000001", 33: "990000012", 37: "632520000123", 38: "A1B2C3",
    39: "00", 41: "GATEWAY1", 48: "IN00899350201", 49: "156", 52: bytes.fromhex("0123456789ABCDEF"),
    70: "301", 100: "99350201", 102: "T00000019", 128: bytes.fromhex("FEDCBA9876543210"),
}  # fmt: skip


@pytest.fixture(scope="session")
def tshark():
    """Give what runs tshark on a capture; where CI runs, a missing tshark is a failure."""
    program = shutil.which("tshark")
    if program is None and os.environ.get("CI") == "true":
        pytest.fail("tshark is not installed, and CI has to check against it")
    if program is None:
        pytest.skip("tshark is not installed")

    def run(capture, *arguments):
        done = subprocess.run(
            [program, "-n", "-r", str(capture), *arguments],
            capture_output=True,
            check=False,
            timeout=60,
        )
        # A Lua error is a warning to tshark, not a failure.
        assert b"Lua: " not in done.stderr, done.stderr.decode()
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode("utf-8")

    return run


@pytest.fixture
def dissected(tshark, tmp_path):
    """Give the output of tshark for a tape in a dialect."""

    def run(tongue, tape, *arguments):
        script, capture = tmp_path / "dialect.lua", tmp_path / "capture.pcap"
        script.write_text(dissector(tongue), "utf-8")
        capture.write_bytes(tape.pcap())
        chosen = f"tcp.port==8583,{protocol_name(tongue.dialect)}"
        return tshark(capture, "-X", f"lua_script:{script}", "-d", chosen, *arguments)

    return run


@pytest.fixture(params=["bureau", "core"])
def spoken(request, tongues):
    """Give each of the two dialects that a message set is written for."""
    return tongues[request.param]


@pytest.fixture
def exchanged(spoken, requests, answers):
    """Give a request in it and its answer."""
    return requests[spoken.dialect.name], answers[spoken.dialect.name]


def rows_of(pdml, name):
    """List (key, offset, length, value) of each message; offsets count from the MTI."""
    messages = []
    for proto in ET.fromstring(pdml).iter("proto"):  # noqa: S314 - tshark wrote it
        if proto.get("name") != name:
            continue
        fields = [f for f in proto.iter("field") if f.get("name").startswith(f"{name}.")]
        begin = next((int(f.get("pos")) for f in fields if f.get("name") == f"{name}.mti"), 0)
        messages.append([
            (f.get("name").removeprefix(f"{name}."), int(f.get("pos")) - begin,
             int(f.get("size")), f.get("show"))
            for f in fields
        ])  # fmt: skip
    return messages


def described_rows(tongue, data):
    """List what the gateway says of the same message, with the dissector's keys."""
    return [
        (row.place.lower().replace("de ", "de").replace(" ", "."), row.offset, row.length,
         row.value)
        for row in tongue.describe(data).rows
    ]  # fmt: skip


def messages_only(rows):
    """Leave out what is no row of a description: length, TPDU, header and bitmap."""
    return [row for row in rows if row[0] not in {"length", "tpdu", "header", "bitmap"}]


def test_dissector_agrees_with_the_description(dissected, tape, ends, spoken, exchanged):
    """Split, coalesced and with a keep-alive: every field, offset, length and value is the same."""
    framing = spoken.dialect.framing
    request, answer = (framing.frame(each) for each in exchanged)
    tape.open().say(ends[0], request, 1, 3, 20, 60)
    tape.say(ends[1], answer + framing.keep_alive() + answer, 30, len(answer) + 1).close()

    pdml = dissected(spoken, tape, "-T", "pdml")

    found = [messages_only(rows) for rows in rows_of(pdml, protocol_name(spoken.dialect))]
    first, second = (described_rows(spoken, each) for each in exchanged)
    assert [rows for rows in found if rows] == [first, second, second]


def test_dissector_shows_no_sensitive_value(dissected, tape, ends, spoken, exchanged, leaks):
    """Neither the summary, nor the tree, nor JSON has a number, name, PIN block or MAC."""
    tape.open().say(ends[0], spoken.dialect.framing.frame(exchanged[0])).close()
    name = protocol_name(spoken.dialect)

    # TCP's own part of the tree has the bytes, as every capture does.
    shown = dissected(spoken, tape, "-P", "-O", name)
    shown += dissected(spoken, tape, "-T", "json", "-J", name)

    assert "000123" in shown
    assert leaks(shown) == []


def test_dissector_goes_as_far_in_a_bad_message(dissected, tape, ends, spoken, exchanged):
    """Cut inside each field, it stops where the description stops, and masks what it doubts."""
    request = exchanged[0]
    whole = spoken.describe(request).rows
    cuts = [row.offset + row.length // 2 for row in whole if row.length > 1]
    tape.open()
    for cut in cuts:
        tape.say(ends[0], spoken.dialect.framing.frame(request[:cut]))

    pdml = dissected(spoken, tape, "-T", "pdml")

    found = rows_of(pdml, protocol_name(spoken.dialect))
    for cut, rows in zip(cuts, found, strict=True):
        values = [row for row in messages_only(rows) if row[0] != "malformed"]
        wanted = described_rows(spoken, request[:cut])
        assert values[: len(wanted)] == wanted
        assert any(key == "malformed" for key, *_ in rows)
    assert pdml.count("malformed") >= len(cuts)


CHIP = {
    "5A": bytes.fromhex("6200000000000000018F"), "57": bytes.fromhex("62D4912201"),
    "9F26": b"CRYPTOGR", "95": bytes(5), "9F1A": "156", "8A": "00",
    "71": {"9F18": bytes(4), "86": b"SECRET" * 22},
}  # fmt: skip
DIVIDED = {
    "bureau-sm4": {63: {"SM": b"SIXTEEN BYTES!!!"}},
    "institution": {
        55: CHIP,
        61: {"61.1": "01", "61.2": "350299199001010010  "},
        63: {"TK": "TOKEN", "SM": bytes(16)},
        90: {"90.1": "0100", "90.2": "000123", "90.3": "1121202103", "90.4": "00099000001",
             "90.5": "00099000001"},
    },
}  # fmt: skip


@pytest.mark.parametrize("name", ["bureau-sm4", "institution", "mainframe-core"])
def test_every_other_dialect_is_dissected_too(dissected, tape, ends, specifications, name):
    """EBCDIC, 4-byte lengths, headers, divided fields: every row is as described."""
    dialect = specifications.dialect(name)
    spoken = Tongue(dialect, Codec(dialect))
    divided = {de: spoken.codec.pack(de, parts) for de, parts in DIVIDED.get(name, {}).items()}
    data = spoken.codec.encode(Message("0100", {
        2: "6200000000000000005", 3: "310000", 11: "000123", 37: "632520000123", 39: "00",
        41: "GATEWAY1", 48: "NM006测试甲", 102: "T00000019", **divided,
    }))  # fmt: skip
    tape.open().say(ends[0], dialect.framing.frame(data), 2, 40).close()

    pdml = dissected(spoken, tape, "-T", "pdml")

    [found] = rows_of(pdml, protocol_name(dialect))
    assert messages_only(found) == described_rows(spoken, data)


# A field each with every layout, in packed digits, EBCDIC and text that counts bytes.
LAYOUTS = """
extends = "BASE"
name = "toy"
title = "Toy"
[fields.60]
format = "ans...99"
subfields.layout = "tlv"
subfields.tag = "n 2"
subfields.length_digits = 2
subfields.parts.01 = { name = "Pair", format = "n 2" }
subfields.parts.02 = { name = "Text", format = "ans..5", sensitive = "mask" }
[fields.61]
format = "ans...99"
charset = "gb18030"
subfields.layout = "ltv"
subfields.tag = "an 2"
subfields.length_digits = 3
subfields.parts.A1 = { name = "Name", format = "ans..20", charset = "gb18030", sensitive = "name" }
subfields.parts.A2 = { name = "Plain", format = "ans 2" }
[fields.62]
format = "b...99"
subfields.layout = "tlv"
subfields.tag = "n 2"
subfields.length_digits = 2
subfields.parts.01 = { name = "Odd", format = "n 3" }
subfields.parts.02 = { name = "Bytes", format = "b..4" }
[fields.62.subfields.parts.03]
name = "Inside"
format = "b..20"
subfields.layout = "positional"
subfields.parts.a = { name = "First", format = "ans..5" }
subfields.parts.b = { name = "Second", format = "n 2" }
[fields.63]
format = "n..9"
subfields.layout = "positional"
subfields.parts.a = { name = "Three", format = "n 3" }
subfields.parts.b = { name = "Two", format = "n 2" }
"""
LAYOUT_PARTS = {
    60: {"02": "abcde", "01": "12"},
    61: {"A1": "测试甲", "A2": "xy"},
    62: {"03": {"a": "abc", "b": "12"}, "01": "123", "02": b"BYTE"},
    63: {"a": "123", "b": "45"},
}


@pytest.mark.parametrize("base", ["bureau", "core", "mainframe-core"])
def test_every_layout_of_subfields_is_dissected(dissected, tape, ends, specifications, base):
    """Each subfield where it stands; and where one is broken, nothing of its field."""
    texts = partial(specifications.text, "dialects")
    dialect = parse_dialect(LAYOUTS.replace("BASE", base), "toy.toml", texts)
    spoken = Tongue(dialect, Codec(dialect))
    fields = {de: spoken.codec.pack(de, parts) for de, parts in LAYOUT_PARTS.items()}
    data = spoken.codec.encode(Message("0100", {11: "000123", **fields}))
    places = [row.offset for row in spoken.describe(data).rows if "62 01" in row.place]
    broken = data[: places[0]] + b"\xab" + data[places[0] + 1 :]
    tape.open().say(ends[0], dialect.framing.frame(data))
    tape.say(ends[0], dialect.framing.frame(broken))

    pdml = dissected(spoken, tape, "-T", "pdml")

    good, bad = rows_of(pdml, protocol_name(dialect))
    assert messages_only(good) == described_rows(spoken, data)
    wanted = described_rows(spoken, broken)
    values = [row for row in messages_only(bad) if row[0] != "malformed"]
    assert values[: len(wanted)] == wanted
    assert not any(key.startswith("de62.") for key, *_ in values)


def test_dissector_reads_every_kind_of_gb18030_character(dissected, tape, ends, tongues):
    """Names with characters of two bytes and of four, within the BMP and beyond it."""
    spoken = tongues["bureau"]
    names = ["甲", "㐂", "𬭎", "\U00020000", "·", "€", "ḿ", "龦", "é"]
    tape.open()
    for name in names:
        size = len(name.encode("gb18030"))
        message = Message("0100", {11: "000123", 48: f"NM{2 + size:03d}某某"[:5] + "某" + name})
        tape.say(ends[0], spoken.dialect.framing.frame(spoken.codec.encode(message)))

    pdml = dissected(spoken, tape, "-T", "pdml")

    found = rows_of(pdml, protocol_name(spoken.dialect))
    shown = [value for rows in found for key, _, _, value in rows if key == "de48.nm"]
    assert shown == [f"*{name}" for name in names]


def test_garbage_is_called_malformed(dissected, tape, ends, tongues):
    """A stream that is no stream of frames is reported and does not stop tshark."""
    tape.open().say(ends[0], b"GET / HTTP/1.1\r\n\r\n").close()

    shown = dissected(tongues["bureau"], tape, "-V")

    assert "the length is not 4 digits" in shown


@pytest.mark.parametrize("case", STOCK)
def test_stock_dissector_agrees_on_every_field(tshark, tape, ends, specifications, tmp_path, case):
    """Wireshark's own decoder reads from our bytes the values that we put into them."""
    base, changes, (charset, bitmap) = STOCK[case]
    dialect = replace(specifications.dialect(base), framing=PLAIN, **changes)
    frame = PLAIN.frame(Codec(dialect).encode(Message("0210", STOCK_FIELDS)))
    capture = tmp_path / "capture.pcap"
    capture.write_bytes(tape.open().say(ends[0], frame + frame, 7, len(frame) + 1).close().pcap())

    preferences = {"len_endian": "bigendian", "charset": charset, "binencode": bitmap}
    options = [part for key in preferences for part in ("-o", f"iso8583.{key}:{preferences[key]}")]
    pdml = tshark(capture, "-d", "tcp.port==8583,iso8583", *options, "-T", "pdml")

    seen = stock_fields(pdml)
    wanted = {de: v.hex().upper() if isinstance(v, bytes) else v for de, v in STOCK_FIELDS.items()}
    # It shows one stray character behind a binary field.
    cut = [{de: v[:16] if de in {52, 128} else v for de, v in each.items()} for each in seen]
    assert cut == [wanted, wanted]


# ---------------------------------------------------------------- taken live from loopback


class Exchange:
    """One request and its answer in a dialect, said over a socket of their own."""

    def __init__(self, specifications, name):
        self.dialect = specifications.dialect(name)
        self.spoken = tongue(specifications, name)
        fields = {3: "310000", 7: "1121202103", 11: "000123", 37: "632520000123", 41: "GATEWAY1"}
        parts = DIVIDED.get(name, {}).items()
        fields |= {de: self.spoken.codec.pack(de, each) for de, each in parts}
        fields[48] = "NM006测试甲" if self.dialect.fields[48].charset else "PLAIN"
        self.messages = [
            self.spoken.codec.encode(Message(mti, {**fields, **more}))
            for mti, more in (("0100", {2: "6200000000000000005"}), ("0110", {39: "00"}))
        ]
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]

    def talk(self):
        """Say both messages, the request in two pieces and a keep-alive behind it."""
        framing = self.dialect.framing
        request, answer = (framing.frame(each) for each in self.messages)
        with socket.create_connection(("127.0.0.1", self.port)) as asking:
            serving, _ = self.listening.accept()
            asking.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            asking.sendall(request[:30])
            asking.sendall(request[30:] + framing.keep_alive())
            serving.recv(65536)
            serving.sendall(answer)
            asking.recv(65536)
            serving.close()
        self.listening.close()


@pytest.fixture(scope="session")
def live(specifications, tmp_path_factory):
    """Capture an exchange in every shipped dialect on loopback; gives the file and them."""
    program = shutil.which("dumpcap")
    if program is None and os.environ.get("CI") == "true":
        pytest.fail("dumpcap is not installed, and CI has to check live captures")
    if program is None:
        pytest.skip("dumpcap is not installed")
    names = sorted(f.stem for f in (specifications.directory / "dialects").glob("*.toml"))
    exchanges = {name: Exchange(specifications, name) for name in names}
    file = tmp_path_factory.mktemp("live") / "loopback.pcapng"
    ports = " or ".join(f"tcp port {each.port}" for each in exchanges.values())
    capturing = subprocess.Popen(
        [program, "-i", "lo", "-f", ports, "-w", str(file)], stderr=subprocess.PIPE, text=True
    )
    try:
        line = capturing.stderr.readline()
        while line and not line.startswith("File:"):
            line = capturing.stderr.readline()
        if not line:
            pytest.skip("this user may not capture on loopback")
        for each in exchanges.values():
            each.talk()
        wait_for_answers(file, exchanges)
    finally:
        capturing.send_signal(signal.SIGINT)
        capturing.communicate(timeout=10)
    return file, exchanges


def wait_for_answers(file, exchanges):
    """Wait until the last thing said in each exchange is in the file."""
    deadline = monotonic() + 10
    answers = [each.dialect.framing.frame(each.messages[1]) for each in exchanges.values()]
    while not all(answer in file.read_bytes() for answer in answers):
        assert monotonic() < deadline, "the capture is not complete"
        sleep(0.05)


def test_live_capture_is_told_message_by_message(live):
    """`gateway message pcap --json` finds both messages and the keep-alive of every dialect."""
    file, exchanges = live
    told = CliRunner().invoke(message_app, ["pcap", str(file), "--json"])
    records = [json.loads(line) for line in told.stdout.splitlines()]

    for name, each in exchanges.items():
        port = f":{each.port}"
        mine = [r for r in records[:-1] if port in r["sender"] + r["receiver"]]
        mtis = [r["fields"][0]["value"] for r in mine if "fields" in r]
        assert mtis == ["0100", "0110"], name
        assert [r["remark"] for r in mine if "remark" in r] == ["keep-alive"]
    assert records[-1] == {"messages": 2 * len(exchanges), "flaws": 0, "fragments": 0}
    assert told.exit_code == 0


def test_dissector_agrees_on_a_live_capture(live, tshark, tmp_path):
    """Every dialect, all dissectors loaded at once: field, offset, length and value are alike."""
    file, exchanges = live
    options = []
    for name, each in exchanges.items():
        script = tmp_path / f"{name}.lua"
        script.write_text(dissector(each.spoken), "utf-8")
        chosen = f"tcp.port=={each.port},{protocol_name(each.dialect)}"
        options += ["-X", f"lua_script:{script}", "-d", chosen]

    pdml = tshark(file, *options, "-T", "pdml")

    for each in exchanges.values():
        found = [messages_only(rows) for rows in rows_of(pdml, protocol_name(each.dialect))]
        wanted = [described_rows(each.spoken, data) for data in each.messages]
        assert [rows for rows in found if rows] == wanted


def test_stock_dissector_agrees_on_a_live_capture(live, tshark):
    """The shipped dialect that it can read: two bytes of length, no TPDU, packed digits."""
    file, exchanges = live
    each = exchanges["iso8583-1987-binary"]
    preferences = {"len_endian": "bigendian", "charset": "bcd", "binencode": "bin"}
    options = [part for key in preferences for part in ("-o", f"iso8583.{key}:{preferences[key]}")]

    pdml = tshark(file, "-d", f"tcp.port=={each.port},iso8583", *options, "-T", "pdml")

    assert stock_fields(pdml) == [dict(each.spoken.codec.decode(m).fields) for m in each.messages]


def stock_fields(pdml):
    """List what the stock dissector says of each message, by data element."""
    return [
        {
            int(f.get("name").removeprefix("iso8583.bit")): f.get("show")
            for f in proto.iter("field")
            if f.get("name").startswith("iso8583.bit")
        }
        for proto in ET.fromstring(pdml).iter("proto")  # noqa: S314 - tshark wrote it
        if proto.get("name") == "iso8583"
    ]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "nil"), (True, "true"), (7, "7"), (["a", 1], '{ "a", 1 }'),
        ({"k": False, 48: "社"}, '{ ["k"] = false, [48] = "社" }'), ('"\\\n', '"\\034\\092\\010"'),
    ],
)  # fmt: skip
def test_values_are_written_as_lua(value, written):
    """Quotes, backslashes and controls are escaped; the rest stands as it is."""
    assert lua(value) == written
