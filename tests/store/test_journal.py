"""Group commit: one transaction for many units, each told its own outcome, none lost."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.exc import OperationalError

from gateway.linking.link import LinkChanged, LinkState
from gateway.social.card import CardReplaced, HolderKept, SsLossKept, SsLossLifted
from gateway.store import journal as journals
from gateway.store import tables
from gateway.store.engine import Database
from gateway.store.errors import Broken, Conflict
from gateway.store.journal import Journal
from gateway.store.unit import Unit, pack
from gateway.terms.errors import Unavailable
from gateway.terms.losses import Loss, LossKind
from gateway.terms.numbers import OperationId, SsCardNumber

KILLS = 4
WRITER = """
import sys
import threading
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from gateway.linking.link import Link, LinkState
from gateway.store.engine import Database
from gateway.store.journal import Journal
from gateway.store.unit import Unit, pack
from gateway.terms.numbers import AgencyCode, LinkId

room = threading.Semaphore(500)
journal = Journal(Database(Path(sys.argv[1])).engine, None, lambda call: call())

def acknowledge(number):
    def done(error):
        assert error is None, error
        room.release()
        sys.stdout.write(f"{number}\\n")
        sys.stdout.flush()
    return done

for number in count(int(sys.argv[2])):
    room.acquire()
    link = LinkId(f"lnk_{number:026d}")
    fresh = Link(link, AgencyCode("99350201"), "bank", LinkState.PENDING, datetime.now(UTC))
    journal.submit(pack(Unit(records=(fresh,))), acknowledge(number))
"""


@pytest.fixture
def gate(store):
    """Hold the journal's transactions back until the gate is set."""
    opened = threading.Event()
    reached = threading.Event()

    def hold(_connection):
        reached.set()
        assert opened.wait(10)

    event.listen(store.database.engine, "begin", hold)
    opened.reached = reached
    yield opened
    opened.set()


@pytest.fixture
def commits(store):
    """Count the commits on the store's engine."""
    counted = []
    event.listen(store.database.engine, "commit", counted.append)
    return counted


def ids(store):
    with store.database.engine.connect() as connection:
        return set(connection.execute(select(tables.links.c.id)).scalars())


def test_units_that_wait_together_become_one_transaction(store, record, gate, commits):
    """While the first is being written the others gather, and share one commit."""
    told = []
    store.journal.submit(pack(Unit(records=(record.link(0),))), told.append)
    assert gate.reached.wait(10)
    for number in range(1, 101):
        store.journal.submit(pack(Unit(records=(record.link(number),))), told.append)

    gate.set()
    store.journal.close()

    assert told == [None] * 101
    assert len(commits) == 2
    assert len(ids(store)) == 101


def test_a_transaction_takes_no_more_units_than_its_bound(store, record, gate, commits):
    """The first unit of a batch waits for a bounded number of others."""
    told = []
    store.journal.submit(pack(Unit(records=(record.link(0),))), told.append)
    assert gate.reached.wait(10)
    for number in range(1, journals.BATCH_MAX + 2):
        store.journal.submit(pack(Unit(records=(record.link(number),))), told.append)

    gate.set()
    store.journal.close()

    assert len(told) == journals.BATCH_MAX + 2
    assert len(commits) == 3


def test_nobody_is_told_before_the_commit(store, record):
    """What is acknowledged is on disk, for any other connection to see."""
    seen = []
    told = threading.Event()

    def done(error):
        seen.append((error, len(ids(store))))
        told.set()

    store.journal.submit(pack(Unit(records=(record.link(1),))), done)

    assert told.wait(10)
    assert seen == [(None, 1)]


def test_a_conflict_fails_alone(store, record, gate):
    """One active link per card: the second fails, its neighbours in the batch stand."""
    told = {}
    units = {
        "first": record.linked(1),
        "same card": record.linked(2),
        "other card": record.linked(3, "T00000027"),
    }
    store.journal.submit(pack(Unit(records=(record.link(9),))), lambda _error: None)
    assert gate.reached.wait(10)
    for name, unit in units.items():
        store.journal.submit(pack(unit), lambda error, name=name: told.update({name: error}))

    gate.set()
    store.journal.close()

    assert isinstance(told.pop("same card"), Conflict)
    assert told == {"first": None, "other card": None}
    assert ids(store) == {record.link_id(number).value for number in (1, 3, 9)}


def test_a_conflict_leaves_nothing_of_its_unit_and_tells_nothing_of_the_row(store, record):
    """All of a unit becomes durable or none of it; the error holds no value."""
    store.keep(record.link(1))

    (error,) = store.write(Unit(records=(record.session(1), record.link(1))))

    assert str(error) == "the unit breaks a uniqueness rule of the store"
    assert error.__cause__ is None
    assert store.read(lambda queries: queries.session(record.session(1).id)) is None


