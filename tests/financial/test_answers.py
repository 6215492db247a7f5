"""What a core's answers say, and what its declines mean to a caller."""

from pathlib import Path

import pytest

from gateway.financial.account import AccountOwner, AccountState
from gateway.financial.answers import AccountFinding, finding, refusal, told, why_unusable
from gateway.iso8583.message_set import parse_message_set
from gateway.terms.errors import PeerError
from gateway.terms.numbers import CitizenId, CustomerNumber, Mobile, PersonName
from gateway.terms.refusals import Refusal
from gateway.terms.response_codes import ResponseCode

SPECS = Path(__file__).parents[2] / "specs"
MESSAGES = parse_message_set((SPECS / "messages/core.toml").read_text("utf-8"), "core.toml")
TOLD = {
    "CU": "C00000001",
    "NM": "测试甲",
    "ID": "350299199001010010",
    "MB": "15400000001",
    "AS": "A",
}


def test_an_inquiry_tells_owner_and_state():
    """Customer, name, citizen id, mobile and account state become a finding."""
    owner = AccountOwner(
        CustomerNumber("C00000001"),
        PersonName("测试甲"),
        CitizenId("350299199001010010"),
        Mobile("15400000001"),
    )

    assert finding("account-inquiry", TOLD) == AccountFinding(owner, AccountState.ACTIVE)


def test_a_core_may_know_no_mobile():
    """The mobile is the one part that may be missing."""
    told = {usage: value for usage, value in TOLD.items() if usage != "MB"}

    assert finding("account-inquiry", told).owner.mobile is None


@pytest.mark.parametrize("message", ["link-register", "account-activation", "reversal"])
def test_other_messages_tell_nothing_of_persons(message):
    """Only an inquiry has a finding."""
    assert finding(message, TOLD) is None


@pytest.mark.parametrize("usage", ["CU", "NM", "ID", "AS"])
def test_a_missing_part_is_the_cores_fault_and_is_named(usage):
    """The error names the subfield, and holds nothing of the others."""
    told = {each: value for each, value in TOLD.items() if each != usage}

    with pytest.raises(PeerError, match=f"DE 48: an approved inquiry must tell {usage}$"):
        finding("account-inquiry", told)


@pytest.mark.parametrize(
    ("usage", "value"),
    [("CU", "?"), ("NM", "7"), ("ID", "350299199001010011"), ("MB", "1"), ("AS", "Z")],
)
def test_a_part_that_breaks_its_rule_is_refused_and_not_repeated(usage, value):
    """A bad check digit, a bad state: the core's fault, told without the value."""
    with pytest.raises(PeerError) as raised:
        finding("account-inquiry", TOLD | {usage: value})

    assert str(raised.value) == "DE 48: the owner told by the core breaks a rule"


def test_every_code_that_a_core_may_answer_has_a_refusal():
    """No answer of the message set is without words for the customer."""
    codes = {code for kind in MESSAGES.messages for code in kind.response_codes}

    for code in codes:
        assert isinstance(refusal(ResponseCode(code), None), Refusal)


@pytest.mark.parametrize(
    ("code", "reason", "meant"),
    [
        ("14", None, Refusal.NOT_CONFIRMED),
        ("22", None, Refusal.ACCOUNT_NOT_USABLE),
        ("22", "ALREADY_ACTIVE", Refusal.ALREADY_ACTIVE),
        ("40", None, Refusal.NOT_OFFERED),
        ("41", None, Refusal.ACCOUNT_LOST),
        ("57", None, Refusal.DECLINED),
        ("62", "SOMETHING_NEW", Refusal.ACCOUNT_NOT_USABLE),
        ("99", None, Refusal.PIN_ENVELOPE),
    ],
)
def test_a_decline_means_its_reason_first_and_its_code_then(code, reason, meant):
    """The core's fine reason decides; one that is not known falls back to DE 39."""
    assert refusal(ResponseCode(code), reason) is meant


def test_a_decline_without_a_code_is_a_decline():
    """What nobody explained is told as declined."""
    assert refusal(None, None) is Refusal.DECLINED


@pytest.mark.parametrize("state", sorted(AccountState))
def test_only_an_active_or_new_account_can_be_linked(state):
    """An account is activated through its link, so that a new one may be linked."""
    usable = state in {AccountState.ACTIVE, AccountState.NOT_ACTIVATED}

    assert (why_unusable(state) is None) == usable


@pytest.mark.parametrize(
    ("private", "words"), [({}, {}), ({"AS": "A"}, {"account_state": "active"})]
)
def test_the_account_state_is_told_in_a_word(private, words):
    """Nothing of the owner is told with it."""
    assert told({"NM": "测试甲", **private}) == words


def test_a_state_outside_the_message_set_is_the_cores_fault():
    """It is named by its place and not repeated."""
    with pytest.raises(PeerError, match="DE 48"):
        told({"AS": "?"})
