"""Drafts to messages and answers to events, in the words of the shipped message sets."""

from dataclasses import replace
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from gateway.app.cargo import Errand
from gateway.app.dialogue import Dialogue, DialogueTable, Station, hear
from gateway.app.traces import TraceNumbers
from gateway.financial import exchanges as core
from gateway.iso8583 import private_data
from gateway.iso8583.codec import Codec
from gateway.iso8583.message import Message
from gateway.operations.draft import EncipheredPin
from gateway.operations.exchange import ExchangeEvent, Form, Move, Trace, move
from gateway.operations.facts import Opened, OperationKind
from gateway.operations.operation import open_operation
from gateway.operations.recovery import Limits
from gateway.social import exchanges as bureau
from gateway.terms.errors import LocalError
from gateway.terms.numbers import AgencyCode, Rrn, Stan
from gateway.terms.response_codes import ResponseCode
from gateway.terms.sides import Side

STATION = Station("99000001", "99000002", "GATEWAY1")
ORIGINALS = {
    "bureau": (
        bureau.CARD_INQUIRY,
        bureau.REGISTER,
        bureau.REMOVE,
        bureau.SET_PIN,
        bureau.ACCOUNT_ACTIVATED,
    ),
    "core": (core.ACCOUNT_INQUIRY, core.REGISTER, core.REMOVE, core.ACTIVATE),
}
SEND, REPEAT, INQUIRE, REVERSE = (
    ExchangeEvent.SEND,
    ExchangeEvent.REPEAT,
    ExchangeEvent.INQUIRE,
    ExchangeEvent.REVERSE,
)


class Link:
    """Keeps what it is asked to send."""

    def __init__(self):
        self.sent = []
        self.is_ready = True

    def send(self, message, pending, _until=None):
        self.sent.append((message, pending))


@pytest.fixture
def dialogue_of(specifications, counter):
    """Give a maker of dialogues with a link each."""

    def make(name):
        dialect = specifications.dialect(name)
        messages = specifications.message_set(name, dialect)
        traces = TraceNumbers(f"stan/{name}", counter.reserve)
        dialogue = Dialogue(messages, Codec(dialect), STATION, traces)
        dialogue.link = Link()
        return dialogue

    return make


@pytest.fixture
def errand_of(stage):
    """Give a maker of errands: an exchange that was moved by some events."""

    def make(exchange, *events, **details):
        for number, event in enumerate(events, 1):
            at = stage.timers.now() + timedelta(seconds=number)
            trace = (
                None if event is REPEAT else Trace(Stan(f"{number:06d}"), Rrn(f"{number:012d}"), at)
            )
            exchange = move(exchange, Move(event, at, trace))
        at = stage.timers.now()
        opened = Opened(OperationKind.LINK, stage.link, at, details=details)
        operation = open_operation(stage.operation_id(1), opened, [exchange])
        is_repeat = events[-1:] == (REPEAT,)
        return Errand(operation, exchange, stage.cargo, is_repeat, stage.pin)

    return make


def said(dialogue, errand):
    """Have an errand sent; give the message."""
    dialogue.transmit(errand)
    return dialogue.link.sent[-1][0]


@pytest.mark.parametrize(
    ("name", "exchange"),
    [(name, exchange) for name, exchanges in ORIGINALS.items() for exchange in exchanges],
)
def test_every_draft_is_as_its_message_set_wants_it(dialogue_of, errand_of, name, exchange):
    """Each original is a request that the far side may check by the same file."""
    dialogue = dialogue_of(name)
    at = "2026-11-21T04:00:00+00:00"

    message = said(dialogue, errand_of(exchange, SEND, activated_at=at, services="SO"))

    kind = dialogue.message_set.check_request(message.with_fields({128: b"\0" * 8}))
    assert kind.name == exchange.message


