"""What is said on a link, and that nothing else is."""

from functools import cache
from pathlib import Path

import pytest
from hypothesis import Phase, find, settings
from hypothesis.strategies import from_regex

from gateway.iso8583.codec import Codec
from gateway.iso8583.errors import RefusedMessage
from gateway.iso8583.message import Message
from gateway.iso8583.message_set import must_fit, parse_message_set
from gateway.terms.errors import SpecificationError
from gateway.terms.response_codes import ResponseCode

BUREAU = (Path(__file__).parents[2] / "specs/messages/bureau.toml").read_text()
TRACE = {
    7: "1121193658", 11: "000123", 12: "193658", 13: "1121", 32: "99350201", 33: "99350201",
    37: "000000000123", 41: "GATEWAY1",
}  # fmt: skip
LINK = "lnk_" + "0" * 26
SAMPLES = {
    3: "310000", 2: "6200000000000000005", 48: "", 52: b"12345678", 53: "1600000000000000",
    64: b"12345678", 128: b"12345678", 15: "1122", 90: "0" * 42, 100: "99350201", 102: "T00000019",
}  # fmt: skip
PRIVATE = {
    "IN": "99350201", "LK": LINK, "NM": "测试甲", "ID": "350299199001010010", "MB": "15400000000",
    "AD": "测试路1号", "CS": "N", "PS": "U", "AT": "20261121193658", "RC": "WEAK_PIN",
    "CU": "C00001", "AS": "A", "SV": "SO", "NK": "0123456789ABCDEF" * 2, "KV": "CB9DEA",
}  # fmt: skip


def request_of(kind, subfields=None):
    """Build the complete request of a kind; a subfield without a sample is as its rule wants it."""
    fields = {de: SAMPLES[de] for de in kind.request_mandatory if de in SAMPLES and de != 48}
    trace = {de: TRACE[de] for de in kind.trace_fields}
    usages = kind.request_fields.private
    private = {u: PRIVATE.get(u) or fulfilling(subfields[u].rule) for u in usages}
    return kind.build({**fields, **trace}, private)


@cache
def fulfilling(rule):
    """Give a text that a rule allows, always the same."""
    quick = settings(database=None, derandomize=True, phases=[Phase.generate])
    return find(from_regex(rule, fullmatch=True), bool, settings=quick)


def answer_to(kind, request, code="00", **private):
    """Build the complete answer to a request, MAC included."""
    answer = kind.answer(request, code, private)
    return answer.with_fields({128: b"12345678"})


@pytest.fixture
def bureau(message_sets):
    """Give the bureau's message set."""
    return message_sets["bureau"]


@pytest.fixture
def inquiry(bureau):
    """Give kind and request of the card inquiry."""
    kind = bureau.kind("card-inquiry")
    return kind, request_of(kind)


@pytest.mark.parametrize(
    ("name", "dialect"),
    [
        ("bureau", "bureau"),
        ("bureau", "bureau-sm4"),
        ("bureau", "institution"),
        ("core", "core"),
        ("core", "mainframe-core"),
    ],
)
def test_every_message_of_the_set_is_built_sent_and_answered(message_sets, dialects, name, dialect):
    """Request and answer of each kind pass gate and codec, in dialects that extend its own too."""
    codec = Codec(dialects[dialect])
    message_set = message_sets[name]
    must_fit(message_set, dialects[dialect], "messages.toml")
    known = message_set.private_subfields

    for kind in message_set.messages:
        request = codec.decode(codec.encode(request_of(kind, known), lambda _: b"12345678"))
        answer = codec.decode(codec.encode(kind.answer(request, "00"), lambda _: b"12345678"))

        sender = "peer" if kind.sender == "peer" else "gateway"
        assert message_set.check_request(request, sender) is kind
        message_set.check_response(kind, request, answer)
        if kind.repeat:
            assert message_set.check_request(request.as_repeat()) is kind


def test_names_are_those_of_the_file(bureau):
    """A kind is found by its name."""
    assert bureau.kind("pin-set").recovery == "at-most-once"
    with pytest.raises(KeyError):
        bureau.kind("pin-read")


