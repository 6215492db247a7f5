"""Kill the gateway at any moment, spoil its disk and its database: what it said stands.

The suite kills as often as every commit must stand; ``make torture`` goes on for as long as it is
told, up to the counts of a release, in several processes side by side, each with a seed of its own,
and writes down what it did.
"""

import os
import re
import resource
import signal
import sqlite3
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from itertools import chain, cycle, islice, repeat, takewhile
from pathlib import Path
from random import Random  # noqa: TID251 - seeded: the moments of the kills repeat
from select import select
from threading import Event
from time import monotonic, sleep

import pytest
from torture.clients import Client, Diary, reaching
from torture.clock import SteppedClock
from torture.disk import DiskFault, FaultyDisk
from torture.points import AT_START, POINTS
from torture.preloaded import environment
from torture.reports import write_down
from torture.verdict import judge
from town.warm import Warm, start

from gateway.app.bench.drill import Witness
from gateway.app.bench.postgresql import PrivateServer
from gateway.app.online_bank import call
from gateway.app.settings import load_settings
from gateway.terms.errors import Unavailable
from gateway.terms.sides import Side

SEED = int(os.environ.get("TORTURE_SEED", "8583"))
GATEWAYS = int(os.environ.get("TORTURE_GATEWAYS", "1"))
TORTURE_S = float(os.environ.get("TORTURE_SECONDS", "0"))
REPORT = os.environ.get("TORTURE_REPORT")
KILLS_OF_A_RELEASE = 10_000  # of either store: ``reference/reliability-security.md`` 7
AT_RANDOM = "at random"
KILLS_AT_RANDOM = 28  # in the suite, besides one at each point and with each fault: 100 in all
TIMES_MAX = 4  # a point is come to so often, at most, before the process dies there
PATIENCE_S = 90.0  # a customer's, while the gateway dies again and again
LIFE_S = 4.0  # one that does not come to its point so soon is killed all the same
FAULT_S = 0.3  # how long a fault lasts: some tens of transactions
POWER_CUTS, LOSSES = 10, 20  # moments, and what may be lost at each: 200 for each commit
POWER_CUTS_MAX = 10_000 // LOSSES // GATEWAYS  # for a release
CLOCK_STEPS_S = (1, 61, 3_600, 86_400)
CLIENTS = 3
MESSAGES_MAX = 10  # received by both sides between two kills: an operation or two
ENDED_BY_ITSELF = 74  # EX_IOERR: what is in memory may not be right any more


class Doomed:
    """A gateway that is killed again and again, warm so that a start costs little, and its store.

    Far sides and security modules outlive it.
    """

    def __init__(self, fresh_town, directory):
        self.disk, self.clock = FaultyDisk(directory), SteppedClock(directory)
        self.chance = Random(SEED)  # noqa: S311 - no secret
        self.server, self._store = None, "SQLite"
        self._warm, self._modules = None, {}
        self.town = fresh_town(amend=self._amend, starter=self._launch)

    def use(self, store):
        """Have it on a store of one kind; what is in the other stays there."""
        self.town.gateway.kill()
        self._store = store
        if store == "PostgreSQL" and self.server is None:
            self.server = PrivateServer()
            self.server.create()
        self.town.write_configuration()
        self.town.restart_gateway()

    def _amend(self, _town, text):
        for side in Side:
            text = text.replace(f"[{side.value}]\n", f"[{side.value}]\nembedded = false\n")
        if self._store == "SQLite":
            return text
        return text.replace('path = "gateway.db"', f'url = "{self.server.url()}"')

    def _launch(self, town, dying=None):
        if self._warm is None:
            host = environment(
                self.disk.library, self.clock.library, **self.disk.settings, **self.clock.settings
            )
            self._warm = Warm(host)
            self._modules = {side: start_module(town, side) for side in Side}
        serve = ("serve", "--embedded", "--config", str(town.configuration))
        return self._warm.launch(town.directory / "gateway.log", *serve, dying=dying)

    def start(self, dying=None):
        """Start the gateway; raises `Unavailable` where it died at once, as it was to."""
        self.town.gateway = self._launch(self.town, dying)

    def restart_module(self, side):
        """Kill a security module and start another in its place."""
        self._modules[side].kill()
        self._modules[side] = start_module(self.town, side)

    def close(self):
        self.town.gateway.kill()
        for module in self._modules.values():
            module.kill()
        self._warm.close()
        if self.server is not None:
            self.server.remove()


