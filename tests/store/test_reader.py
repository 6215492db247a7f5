"""The reader: every query answered in order, each by itself, over a connection that is there."""

import pytest
from sqlalchemy import create_engine

from gateway.linking.kinds import EXCHANGES
from gateway.store.reader import Reader
from gateway.terms.errors import Unavailable


@pytest.fixture
def reader(store):
    return Reader(store.database.engine, store.sealer, EXCHANGES.__getitem__)


def test_queries_are_answered_in_the_order_asked(store, record, reader):
    """Each caller gets what its own query found."""
    store.write(record.linked(1))

    first, second = reader.read(
        [
            lambda queries: queries.linked(record.link_id(1)),
            lambda queries: queries.linked(record.link_id(2)),
        ]
    )

    assert first.link.id == record.link_id(1)
    assert second is None


def test_query_sees_what_was_committed_before_it_began(store, record, reader):
    """Queries answered together do not share an old view of the store."""

    def before(queries):
        found = queries.linked(record.link_id(1))
        store.write(record.linked(1))
        return found

    first, second = reader.read([before, lambda queries: queries.linked(record.link_id(1))])

    assert first is None
    assert second is not None


def test_failed_query_tells_its_caller_alone(record, reader):
    """The next query is answered as if nothing had happened."""
    first, second = reader.read(
        [
            lambda queries: queries.nothing_of_the_kind(),
            lambda queries: queries.linked(record.link_id(1)),
        ]
    )

    assert isinstance(first, AttributeError)
    assert second is None


def test_database_that_makes_no_sense_cannot_be_read(store, record, tmp_path):
    """A damaged file is told by the database's own code, as something that may pass."""
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(b"not a database at all " * 200)
    engine = create_engine(f"sqlite:///{damaged}")
    reader = Reader(engine, store.sealer, EXCHANGES.__getitem__)

    (error,) = reader.read([lambda queries: queries.linked(record.link_id(1))])

    assert isinstance(error, Unavailable)
    assert "SQLITE_NOTADB" in str(error)
    assert "SQLITE_NOTADB" in reader.why_failing
    engine.dispose()