@pytest.mark.parametrize(
    ("name", "exchange", "event", "expected"),
    [
        ("bureau", bureau.REGISTER, REVERSE, "reversal"),
        ("bureau", bureau.REMOVE, REVERSE, "reversal"),
        ("core", core.REGISTER, REVERSE, "reversal"),
        ("core", core.ACTIVATE, INQUIRE, "outcome-inquiry"),
    ],
)
def test_message_about_another_names_it_in_de_90(
    dialogue_of, errand_of, name, exchange, event, expected
):
    """DE 90 holds the original's MTI, DE 11, DE 7 and both institutions, even after a repeat."""
    dialogue = dialogue_of(name)

    message = said(dialogue, errand_of(exchange, SEND, REPEAT, event))

    kind = dialogue.message_set.check_request(message.with_fields({128: b"\0" * 8}))
    original = dialogue.message_set.kind(exchange.message).request
    assert kind.name == expected
    assert message.text(90) == f"{original}0000011121040001" + "00099000001" + "00099000002"
    assert message.text(11) == "000003"


def test_trace_fields_say_who_and_when(dialogue_of, errand_of):
    """DE 7 is in UTC, DE 12 and 13 are local; DE 32, 33, 37 and 41 are the station's."""
    message = said(dialogue_of("bureau"), errand_of(bureau.CARD_INQUIRY, SEND))

    expected = {
        7: "1121040001",
        11: "000001",
        12: "120001",
        13: "1121",
        32: "99000001",
        33: "99000002",
        37: "000000000001",
        41: "GATEWAY1",
    }
    assert {de: message.fields[de] for de in expected} == expected


def test_repeat_differs_in_its_mti_only(dialogue_of, errand_of):
    """The repeat digit, and not a trace number more."""
    dialogue = dialogue_of("bureau")

    first = said(dialogue, errand_of(bureau.SET_PIN, SEND))
    repeat = said(dialogue, errand_of(bureau.SET_PIN, SEND, REPEAT))

    assert (first.mti, repeat.mti) == ("0100", "0101")
    assert first.fields == repeat.fields


def test_pin_block_stands_where_the_message_set_says(dialogue_of, errand_of):
    """DE 52 at a bureau under TDES, DE 63 usage SM at one under SM4; never in both."""
    tdes, sm4 = dialogue_of("bureau"), dialogue_of("bureau-sm4")
    pin = EncipheredPin(bytes(range(16)), "1000000000000000")

    short = said(tdes, errand_of(bureau.SET_PIN, SEND))
    long = said(sm4, replace(errand_of(bureau.SET_PIN, SEND), pin=pin))

    assert (len(short.fields[52]), 63 in short.fields) == (8, False)
    assert (long.fields[63], 52 in long.fields) == (b"SM016" + pin.block, False)
    assert long.fields[53] == pin.security_control
    assert sm4.message_set.check_request(long.with_fields({128: bytes(8)})).name == "pin-set"


def test_what_is_remembered_of_a_request_holds_no_pin_block_and_no_card(dialogue_of, errand_of):
    """A link remembers thousands of requests; of each, only what its answer echoes."""
    dialogue = dialogue_of("bureau")

    said(dialogue, errand_of(bureau.SET_PIN, SEND))

    _, pending = dialogue.link.sent[0]
    assert {48, 52, 53, 102}.isdisjoint(pending.echoed.fields)
    assert pending.echoed.fields[11] == "000001"


def test_sides_never_carry_the_other_sides_numbers(dialogue_of, errand_of):
    """No account number goes to a bureau, no card number to the core."""
    at = "2026-11-21T04:00:00+00:00"
    spoken = {
        name: [
            str(dict(said(dialogue_of(name), errand_of(exchange, SEND, activated_at=at)).fields))
            for exchange in exchanges
        ]
        for name, exchanges in ORIGINALS.items()
    }

    assert "6200000000000000018" not in str(spoken["bureau"])
    assert "T00000001" not in str(spoken["core"])
    assert "T00000001" in str(spoken["bureau"])


