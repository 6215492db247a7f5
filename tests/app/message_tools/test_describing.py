"""What is said of a message, good or bad, in one dialect or in all."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.app.message_tools.describing import Findings, FindingsOfAll
from gateway.app.message_tools.fitting import cut, tongue, tongues
from gateway.iso8583.message import Message


@pytest.fixture(params=["bureau", "core"])
def spoken(request, tongues):
    """Give each of the two dialects that a message set is written for."""
    return tongues[request.param]


@pytest.fixture
def data(spoken, requests):
    """Give a request in it."""
    return requests[spoken.dialect.name]


@pytest.fixture(scope="session")
def everything(specifications):
    """Give all dialects there are."""
    return tongues(specifications)


def said(findings):
    """Give all that a finding can say, as text."""
    return "\n".join(findings.lines()) + json.dumps(findings.as_json(), ensure_ascii=False)


def test_good_message_is_described_field_by_field(spoken, data, leaks):
    """Every field has its line and its JSON object, and nothing sensitive is in either."""
    findings = Findings(spoken, data, framed=False)

    rows = spoken.describe(data).rows
    assert findings.good
    assert len(list(findings.lines())) == len(rows) + 3
    assert [row["place"] for row in findings.as_json()["messages"][0]["fields"]] == [
        row.place for row in rows
    ]
    assert leaks(said(findings)) == []


def test_message_that_stops_says_where_and_why(tongues, requests):
    """Place, offset, rule and hint, and a caret under the byte."""
    data = requests["bureau"]
    at = data.index(b"000123")
    findings = Findings(tongues["bureau"], data[:at] + b"00012x" + data[at + 6 :], framed=False)

    lines = list(findings.lines())

    assert not findings.good
    stopped = f"stopped: DE 11 at byte {at + 5}: only the digits 0 to 9"
    assert stopped in lines
    caret = next(at for at, line in enumerate(lines) if line.endswith("^^"))
    assert lines[caret - 1].startswith(f"{(at + 5) // 16 * 16:04x}")
    assert lines[caret].index("^^") == 6 + 3 * ((at + 5) % 16)
    error = findings.as_json()["messages"][0]["error"]
    assert error == {
        "place": "DE 11", "offset": at + 5, "rule": "only the digits 0 to 9", "hint": "",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["bureau", "core"])
@given(draw=st.data())
def test_nothing_sensitive_is_said_of_a_damaged_message(name, tongues, requests, leaks, draw):
    """Cut, or with a few bytes changed, framed or not: no secret in text or JSON."""
    data = bytearray(requests[name])
    for _ in range(draw.draw(st.integers(0, 3))):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    damaged = bytes(data[: draw.draw(st.integers(0, len(data)))])
    findings = Findings(tongues[name], damaged, framed=draw.draw(st.booleans()))

    if not findings.good:
        assert leaks(said(findings)) == []


def test_card_number_read_as_something_else_is_masked(tongues, requests, leaks):
    """A lost bit of the bitmap turns the card number into an amount, and the rest into nonsense."""
    data = bytearray(requests["core"])
    data[2] ^= 0x40 | 0x10  # DE 2 goes, DE 4 comes
    findings = Findings(tongues["core"], bytes(data), framed=False)

    assert not findings.good
    assert leaks(said(findings)) == []


def test_frames_are_opened_when_said(spoken, data):
    """Several, with keep-alives between them, and what is left over."""
    framing = spoken.dialect.framing
    whole = framing.frame(data) + framing.keep_alive() + framing.frame(data)

    good = Findings(spoken, whole, framed=True)
    short = Findings(spoken, whole + framing.frame(data)[:30], framed=True)
    bad = Findings(spoken, whole + b"\xff" * 9, framed=True)

    assert (good.good, short.good, bad.good) == (True, False, False)
    assert "keep-alive frames: 1" in list(good.lines())
    assert "the last 30 bytes are the beginning of a frame, no more" in list(short.lines())
    assert any(line.startswith("stopped: frame at byte 0: the length") for line in bad.lines())
    assert bad.as_json()["frames"]["rest_bytes"] == 9
    assert cut(spoken.dialect, whole).is_whole


def test_framed_message_is_recognised_when_it_was_not_said(spoken, data):
    """The hint says what to say."""
    findings = Findings(spoken, spoken.dialect.framing.frame(data), framed=False)

    assert not findings.good
    assert "hint: the bytes look framed: say --framed" in list(findings.lines())
    assert findings.as_json()["hint"]


def test_message_of_unknown_dialect_is_tried_in_all(everything, spoken, data, leaks):
    """The first that fits shows it, the others say where they stopped."""
    found = FindingsOfAll(everything, data, framed=False)

    names = {each.dialect.name for each in everything}
    values = found.as_json()
    assert found.good
    assert spoken.dialect.name in values["fits"]
    assert set(values["fits"]) | set(values["stopped"]) == names
    assert all(reason for reason in values["stopped"].values())
    assert any(line.startswith("not iso8583-1987-ascii: ") for line in found.lines())
    assert leaks(said(found)) == []


def test_message_in_no_dialect_shows_nothing_but_reasons(everything):
    """What stands in an unknown message is unknown, so none of it is shown."""
    found = FindingsOfAll(everything, b"6200000000000000005", framed=False)

    lines = list(found.lines())
    assert not found.good
    assert found.as_json()["messages"] == []
    assert len(lines) == 1 + len(everything)
    assert "6200000" not in said(found)


def test_message_set_says_which_message_it_is(specifications, tongues):
    """By name and title, or by the rule of the set that it breaks."""
    bureau = tongues["bureau"]
    fields = {7: "1121202103", 11: "000001", 33: "99350201", 70: "001", 128: bytes(8)}
    good = bureau.codec.encode(Message("0800", fields))
    lines = list(Findings(bureau, good, framed=False).lines())

    assert lines[1] == "sign-on: Open the session on a connection"
    assert tongue(specifications, "bureau-sm4").message_set.name == "bureau-sm4"
    assert tongue(specifications, "institution").message_set.name == "bureau"
    assert tongue(specifications, "iso8583-1987-ascii").message_set is None
