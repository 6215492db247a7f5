"""The link, the PIN session, and the comparison of persons."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.financial.account import AccountOwner
from gateway.linking.link import Applicant, LinkRequest, LinkState, PinSession, is_one_person
from gateway.social.card import CardHolder
from gateway.terms.numbers import (
    CitizenId,
    CustomerNumber,
    LinkId,
    Mobile,
    PersonName,
    PinSessionId,
)
from gateway.terms.sides import PinPurpose

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
LINK = LinkId("lnk_" + "1" * 26)
NAME, MOBILE = PersonName("测试甲"), Mobile("15400000001")
CITIZEN, STRANGER = CitizenId("350299199001010010"), CitizenId("350299199001010029")
OWNER = AccountOwner(CustomerNumber("C00000001"), NAME, CITIZEN, MOBILE)
HOLDER = CardHolder(NAME, CITIZEN)
ASKED = LinkRequest(OWNER.customer, MOBILE)
SESSION = PinSession(PinSessionId("pse_" + "1" * 26), LINK, PinPurpose.SS_PIN, "nonce", "kid", NOW)


@pytest.mark.parametrize(
    ("state", "holds"),
    [
        (LinkState.PENDING, True),
        (LinkState.ACTIVE, True),
        (LinkState.FAILED, False),
        (LinkState.REMOVED, False),
    ],
)
def test_a_card_is_held_while_its_link_is_pending_or_active(state, holds):
    """Only then it cannot be linked again."""
    assert state.holds_card is holds


def test_one_person_is_one_in_every_part():
    """Core, bureau and channel agree; the bureau need not know a mobile."""
    assert is_one_person(OWNER, HOLDER, ASKED)
    assert is_one_person(OWNER, replace(HOLDER, mobile=Mobile("15400000009")), ASKED)


@pytest.mark.parametrize(
    "owner",
    [
        replace(OWNER, customer=CustomerNumber("C00000002")),
        replace(OWNER, name=PersonName("测试乙")),
        replace(OWNER, citizen_id=STRANGER),
        replace(OWNER, mobile=Mobile("15400000002")),
        replace(OWNER, mobile=None),
    ],
)
def test_two_persons_are_two_in_any_part(owner):
    """One difference is enough, a mobile that the bank does not hold included."""
    assert not is_one_person(owner, HOLDER, ASKED)


def test_a_region_may_take_another_mobile_than_the_banks():
    """Where its profile says so the number is the customer's to give; the rest is compared."""
    asked = LinkRequest(OWNER.customer, Mobile("15400000009"), mobile_equals_core=False)

    assert is_one_person(OWNER, HOLDER, asked)
    assert not is_one_person(replace(OWNER, citizen_id=STRANGER), HOLDER, asked)


def test_a_session_is_usable_once_for_its_link_and_pin_until_it_expires():
    """Another link, another PIN, a second use and the instant of expiry are refused."""
    before, other = NOW - timedelta(microseconds=1), LinkId("lnk_" + "2" * 26)

    assert SESSION.is_usable(LINK, PinPurpose.SS_PIN, before)
    assert not SESSION.is_usable(LINK, PinPurpose.SS_PIN, NOW)
    assert not SESSION.is_usable(other, PinPurpose.SS_PIN, before)
    assert not SESSION.is_usable(LINK, PinPurpose.FINANCIAL_PIN, before)
    assert not replace(SESSION, is_used=True).is_usable(LINK, PinPurpose.SS_PIN, before)


@pytest.mark.parametrize("changed", ["customer", "name", "citizen_id"])
def test_an_applicant_is_the_owner_of_the_account(changed):
    """Customer number, name and citizen id are all the owner's, or it is somebody else."""
    owner = AccountOwner(
        CustomerNumber("C00000001"), PersonName("测试甲"), CitizenId("350299199001010010")
    )
    applicant = Applicant(owner.customer, owner.name, owner.citizen_id)
    others = {
        "customer": CustomerNumber("C00000002"),
        "name": PersonName("测试丁"),
        "citizen_id": CitizenId("350299199001010029"),
    }

    assert applicant.owns(owner)
    assert not replace(applicant, **{changed: others[changed]}).owns(owner)
