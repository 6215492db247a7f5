"""Both ends of the store over a real socket: what is asked for is answered, each by itself."""

import asyncio
import pickle
import socket
import threading
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import event

from gateway.linking.kinds import EXCHANGES
from gateway.social.card import SsLossKept
from gateway.store import chores, client, questions
from gateway.store import host as hosts
from gateway.store.client import StoreClient
from gateway.store.errors import Broken, Conflict
from gateway.store.frames import ANSWER, QUERY, STANDS, STATE, Frames, frame
from gateway.store.host import Host
from gateway.store.journal import Journal
from gateway.store.lease import ENDLESS, Lease
from gateway.store.questions import Chore
from gateway.store.reader import Reader
from gateway.store.silence import LOOKS_MAX
from gateway.store.unit import KeyUsed, Unit
from gateway.terms.errors import LocalError, Unavailable
from gateway.terms.losses import Loss, LossKind

WAIT_S = 10  # a store that says nothing for so long hangs


class Ends:
    """A client on this loop and its host in a thread, over a store of either kind."""

    def __init__(self, store):
        self.store = store
        self.was_told = None
        self.lost, self.refusals = [], []
        self.client = None
        self.before_serving, self.silent = (lambda: None), (lambda _: None)

    @asynccontextmanager
    async def open(self):
        ours, theirs = socket.socketpair()
        serving = threading.Thread(target=self._serve, args=(theirs,))
        serving.start()
        _, self.client = await asyncio.get_running_loop().create_unix_connection(
            lambda: StoreClient(
                Lease("", 3.0), self.lost.append, self.refusals.append, self.silent
            ),
            sock=ours,
        )
        try:
            yield self.client
        finally:
            if not self.client.connection.is_closing():
                await self.client.close()
            await asyncio.to_thread(serving.join, WAIT_S)

    def _serve(self, line):
        database = self.store.database
        self.before_serving()
        with line:
            host = Host(line, ENDLESS)
            journal = Journal(database.engine, self.store.sealer, host.deliver, lost=host.lost)
            reader = Reader(database.readers, self.store.sealer, EXCHANGES.__getitem__)
            self.was_told = host.serve(journal, reader)
            journal.close()

    async def write(self, unit):
        told = asyncio.get_running_loop().create_future()
        self.client.submit(unit, told.set_result)
        async with asyncio.timeout(WAIT_S):
            return await told


class Overheard:
    """A connection of which a test hears what is written."""

    def __init__(self, connection, said):
        self._connection, self._said = connection, said

    def write(self, data):
        self._said.append(data)
        self._connection.write(data)


@pytest.fixture
def ends(store):
    return Ends(store)


def in_loop(main):
    return asyncio.run(main())


def test_what_is_written_is_read_back_whole(ends, record):
    """Link, both halves with their losses, session and key: through both processes' words."""
    lost = Loss(LossKind.FORMAL, record.operation().id, record.now, link=record.link_id(1))
    key = KeyUsed("online-bank", "a key", bytes(32), "op_1", record.now)
    opened = Unit(
        records=(
            record.link(1),
            record.card(1, address=record.address, holder=record.holder),
            record.account(1, owner=record.owner),
            record.session(1),
            key,
        )
    )

    async def main():
        async with ends.open() as store:
            told = [await ends.write(opened)]
            told.append(await ends.write(Unit(records=(SsLossKept(record.link_id(1), lost),))))
            asked = ("online-bank", "a key", record.link_id(1), record.session(1).id)
            return told, await store.read(questions.asked(*asked))

    told, (stored, found) = in_loop(main)
    assert told == [None, None]
    assert stored == ends.store.read(lambda queries: queries.key("online-bank", "a key"))
    assert found.session == record.session(1)
    assert found.link == record.link(1)
    assert (found.card.holder, found.card.loss) == (record.holder, lost)
    assert found.account == record.account(1, owner=record.owner)


def test_what_one_turn_asks_for_is_one_frame_and_one_transaction(ends, record):
    """Nothing is said for each unit, and nothing is committed for each."""
    commits, said = [], []
    event.listen(ends.store.database.engine, "commit", commits.append)

    async def main():
        async with ends.open() as store:
            connection, store.connection = store.connection, Overheard(store.connection, said)
            units = [record.linked(number, f"T{number:08d}") for number in (1, 2)]
            told = await asyncio.gather(*map(ends.write, units))
            store.connection = connection
            return told

    assert in_loop(main) == [None, None]
    assert len(said) == len(commits) == 1


