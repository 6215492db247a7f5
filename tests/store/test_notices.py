"""What channels are to be told is kept until they know, or until it is given up."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from gateway.operations.facts import OperationState, Settled
from gateway.operations.notice import NoticeDelivered, NoticeGivenUp, NoticeTried, notice_of
from gateway.operations.operation import evolve
from gateway.store.errors import Conflict
from gateway.store.unit import Progress, Unit


@pytest.fixture
def notices(record):
    """Give three notices of one channel, a minute apart."""
    made = []
    for number in (1, 2, 3):
        at = record.now + timedelta(minutes=number)
        operation = evolve(record.operation(number), Settled(OperationState.FAILED, at))
        made.append(notice_of(operation, 1, "online-bank"))
    return made


def waiting(store, channel="online-bank", count_max=10):
    return store.read(lambda queries: queries.notices(channel, count_max))


def test_notice_is_recorded_with_its_outcome(store, record, notices):
    """One unit holds both, and the notice is read back as it was, for its channel only."""
    operation = record.operation(1)
    store.write(Unit((Progress(operation, 0),), (notices[0],)))

    assert waiting(store) == [notices[0]]
    assert waiting(store, "other") == []


def test_first_due_is_read_first(store, notices):
    """A failed attempt puts a notice behind those that are due before it is again."""
    store.keep(*notices)
    due_at = notices[1].due_at + timedelta(seconds=1)

    store.keep(NoticeTried(notices[0].id, 1, due_at))

    tried = replace(notices[0], attempts=1, due_at=due_at)
    assert waiting(store) == [notices[1], tried, notices[2]]
    assert waiting(store, count_max=1) == [notices[1]]


def test_what_is_over_does_not_wait(store, notices):
    """What was delivered is gone; what was given up is kept and not tried again."""
    store.keep(*notices)

    store.keep(NoticeDelivered(notices[0].id), NoticeGivenUp(notices[1].id, 9))

    assert waiting(store) == [notices[2]]
    with store.database.engine.connect() as connection:
        kept = connection.execute(text("SELECT id, attempts FROM operations_notices")).all()
    assert sorted(map(tuple, kept)) == [(notices[1].id, 9), (notices[2].id, 0)]


def test_attempt_is_begun_by_one_node_only(store, notices):
    """Two nodes read the same notice; the second to record its attempt is told so."""
    store.keep(notices[0])
    due_at = notices[0].due_at + timedelta(seconds=15)
    tried = NoticeTried(notices[0].id, 1, due_at)

    first = store.write(Unit(records=(tried,)))
    (second,) = store.write(Unit(records=(tried,)))

    assert first == [None]
    assert isinstance(second, Conflict)
