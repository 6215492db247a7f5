"""What becomes of cards and accounts, and the losses that outlive the links they came over."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from gateway.financial.account import AccountLossConfirmed, AccountLossKept, AccountLossLifted
from gateway.linking.link import LinkChanged, LinkState
from gateway.social.card import CardReplaced, MobileBound, SsLossConfirmed, SsLossKept, SsLossLifted
from gateway.store import tables
from gateway.store.unit import Unit
from gateway.terms.losses import Loss, LossKind
from gateway.terms.numbers import Mobile, OperationId, SsCardNumber

OLDER, NEWER = OperationId("op_" + "1" * 26), OperationId("op_" + "2" * 26)
OTHER_CARD = "T00000027"


@pytest.fixture
def loss(record):
    return Loss(LossKind.TEMPORARY, OLDER, record.now)


@pytest.fixture
def linked_again(store, record):
    """Give what takes the first link away, makes a second one a second later, and reads it."""

    def link_again():
        over = LinkChanged(record.link_id(1), LinkState.REMOVED, record.now)
        later = replace(record.link(2), created_at=record.now + timedelta(seconds=1))
        assert store.write(Unit(records=(over,))) == [None]
        assert store.write(Unit(records=(later, record.card(2), record.account(2)))) == [None]
        return read(store, record, 2)

    return link_again


def read(store, record, number):
    return store.read(lambda queries: queries.linked(record.link_id(number)))


def test_a_loss_that_nobody_has_heard_of_stands_for_the_next_link(
    store, record, loss, linked_again
):
    """Unlinking and linking again is no way around a loss, on either side."""
    link = record.link_id(1)
    store.write(record.linked(1), Unit(records=(SsLossKept(link, loss),)))
    store.keep(AccountLossKept(link, replace(loss, reference=NEWER)))

    again = linked_again()

    assert again.card.loss == loss
    assert again.account.loss.reference == NEWER


def test_a_far_side_that_has_the_loss_and_takes_the_next_link_has_cancelled_it(
    store, record, loss, linked_again
):
    """It stands for the link that was there before."""
    link = record.link_id(1)
    store.write(record.linked(1), Unit(records=(SsLossKept(link, loss),)))
    store.keep(SsLossConfirmed(link, OLDER, record.now), AccountLossKept(link, loss))
    store.keep(AccountLossConfirmed(link, OLDER, record.now))
    before = read(store, record, 1)

    again = linked_again()

    assert (before.card.loss, before.account.loss) == (replace(loss, confirmed_at=record.now),) * 2
    assert (again.card.loss, again.account.loss) == (None, None)


def test_the_loss_of_an_account_concerns_every_card_that_is_linked_to_it(store, record, loss):
    """Two cards, one account: reported over one link, lifted over the other; no card is lost."""
    one, two = record.link_id(1), record.link_id(2)
    store.write(record.linked(1), record.linked(2, OTHER_CARD))
    store.keep(AccountLossKept(one, loss))
    lost = read(store, record, 2)

    store.keep(AccountLossLifted(two, OLDER))

    assert (lost.account.loss, lost.card.loss) == (loss, None)
    assert read(store, record, 1).account.loss is None


def test_many_links_are_read_with_their_losses(store, record, loss):
    """As a restart reads them."""
    store.write(record.linked(1), Unit(records=(SsLossKept(record.link_id(1), loss),)))

    found = store.read(lambda queries: queries.all_linked([record.link_id(1)]))

    assert found[record.link_id(1)].card.loss == loss


def test_a_loss_ends_with_its_card(store, record, loss):
    """The new card is not lost; what else becomes of a card leaves its loss alone."""
    link = record.link_id(1)
    bound = MobileBound(link, Mobile("16400000001"))
    store.write(record.linked(1), Unit(records=(SsLossKept(link, loss), bound)))
    before = read(store, record, 1).card

    store.keep(CardReplaced(link, SsCardNumber("T50000001"), record.now))

    assert (before.loss, before.mobile) == (loss, Mobile("16400000001"))
    assert read(store, record, 1).card.loss is None


def test_a_loss_that_an_earlier_release_kept_with_its_link_stands_and_is_lifted(
    store, record, loss
):
    """An upgrade forgets none; it moves when it changes, and is then kept once."""
    link = record.link_id(1)
    store.write(record.linked(1))
    members = {"number": "T00000019", "agency": "99350201", "mobile": "15400000001"}
    members["loss"] = ["T", OLDER.value, record.now.isoformat()]
    sealed = store.sealer.social.seal(json.dumps(members).encode(), f"social_cards/{link}".encode())
    where = tables.cards.c.link == link.value
    store.run(
        lambda connection: connection.execute(
            update(tables.cards).where(where).values(sealed=sealed)
        )
    )
    stood = read(store, record, 1).card.loss

    store.keep(MobileBound(link, Mobile("16400000001")))
    moved = read(store, record, 1).card.loss
    store.keep(SsLossLifted(link, OLDER))

    assert stood == moved == replace(loss, confirmed_at=record.now)
    assert read(store, record, 1).card.loss is None
