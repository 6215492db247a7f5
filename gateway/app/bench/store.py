"""The journal's cost as history grows, and a restart with many unfinished operations.

Two databases are written to in turns, one with little history and one with much, so that the
machine's mood cancels out: `ratio` is that of a set-PIN operation's cost with much to that with
little. Histories are made by SQL, with the rows that so many operations would have left.
"""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from time import perf_counter, process_time

from gateway.app.bench.figures import Figure
from gateway.app.clock import utc_now
from gateway.app.ensemble import Ensemble
from gateway.app.identifiers import Identifiers
from gateway.financial.account import FinancialAccount
from gateway.hsm.data_key import DATA_KEY_BYTES, DATA_KEY_FILE, DataKey, load_data_key
from gateway.linking.kinds import EXCHANGES
from gateway.linking.link import Link, LinkState, PinSession, SessionUsed
from gateway.operations.exchange import ExchangeEvent, Move, Trace
from gateway.operations.facts import Moved, Opened, OperationKind, OperationState, Settled
from gateway.operations.operation import Operation, evolve, open_operation
from gateway.social.card import SocialCard
from gateway.store.engine import Database
from gateway.store.history import ROWS_EACH, make_history
from gateway.store.journal import Journal
from gateway.store.sealing import Sealer
from gateway.store.unit import KeyUsed, Progress, Unit, pack
from gateway.terms.numbers import (
    AgencyCode,
    CustomerNumber,
    LinkId,
    Mobile,
    Pan,
    Rrn,
    SsCardNumber,
    Stan,
)
from gateway.terms.sides import PinPurpose, Side

_EXCHANGE = "bureau-pin-set"
_AGENCY = AgencyCode("99350201")


@dataclass(frozen=True, slots=True)
class Plan:
    """How many rows of history, how many operations in each turn, and how many turns."""

    rows: tuple[int, int] = (10_000, 10_000_000)
    operations: int = 320
    rounds: int = 9
    unfinished: int = 10_000


def measure(plan: Plan | None = None) -> list[Figure]:
    """Measure both; takes some minutes and, with ten million rows, four gigabytes of disk."""
    plan = plan or Plan()
    with TemporaryDirectory(prefix="sscard-bench-") as directory:
        return [
            *_growth(Path(directory), plan),
            *_restart(Path(directory), plan),
        ]


def _growth(directory: Path, plan: Plan) -> Iterator[Figure]:
    stores = [_Store(directory / f"{rows}.db") for rows in plan.rows]
    for store, rows in zip(stores, plan.rows, strict=True):
        make_history(store.database.engine, rows // ROWS_EACH)
        store.set_pins(plan.operations)  # warms up
    costs: list[list[float]] = [[], []]
    for _ in range(plan.rounds):
        for store, taken in zip(stores, costs, strict=True):
            taken.append(store.set_pins(plan.operations))
    for store in stores:
        store.close()
    few, many = plan.rows
    name = f"store: set PIN, processor time, {many:,} rows against {few:,}"
    yield Figure.against(name, "µs/operation", costs[1], costs[0])


def _restart(directory: Path, plan: Plan) -> Iterator[Figure]:
    """Kill a gateway, leave it so much to go on with, and start it until it takes requests."""
    with Ensemble(directory) as ensemble:
        taken = []
        for unfinished in (0, plan.unfinished):
            assert ensemble.gateway is not None
            ensemble.gateway.kill()
            keys = (load_data_key(directory / "keys" / s.value / DATA_KEY_FILE, s) for s in Side)
            store = _Store(directory / "gateway.db", Sealer(*keys))
            store.leave_unfinished(unfinished)
            store.close()
            started = perf_counter()
            ensemble.start_gateway()
            taken.append(perf_counter() - started)
    name = f"store: start until ready, {plan.unfinished:,} unfinished operations against none"
    yield Figure.against(name, "s", taken[1:], taken[:1])


class _Store:
    """One database with its journal."""

    def __init__(self, path: Path, sealer: Sealer | None = None) -> None:
        keys = (DataKey(secrets.token_bytes(DATA_KEY_BYTES)) for _ in range(2))
        self.sealer = sealer or Sealer(*keys)
        self.database = Database(path)
        self._journal = Journal(self.database.engine, self.sealer, lambda call: call())
        self._identifiers = Identifiers(utc_now)
        self._numbers = count(1)

    def close(self) -> None:
        """Write what waits and close."""
        self._journal.close()
        self.database.close()

    def set_pins(self, number: int) -> float:
        """Record so many set-PIN operations, each in three steps; gives µs each."""
        pins = [self._set_pin() for _ in range(number)]
        # Of the processor: how long a disk takes to sync says nothing about history.
        started = process_time()
        for step in zip(*pins, strict=True):
            self._write(step)
        return 1e6 * (process_time() - started) / number

    def leave_unfinished(self, number: int) -> None:
        """Record so many operations with a message out, each on a link of its own."""
        self._write([self._linked_and_sent(each) for each in range(number)])

    def _write(self, units: Sequence[Unit]) -> None:
        left = iter(units)
        over = Event()
        waiting = len(units)

        def done(error: Exception | None) -> None:
            nonlocal waiting
            assert error is None
            waiting -= 1
            if not waiting:
                over.set()

        while part := [unit for _, unit in zip(range(_AT_ONCE), left, strict=False)]:
            over.clear()
            waiting = len(part)
            for unit in part:
                self._journal.submit(pack(unit), done)
            over.wait()

    def _set_pin(self) -> tuple[Unit, Unit, Unit]:
        now, link = utc_now(), self._identifiers.link()
        expires = now + timedelta(minutes=5)
        session = PinSession(
            self._identifiers.pin_session(), link, PinPurpose.SS_PIN, "n" * 22, "k" * 22, expires
        )
        sent = self._sent(link, OperationKind.SET_SS_PIN)
        approved = evolve(sent, Moved(_EXCHANGE, Move(ExchangeEvent.APPROVE, now)))
        settled = evolve(approved, Settled(OperationState.SUCCEEDED, now))
        key = KeyUsed("online-bank", secrets.token_hex(16), bytes(32), sent.id.value, now)
        return (
            Unit(records=(session,)),
            Unit((Progress(sent, 0),), (SessionUsed(session.id), key)),
            Unit((Progress(settled, len(sent.facts)),)),
        )

    def _sent(self, link: LinkId, kind: OperationKind) -> Operation:
        now, stan = utc_now(), Stan.of(next(self._numbers))
        trace = Trace(stan, Rrn(f"632504{stan.value}"), now, "GATEWAY1")
        opened = Opened(kind, link, now)
        operation = open_operation(self._identifiers.operation(), opened, EXCHANGES[kind])
        return evolve(operation, Moved(_EXCHANGE, Move(ExchangeEvent.SEND, now, trace)))

    def _linked_and_sent(self, number: int) -> Unit:
        link, now = self._identifiers.link(), utc_now()
        card = SocialCard(link, SsCardNumber(f"T{number:08d}"), _AGENCY, Mobile("15400000001"))
        account = FinancialAccount(link, Pan("6200000000000005"), CustomerNumber("C000000001"))
        fresh = Link(link, _AGENCY, "online-bank", LinkState.ACTIVE, now)
        sent = self._sent(link, OperationKind.SET_SS_PIN)
        return Unit((Progress(sent, 0),), (fresh, card, account))


_AT_ONCE = 16  # units submitted together, as 32 connections have them on average
