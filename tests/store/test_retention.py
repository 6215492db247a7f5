"""Purge: the old goes a little at a time; what is open, or is still needed, stays."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import func, select

from gateway.linking.link import LinkChanged, LinkState
from gateway.operations.facts import OperationKind, OperationState, Settled
from gateway.operations.notice import Notice, NoticeGivenUp
from gateway.operations.operation import evolve
from gateway.social.card import SsLossKept
from gateway.store import tables
from gateway.store.questions import Horizon
from gateway.store.retention import STEP_MAX, purge
from gateway.store.unit import KeyUsed, LetGo, Progress, Unit
from gateway.terms.losses import Loss, LossKind
from gateway.terms.numbers import OperationId

OLD = timedelta(days=2)


@pytest.fixture
def horizon(record):
    """Keep keys for a day and operations for two, counted from three days later."""
    return Horizon(record.now + OLD, record.now + timedelta(days=1))


def settled(record, number, state=OperationState.SUCCEEDED, at=None):
    opened = record.operation(number, OperationKind.SS_ACCOUNT)
    return evolve(opened, Settled(state, at or record.now))


def count(store, table):
    with store.database.engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar()


def purge_all(store, horizon):
    """Run steps until nothing is left; gives how many rows each took."""
    steps = [store.run(partial(purge, horizon=horizon))]
    while steps[-1]:
        steps.append(store.run(partial(purge, horizon=horizon)))
    return steps[:-1]


@pytest.mark.parametrize(
    "state", [OperationState.SUCCEEDED, OperationState.FAILED, OperationState.UNKNOWN]
)
def test_a_settled_operation_goes_when_it_is_old(store, record, horizon, state):
    """With its facts; one that is younger stays as it is."""
    old = settled(record, 1, state)
    young = settled(record, 2, state, record.now + timedelta(days=1))
    store.write(Unit((Progress(old, 0),)), Unit((Progress(young, 0),)))
    store.keep(LetGo(old.id), LetGo(young.id))

    purge_all(store, horizon)

    assert store.read(lambda queries: queries.operation(old.id)) is None
    assert store.read(lambda queries: queries.operation(young.id)) == young
    assert count(store, tables.facts) == 1


@pytest.mark.parametrize("state", [OperationState.PENDING, OperationState.MANUAL])
def test_what_is_open_or_waits_for_a_person_stays(store, record, horizon, state):
    """However old it is."""
    opened = record.operation(1)
    operation = opened if state is OperationState.PENDING else settled(record, 1, state)
    store.write(Unit((Progress(operation, 0),)))

    assert purge_all(store, horizon) == []
    assert store.read(lambda queries: queries.operation(operation.id)) == operation


def test_keys_and_sessions_have_a_retention_of_their_own(store, record, horizon):
    """A key goes with the PIN sessions of its time; younger ones stay."""
    keys = [
        KeyUsed("online-bank", f"key-{days}", bytes(32), "op_1", record.now + timedelta(days=days))
        for days in (1, 2)
    ]
    young = replace(record.session(2), expires_at=record.now + OLD)
    store.keep(*keys, record.session(1), young)

    purge_all(store, horizon)

    assert store.read(lambda queries: queries.key("online-bank", "key-1")) is None
    assert store.read(lambda queries: queries.key("online-bank", "key-2")) is not None
    assert store.read(lambda queries: queries.session(record.session(1).id)) is None
    assert store.read(lambda queries: queries.session(young.id)) == young


@pytest.mark.parametrize(
    ("state", "stays"),
    [(LinkState.ACTIVE, True), (LinkState.REMOVED, False), (LinkState.FAILED, False)],
)
def test_an_ended_link_goes_with_its_last_operation(store, record, horizon, state, stays):
    """And with it what both sides kept of the person."""
    store.write(record.linked(1), Unit((Progress(settled(record, 1), 0),)))
    store.keep(LinkChanged(record.link_id(1), state, record.now))

    purge_all(store, horizon)

    left = [count(store, table) for table in (tables.links, tables.cards, tables.accounts)]
    assert left == [int(stays)] * 3


@pytest.mark.parametrize("leads_there_too", [False, True])
def test_a_loss_of_a_card_goes_with_the_last_link_that_leads_there(
    store, record, horizon, leads_there_too
):
    """It concerns no later link; a card that another link leads to keeps its own, so do others."""
    loss = Loss(LossKind.TEMPORARY, OperationId("op_" + "1" * 26), record.now)
    over = LinkChanged(record.link_id(1), LinkState.REMOVED, record.now)
    store.write(record.linked(1), record.linked(2, "T00000027"))
    store.keep(SsLossKept(record.link_id(1), loss), SsLossKept(record.link_id(2), loss))
    store.write(Unit((Progress(settled(record, 1), 0),), (over,)))
    if leads_there_too:
        store.write(record.linked(3))

    purge_all(store, horizon)

    assert count(store, tables.links) == 1 + leads_there_too
    assert count(store, tables.card_losses) == 1 + leads_there_too


def test_an_ended_link_stays_while_one_of_its_operations_does(store, record, horizon):
    """What a person can still be shown leads to its link."""
    later = record.now + timedelta(days=1)
    store.write(
        record.linked(1),
        Unit((Progress(settled(record, 1), 0),)),
        Unit((Progress(settled(record, 2, at=later), 0),)),
    )
    store.keep(LinkChanged(record.link_id(1), LinkState.REMOVED, record.now))

    purge_all(store, horizon)

    assert count(store, tables.links) == 1


@pytest.mark.parametrize("is_given_up", [True, False])
def test_a_notice_goes_with_the_operations_of_its_time(store, record, horizon, is_given_up):
    """Given up, or of a channel that is told no more, so that nobody gives it up."""
    operation = record.operation(1)
    old, young = (
        Notice(f"msg_{days}", "online-bank", operation.id, "{}", at, at)
        for days, at in ((0, record.now), (2, record.now + OLD))
    )
    store.keep(old, young)
    if is_given_up:
        store.keep(NoticeGivenUp(old.id, 9), NoticeGivenUp(young.id, 9))

    purge_all(store, horizon)

    assert count(store, tables.notices) == 1


def test_each_step_is_bounded(store, record, horizon):
    """A long history goes in many short transactions, between which others are written."""
    old = [settled(record, number) for number in range(2 * STEP_MAX + 1)]
    store.write(*(Unit((Progress(operation, 0),)) for operation in old))

    assert purge_all(store, horizon) == [STEP_MAX, STEP_MAX, 1]
    assert count(store, tables.operations) == count(store, tables.facts) == 0
