"""A journal whose database has no room: what is refused, what waits, and for how long."""

import threading
import time
from functools import partial

import pytest
from sqlalchemy import event, select, text

from gateway.store import journal as journals
from gateway.store import tables
from gateway.store.counters import reserve
from gateway.store.errors import Broken
from gateway.store.unit import Unit, pack
from gateway.terms.errors import Unavailable


def ids(store):
    with store.database.engine.connect() as connection:
        return set(connection.execute(select(tables.links.c.id)).scalars())


@pytest.fixture
def full(embedded):
    """Give the switch that leaves the database no room, or some again."""
    pages = {"most": 10**6}

    def limit(connection, *_):
        connection.execute(f"PRAGMA max_page_count={pages['most']}")

    def switch(*, is_full):
        with embedded.database.engine.connect() as connection:
            used = connection.execute(text("PRAGMA page_count")).scalar()
        pages["most"] = used if is_full else 10**6

    event.listen(embedded.database.engine, "checkout", limit)
    return switch


def many(record, numbers, *, may_be_refused):
    return [
        Unit(records=(record.linked(n, f"T{n:08d}").records), may_be_refused=may_be_refused)
        for n in numbers
    ]


def test_what_opens_something_is_refused_while_there_is_no_room(embedded, record, full):
    """Nothing of it stands, and when there is room again it may be asked anew."""
    embedded.keep(record.link(1))
    full(is_full=True)

    told = [embedded.write(unit)[0] for unit in many(record, range(2, 60), may_be_refused=True)]
    refused = [number for number, error in enumerate(told, 2) if error is not None]
    stored = ids(embedded)
    full(is_full=False)
    again = embedded.write(*many(record, refused, may_be_refused=True))

    assert refused
    assert {type(told[number - 2]) for number in refused} == {Unavailable}
    assert stored == {record.link_id(n).value for n in range(1, 60) if n not in refused}
    assert again == [None] * len(refused)


def test_room_is_found_again_without_anybody_asking(embedded, record, full, monkeypatch):
    """Whoever asks for readiness hears that there is none, and that there is some again."""
    monkeypatch.setattr(journals, "PROBE_S", 0.01)
    journal, seen, over = embedded.journal, [], threading.Event()
    embedded.run(partial(reserve, name="stan/bureau", size=10))
    full(is_full=True)

    def done(error):
        seen.append((error is not None, bool(journal.why_refusing)))
        if len(seen) == 59:
            over.set()

    for unit in many(record, range(1, 60), may_be_refused=True):
        journal.submit(pack(unit), done)
    assert over.wait(10)
    full(is_full=False)
    deadline = time.monotonic() + 10
    while journal.why_refusing and time.monotonic() < deadline:
        time.sleep(0.01)

    assert (True, True) in seen
    assert all(is_refused is is_refusing for is_refused, is_refusing in seen)
    assert not journal.why_refusing
    assert embedded.run(partial(reserve, name="stan/bureau", size=10)) == 10


def test_what_goes_on_waits_for_room(embedded, record, full, monkeypatch):
    """Nothing that was begun is lost: it is written when there is room, in the order given."""
    monkeypatch.setattr(journals, "PAUSE_S", 0.01)
    embedded.keep(record.link(1))
    full(is_full=True)
    told, over = [], threading.Event()

    def done(error):
        told.append(error)
        if len(told) == 58:
            over.set()

    for unit in [pack(each) for each in many(record, range(2, 60), may_be_refused=False)]:
        embedded.journal.submit(unit, done)
    deadline = time.monotonic() + 10
    while not embedded.journal.is_stalled and time.monotonic() < deadline:
        time.sleep(0.01)
    with pytest.raises(Unavailable, match="takes nothing now"):
        embedded.journal.submit(pack(many(record, [99], may_be_refused=True)[0]), done)
    assert told == []
    full(is_full=False)

    assert over.wait(10)
    assert told == [None] * 58
    assert not embedded.journal.is_stalled
    assert len(ids(embedded)) == 59


def test_closing_does_not_wait_for_room_for_ever(embedded, record, full):
    """Whoever stops the gateway is heard; what was not written is told not to be."""
    embedded.keep(record.link(1))
    full(is_full=True)
    told = []
    for unit in [pack(each) for each in many(record, range(2, 60), may_be_refused=False)]:
        embedded.journal.submit(unit, told.append)

    embedded.journal.close()

    assert {type(error) for error in told} == {Broken}
    assert len(ids(embedded)) == 1
