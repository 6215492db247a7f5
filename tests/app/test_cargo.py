"""What an operation of before goes on with: the channel that asked, the card that it spoke of."""

from dataclasses import replace

import pytest

from gateway.app.cargo import CHANNEL, Cargo
from gateway.linking.link import Link, LinkState
from gateway.linking.procedures import UNPROVED
from gateway.operations.facts import OperationKind
from gateway.social.card import CardReplaced, NewCard, keep
from gateway.store.found import Linked
from gateway.terms.numbers import SsCardNumber

K = OperationKind
NEW_CARD = SsCardNumber("T50000001")


@pytest.fixture
def linked(stage):
    """Give the link of the stage, whose card was replaced a minute ago."""
    now = stage.timers.now()
    stage.timers.step(60)
    link = Link(stage.link, stage.cargo.card.agency, "online-bank", LinkState.ACTIVE, now)
    replaced = keep(stage.cargo.card, CardReplaced(stage.link, NEW_CARD, stage.timers.now()))
    return Linked(link, replaced, stage.cargo.account)


def opened(stage, kind):
    """Give an operation that was opened before the card was replaced, or after its activation."""
    if kind is K.SS_ACCOUNT:
        return stage.waiting_follow_up()
    return stage.operation(stage.open(kind, details={UNPROVED: "yes"}))


@pytest.mark.parametrize(
    ("kind", "is_old"), [(K.SS_LOSS_FORMAL, True), (K.UNLINK, True), (K.SS_ACCOUNT, False)]
)
def test_what_was_sent_goes_on_with_the_card_that_it_spoke_of(stage, kind, is_old, request):
    """A loss of the old card is not reported of the new one; what only waits is the new one's."""
    operation = opened(stage, kind)

    cargo = Cargo.resumed(request.getfixturevalue("linked"), operation)

    assert cargo.card.number == (stage.cargo.card.number if is_old else NEW_CARD)


def test_the_channel_that_asked_is_told(stage, linked):
    """Another channel of the bank may have made the link."""
    asked = stage.operation(stage.open(K.UNLINK, details={CHANNEL: "counter"}))
    plain = replace(asked, details={})

    assert Cargo.resumed(linked, asked).channel == "counter"
    assert Cargo.resumed(linked, plain).channel == "online-bank"


def test_what_waits_in_memory_learns_of_a_new_card(stage):
    """An SS account that follows a day later is that of the card which is there then."""
    stage.waiting_follow_up(after_s=3_600)
    collecting = stage.open(K.CARD_COLLECT, 2, details={"links": "kept"})

    stage.answer(collecting, "bureau-card-collect", finding=NewCard(NEW_CARD, keeps_link=True))
    stage.timers.step(3_600)

    follow_up = stage.dialogues.errands[-1]
    assert follow_up.exchange.message == "account-activated"
    assert follow_up.cargo.card.number == NEW_CARD