def test_a_conflict_fails_alone(ends, record):
    """One active link per card; its neighbours stand."""

    async def main():
        async with ends.open():
            cards = ("T00000019", "T00000019", "T00000027")
            units = [record.linked(n, card) for n, card in enumerate(cards, 1)]
            return await asyncio.gather(*map(ends.write, units))

    assert [type(each) for each in in_loop(main)] == [type(None), Conflict, type(None)]


def test_a_query_that_fails_is_its_callers_error(ends, record):
    """Its kind crosses, its text may repeat a row; the next query is answered."""

    async def main():
        async with ends.open() as store:
            with pytest.raises(LocalError, match="the store failed: AttributeError"):
                await store.read(questions.Query("nothing_of_the_kind"))
            return await store.read(questions.linked(record.link_id(1)))

    assert in_loop(main) is None


def test_more_queries_than_are_answered_together_are_all_answered(ends, monkeypatch):
    """A batch bounds waiting, not work."""
    monkeypatch.setattr(hosts, "_READ_MAX", 2)

    async def main():
        async with ends.open() as store:
            return await asyncio.gather(*(store.read(questions.manual_count()) for _ in range(7)))

    assert in_loop(main) == [0] * 7


def test_beyond_its_bound_new_work_is_told_so_at_once(ends, record, monkeypatch):
    """Units, queries and chores each have a bound of their own."""
    monkeypatch.setattr(client, "WAITING_MAX", 1)

    async def main():
        async with ends.open() as store:
            first = asyncio.ensure_future(ends.write(record.linked(1)))
            asked = asyncio.ensure_future(store.read(questions.manual_count()))
            store.run(questions.reserve("a counter", 1), lambda _: None)
            await asyncio.sleep(0)
            with pytest.raises(Unavailable, match="to write"):
                store.submit(record.linked(2), lambda _: None)
            with pytest.raises(Unavailable, match="to read"):
                await store.read(questions.manual_count())
            with pytest.raises(Unavailable, match="to do"):
                store.run(questions.reserve("a counter", 1), lambda _: None)
            return await first, await asked

    assert in_loop(main) == (None, 0)


def test_closing_answers_what_waited_and_refuses_the_rest(ends, record):
    """Nobody is left waiting, nothing submitted is forgotten."""

    async def main():
        async with ends.open() as store:
            told = asyncio.ensure_future(ends.write(record.linked(1)))
            await asyncio.sleep(0)
            closing = asyncio.ensure_future(store.close())
            await asyncio.sleep(0)
            with pytest.raises(Unavailable, match="closed"):
                store.submit(record.linked(2), lambda _: None)
            with pytest.raises(Unavailable, match="closed"):
                await store.read(questions.manual_count())
            await closing
            return await told

    assert in_loop(main) is None
    assert (ends.was_told, ends.lost) == (True, [])


def test_a_gateway_that_goes_without_a_word_is_noticed(ends):
    """The store is not told to close, and knows it."""

    async def main():
        async with ends.open() as store:
            store.connection.abort()

    in_loop(main)
    assert not ends.was_told


async def until(probe):
    async with asyncio.timeout(WAIT_S):
        while not probe():  # noqa: ASYNC110 - of what no event tells
            await asyncio.sleep(0.001)


@pytest.fixture
def _looks_often(monkeypatch):
    monkeypatch.setattr(client, "LOOK_S", 0.005)


def test_a_chore_that_takes_its_time_is_no_silence(ends, monkeypatch):
    """Reads are answered meanwhile: a chore waits behind a database that is full, or is long."""
    heard, told, looks = [], [], []
    may_go_on = threading.Event()
    monkeypatch.setattr(chores, "held", lambda _: may_go_on.wait(WAIT_S), raising=False)
    monkeypatch.setattr(client, "LOOK_S", 0.02)  # five of them are far more than a read takes
    ends.silent = heard.append

    class Looked(client.Silence):
        def look(self, waiting):
            looks.append(waiting)
            super().look(waiting)

    monkeypatch.setattr(client, "Silence", Looked)

    async def main():
        async with ends.open() as store:
            watching = asyncio.create_task(store.watch())
            store.run(Chore("held"), told.append)
            while len(looks) < 4 * LOOKS_MAX:  # two each time
                assert await store.read(questions.key("online-bank", "a key")) is None
            may_go_on.set()
            await until(lambda: told)
            watching.cancel()

    in_loop(main)
    assert heard == []