@pytest.mark.parametrize("ended", [LinkState.FAILED, LinkState.REMOVED])
def test_a_released_card_can_be_linked_again(store, record, ended):
    """The end of a link frees its card, any number of times."""
    for number in (1, 2, 3):
        assert store.write(record.linked(number)) == [None]
        store.keep(LinkChanged(record.link_id(number), ended, record.now))

    assert store.write(record.linked(4)) == [None]


def test_a_card_can_be_released_and_linked_again_in_one_batch(store, record, gate):
    """The order of units is kept, whatever the order of statements."""
    store.journal.submit(pack(record.linked(1)), lambda _error: None)
    assert gate.reached.wait(10)
    told = []
    ended = LinkChanged(record.link_id(1), LinkState.REMOVED, record.now)
    store.journal.submit(pack(Unit(records=(ended,))), told.append)
    store.journal.submit(pack(record.linked(2)), told.append)

    gate.set()
    store.journal.close()

    assert told == [None, None]


def test_an_active_link_goes_on_holding_its_card(store, record):
    """Activation does not free the card."""
    store.write(record.linked(1))
    store.keep(LinkChanged(record.link_id(1), LinkState.ACTIVE, record.now))

    (error,) = store.write(record.linked(2))

    assert isinstance(error, Conflict)


def test_a_full_queue_refuses_at_once(store, record, gate, monkeypatch):
    """Beyond the bound nothing is taken in, and what was taken in is written."""
    monkeypatch.setattr(journals, "WAITING_MAX", 3)
    told = []
    store.journal.submit(pack(Unit(records=(record.link(0),))), told.append)
    assert gate.reached.wait(10)
    for number in (1, 2, 3):
        store.journal.submit(pack(Unit(records=(record.link(number),))), told.append)

    with pytest.raises(Unavailable):
        store.journal.submit(pack(Unit(records=(record.link(4),))), told.append)

    gate.set()
    store.journal.close()
    assert told == [None] * 4


def lose_a_table(store):
    with store.database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE linking_links RENAME TO lost"))


def refuse_to_commit(store):
    def full(_connection):
        raise OperationalError("COMMIT", {}, Exception("disk is full, 350299199001010010"))

    event.listen(store.database.engine, "commit", full)


def test_a_broken_journal_ends_its_process(store, record):
    """Whoever was told: a courier that cannot record its attempt stops nothing by itself."""
    lost = []
    journal = Journal(store.database.engine, store.sealer, lambda call: call(), lost=lost.append)
    lose_a_table(store)

    journal.submit(pack(Unit(records=(record.link(1),))), lost.append)
    journal.close()

    assert [type(error) for error in lost] == [Broken] * 2


@pytest.mark.parametrize("damage", [lose_a_table, refuse_to_commit])
def test_a_broken_database_fails_everything_from_then_on(store, record, damage):
    """What is on disk is uncertain: no later unit is told to be durable, even a harmless one."""
    store.keep(record.link(1))
    damage(store)

    first = store.write(Unit(records=(record.link(2),)))
    later = store.write(Unit(records=(record.session(1),)), Unit(records=(record.session(2),)))

    assert [type(error) for error in (*first, *later)] == [Broken] * 3
    assert "3502" not in str(first[0])
    assert "refused a transaction (" in str(later[0])


def test_a_unit_that_nobody_can_write_does_not_leave_others_waiting(store, record):
    """Our own mistake in a unit breaks the journal; everybody is told, nobody waits for ever."""
    errors = store.write(Unit(records=("no such record",)))
    errors += store.write(Unit(records=(record.link(1),)))

    assert [type(error) for error in errors] == [Broken, Broken]


def test_after_a_break_nothing_later_of_the_batch_is_written(store, record, gate):
    """A conflict makes units be written one by one; the first that breaks stops the rest."""
    told = []
    store.journal.submit(pack(record.linked(1)), told.append)
    assert gate.reached.wait(10)
    for unit in (
        record.linked(2),
        Unit(records=(HolderKept(record.link_id(1), "no holder"),)),
        Unit(records=(record.link(9),)),
    ):
        store.journal.submit(pack(unit), told.append)

    gate.set()
    store.journal.close()

    assert [type(error) for error in told] == [type(None), Conflict, Broken, Broken]
    assert ids(store) == {record.link_id(1).value}


