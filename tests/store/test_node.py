"""Nodes on one database: a name is held by one process, and what a dead one left is taken over."""

import threading
from functools import partial
from types import SimpleNamespace

import psycopg
import pytest
from sqlalchemy import create_engine, event, text

from gateway.linking.kinds import EXCHANGES
from gateway.operations.exchange import ExchangeEvent, Move, Trace
from gateway.operations.facts import Moved, OperationKind, OperationState, Settled
from gateway.operations.operation import evolve
from gateway.store import lease as leases
from gateway.store import node as nodes
from gateway.store.counters import reserve
from gateway.store.errors import Away, Broken, Conflict, Fenced
from gateway.store.journal import Journal
from gateway.store.node import LeasedNode, Membership, Node
from gateway.store.queries import Queries
from gateway.store.reader import Reader
from gateway.store.takeover import claim, fence_dead
from gateway.store.unit import Progress, Unit, pack
from gateway.terms.errors import SpecificationError
from gateway.terms.numbers import Rrn, Stan

E = ExchangeEvent
LEASE_S = 10.0


class Member:
    """One node with its journal."""

    def __init__(self, shared, name, terminal=None):
        self.shared = shared
        self.engine = shared.database.engine
        self.node = LeasedNode(Membership(name, terminal or f"GATEWAY{name}", LEASE_S))
        self.node.join(self.engine)

    def write(self, *units):
        """Write units as this node; gives what each was told."""
        told, over = [], threading.Event()

        def done(error):
            told.append(error)
            if len(told) == len(units):
                over.set()

        journal = Journal(self.engine, self.shared.sealer, lambda call: call(), self.node)
        for unit in units:
            journal.submit(pack(unit), done)
        assert over.wait(10)
        journal.close()
        return told

    def run(self, chore):
        with self.node.transaction(self.engine) as connection:
            return chore(connection)

    def unfinished(self):
        name = self.node.name
        return [each.id for each in self.shared.read(lambda queries: queries.unfinished(name))]


@pytest.fixture
def member(shared):
    return partial(Member, shared)


@pytest.fixture
def clock(monkeypatch):
    """Give the monotonic clock that nodes look at, which a test sets forward."""
    stepped = SimpleNamespace(now=1_000.0)
    for each in (nodes, leases):
        monkeypatch.setattr(each, "monotonic", lambda: stepped.now)
    return stepped


@pytest.fixture
def sent(record):
    """Give an operation with a message out."""
    trace = Trace(Stan("000001"), Rrn("632504000001"), record.now, "GATEWAYA")
    return evolve(record.operation(), Moved("bureau-pin-set", Move(E.SEND, record.now, trace)))


def end_lease(shared, name):
    with shared.database.engine.begin() as connection:
        connection.execute(
            text("UPDATE operations_nodes SET lease_ends_at = 1 WHERE name = :name"), {"name": name}
        )


def test_a_second_process_of_a_name_fences_the_first(member, record):
    """A restart needs not wait for the lease; what the first writes later is refused as a whole."""
    first = member("A")
    second = member("A")

    assert [type(error) for error in first.write(Unit(records=(record.link(1),)))] == [Broken]
    assert second.write(Unit(records=(record.link(1),))) == [None]


def test_two_nodes_cannot_be_one_station(member):
    """Each node has a DE 41 of its own; the refusal names the setting."""
    member("A", "GATEWAY1")

    with pytest.raises(SpecificationError, match="a DE 41 of its own") as refused:
        member("B", "GATEWAY1")
    assert refused.value.key == "station.terminal"


def test_a_node_whose_lease_ended_is_fenced_by_another(shared, member, record, sent):
    """Its epoch is raised; from then on none of its transactions goes through."""
    dead, other = member("A"), member("B")
    dead.write(Unit((Progress(sent, 0),)))
    end_lease(shared, "A")

    assert other.run(partial(fence_dead, node="B")) == ["A"]
    assert other.run(partial(fence_dead, node="B")) == []
    assert [type(error) for error in dead.write(Unit(records=(record.link(1),)))] == [Broken]
    with pytest.raises(Fenced):
        dead.run(lambda _: None)


def test_a_node_that_lives_is_not_fenced(member):
    """Its lease is renewed by whatever it writes."""
    member("A")

    assert member("B").run(partial(fence_dead, node="B")) == []


def test_what_a_dead_node_left_is_taken_over_once(shared, member, record, sent):
    """Each unfinished operation by one node; what is at rest stays where it is."""
    dead, second, third = member("A"), member("B"), member("C")
    over = Settled(OperationState.SUCCEEDED, record.now)
    resting = evolve(evolve(sent, Moved("bureau-pin-set", Move(E.APPROVE, record.now))), over)
    dead.write(Unit((Progress(resting, 0),)))
    dead.write(Unit((Progress(record.operation(2), 0),)))
    end_lease(shared, "A")
    second.run(partial(fence_dead, node="B"))

    claimed = second.run(partial(claim, node="B", count_max=10))

    assert claimed == [record.operation(2).id] == second.unfinished()
    assert third.run(partial(claim, node="C", count_max=10)) == []
    assert dead.unfinished() == []


def test_what_rests_belongs_to_whoever_wakes_it(member, record, sent):
    """A person's word may be given at any node, which then carries the operation on."""
    asked, told = member("A"), member("B")
    manual = evolve(sent, Settled(OperationState.MANUAL, record.now))
    asked.write(Unit((Progress(manual, 0),)))
    woken = evolve(manual, Moved("bureau-pin-set", Move(E.REPEAT, record.now)))

    told.write(Unit((Progress(woken, len(manual.facts)),)))

    assert asked.unfinished() == []
    assert told.unfinished() == [sent.id]