def test_message_without_a_link_or_a_trace_is_our_mistake(dialogue_of, errand_of):
    """What cannot be said is not half said."""
    unconnected = dialogue_of("bureau")
    unconnected.link = None

    with pytest.raises(LocalError):
        unconnected.transmit(errand_of(bureau.CARD_INQUIRY, SEND))
    with pytest.raises(LocalError):
        dialogue_of("bureau").transmit(errand_of(bureau.CARD_INQUIRY))


def test_network_message_has_a_trace_of_its_own(dialogue_of, stage):
    """A sign-on is numbered like any other request."""
    dialogue = dialogue_of("core")
    dialogue.traces.refill()

    message = dialogue.network_message("sign-on", stage.timers.now())

    expected = {7: "1121040000", 11: "000001", 33: "99000002", 70: "001"}
    assert dict(message.fields) == expected


# ------------------------------------------------------------------ answers


def heard(dialogue, side, answer_of):
    """Bring the answer to the last request; give what was delivered."""
    delivered = []
    request, pending = dialogue.link.sent[-1]
    answer = answer_of(dialogue.message_set.identify(request), request)
    hear(side, dialogue, lambda *event: delivered.append(event))(
        pending, answer.with_fields({128: b"\0" * 8})
    )
    return delivered


TOLD = {"NM": "测试甲", "ID": "350299197109070016", "MB": "15400000001"}


@pytest.mark.parametrize(
    ("name", "exchange", "told"),
    [
        ("bureau", bureau.CARD_INQUIRY, TOLD | {"CS": "N", "PS": "U"}),
        ("core", core.ACCOUNT_INQUIRY, TOLD | {"CU": "C000000001", "AS": "A"}),
    ],
)
def test_approved_inquiry_is_delivered_with_its_finding(
    dialogue_of, errand_of, stage, name, exchange, told
):
    """What a far side tells of a person comes with the event."""
    dialogue = dialogue_of(name)
    said(dialogue, errand_of(exchange, SEND))

    delivered = heard(
        dialogue, exchange.side, lambda kind, request: kind.answer(request, "00", told)
    )

    ((operation, event),) = delivered
    assert operation == stage.operation_id(1)
    assert (event.exchange, event.form) == (exchange.name, Form.ORIGINAL)
    assert event.response_code is ResponseCode.APPROVED
    assert "测试甲" not in repr(event)
    assert event.finding is not None


def test_decline_is_delivered_with_its_reason(dialogue_of, errand_of):
    """The fine reason of DE 48 comes with DE 39, and no finding."""
    dialogue = dialogue_of("bureau")
    said(dialogue, errand_of(bureau.SET_PIN, SEND))

    ((_, event),) = heard(
        dialogue,
        Side.SOCIAL,
        lambda kind, request: kind.answer(request, "99", {"RC": "SIMPLE_PIN"}),
    )

    assert (event.response_code, event.reason) == (ResponseCode.PIN_FORMAT, "SIMPLE_PIN")
    assert event.finding is None


def test_approved_reversal_tells_of_nobody(dialogue_of, errand_of):
    """An answer to another form than the original is read for its code only."""
    dialogue = dialogue_of("core")
    said(dialogue, errand_of(core.REGISTER, SEND, REVERSE))

    ((_, event),) = heard(
        dialogue, Side.FINANCIAL, lambda kind, request: kind.answer(request, "00")
    )

    assert (event.form, event.finding) == (Form.REVERSAL, None)