def start_module(town, side):
    """Start a side's security module beside the gateway, as in production."""
    settings = load_settings(town.configuration).module(side)
    module = ("-m", "gateway", "security-module", "--embedded", "--side", side.value)
    store = ("--key-store", str(settings.key_store), "--socket", str(settings.socket))
    return start(town.directory / f"module-{side.value}.log", *module, *store)


@pytest.fixture(scope="module", name="doomed")
def _doomed(fresh_town, tmp_path_factory):
    """Give the gateway, first on SQLite."""
    made = Doomed(fresh_town, tmp_path_factory.mktemp("disk"))
    yield made
    made.close()


# ------------------------------------------------------------------ faults


def store_of(doomed):
    """Give the process that holds the gateway's database."""
    pid = doomed.town.gateway.process.pid
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    return int(child)


@contextmanager
def full_disk(doomed):
    """Let no file of the gateway's store grow beyond its log, which is written first."""
    pid = store_of(doomed)
    size = (doomed.town.directory / "gateway.db-wal").stat().st_size
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


def failing_disk(what):
    """Make the fault of a disk that answers EIO."""
    return lambda doomed: doomed.disk.failing(what)


def for_a_while(fault):
    """Let a fault strike for some tens of transactions."""

    def strike(doomed):
        with fault(doomed):
            sleep(FAULT_S)

    return strike


def paused(doomed):
    """Stop the process for a while, as a host that stands still does."""
    doomed.town.gateway.process.send_signal(signal.SIGSTOP)
    sleep(FAULT_S)
    doomed.town.gateway.process.send_signal(signal.SIGCONT)


def lost_power(doomed):
    """End everything at once, and lose what was not synced."""
    processes = (doomed.town.gateway.process.pid, store_of(doomed))
    ends = [os.pidfd_open(pid) for pid in processes]
    doomed.disk.wait_for_change()
    for end in ends:
        signal.pidfd_send_signal(end, signal.SIGKILL)
    for end in ends:
        select([end], [], [])
        os.close(end)
    doomed.disk.lose_power(doomed.town.directory / "gateway.db", doomed.chance)


def stepped_clock(direction):
    """Make the fault of a wall clock that is wrong for a while, and is then set right."""

    def strike(doomed):
        with doomed.clock.wrong(direction * doomed.chance.choice(CLOCK_STEPS_S)):
            sleep(FAULT_S)

    return strike


def cut_links(doomed):
    """Cut both links for a while."""
    for wire in doomed.town.wires.values():
        wire.cut()
    sleep(FAULT_S)
    for wire in doomed.town.wires.values():
        wire.restore()


def killed_store(doomed):
    """Kill the store's process alone; the gateway's then ends by itself."""
    os.kill(store_of(doomed), signal.SIGKILL)


def killed_module(doomed):
    """Kill the security module of one side, and start another."""
    doomed.restart_module(Side.SOCIAL)


def of_sessions(function):
    """Make the fault of a database that cancels or ends what the gateway does there."""
    every = "FROM pg_stat_activity WHERE application_name = 'sscard-gateway'"

    def strike(doomed):
        ends = monotonic() + FAULT_S
        while monotonic() < ends:
            doomed.server.sql(f"SELECT {function}(pid) {every}")

    return strike


def killed_database(doomed):
    """Crash the database and start it again."""
    doomed.server.stop(signal.SIGQUIT)
    doomed.server.start()


FAULTS = {
    "paused": paused,
    "links cut": cut_links,
    "module killed": killed_module,
    "store killed": killed_store,
    "clock ahead": stepped_clock(1),
    "clock behind": stepped_clock(-1),
}
FAULTS_OF = {
    "SQLite": FAULTS
    | {
        "disk full": for_a_while(full_disk),
        "writes fail": for_a_while(failing_disk(DiskFault.WRITES)),
        "syncs fail": for_a_while(failing_disk(DiskFault.SYNCS)),
        "reads fail": for_a_while(failing_disk(DiskFault.READS)),
        "power lost": lost_power,
    },
    "PostgreSQL": FAULTS
    | {
        "statements canceled": of_sessions("pg_cancel_backend"),
        "connections ended": of_sessions("pg_terminate_backend"),
        "database killed": killed_database,
    },
}


# ------------------------------------------------------------------ kills