def test_closing_writes_what_was_submitted(store, record):
    """Nothing in the queue is dropped at a clean end."""
    told = []
    for number in range(50):
        store.journal.submit(pack(Unit(records=(record.link(number),))), told.append)

    store.journal.close()

    assert told == [None] * 50


def test_a_closed_journal_takes_nothing_in(store, record):
    """Whoever comes too late is told so, instead of waiting for ever."""
    store.journal.close()

    with pytest.raises(Unavailable):
        store.journal.submit(pack(Unit(records=(record.link(1),))), lambda _error: None)


def test_one_callers_failure_is_not_the_others(store, record, gate):
    """Everybody of a batch is told, then the failure comes out where the calls are made."""
    delivered, told = [], []
    journal = Journal(store.database.engine, store.sealer, delivered.append)

    def fail(_error):
        raise RuntimeError("mistaken")

    journal.submit(pack(Unit(records=(record.link(0),))), told.append)
    assert gate.reached.wait(10)
    journal.submit(pack(Unit(records=(record.link(1),))), fail)
    journal.submit(pack(Unit(records=(record.link(2),))), told.append)
    gate.set()
    journal.close()

    first, second = delivered
    first()
    with pytest.raises(ExceptionGroup, match="callers failed"):
        second()
    assert told == [None, None]


def test_outcomes_are_delivered_where_the_caller_wants_them(store, record):
    """The journal's thread calls nobody itself: it hands the calls of a batch to the loop."""
    delivered, handed = [], threading.Event()

    def deliver(call):
        delivered.append(call)
        handed.set()

    journal = Journal(store.database.engine, store.sealer, deliver)
    told = []
    journal.submit(pack(Unit(records=(record.link(1),))), told.append)
    assert handed.wait(10)
    journal.close()

    assert told == []
    delivered[0]()
    assert told == [None]


def test_a_chore_stands_in_a_transaction_of_its_own(store, record):
    """It is done in its turn, and what it gives comes back."""
    told = []
    store.journal.submit(pack(Unit(records=(record.link(1),))), told.append)
    seen = store.run(lambda connection: len(connection.execute(select(tables.links.c.id)).all()))

    assert (told, seen) == ([None], 1)


def test_a_mistaken_chore_breaks_the_journal(store, record):
    """As a mistaken unit does."""

    def mistaken(_connection):
        raise RuntimeError("350299199001010010")

    with pytest.raises(Broken) as broken:
        store.run(mistaken)

    assert "3502" not in str(broken.value)
    assert [type(error) for error in store.write(Unit(records=(record.link(1),)))] == [Broken]


def test_kill_9_loses_no_acknowledged_unit(tmp_path):
    """Whatever the writer said is durable is there after SIGKILL at any moment."""
    path, acknowledged = tmp_path / "gateway.db", set()

    for kill in range(KILLS):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(kill * 1_000_000)],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        line = writer.stdout.readline()
        acknowledged.add(int(line))
        time.sleep(0.02 * kill)  # at different moments of a writer at full speed
        os.kill(writer.pid, signal.SIGKILL)
        rest = writer.stdout.read().split(b"\n")[:-1]
        acknowledged |= {int(line) for line in rest}
        writer.stdout.close()
        assert writer.wait() == -signal.SIGKILL

    database = Database(path)
    with database.engine.connect() as connection:
        stored = {int(row[4:]) for row in connection.execute(select(tables.links.c.id)).scalars()}
        sound = connection.execute(text("PRAGMA integrity_check")).scalar()
    database.close()
    assert len(acknowledged) >= KILLS
    assert acknowledged <= stored
    assert sound == "ok"


def test_a_late_lifting_of_an_older_loss_leaves_the_newer_one(store, record):
    """Whatever order they are written in, the loss in force is the newest."""
    link, older, newer = (
        record.link_id(1),
        OperationId("op_" + "1" * 26),
        OperationId("op_" + "2" * 26),
    )
    losses = [Loss(LossKind.TEMPORARY, each, record.now) for each in (older, newer)]
    kept = [Unit(records=(SsLossKept(link, loss),)) for loss in losses]

    store.write(record.linked(1), *kept, Unit(records=(SsLossLifted(link, older),)))

    assert store.read(lambda queries: queries.linked(link)).card.loss == losses[1]


def test_a_new_card_is_found_by_its_own_number(store, record):
    """The link leads to it, and the old number is free."""
    new, link = SsCardNumber("T50000001"), record.link_id(1)
    linked = record.linked(1)
    old = linked.records[1].number

    store.write(linked, Unit(records=(CardReplaced(link, new, record.now),)))

    assert store.read(lambda queries: queries.link_holding(new)) == link
    assert store.read(lambda queries: queries.link_holding(old)) is None