@pytest.mark.parametrize(
    "answer_of",
    [
        lambda kind, request: kind.answer(request, "38"),
        lambda kind, request: Message("0310", kind.answer(request, "00").fields),
        lambda kind, request: kind.answer(request, "00", {"NM": "测试甲"}),
        lambda kind, request: Message(
            kind.response, {**kind.answer(request, "00").fields, 7: "1121040009"}
        ),
        lambda kind, request: kind.answer(request, "00", TOLD | {"CS": "N", "PS": "U", "LK": "x"}),
        lambda kind, request: Message(
            kind.response,
            {**kind.answer(request, "00").fields, 48: private_data.pack({"NM": "测"}) + "ID"},
        ),
    ],
)
def test_answer_outside_the_message_set_is_logged_and_not_delivered(
    dialogue_of, errand_of, answer_of
):
    """The exchange goes on waiting; the line holds place and rule and no value."""
    dialogue = dialogue_of("bureau")
    said(dialogue, errand_of(bureau.CARD_INQUIRY, SEND))

    with capture_logs() as lines:
        delivered = heard(dialogue, Side.SOCIAL, answer_of)

    assert delivered == []
    assert [line["event"] for line in lines] == ["answer-refused"]
    assert "测试甲" not in str(lines)


# ------------------------------------------------------------------ the table


@pytest.fixture
def table(dialogue_of):
    """Give two bureaus and a core."""
    agencies = {AgencyCode("99350201"): "xiamen", AgencyCode("99370201"): "qingdao"}
    limits = {Side.SOCIAL: Limits(), Side.FINANCIAL: Limits(repeats_max=5)}
    table = DialogueTable("core", agencies, limits)
    for link, name in (("xiamen", "bureau"), ("qingdao", "bureau"), ("core", "core")):
        table.add(link, dialogue_of(name))
    return table


def test_each_agency_is_reached_over_its_own_link(table):
    """A bureau's message goes to that bureau; the core is one for all."""
    xiamen, qingdao = AgencyCode("99350201"), AgencyCode("99370201")

    assert table.of(Side.SOCIAL, xiamen) is table.dialogue("xiamen")
    assert table.of(Side.SOCIAL, qingdao) is table.dialogue("qingdao")
    assert table.of(Side.FINANCIAL, xiamen) is table.dialogue("core")


def test_readiness_is_that_of_the_agencys_link(table):
    """A bureau that is down does not bar another."""
    xiamen, qingdao = AgencyCode("99350201"), AgencyCode("99370201")
    table.dialogue("xiamen").link.is_ready = False
    table.dialogue("core").link = None

    assert not table.is_ready(Side.SOCIAL, xiamen)
    assert table.is_ready(Side.SOCIAL, qingdao)
    assert not table.is_ready(Side.FINANCIAL, qingdao)


def test_nothing_is_sent_once_another_node_may_have_taken_over(table, errand_of):
    """A node that stood still past its lease must not bring up what others gave up."""
    table.dialogue("xiamen").traces.refill()
    table._may_send = lambda: False

    table.transmit(errand_of(bureau.CARD_INQUIRY, SEND))

    assert table.dialogue("xiamen").link.sent == []


def test_a_repeat_by_another_node_keeps_the_station_of_the_first(dialogue_of, errand_of):
    """A repeat differs in MTI and MAC only: DE 41 is that of the node that sent the original."""
    dialogue, errand = dialogue_of("bureau"), errand_of(bureau.CARD_INQUIRY, SEND)
    trace = replace(errand.exchange.trace, terminal="GATEWAYX")
    errand = replace(errand, exchange=replace(errand.exchange, trace=trace))

    assert said(dialogue, errand).text(41) == "GATEWAYX"


def test_trace_numbers_and_limits_are_those_of_link_and_side(table, stage, errand_of):
    """Each link counts for itself; limits are configured by side."""
    xiamen = AgencyCode("99350201")
    for link in ("xiamen", "core"):
        table.dialogue(link).traces.refill()

    traces = [table.allocate(side, xiamen, stage.timers.now()) for side in Side]
    table.transmit(errand_of(bureau.CARD_INQUIRY, SEND))

    assert [trace.stan.value for trace in traces] == ["000001", "000001"]
    assert table.limits(Side.FINANCIAL).repeats_max == 5
    assert len(table.dialogue("xiamen").link.sent) == 1
