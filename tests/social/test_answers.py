"""What a bureau's answers say, and what its declines mean to a caller."""

from pathlib import Path

import pytest

from gateway.iso8583.message_set import parse_message_set
from gateway.social.answers import CardFinding, finding, refusal, told, why_unusable
from gateway.social.card import CardHolder, CardState, PinState
from gateway.terms.errors import PeerError
from gateway.terms.numbers import CitizenId, Mobile, PersonName
from gateway.terms.refusals import Refusal
from gateway.terms.response_codes import ResponseCode

SPECS = Path(__file__).parents[2] / "specs"
MESSAGES = parse_message_set((SPECS / "messages/bureau.toml").read_text("utf-8"), "bureau.toml")
TOLD = {"NM": "测试甲", "ID": "350299199001010010", "MB": "15400000001", "CS": "N", "PS": "U"}


def test_an_inquiry_tells_holder_and_states():
    """Name, citizen id, mobile, card state and PIN state become a finding."""
    holder = CardHolder(
        PersonName("测试甲"), CitizenId("350299199001010010"), Mobile("15400000001")
    )

    assert finding("card-inquiry", TOLD) == CardFinding(holder, CardState.NORMAL, PinState.UNSET)


def test_a_bureau_may_know_no_mobile():
    """The mobile is the one part that may be missing."""
    told = {usage: value for usage, value in TOLD.items() if usage != "MB"}

    assert finding("card-inquiry", told).holder.mobile is None


@pytest.mark.parametrize("message", ["link-register", "link-remove", "pin-set", "reversal"])
def test_other_messages_tell_nothing_of_persons(message):
    """Only an inquiry has a finding."""
    assert finding(message, TOLD) is None


@pytest.mark.parametrize("usage", ["NM", "ID", "CS", "PS"])
def test_a_missing_part_is_the_bureaus_fault_and_is_named(usage):
    """The error names the subfield, and holds nothing of the others."""
    told = {each: value for each, value in TOLD.items() if each != usage}

    with pytest.raises(PeerError, match=f"DE 48: an approved inquiry must tell {usage}$") as raised:
        finding("card-inquiry", told)

    assert raised.value.response_code is ResponseCode.FORMAT_ERROR


@pytest.mark.parametrize(
    ("usage", "value"),
    [
        ("NM", "7"),
        ("ID", "350299199001010011"),
        ("MB", "25400000001"),
        ("CS", "Z"),
        ("PS", "Z"),
    ],
)
def test_a_part_that_breaks_its_rule_is_refused_and_not_repeated(usage, value):
    """A bad check digit, a bad state: the bureau's fault, told without the value."""
    with pytest.raises(PeerError) as raised:
        finding("card-inquiry", TOLD | {usage: value})

    assert str(raised.value) == "DE 48: the holder told by the bureau breaks a rule"


def test_every_code_that_a_bureau_may_answer_has_a_refusal():
    """No answer of the message set is without words for the customer."""
    codes = {code for kind in MESSAGES.messages for code in kind.response_codes}

    for code in codes:
        assert isinstance(refusal(ResponseCode(code), None), Refusal)


@pytest.mark.parametrize(
    ("code", "reason", "meant"),
    [
        ("14", None, Refusal.NOT_CONFIRMED),
        ("05", None, Refusal.NOT_CONFIRMED),
        ("21", None, Refusal.NOT_ACTIVATED),
        ("22", None, Refusal.CARD_NOT_USABLE),
        ("22", "CARD_ALREADY_LINKED", Refusal.ALREADY_LINKED),
        ("38", None, Refusal.PIN_LOCKED),
        ("40", None, Refusal.NOT_OFFERED),
        ("41", None, Refusal.CARD_LOST),
        ("57", None, Refusal.DECLINED),
        ("57", "SIMPLE_PIN", Refusal.PIN_TRIVIAL),
        ("62", "SOMETHING_NEW", Refusal.CARD_NOT_USABLE),
        ("99", None, Refusal.PIN_ENVELOPE),
    ],
)
def test_a_decline_means_its_reason_first_and_its_code_then(code, reason, meant):
    """The bureau's fine reason decides; one that is not known falls back to DE 39."""
    assert refusal(ResponseCode(code), reason) is meant


def test_a_decline_without_a_code_is_a_decline():
    """What nobody explained is told as declined."""
    assert refusal(None, None) is Refusal.DECLINED


@pytest.mark.parametrize("state", sorted(CardState))
def test_only_a_card_in_order_or_not_activated_can_be_linked(state):
    """Activation follows the link, so that a card not activated yet may be linked."""
    usable = state in {CardState.NORMAL, CardState.NOT_ACTIVATED}

    assert (why_unusable(state) is None) == usable


def test_open_words_are_told_and_nothing_of_a_person():
    """States and counts are told in words; name, id and mobile are left out."""
    private = {"NM": "测试甲", "MB": "15400000001", "CS": "N", "PS": "O", "TL": "3"}

    assert told(private) == {"card_state": "normal", "pin_state": "opted-out", "tries_left": "3"}


def test_a_state_outside_the_message_set_is_the_bureaus_fault():
    """It is named by its place and not repeated."""
    with pytest.raises(PeerError, match="DE 48"):
        told({"CS": "?"})