@pytest.mark.usefixtures("_looks_often")
def test_a_store_that_does_not_answer_is_known_and_asked_nothing_more(ends, record):
    """It lives and stands still: who reads hears so, new work is refused, what must be kept waits.

    When it goes on, everybody is served again, and what was asked meanwhile is done.
    """
    heard, told = [], []
    may_go_on = threading.Event()
    ends.before_serving = lambda: may_go_on.wait(WAIT_S)
    ends.silent = heard.append
    key = KeyUsed("online-bank", "a key", bytes(32), "op_1", record.now)

    async def main():
        async with ends.open() as store:
            watching = asyncio.create_task(store.watch())
            with pytest.raises(Unavailable, match="does not answer"):
                await store.read(questions.key("online-bank", "a key"))
            silent_s = store.silent_s
            for refused in (
                lambda: store.submit(Unit(may_be_refused=True), told.append),
                lambda: store.run(Chore("reserve", ("n", 1)), told.append),
            ):
                with pytest.raises(Unavailable):
                    refused()
            store.submit(Unit(records=(key,)), told.append)
            may_go_on.set()
            await until(lambda: told and not store.silent_s)
            found = await store.read(questions.key("online-bank", "a key"))
            watching.cancel()
            return silent_s, found

    silent_s, found = in_loop(main)
    assert silent_s > 0
    assert [bool(each) for each in heard] == [True, False]
    assert (told, found.resource) == ([None], "op_1")


class Reading:
    """A store that can be read, and writes nothing: the database takes nothing."""

    def __init__(self, store):
        self.store, self.looks = store, 0

    def write(self, data):
        for what, number, *_ in Frames().take(data):
            if what == QUERY:
                self.looks += 1
                nothing = frame([(ANSWER, number, pickle.dumps(None))])
                asyncio.get_running_loop().call_soon(self.store.data_received, nothing)


@pytest.mark.usefixtures("_looks_often")
def test_what_waits_for_a_database_that_takes_nothing_is_no_silence():
    """The store says so itself, and answers everything else."""
    heard = []

    async def main():
        store = StoreClient(Lease("", 3.0), heard.append, silent=heard.append)
        store.connection = reading = Reading(store)
        store.data_received(frame([(STATE, True, "SQLITE_FULL", "", (0.0, 0.0))]))
        store.submit(Unit(), heard.append)
        watching = asyncio.create_task(store.watch())
        await until(lambda: reading.looks > 3 * LOOKS_MAX)
        watching.cancel()

    in_loop(main)
    assert heard == []


def test_the_end_of_the_store_ends_the_gateway(ends):
    """Whatever the reason: what is in memory may not be right any more."""

    async def main():
        ours, theirs = socket.socketpair()
        _, _ = await asyncio.get_running_loop().create_unix_connection(
            lambda: StoreClient(Lease("", 3.0), ends.lost.append), sock=ours
        )
        theirs.close()
        async with asyncio.timeout(WAIT_S):
            while not ends.lost:  # noqa: ASYNC110 - of what no event tells
                await asyncio.sleep(0.001)

    in_loop(main)
    assert [type(error) for error in ends.lost] == [Broken]


def test_a_broken_journal_ends_the_gateway(ends, monkeypatch):
    """Not everybody who is told can stop the process."""

    def mistaken(_connection):
        raise LocalError("mistaken")

    monkeypatch.setattr(chores, "mistaken", mistaken, raising=False)
    told = []

    async def main():
        async with ends.open() as store:
            store.run(Chore("mistaken"), told.append)
            async with asyncio.timeout(WAIT_S):
                while not ends.lost:  # noqa: ASYNC110 - of what no event tells
                    await asyncio.sleep(0.001)

    in_loop(main)
    assert [type(error) for error in (*told, *ends.lost)] == [Broken, Broken]


def test_a_caller_that_fails_does_not_keep_others_from_being_told():
    """One caller's mistake is told to the loop."""
    told, failures = [], []

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda _, what: failures.append(what))
        store = StoreClient(Lease("", 3.0), told.append)
        store.connection = type("Deaf", (), {"write": lambda *_: None})()
        store.submit(Unit(), lambda _: 1 / 0)
        store.submit(Unit(), told.append)
        store.data_received(frame([(STANDS, [1, 2])]))

    in_loop(main)
    assert told == [None]
    assert [type(each["exception"]) for each in failures] == [ZeroDivisionError]


def test_a_gateway_that_shows_no_life_is_not_followed(monkeypatch):
    """A paused process loses its lease: another node takes over what it does not carry on."""
    now = [1_000.0]
    monkeypatch.setattr(hosts, "monotonic", lambda: now[0])
    shared, embedded = Host(None, Lease("n1", 3.0)), Host(None, ENDLESS)
    seen = [shared.is_followed]

    now[0] += 1.4  # less than one and a half renewals of a second
    seen.append(shared.is_followed)
    now[0] += 0.2
    seen.append(shared.is_followed)

    assert seen == [True, True, False]
    assert embedded.is_followed
