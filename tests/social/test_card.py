"""The card as the bank knows it: states as the message set has them, numbers never printed."""

import re
from pathlib import Path

import pytest

from gateway.iso8583.message_set import parse_message_set
from gateway.social.card import CardHolder, CardState, HolderKept, PinState, SocialCard
from gateway.terms.numbers import (
    Address,
    AgencyCode,
    CitizenId,
    LinkId,
    Mobile,
    PersonName,
    SsCardNumber,
)

SPECS = Path(__file__).parents[2] / "specs"
MESSAGES = parse_message_set((SPECS / "messages/bureau.toml").read_text("utf-8"), "bureau.toml")
LINK = LinkId("lnk_" + "1" * 26)
SECRETS = ("T00000019", "测试甲", "350299199001010010", "15400000001", "测试路1号")
HOLDER = CardHolder(PersonName(SECRETS[1]), CitizenId(SECRETS[2]), Mobile(SECRETS[3]))
CARD = SocialCard(
    LINK,
    SsCardNumber(SECRETS[0]),
    AgencyCode("99350201"),
    Mobile(SECRETS[3]),
    Address(SECRETS[4]),
    HOLDER,
)


@pytest.mark.parametrize(("usage", "states"), [("CS", CardState), ("PS", PinState)])
def test_the_states_are_those_of_the_message_set(usage, states):
    """Subfield and enumeration have the same letters, no more and no fewer."""
    letters = re.fullmatch(r"\[([A-Z]+)\]", MESSAGES.private_subfields[usage].rule)[1]

    assert sorted(letters) == sorted(states)


@pytest.mark.parametrize("value", [CARD, HOLDER, HolderKept(LINK, HOLDER)])
def test_a_card_and_its_holder_print_masked(value):
    """Number, name, citizen id, mobile and address never stand in full in a log."""
    printed = f"{value} {value!r}"

    assert not any(secret in printed for secret in SECRETS)
