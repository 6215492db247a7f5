"""A real database of either kind, sealed with real keys, and records of one synthetic customer."""

import secrets
import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from gateway.financial.account import AccountOwner, FinancialAccount
from gateway.hsm.data_key import DataKey
from gateway.linking.kinds import EXCHANGES
from gateway.linking.link import Link, LinkState, PinSession
from gateway.operations.facts import Opened, OperationKind
from gateway.operations.operation import open_operation
from gateway.social.card import CardHolder, SocialCard
from gateway.store import tables
from gateway.store.engine import Database
from gateway.store.journal import Journal
from gateway.store.postgresql import SharedDatabase
from gateway.store.queries import Queries
from gateway.store.sealing import Sealer
from gateway.store.unit import Unit, pack
from gateway.terms.numbers import (
    Address,
    AgencyCode,
    CitizenId,
    CustomerNumber,
    LinkId,
    Mobile,
    OperationId,
    Pan,
    PersonName,
    PinSessionId,
    SsCardNumber,
)
from gateway.terms.sides import PinPurpose

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
ANSWER_S = 10  # a journal that says nothing for so long hangs


class Record:
    """Makes the records of numbered links, all of them of one customer."""

    now = NOW
    name, citizen = PersonName("测试甲"), CitizenId("350299199001010010")
    mobile, address = Mobile("15400000001"), Address("测试路1号")
    customer, pan = CustomerNumber("C00000001"), Pan("6200000000000005")
    agency = AgencyCode("99350201")
    holder = CardHolder(name, citizen, mobile)
    owner = AccountOwner(customer, name, citizen, mobile)

    def link_id(self, number):
        return LinkId(f"lnk_{number:026d}")

    def link(self, number, state=LinkState.PENDING):
        return Link(self.link_id(number), self.agency, "online-bank", state, NOW)

    def card(self, number, ss_card="T00000019", **members):
        return SocialCard(
            self.link_id(number), SsCardNumber(ss_card), self.agency, self.mobile, **members
        )

    def account(self, number, **members):
        return FinancialAccount(self.link_id(number), self.pan, self.customer, **members)

    def linked(self, number, ss_card="T00000019"):
        return Unit(records=(self.link(number), self.card(number, ss_card), self.account(number)))

    def session(self, number, purpose=PinPurpose.SS_PIN, link=1):
        identity = PinSessionId(f"pse_{number:026d}")
        expires_at = NOW + timedelta(minutes=5)
        return PinSession(identity, self.link_id(link), purpose, "nonce", "kid", expires_at)

    def operation(self, number=1, kind=OperationKind.SET_SS_PIN):
        opened = Opened(kind, self.link_id(1), NOW)
        identity = OperationId(f"op_{number:026d}")
        return open_operation(identity, opened, EXCHANGES[kind])


class Store:
    """The store of a test: database, journal, and what the journal told."""

    def __init__(self, open_database, files):
        self.sealer = Sealer(DataKey(secrets.token_bytes(32)), DataKey(secrets.token_bytes(32)))
        self.database = open_database()
        self._open, self._files = open_database, files
        self._journal = None

    @property
    def journal(self):
        """Give the journal; its thread starts with the first use."""
        if self._journal is None:
            self._journal = Journal(self.database.engine, self.sealer, lambda call: call())
        return self._journal

    def write(self, *units):
        """Submit units and wait for what the journal tells of each, in their order."""
        told, over = {}, threading.Event()

        def done_with(index):
            def done(error):
                told[index] = error
                if len(told) == len(units):
                    over.set()

            return done

        for index, unit in enumerate(units):
            self.journal.submit(pack(unit), done_with(index))
        assert over.wait(ANSWER_S), "the journal told nothing"
        return [told[index] for index in range(len(units))]

    def keep(self, *records):
        assert self.write(Unit(records=records)) == [None]

    def run(self, chore):
        """Have the journal do a chore; gives what it gave."""
        given, over = [], threading.Event()

        def done(outcome):
            given.append(outcome)
            over.set()

        self.journal.run(chore, done)
        assert over.wait(ANSWER_S), "the journal told nothing"
        if isinstance(given[0], Exception):
            raise given[0]
        return given[0]

    def reopen(self):
        """Close everything and open it again, as after a restart."""
        self.close()
        self.database, self._journal = self._open(), None

    def read(self, question):
        """Ask on a connection of its own."""
        with self.database.readers.connect() as connection:
            return question(Queries(connection, self.sealer, EXCHANGES.__getitem__))

    def on_disk(self):
        """Give every byte that stands in the database's files."""
        return b"".join(file.read_bytes() for file in sorted(self._files()) if file.is_file())

    def close(self):
        if self._journal is not None:
            self._journal.close()
        self.database.close()


@pytest.fixture
def embedded(tmp_path):
    """Give a store in an SQLite file."""
    path = tmp_path / "gateway.db"
    opened = Store(lambda: Database(path), lambda: tmp_path.glob(f"{path.name}*"))
    opened.path = path
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def shared_database(postgresql):
    """Give a database with this release's tables, for whoever empties it."""
    postgresql.sql("CREATE DATABASE store")
    opened = SharedDatabase(postgresql.url("store"))
    yield opened
    opened.close()


@pytest.fixture
def shared(postgresql, shared_database):
    """Give a store in PostgreSQL, with nothing in it."""
    names = ", ".join(f'"{name}"' for name in tables.metadata.tables)
    with shared_database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE IF EXISTS lost RENAME TO linking_links"))
        connection.execute(text(f"TRUNCATE {names}"))

    def files():
        postgresql.sql("CHECKPOINT")
        for place in ("base", "pg_wal"):
            yield from (postgresql.data / place).rglob("*")

    opened = Store(lambda: SharedDatabase(postgresql.url("store")), files)
    yield opened
    opened.close()


@pytest.fixture(params=["embedded", "shared"])
def store(request):
    """Give a store of either kind: whatever is promised, both keep it."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def record():
    return Record()