@pytest.mark.parametrize(
    ("mti", "changes"),
    [
        ("0200", {}),
        ("0110", {}),
        ("0100", {3: "310001"}),
        ("0100", {3: b"310000"}),
        ("0100", {70: "301"}),
        ("0100", {91: "1"}),
        ("0120", {}),
        ("0102", {}),
    ],
)
def test_message_outside_the_set_is_refused(bureau, inquiry, mti, changes):
    """Another MTI, processing code or selector is no message of the set: 40."""
    request = Message(mti, {**inquiry[1].fields, **changes})

    with pytest.raises(RefusedMessage, match="no message of the set") as caught:
        bureau.check_request(request)

    assert caught.value.response_code is ResponseCode.NOT_SUPPORTED


def test_message_from_the_wrong_end_is_refused(bureau, inquiry):
    """A bureau may send us an echo, but asks no questions meant for itself."""
    echo = bureau.kind("echo")
    sealed = request_of(echo)

    assert bureau.check_request(sealed, sender="peer") is echo
    with pytest.raises(RefusedMessage, match="does not send") as caught:
        bureau.check_request(inquiry[1], sender="peer")
    assert caught.value.response_code is ResponseCode.NOT_SUPPORTED


def test_message_that_is_never_repeated_is_refused_as_a_repeat(bureau):
    """Network management has no repeats."""
    echo = request_of(bureau.kind("echo"))

    with pytest.raises(RefusedMessage, match="never repeated"):
        bureau.check_request(echo.as_repeat())


@pytest.mark.parametrize("missing", [7, 11, 12, 13, 32, 33, 37, 41, 48, 100, 102, 128])
def test_request_without_a_mandatory_field_is_refused(bureau, inquiry, missing):
    """Each mandatory field is named when it is missing."""
    fields = {de: value for de, value in inquiry[1].fields.items() if de != missing}

    with pytest.raises(RefusedMessage, match="missing") as caught:
        bureau.check_request(Message("0100", fields))

    assert caught.value.place == f"DE {missing}"
    assert caught.value.response_code is ResponseCode.FORMAT_ERROR


@pytest.mark.parametrize(("de", "value"), [(2, "62"), (52, b"12345678"), (39, "00"), (103, "1")])
def test_request_with_a_field_not_allowed_is_refused(bureau, inquiry, de, value):
    """A field that the message does not have never reaches a machine."""
    with pytest.raises(RefusedMessage, match="not in this message") as caught:
        bureau.check_request(inquiry[1].with_fields({de: value}))

    assert caught.value.place == f"DE {de}"


@pytest.mark.parametrize(
    ("private", "place", "rule"),
    [
        ("RC001A", "DE 48 IN", "missing"),
        ("IN00899350201RC001A", "DE 48 RC", "not in this message"),
        ("IN00899350201ZZ001A", "DE 48 ZZ", "not in this message"),
        ("IN0079935020", "DE 48 IN", "message set wants"),
        ("IN0089935020A", "DE 48 IN", "message set wants"),
    ],
)
def test_private_subfields_are_checked(bureau, inquiry, private, place, rule):
    """Missing, unknown and wrong subfields are refused by name, without their values."""
    with pytest.raises(RefusedMessage, match=rule) as caught:
        bureau.check_request(inquiry[1].with_fields({48: private}))

    assert caught.value.place == place
    assert "9935020" not in str(caught.value)


def test_private_data_that_cannot_be_read_is_refused(bureau, inquiry):
    """Malformed subfields are refused with their place and rule."""
    with pytest.raises(RefusedMessage, match="DE 48: a subfield begins"):
        bureau.check_request(inquiry[1].with_fields({48: "x"}))


@pytest.mark.parametrize(
    ("changes", "place", "rule"),
    [
        ({11: "000124"}, "DE 11", "does not echo"),
        ({32: "99350202"}, "DE 32", "does not echo"),
        ({41: "GATEWAY2"}, "DE 41", "does not echo"),
        ({3: "920000"}, "DE 3", "does not echo"),
        ({37: None}, "DE 37", "missing"),
        ({128: None}, "DE 128", "missing"),
        ({12: "193658"}, "DE 12", "not in this message"),
        ({39: "41"}, "DE 39", "never answered"),
        ({39: "zz"}, "DE 39", "never answered"),
        ({48: "LK030" + LINK}, "DE 48 LK", "not in this message"),
        ({48: "CS001X"}, "DE 48 CS", "message set wants"),
    ],
)
def test_answer_outside_the_set_is_refused(bureau, inquiry, changes, place, rule):
    """Echoes, response codes, fields and subfields of an answer are checked."""
    kind, request = inquiry
    fields = {**answer_to(kind, request, NM="测试甲").fields, **changes}
    answer = Message("0110", {de: value for de, value in fields.items() if value is not None})

    with pytest.raises(RefusedMessage, match=rule) as caught:
        bureau.check_response(kind, request, answer)

    assert caught.value.place == place


