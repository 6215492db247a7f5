"""The exchanges with a bureau agree with its message set, in every form of each message."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from gateway.iso8583.codec import Codec
from gateway.iso8583.dialect import parse_dialect
from gateway.iso8583.message_set import parse_message_set
from gateway.iso8583.original_data import OriginalData
from gateway.operations.draft import EncipheredPin
from gateway.operations.exchange import Exchange, ExchangeState, Recovery, Trace
from gateway.social import exchanges
from gateway.social.card import CardHolder, SocialCard
from gateway.social.exchanges import draft
from gateway.terms.errors import LocalError
from gateway.terms.numbers import (
    Address,
    AgencyCode,
    CitizenId,
    LinkId,
    Mobile,
    PersonName,
    Rrn,
    SsCardNumber,
    Stan,
)
from gateway.terms.sides import Side

SPECS = Path(__file__).parents[2] / "specs"
MESSAGES = parse_message_set((SPECS / "messages/bureau.toml").read_text("utf-8"), "bureau.toml")
CODEC = Codec(parse_dialect((SPECS / "dialects/bureau.toml").read_text("utf-8"), "bureau.toml"))
NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
TRACE = Trace(Stan("000001"), Rrn("632504000001"), NOW)
PIN = EncipheredPin(bytes(8), "1600000000000000")
CARD = SocialCard(
    LinkId("lnk_" + "1" * 26),
    SsCardNumber("T00000019"),
    AgencyCode("99350201"),
    Mobile("15400000001"),
    Address("测试路" * 16 + "1号"),
    CardHolder(PersonName("测试甲"), CitizenId("350299199001010010")),
)
ALL = [each for each in vars(exchanges).values() if isinstance(each, Exchange)]
OWN_WORDS = {
    "LT": "T",
    "LN": "op_" + "1" * 26,
    "MB": "16400000001",
    "OT": "R",
    "OR": "L",
    "DU": "20261202",
    "QT": "Q7K2M9X4",
    "NM": "测试乙",
    "ID": "350299199001010029",
}
TRACED = {7: "1121040000", 11: "000001", 12: "120000", 13: "1121", 32: "99350001", 33: "99350001",
          37: "632504000001", 41: "GATEWAY1"}  # fmt: skip
FORMS = {
    Recovery.REVERSIBLE: [ExchangeState.SENT, ExchangeState.REVERSING],
    Recovery.FORWARD: [ExchangeState.SENT, ExchangeState.INQUIRING],
    Recovery.REVOCABLE: [ExchangeState.SENT, ExchangeState.INQUIRING, ExchangeState.REVERSING],
}
SPOKEN = [
    replace(each, state=state, trace=TRACE)
    for each in ALL
    for state in FORMS.get(each.recovery, [ExchangeState.SENT])
]


def build(exchange, card=CARD):
    """Build a draft into a message, with the trace fields that the wire adds."""
    rules = MESSAGES.kind(exchange.message).request_fields
    wanted = {*rules.private, *rules.private_optional}
    own = {usage: value for usage, value in OWN_WORDS.items() if usage in wanted}
    words = draft(exchange, card, PIN, NOW, own)
    fields = {**words.fields, **TRACED, 128: bytes(8)}
    if words.pin is not None:
        fields |= {52: words.pin.block, 53: words.pin.security_control}
    if words.original is not None:
        original = MESSAGES.kind(words.original.message)
        stan, acquirer = words.original.trace.stan.value, TRACED[32]
        data = OriginalData(original.request, stan, TRACED[7], acquirer, acquirer)
        fields[90] = data.build()
    return MESSAGES.kind(words.message).build(fields, words.private), words


@pytest.mark.parametrize("exchange", ALL, ids=lambda each: each.name)
def test_an_exchange_recovers_as_its_message_set_says(exchange):
    """The promise is declared once in specs/, and the code keeps to it."""
    assert exchange.recovery == MESSAGES.kind(exchange.message).recovery
    assert exchange.side is Side.SOCIAL


@pytest.mark.parametrize("exchange", ALL, ids=lambda each: each.name)
def test_what_is_repeated_may_be_repeated(exchange):
    """Each recovery begins with repeats, so that each message has a repeat MTI."""
    assert MESSAGES.kind(exchange.message).repeat is not None


@pytest.mark.parametrize("card", [CARD, replace(CARD, address=None, holder=None)])
@pytest.mark.parametrize("exchange", SPOKEN, ids=lambda each: f"{each.name}-{each.state}")
def test_a_message_is_as_the_set_wants_it_and_can_be_sent(exchange, card):
    """Original and reversal pass the set's check, as first message and as repeat, and encode."""
    message, words = build(exchange, card)

    kind = MESSAGES.check_request(message)

    assert kind.name == words.message
    assert MESSAGES.check_request(message.as_repeat()) is kind
    assert CODEC.decode(CODEC.encode(message, lambda _data: bytes(8))) == message


@pytest.mark.parametrize("exchange", SPOKEN, ids=lambda each: f"{each.name}-{each.state}")
def test_a_pin_block_is_in_the_pin_message_only(exchange):
    """No other message carries one, whatever it is given; none carries a PAN."""
    message, words = build(exchange)

    is_original = exchange.state is ExchangeState.SENT
    assert (words.pin is not None) == (is_original and exchange.message in exchanges.WITH_PIN)
    assert 2 not in message.fields


def test_the_holders_identity_is_never_sent_to_the_bureau():
    """The bureau says whose card it is; nobody tells it."""
    for exchange in SPOKEN:
        message, _ = build(exchange)
        assert "350299199001010010" not in message.text(48)
        assert "测试甲" not in message.text(48)


def test_a_reversal_names_its_original():
    """Data element 90 is written from the original's own message and trace."""
    reversing = replace(exchanges.REGISTER, state=ExchangeState.REVERSING, trace=TRACE)

    words = draft(reversing, CARD)

    assert words.message == "reversal"
    assert (words.original.message, words.original.trace) == ("link-register", TRACE)


def test_an_activation_is_dated_in_utc():
    """Subfield AT is UTC, whatever the instant's own offset is."""
    china = NOW.astimezone(timezone(timedelta(hours=8)))
    sent = replace(exchanges.ACCOUNT_ACTIVATED, state=ExchangeState.SENT, trace=TRACE)

    assert draft(sent, CARD, activated_at=china).private["AT"] == "20261121040000"


@pytest.mark.parametrize(
    ("exchange", "state", "rule"),
    [
        (exchanges.SET_PIN, ExchangeState.SENT, "cannot be sent without its PIN block"),
        (exchanges.ACCOUNT_ACTIVATED, ExchangeState.SENT, "needs its instant"),
        (
            exchanges.REGISTER,
            ExchangeState.REVERSING,
            "never sent cannot be asked after",
        ),
    ],
)
def test_an_incomplete_message_is_our_own_fault(exchange, state, rule):
    """A message without what it is about is not written at all."""
    with pytest.raises(LocalError, match=rule):
        draft(replace(exchange, state=state), CARD)