def test_nothing_is_taken_from_a_node_that_lives(member, sent):
    """Nor from one that came back before anybody took what it had left."""
    first, other = member("A"), member("B")
    first.write(Unit((Progress(sent, 0),)))
    first.node.leave(first.engine)
    back = member("A")

    assert other.run(partial(claim, node="B", count_max=10)) == []
    assert back.unfinished() == [sent.id]


def test_a_node_that_leaves_is_followed_at_once(member, sent):
    """Nobody waits for the end of a lease that was given back."""
    leaving, other = member("A"), member("B")
    leaving.write(Unit((Progress(sent, 0),)))

    leaving.node.leave(leaving.engine)

    assert other.run(partial(claim, node="B", count_max=10)) == [sent.id]


def test_a_claim_takes_no_more_than_there_is_room_for(member, record):
    """The oldest come first; the rest is for others."""
    dead, other = member("A"), member("B")
    kind = OperationKind.SS_ACCOUNT
    dead.write(*(Unit((Progress(record.operation(n, kind), 0),)) for n in range(1, 6)))
    dead.node.leave(dead.engine)

    claimed = other.run(partial(claim, node="B", count_max=2))

    assert sorted(each.value[-1] for each in claimed) == ["1", "2"]


def test_two_nodes_cannot_open_operations_on_one_link(member, record):
    """The database keeps a link to one operation, whichever nodes the requests came to."""
    first, second = member("A"), member("B")

    (told,) = first.write(Unit((Progress(record.operation(1), 0),)))
    (refused,) = second.write(Unit((Progress(record.operation(2), 0),)))

    assert told is None
    assert isinstance(refused, Conflict)


def test_blocks_of_trace_numbers_never_overlap(member):
    """Nodes that reserve at the same time wait for each other."""
    members, blocks = [member(name) for name in "ABC"], []

    def take(one):
        chore = partial(reserve, name="stan/bureau", size=10)
        blocks.extend([one.run(chore) for _ in range(20)])

    threads = [threading.Thread(target=take, args=(one,)) for one in members]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(blocks) == list(range(0, 600, 10))


def test_a_lease_is_held_on_the_monotonic_clock(member, clock):
    """From before the transaction that renewed it, less a margin; nothing is sent after that."""
    held = member("A").node
    seen = []
    for later in (0.0, 8.9, 9.1):
        clock.now = 1_000.0 + later
        seen.append(held.lease.is_held)

    assert seen == [True, True, False]


def test_a_node_judges_others_once_it_was_steady_for_a_lease(member, clock):
    """After an outage every lease is at its end, and nobody is dead."""
    one = member("A")
    clock.now += 6
    one.run(lambda _: None)
    seen = [one.node.lease.may_judge]
    clock.now += 5
    one.run(lambda _: None)
    seen.append(one.node.lease.may_judge)
    clock.now += 11  # the database was away
    one.run(lambda _: None)
    seen.append(one.node.lease.may_judge)

    assert seen == [False, True, False]


@pytest.mark.parametrize("stands", [True, False])
def test_a_commit_without_an_answer_is_looked_up(shared, member, record, stands):
    """The connection breaks while committing: the node's row tells whether the batch stands.

    Whoever waits is told the truth, and a batch that does not stand is written again.
    """
    one, broken = member("A"), []

    def lose(connection):
        if not broken:
            broken.append(True)
            driver = connection.connection.driver_connection
            if stands:
                driver.commit()
            driver.close()

    event.listen(shared.database.engine, "commit", lose)
    unit = Unit((Progress(record.operation(1), 0),))

    told = one.write(unit)
    event.remove(shared.database.engine, "commit", lose)

    assert (broken, told) == ([True], [None])
    assert shared.read(lambda queries: queries.operation(record.operation(1).id)) is not None


def test_a_database_that_is_away_is_no_verdict(member):
    """Nothing began: the next attempt may go through."""
    one = member("A")

    def refuse():
        raise psycopg.OperationalError("away")

    away = create_engine("postgresql+psycopg://", creator=refuse)

    with pytest.raises(Away), one.node.transaction(away):
        pass


def test_an_idle_lease_is_not_renewed_for_a_gateway_that_stands_still(shared):
    """Its store goes on, but others must take over what nobody carries on."""
    node, looked = LeasedNode(Membership("A", "GATEWAYA", 0.06)), threading.Semaphore(0)
    node.join(shared.database.engine)
    held = node.lease.span

    def is_followed():
        looked.release()
        return False

    journal = Journal(
        *(shared.database.engine, shared.sealer, lambda call: call(), node), is_followed=is_followed
    )
    for _ in range(3):
        assert looked.acquire(timeout=10)
    journal.close()

    assert node.lease.span == held


def test_the_one_process_of_a_file_has_nobody_beside_it():
    """No lease, nothing to judge."""
    alone = Node().lease

    assert (alone.is_held, alone.may_judge, alone.renew_every_s) == (True, False, None)


def test_a_query_outlives_the_connection_of_its_reader(shared, shared_database, record, postgresql):
    """A database that was restarted is asked again over a new connection."""
    shared.keep(record.link(1), record.card(1), record.account(1))
    engine = shared.database.readers
    reader = Reader(engine, shared.sealer, EXCHANGES.__getitem__)
    asked = [partial(Queries.linked, link=record.link_id(1))]

    before = reader.read(asked)
    postgresql.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = 'store' AND pid <> pg_backend_pid()"
    )
    after = reader.read(asked)
    shared_database.engine.dispose()  # whose connection has gone too

    assert before == after
    assert before[0].link.id == record.link_id(1)