def test_answer_of_another_class_is_refused(bureau, inquiry):
    """An 0310 does not answer an 0100."""
    kind, request = inquiry
    answer = Message("0310", answer_to(kind, request).fields)

    with pytest.raises(RefusedMessage, match="does not answer"):
        bureau.check_response(kind, request, answer)


@pytest.mark.parametrize(
    ("old", "new", "key", "rule"),
    [
        ('name = "bureau"', "name = ", "", "not valid TOML"),
        ('title = "Gateway', 'speed = 1\ntitle = "Gateway', "speed", "no such key"),
        ('title = "Ask', 'speed = 1\ntitle = "Ask', "messages.0.speed", "no such key"),
        ('request = "0100"', 'request = "1100"', "messages.0.request", "type indicator"),
        ('request = "0100"', 'request = "0110"', "messages.0.request", "request or an advice"),
        ('request = "0100"', 'request = "0101"', "messages.0.request", "request or an advice"),
        ('response = "0110"', 'response = "0130"', "messages.0.response", "answers the request"),
        ('repeat = "0101"', 'repeat = "0103"', "messages.0.repeat", "repeat digit"),
        ('name = "pin-set"', 'name = "reversal"', "messages.3.name", "unique"),
        ("920000", "310000", "messages.0", "another message has the same"),
        ('"query"', '"hope"', "messages.0.recovery", "query"),
        ('"query"', '"query"\ninquiry = "x"', "messages.0.inquiry", "names a message"),
        ('["00", "14", "30"', '["00", "1", "30"', "messages.0.response_codes", "response code"),
        ("mandatory = [3, 48, 100", "mandatory = [48, 100", "messages.0.request_fields", "each of"),
        ("optional = [48]", "optional = [48, 39]", "messages.0.response_fields", "not both"),
        ('"310000"', '"31000"', "messages.0.processing_code", "6 digits"),
        ('private = ["IN"]', 'private = ["XX"]', "messages.0.request_fields", "names XX,"),
        ("mandatory = [3, 48, 100", "mandatory = [3, 100", "messages.0.request_fields", "together"),
        ("private_optional", "private", "messages.0.response_fields", "mandatory subfield"),
        ("[NITFLC]", "[NITFLC", "private_subfields.CS.rule", "regular expression"),
        ('CS = { title = "Card', 'cs = { title = "Card', "messages.0", "names CS,"),
        ("[private_subfields]", "[private_subfields]\nC1 = { title = '', rule = '' }",
         "private_subfields.C1", "two capital letters"),
        ("\nanswer_echoes = [7, 11, 32", "\nanswer_echoes = [7, 11", "messages.0.answer_echoes",
         "matched on"),
        ('[[messages]]\nname = "card', 'messages = [1]\n[other]\nname = "card', "", ""),
    ],
)  # fmt: skip
def test_wrong_set_is_refused_with_file_key_and_rule(old, new, key, rule):
    """Whatever is wrong in a file, the error says where and why."""
    assert old in BUREAU

    with pytest.raises(SpecificationError) as caught:
        parse_message_set(BUREAU.replace(old, new, 1), "bureau.toml")

    assert caught.value.file == "bureau.toml"
    assert caught.value.key.startswith(key)
    assert rule in caught.value.rule


def test_messages_must_be_tables():
    """A list of anything else is refused, not stumbled over."""
    with pytest.raises(SpecificationError):
        parse_message_set("messages = [1]", "x.toml")


@pytest.mark.parametrize(
    ("old", "new", "key", "rule"),
    [
        (
            'dialect = "bureau"',
            'dialect = "core"',
            "dialect",
            "is core, and the link speaks bureau",
        ),
        ("[3, 48, 52,", "[3, 5, 48, 52,", "messages.3", "pin-set uses DE 5,"),
        ("[70, 128]", "[64, 70]", "messages.6", "sign-on uses DE 64,"),
    ],
)
def test_set_must_fit_its_dialect(dialects, old, new, key, rule):
    """Another dialect's name, an undefined field and a misplaced MAC are refused."""
    message_set = parse_message_set(BUREAU.replace(old, new, 1), "bureau.toml")

    with pytest.raises(SpecificationError, match=rule) as caught:
        must_fit(message_set, dialects["bureau"], "bureau.toml")

    assert caught.value.key == key
