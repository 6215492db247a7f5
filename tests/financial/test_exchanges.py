"""The exchanges with a core agree with its message set, in every form of each message."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.financial import exchanges
from gateway.financial.account import AccountOwner, AddedService, FinancialAccount, services_code
from gateway.financial.exchanges import draft
from gateway.iso8583.codec import Codec
from gateway.iso8583.dialect import parse_dialect
from gateway.iso8583.message_set import parse_message_set
from gateway.iso8583.original_data import OriginalData
from gateway.operations.draft import EncipheredPin
from gateway.operations.exchange import Exchange, ExchangeState, Recovery, Trace
from gateway.terms.errors import LocalError
from gateway.terms.numbers import CitizenId, CustomerNumber, LinkId, Pan, PersonName, Rrn, Stan
from gateway.terms.sides import Side

SPECS = Path(__file__).parents[2] / "specs"
MESSAGES = parse_message_set((SPECS / "messages/core.toml").read_text("utf-8"), "core.toml")
CODEC = Codec(parse_dialect((SPECS / "dialects/core.toml").read_text("utf-8"), "core.toml"))
NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
TRACE = Trace(Stan("000001"), Rrn("632504000001"), NOW)
PIN = EncipheredPin(bytes(8), "2600000000000000")
CUSTOMER = CustomerNumber("C00000001")
ACCOUNT = FinancialAccount(
    LinkId("lnk_" + "1" * 26),
    Pan("6200000000000005"),
    CUSTOMER,
    AccountOwner(CUSTOMER, PersonName("测试甲"), CitizenId("350299199001010010")),
)
ALL = [each for each in vars(exchanges).values() if isinstance(each, Exchange)]
OWN_WORDS = {"SV": "SO", "LT": "T", "LN": "op_" + "1" * 26}
TRACED = {7: "1121040000", 11: "000001", 12: "120000", 13: "1121", 32: "99350001", 33: "99350001",
          37: "632504000001", 41: "GATEWAY1"}  # fmt: skip
FORMS = {
    Recovery.REVERSIBLE: [ExchangeState.SENT, ExchangeState.REVERSING],
    Recovery.FORWARD: [ExchangeState.SENT, ExchangeState.INQUIRING],
}
SPOKEN = [
    replace(each, state=state, trace=TRACE)
    for each in ALL
    for state in FORMS.get(each.recovery, [ExchangeState.SENT])
]


def build(exchange, services="-"):
    """Build a draft into a message, with the trace fields that the wire adds."""
    rules = MESSAGES.kind(exchange.message).request_fields
    wanted = {*rules.private, *rules.private_optional}
    own = {usage: value for usage, value in OWN_WORDS.items() if usage in wanted}
    words = draft(exchange, ACCOUNT, PIN, services, own)
    fields = {**words.fields, **TRACED}
    if words.pin is not None:
        fields |= {52: words.pin.block, 53: words.pin.security_control}
    if words.original is not None:
        original = MESSAGES.kind(words.original.message)
        stan, acquirer = words.original.trace.stan.value, TRACED[32]
        data = OriginalData(original.request, stan, TRACED[7], acquirer, acquirer)
        fields[90] = data.build()
    kind = MESSAGES.kind(words.message)
    mac = 128 if max([*fields, *kind.selectors]) > 64 else 64
    return kind.build({**fields, mac: bytes(8)}, words.private), words


@pytest.mark.parametrize("exchange", ALL, ids=lambda each: each.name)
def test_an_exchange_recovers_as_its_message_set_says(exchange):
    """The promise is declared once in specs/, and the code keeps to it."""
    assert exchange.recovery == MESSAGES.kind(exchange.message).recovery
    assert exchange.side is Side.FINANCIAL


@pytest.mark.parametrize("exchange", ALL, ids=lambda each: each.name)
def test_what_is_repeated_may_be_repeated(exchange):
    """Each recovery begins with repeats, so that each message has a repeat MTI."""
    assert MESSAGES.kind(exchange.message).repeat is not None


def test_what_goes_forward_can_be_asked_after():
    """The inquiry of an activation is the one that the message set names."""
    inquiring = replace(exchanges.ACTIVATE, state=ExchangeState.INQUIRING, trace=TRACE)

    assert draft(inquiring, ACCOUNT).message == MESSAGES.kind("account-activation").inquiry


@pytest.mark.parametrize("exchange", SPOKEN, ids=lambda each: f"{each.name}-{each.state}")
def test_a_message_is_as_the_set_wants_it_and_can_be_sent(exchange):
    """Every form passes the set's check, as first message and as repeat, and encodes."""
    message, words = build(exchange)

    kind = MESSAGES.check_request(message)

    assert kind.name == words.message
    assert MESSAGES.check_request(message.as_repeat()) is kind
    assert CODEC.decode(CODEC.encode(message, lambda _data: bytes(8))) == message


@pytest.mark.parametrize("exchange", SPOKEN, ids=lambda each: f"{each.name}-{each.state}")
def test_a_pin_block_is_in_messages_with_a_pin_only(exchange):
    """Neither the inquiry nor any other message carries one; none carries an SS card number."""
    message, words = build(exchange)

    assert (words.pin is not None) == (words.message in exchanges.WITH_PIN)
    assert 102 not in message.fields


def test_the_owners_identity_is_never_sent_to_the_core():
    """The core says whose account it is; nobody tells it."""
    for exchange in SPOKEN:
        message, _ = build(exchange)
        assert not any(part in message.text(48) for part in ("350299199001010010", "测试甲"))


@pytest.mark.parametrize(
    "services", [[], [AddedService.SMS], [AddedService.WEALTH_ACCOUNT, AddedService.SMS]]
)
def test_the_services_that_the_customer_chose_travel_with_the_activation(services):
    """Subfield SV holds exactly those, in the order that the message set wants."""
    sent = replace(exchanges.ACTIVATE, state=ExchangeState.SENT, trace=TRACE)
    code = services_code(services)

    message, words = build(sent, code)

    assert MESSAGES.check_request(message)
    assert set(words.private["SV"]) - {"-"} == {service.value for service in services}


@pytest.mark.parametrize("state", [ExchangeState.INQUIRING, ExchangeState.REVERSING])
def test_a_follow_up_names_its_original(state):
    """Data element 90 is written from the original's own message and trace."""
    words = draft(replace(exchanges.ACTIVATE, state=state, trace=TRACE), ACCOUNT)

    assert (words.original.message, words.original.trace) == ("account-activation", TRACE)


@pytest.mark.parametrize(
    ("exchange", "state", "rule"),
    [
        (exchanges.ACTIVATE, ExchangeState.SENT, "cannot be sent without its PIN block"),
        (exchanges.ACTIVATE, ExchangeState.INQUIRING, "never sent cannot be asked after"),
        (exchanges.REGISTER, ExchangeState.REVERSING, "never sent cannot be asked after"),
    ],
)
def test_an_incomplete_message_is_our_own_fault(exchange, state, rule):
    """A message without what it is about is not written at all."""
    with pytest.raises(LocalError, match=rule):
        draft(replace(exchange, state=state), ACCOUNT)