def ways(chance, faults):
    """Name how the gateway ends each time: at a named point, at random, or after a fault."""
    of_the_suite = [*POINTS, *faults, *repeat(AT_RANDOM, KILLS_AT_RANDOM)]
    chance.shuffle(of_the_suite)
    if not TORTURE_S:
        return iter(of_the_suite)
    until = monotonic() + TORTURE_S
    rounds = cycle([*POINTS, *faults, *repeat(AT_RANDOM, len(POINTS))])
    more = takewhile(lambda _: monotonic() < until, rounds)
    return islice(chain(of_the_suite, more), -(-KILLS_OF_A_RELEASE // GATEWAYS))


class Torture:
    """One run on one store: clients live, the gateway dies, and everything is judged."""

    def __init__(self, doomed, store, newcomer, eventually):
        self._doomed, self._town, self._faults = doomed, doomed.town, FAULTS_OF[store]
        self._newcomer = newcomer
        self._eventually = partial(eventually, seconds=PATIENCE_S)
        self._chance = Random(SEED)  # noqa: S311 - no secret
        self._witness, self._over = Witness(doomed.town), Event()
        self._running = []
        self.diary, self.kills = Diary(), Counter()

    def run(self):
        """Kill the gateway under load in every way, then start it and judge."""
        with ThreadPoolExecutor(CLIENTS) as pool:
            self._running = [pool.submit(self._clients) for _ in range(CLIENTS)]
            try:
                for way in ways(self._chance, self._faults):
                    self._town.gateway.kill()
                    self.kills[self._die(way)] += 1
                    self._witness.look()
                self._town.gateway.kill()
                self._town.start_gateway()
            finally:
                self._over.set()
            for each in self._running:
                each.result()
        self._town.wait_until_ready()
        judge(self._town, self.diary, self._witness, self._eventually)

    def _clients(self):
        while not self._over.is_set():
            Client(self._newcomer(fresh=True, of=self._town), self.diary, self._eventually).live()

    def _die(self, way):
        """Let the gateway start, serve and come to its end in one way; tells how it did."""
        if way in POINTS:
            return way if self._comes_to(way) else f"at random, not {way}"
        self._doomed.start()
        self._pass(self._chance.randrange(1, MESSAGES_MAX))
        if way == AT_RANDOM:
            return way
        process = self._town.gateway.process
        self._faults[way](self._doomed)
        self._pass(1, lambda: process.poll() is not None)
        assert process.poll() in {None, ENDED_BY_ITSELF, -signal.SIGKILL}
        return f"{way}, ended by itself" if process.poll() == ENDED_BY_ITSELF else way

    def _comes_to(self, point):
        try:
            times_max = 2 if point in AT_START else TIMES_MAX
            self._doomed.start((point, self._chance.randint(1, times_max)))
            return self._town.gateway.process.wait(LIFE_S) == -signal.SIGKILL
        except Unavailable:
            return True  # before it was ready
        except subprocess.TimeoutExpired:
            return False

    def _pass(self, messages, or_else=lambda: False):
        """Wait until both sides have received so many messages more, or something else is so."""
        peers = (self._town.bureau_peer, self._town.core_peer)
        wanted = sum(peer.mark() for peer in peers) + messages

        def is_passed():
            for each in self._running:
                if each.done():
                    each.result()  # a client that gave up says why
            return or_else() or sum(peer.mark() for peer in peers) >= wanted

        self._eventually(is_passed)


@pytest.mark.parametrize("store", FAULTS_OF)
def test_gateway_is_killed_at_any_moment(request, doomed, newcomer, eventually, store):
    """Everything acknowledged stands, everything else is resolved, and both sides agree."""
    if store == "PostgreSQL":
        request.getfixturevalue("postgresql")  # tells whether there is one, or must be
    doomed.use(store)
    said, begun = len(doomed.town.log()), monotonic()
    torture = Torture(doomed, store, newcomer, eventually)

    torture.run()

    errors = [line for line in doomed.town.log()[said:].splitlines() if '"level": "error"' in line]
    assert errors == []
    assert len(torture.diary.entries) > len(POINTS)
    report(store, torture, round(monotonic() - begun))


def report(store, torture, seconds):
    """Add what was done to what other processes wrote down, where that is asked for."""
    if not REPORT:
        return
    kills = torture.kills
    found = {"seconds": seconds, "kills": sum(kills.values()), "by point": dict(kills)}
    found |= {"customers": len(torture.diary.citizens)}
    write_down(
        Path(REPORT), store, found | {"acknowledged": len(torture.diary.entries), "seed": SEED}
    )


# ------------------------------------------------------------------ power cuts


def test_any_power_cut_leaves_what_was_acknowledged(doomed, newcomer, eventually, tmp_path):
    """Whatever of the unsynced is lost: the database is whole, and each outcome told is in it."""
    doomed.use("SQLite")
    database, diary, over = doomed.town.directory / "gateway.db", Diary(), Event()
    until, moments, at_stake = monotonic() + TORTURE_S, 0, 0

    def live():
        while not over.is_set():
            Client(newcomer(fresh=True, of=doomed.town), diary, eventually).live()

    with ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(live) for _ in range(CLIENTS)]
        try:
            while moments < POWER_CUTS or (monotonic() < until and moments < POWER_CUTS_MAX):
                known = len(diary.entries)
                eventually(lambda known=known: len(diary.entries) > known)
                told = {view["operation"]: view["state"] for _, _, view in diary.entries}
                copy = doomed.disk.copied(store_of(doomed), database, tmp_path / "copy")
                moments, at_stake = moments + 1, at_stake + copy.changes
                for _ in range(LOSSES):
                    stands(told, copy.after_loss(doomed.chance, tmp_path / "left"))
        finally:
            over.set()
        for each in clients:
            each.result()

    cuts = {"moments": moments, "power cuts": moments * LOSSES, "changes at stake": at_stake}
    if REPORT:
        write_down(Path(REPORT), "power", cuts | {"acknowledged": len(diary.entries), "seed": SEED})


def stands(told, database):
    """See that a database is whole and holds what was told of operations."""
    with closing(sqlite3.connect(database)) as connection:
        (check,) = connection.execute("PRAGMA quick_check").fetchone()
        rows = connection.execute("SELECT id, state FROM operations_operations").fetchall()
    assert check == "ok"
    assert told.items() <= dict(rows).items()


# ------------------------------------------------------------------ a store that takes nothing


@contextmanager
def absent_server(doomed):
    """Have no database server."""
    doomed.server.stop(signal.SIGQUIT)
    try:
        yield
    finally:
        doomed.server.start()


LACKS = {
    "SQLite, no room": ("SQLite", full_disk, "SQLITE_FULL|SQLITE_IOERR_WRITE"),
    "SQLite, writes fail": ("SQLite", failing_disk(DiskFault.WRITES), "SQLITE_IOERR_WRITE"),
    "PostgreSQL, away": ("PostgreSQL", absent_server, "OperationalError"),
}


@pytest.mark.parametrize(("store", "fault", "why"), LACKS.values(), ids=LACKS)
def test_a_store_that_takes_nothing_refuses_new_work_and_forgets_nothing(  # noqa: PLR0913, PLR0917 - one row of a table
    request, doomed, newcomer, eventually, store, fault, why
):
    """Answered 503, readiness and log say why, and when it is back everything goes on by itself."""
    if store == "PostgreSQL":
        request.getfixturevalue("postgresql")
    doomed.use(store)
    town, linked, refused = doomed.town, [newcomer(of=doomed.town).linked()], []
    told = f'"why": "[^"]*({why})[^"]*", "event": "store-refuses"'
    with fault(doomed):
        while len(refused) < 3:
            citizen = newcomer(of=town)
            answer = citizen.ask_link()
            (linked if answer.status in {201, 202} else refused).append(citizen)
            assert answer.status in {201, 202, 503}, answer
        eventually(lambda: call(f"{town.url}/readyz").status == 503)
        eventually(lambda: re.search(told, town.log()))
        unready = call(f"{town.url}/readyz")

    assert eventually(lambda: newcomer(of=town).ask_link().status == 201)
    town.wait_until_ready()
    assert re.search(why, unready.body["checks"]["store"]["detail"])
    assert town.gateway.process.poll() is None
    for citizen in linked:
        for peer in (town.bureau_peer, town.core_peer):
            eventually(lambda peer=peer, who=citizen: peer.links(who.who) == [who.link])
    for citizen in refused:
        assert town.bureau_peer.links(citizen.who) == town.core_peer.links(citizen.who) == []


def test_a_disk_whose_syncs_fail_ends_the_gateway_which_then_knows_what_stands(doomed, newcomer):
    """Nobody knows what is on disk after a failed sync: status 74, and the next start finds out."""
    doomed.use("SQLite")
    town, before = doomed.town, newcomer(of=doomed.town).linked()
    asking = newcomer(of=town)
    with doomed.disk.failing(DiskFault.SYNCS):
        answer = reaching(asking.ask_link)
        status = town.gateway.process.wait(PATIENCE_S)
    town.gateway.kill()  # closes its pipes
    town.restart_gateway()

    assert (answer, status) == (None, ENDED_BY_ITSELF)
    assert before.bank.get(f"/v1/links/{before.link}").body["state"] == "active"
    assert town.bureau_peer.links(asking.who) == town.core_peer.links(asking.who) == []
