"""One reading thread: every query answered in order, none lost, none waited for for ever."""

import threading

import pytest
from sqlalchemy import create_engine

from gateway.linking.kinds import EXCHANGES
from gateway.store import reader as readers
from gateway.store.reader import Reader
from gateway.terms.errors import Unavailable

ANSWER_S = 10  # a reader that says nothing for so long hangs


@pytest.fixture
def reader(store):
    """Give a reader whose answers are told on its own thread."""
    opened = Reader(store.database.engine, store.sealer, EXCHANGES.__getitem__, lambda call: call())
    yield opened
    opened.close()


class Told:
    """Collects answers until as many came as were asked for."""

    def __init__(self, expected):
        self.answers = []
        self._expected = expected
        self._over = threading.Event()

    def __call__(self, found, error):
        self.answers.append((found, error))
        if len(self.answers) == self._expected:
            self._over.set()

    def all(self):
        assert self._over.wait(ANSWER_S), "the reader told nothing"
        return self.answers


def test_queries_are_answered_in_the_order_asked(store, record, reader):
    """Each caller gets what its own query found."""
    store.write(record.linked(1))
    told = Told(2)

    reader.submit(lambda queries: queries.linked(record.link_id(1)), told)
    reader.submit(lambda queries: queries.linked(record.link_id(2)), told)

    (first, _), (second, _) = told.all()
    assert first.link.id == record.link_id(1)
    assert second is None


def test_query_sees_what_was_committed_before_it_began(store, record, reader):
    """Queries answered together do not share an old view of the store."""
    told = Told(2)

    def before(queries):
        found = queries.linked(record.link_id(1))
        store.write(record.linked(1))
        return found

    reader.submit(before, told)
    reader.submit(lambda queries: queries.linked(record.link_id(1)), told)

    (first, _), (second, _) = told.all()
    assert first is None
    assert second is not None


def test_failed_query_tells_its_caller_alone(record, reader):
    """The next query is answered as if nothing had happened."""
    told = Told(2)

    reader.submit(lambda queries: queries.nothing_of_the_kind(), told)
    reader.submit(lambda queries: queries.linked(record.link_id(1)), told)

    (_, first), (_, second) = told.all()
    assert isinstance(first, AttributeError)
    assert second is None


def test_more_queries_than_a_batch_holds_are_all_answered(record, reader, monkeypatch):
    """A batch bounds waiting, not work."""
    monkeypatch.setattr(readers, "BATCH_MAX", 2)
    told = Told(7)

    for _ in range(7):
        reader.submit(lambda queries: queries.linked(record.link_id(1)), told)

    assert told.all() == [(None, None)] * 7


def test_full_queue_is_refused(store, monkeypatch):
    """Beyond its limit new work is told so at once."""
    monkeypatch.setattr(readers, "WAITING_MAX", 1)
    engine = store.database.engine
    reader = Reader(engine, store.sealer, EXCHANGES.__getitem__, lambda call: call())
    started, released = threading.Event(), threading.Event()

    def hold(_queries):
        started.set()
        assert released.wait(ANSWER_S)

    told = Told(2)
    reader.submit(hold, told)
    assert started.wait(ANSWER_S)
    reader.submit(lambda _queries: "waits", told)

    with pytest.raises(Unavailable):
        reader.submit(lambda _queries: "too many", told)

    released.set()
    assert [found for found, _ in told.all()] == [None, "waits"]
    reader.close()


def test_closed_reader_answers_what_waited_and_refuses_the_rest(store):
    """Closing loses no answer, and leaves nobody waiting for one."""
    engine = store.database.engine
    reader = Reader(engine, store.sealer, EXCHANGES.__getitem__, lambda call: call())
    told = Told(1)
    reader.submit(lambda _queries: "answered", told)

    reader.close()

    assert told.all() == [("answered", None)]
    with pytest.raises(Unavailable):
        reader.submit(lambda _queries: "late", told)


def test_database_that_makes_no_sense_cannot_be_read(store, record, tmp_path):
    """A damaged file is told by the database's own code, as something that may pass."""
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(b"not a database at all " * 200)
    engine = create_engine(f"sqlite:///{damaged}")
    reader = Reader(engine, store.sealer, EXCHANGES.__getitem__, lambda call: call())
    told = Told(1)

    reader.submit(lambda queries: queries.linked(record.link_id(1)), told)

    ((_, error),) = told.all()
    assert isinstance(error, Unavailable)
    assert "SQLITE_NOTADB" in str(error)
    assert "SQLITE_NOTADB" in reader.why_failing
    reader.close()
    engine.dispose()
