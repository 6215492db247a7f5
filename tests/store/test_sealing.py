"""Sealed rows: what goes in comes out, in its own place and under its own key only."""

import secrets
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.hsm.data_key import DataKey
from gateway.social.card import FormerNumber
from gateway.store.sealing import Sealer
from gateway.terms.errors import LocalError
from gateway.terms.losses import Loss, LossKind, reported
from gateway.terms.numbers import OperationId, SsCardNumber

AT = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
BEFORE = Loss(LossKind.TEMPORARY, OperationId("op_" + "1" * 26), AT)
LOSS = Loss(LossKind.FORMAL, OperationId("op_" + "2" * 26), AT)


@pytest.fixture
def sealer(embedded):
    return embedded.sealer


def test_a_card_and_an_account_come_out_as_they_went_in(sealer, record):
    """With and without what is optional."""
    known = replace(record.holder, mobile=None)
    cards = [
        record.card(1),
        record.card(1, address=record.address, holder=record.holder),
        record.card(1, holder=known),
        record.card(1, former=(FormerNumber(SsCardNumber("T00000027"), AT),)),
    ]
    accounts = [
        record.account(1),
        record.account(1, owner=record.owner),
    ]

    for card in cards:
        assert sealer.open_card(card.link, sealer.seal_card(card)) == card
    for account in accounts:
        assert sealer.open_account(account.link, sealer.seal_account(account)) == account


def test_a_loss_comes_out_as_it_went_in_on_its_own_side_and_for_its_own_card(sealer):
    """With what stood before it, and from when the far side had it."""
    loss, one, other = replace(reported(LOSS, BEFORE), confirmed_at=AT), b"1" * 32, b"2" * 32
    of_card, of_account = sealer.seal_card_loss(one, loss), sealer.seal_account_loss(one, BEFORE)

    assert sealer.open_card_loss(one, of_card) == loss
    assert sealer.open_account_loss(one, of_account) == BEFORE
    with pytest.raises(LocalError):
        sealer.open_card_loss(other, of_card)
    with pytest.raises(LocalError):
        sealer.open_account_loss(one, of_card)


def test_a_sealed_row_holds_nothing_readable_and_is_never_the_same_twice(sealer, record):
    """Equal rows cannot be told by their cryptograms."""
    card = record.card(1, holder=record.holder)
    once, twice = sealer.seal_card(card), sealer.seal_card(card)

    assert once != twice
    assert record.citizen.value.encode() not in once


def test_a_row_does_not_open_under_another_link(sealer, record):
    """A row copied onto another customer's link is refused."""
    with pytest.raises(LocalError):
        sealer.open_card(record.link_id(2), sealer.seal_card(record.card(1)))
    with pytest.raises(LocalError):
        sealer.open_account(record.link_id(2), sealer.seal_account(record.account(1)))


def test_a_row_does_not_open_in_the_other_sides_table_even_under_one_key(record):
    """The table is bound into the row as well as the key."""
    key = DataKey(secrets.token_bytes(32))
    sealer = Sealer(key, key)

    with pytest.raises(LocalError):
        sealer.open_account(record.link_id(1), sealer.seal_card(record.card(1)))
    with pytest.raises(LocalError):
        sealer.open_card(record.link_id(1), sealer.seal_account(record.account(1)))


def test_a_side_cannot_open_the_others_rows(sealer, record):
    """Each side's key opens its own rows only."""
    crossed = Sealer(sealer.financial, sealer.social)

    with pytest.raises(LocalError):
        crossed.open_card(record.link_id(1), sealer.seal_card(record.card(1)))
    with pytest.raises(LocalError):
        crossed.open_account(record.link_id(1), sealer.seal_account(record.account(1)))


@pytest.mark.parametrize("place", [0, 1, 12, 20, -1])
def test_an_altered_row_does_not_open(sealer, record, place):
    """One bit anywhere is enough, version and nonce included."""
    altered = bytearray(sealer.seal_card(record.card(1)))
    altered[place] ^= 1

    with pytest.raises(LocalError):
        sealer.open_card(record.link_id(1), bytes(altered))


def test_a_card_is_found_by_a_keyed_fingerprint(sealer):
    """Equal numbers have equal fingerprints under one key, and no other way to them."""
    number, other = SsCardNumber("T00000019"), SsCardNumber("T00000027")
    stranger = Sealer(DataKey(secrets.token_bytes(32)), sealer.financial)

    assert sealer.card_fingerprint(number) == sealer.card_fingerprint(SsCardNumber("T00000019"))
    assert sealer.card_fingerprint(number) != sealer.card_fingerprint(other)
    assert sealer.card_fingerprint(number) != stranger.card_fingerprint(number)
    assert len(sealer.card_fingerprint(number)) == 32
