"""The card as the bank knows it: states as the message set has them, numbers never printed."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.iso8583.message_set import parse_message_set
from gateway.social.card import (
    CardHolder,
    CardReplaced,
    CardState,
    EcardKept,
    FormerNumber,
    HolderKept,
    MobileBound,
    PinState,
    ReplacementBegun,
    SocialCard,
    SsLossConfirmed,
    SsLossKept,
    SsLossLifted,
    keep,
)
from gateway.terms.losses import Loss, LossKind
from gateway.terms.numbers import (
    Address,
    AgencyCode,
    CitizenId,
    EcardNumber,
    LinkId,
    Mobile,
    OperationId,
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


OLD, NEW = OperationId("op_" + "1" * 26), OperationId("op_" + "2" * 26)
ECARD = EcardNumber("E00000000001")
OTHER_HOLDER = CardHolder(HOLDER.name, HOLDER.citizen_id)
LOSS = Loss(LossKind.TEMPORARY, NEW, datetime(2026, 11, 21, tzinfo=UTC))


@pytest.mark.parametrize(
    ("record", "changes"),
    [
        (SsLossKept(CARD.link, LOSS), {"loss": LOSS}),
        (MobileBound(CARD.link, Mobile("16400000001")), {"mobile": Mobile("16400000001")}),
        (ReplacementBegun(CARD.link), {"replacing": True}),
        (EcardKept(CARD.link, ECARD), {"ecard": ECARD}),
        (HolderKept(CARD.link, OTHER_HOLDER), {"holder": OTHER_HOLDER}),
    ],
)
def test_what_becomes_of_a_card_is_taken_into_it(record, changes):
    """Each record changes what it is about and nothing else."""
    assert keep(CARD, record) == replace(CARD, **changes)


def test_a_late_word_on_an_older_loss_changes_nothing():
    """A loss is lifted by its own reference."""
    lost = replace(CARD, loss=LOSS)

    assert keep(lost, SsLossLifted(CARD.link, OLD)) == lost
    assert keep(lost, SsLossLifted(CARD.link, NEW)) == CARD
    assert keep(lost, SsLossConfirmed(CARD.link, OLD, LOSS.reported_at)) == lost


def test_a_new_card_is_neither_lost_nor_being_replaced():
    """The old card's loss, order and e-card end with it."""
    lost, number = replace(CARD, loss=LOSS, replacing=True, ecard=ECARD), SsCardNumber("T50000001")

    replaced = keep(lost, CardReplaced(CARD.link, number, LOSS.reported_at))

    former = (FormerNumber(CARD.number, LOSS.reported_at),)
    assert replaced == replace(CARD, number=number, former=former)


def test_a_link_knows_which_card_it_led_to_at_an_instant():
    """What was done with a card stays told of that card, whichever follows it."""
    at, second = LOSS.reported_at, timedelta(seconds=1)
    numbers = [SsCardNumber(f"T5000000{n}") for n in (1, 2)]
    card = keep(CARD, CardReplaced(CARD.link, numbers[0], at))
    card = keep(card, CardReplaced(CARD.link, numbers[1], at + second))

    found = [card.number_at(each) for each in (at - second, at, at + second)]

    assert found == [CARD.number, *numbers]
