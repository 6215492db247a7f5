"""The drill: nodes under load are killed, paused and cut off from their database, and judged.

Run it with ``python -m gateway.app.bench.drill --seconds 60 --seed 1``. Customers link cards, set
PINs, activate accounts and unlink at whichever node answers, and repeat with the same
Idempotency-Key what was not answered. In the end everything that was acknowledged must stand, what
the far sides hold must be what the operations say, and no message may have been applied twice.
"""

import http.client
import itertools
import signal
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from random import Random  # noqa: TID251 - seeded: the order of the faults repeats
from tempfile import TemporaryDirectory
from threading import Event
from time import monotonic, sleep
from typing import Annotated, Any

import typer

from gateway.app.bench.cluster import Cluster
from gateway.app.online_bank import Answer, OnlineBank, call
from gateway.simulators.population import FRESH_FROM, Person, person
from gateway.terms.errors import LocalError, Unavailable
from gateway.terms.sides import Side

INSTITUTION, PIN = "99350201", "738291"  # of synthetic people; not a pattern
LEASE_S = 2.0
LIMITS = {
    "answer_timeout_s": 2,
    "retry_first_s": 0.5,
    "retry_max_s": 1,
    "secret_life_s": 4,
    "message_life_s": 5,
}
SETTLE_SECONDS_MAX = 90.0  # after the last fault everything has come to its end
_LOOK_SECONDS = 0.05
_NO_ENTRY = 2**31  # behind any that there is
_PEOPLE_OF_A_SEED, _SEEDS = 1_000, 9  # of the ten thousand that there are
_GONE = (Unavailable, http.client.HTTPException, ConnectionError)
_BUSY = {"IN_PROGRESS", "EARLIER_PIN_OPEN", "OVERLOADED", "INTERNAL_ERROR"}
# Nothing was changed: begin again with a key, a session and an envelope of its own.
_AGAIN = {
    "BUREAU_UNAVAILABLE",
    "CORE_UNAVAILABLE",
    "SECURITY_MODULE_UNAVAILABLE",
    "PIN_SESSION_UNUSABLE",
    "REGISTRATION_UNDONE",
}


@dataclass(slots=True)
class Diary:
    """Every change that was answered, with the request, so that it can be sent again."""

    entries: list[tuple["Customer", tuple[Any, ...], Mapping[str, Any]]] = field(
        default_factory=list
    )


class Customer:
    """One customer, served by whichever node answers; repeats with its key what was not answered.

    A node that does not answer is passed over for a while, as a balancer does.
    """

    def __init__(self, cluster: Cluster, who: Person, diary: Diary, chance: Random) -> None:
        self.who = who
        self.link = ""
        self._cluster = cluster
        self._diary = diary
        self._chance = chance
        self._keys = (f"{who.customer}-{number}" for number in itertools.count())

    def live(self) -> None:
        """Link, set the PIN, activate, and now and then unlink."""
        body = {
            "institution": INSTITUTION,
            "ss_card_number": self.who.card,
            "account": self.who.pan,
            "mobile": self.who.at_bank.mobile,
        }
        linked = self._change("POST", "/v1/links", lambda _bank: body)
        if linked["state"] != "succeeded":
            return
        self.link = linked["link"]
        self._change("PUT", f"/v1/links/{self.link}/ss-pin", self._pin("ss-pin"))
        self._change("POST", "/v1/activations", self._pin("financial-pin", link=self.link))
        if self.who.index % 2:
            self._change("DELETE", f"/v1/links/{self.link}", lambda _bank: None)

    def ask(self, ask: Callable[[OnlineBank], Answer | None]) -> Answer:
        """Ask one node after another until one answers for good."""
        deadline = monotonic() + SETTLE_SECONDS_MAX
        while monotonic() < deadline:
            try:
                answer = ask(self._bank())
            except _GONE:
                answer = None
            if answer is not None and answer.body.get("code") not in _BUSY:
                return answer
            sleep(_LOOK_SECONDS)
        raise LocalError(f"no node answered {self.who.customer} for {SETTLE_SECONDS_MAX:.0f} s")

    def _bank(self) -> OnlineBank:
        up = [n for n in self._cluster.names if self._cluster.nodes[n].process.poll() is None]
        name = self._chance.choice(up or self._cluster.names)
        return OnlineBank(self._cluster.url_of(name), self._cluster.token, self.who.customer)

    def _pin(self, purpose: str, **more: str) -> Callable[[OnlineBank], Mapping[str, str]]:
        def body(bank: OnlineBank) -> Mapping[str, str]:
            session = bank.open_session(self.link, purpose)
            if session.status != http.HTTPStatus.CREATED:
                raise Unavailable(f"no session now: {session.body.get('code')}")
            envelope = bank.encrypt(session.body, PIN)
            return {"pin_session": session.body["pin_session"], "encrypted_pin": envelope, **more}

        return body

    def _change(
        self, method: str, path: str, body: Callable[[OnlineBank], Any]
    ) -> Mapping[str, Any]:
        """Send one change until it is answered for good; gives the operation's view."""
        while True:
            key, content = next(self._keys), self._content(body)
            request = (method, path, content, key)
            answer = self.ask(lambda bank, request=request: bank.change(*request))  # type: ignore[misc]
            if answer.body.get("code") in _AGAIN:
                continue
            view = self._settled(answer)
            self._diary.entries.append((self, request, view))
            return view

    def _content(self, body: Callable[[OnlineBank], Any]) -> object:
        deadline = monotonic() + SETTLE_SECONDS_MAX
        while monotonic() < deadline:
            try:
                return body(self._bank())
            except _GONE:
                sleep(_LOOK_SECONDS)
        raise LocalError(f"no node opened a session for {SETTLE_SECONDS_MAX:.0f} s")

    def _settled(self, answer: Answer) -> Mapping[str, Any]:
        """Wait until the operation that an answer named is pending no more."""
        if "operation" not in answer.body:
            raise LocalError(f"a request was answered {answer.status}: {answer.body.get('code')}")
        path = f"/v1/operations/{answer.body['operation']}"

        def look(bank: OnlineBank) -> Answer | None:
            view = bank.get(path)
            return view if view.body.get("state", "pending") != "pending" else None

        view: Mapping[str, Any] = self.ask(look).body
        return view


class Witness:
    """Writes down what each far side received, before its journal forgets it."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        # What came before is not this drill's.
        self._marks = {side: self._journal(side, _NO_ENTRY)["last"] for side in Side}
        self.received: dict[Side, list[Mapping[str, Any]]] = {side: [] for side in Side}

    def look(self) -> None:
        """Read what is new."""
        for side in Side:
            journal = self._journal(side, self._marks[side])
            self._marks[side] = journal["last"]
            self.received[side] += [
                {"message": entry["message"], **_fields(entry)}
                for entry in journal["entries"]
                if entry["direction"] == "received" and "fields" in entry
            ]

    def _journal(self, side: Side, after: int) -> Mapping[str, Any]:
        body: Mapping[str, Any]
        body = call(f"{self._cluster.control(side)}/_sim/journal?after={after}").body
        return body

    def state(self, side: Side, who: Person) -> Mapping[str, Any]:
        """Show a person's card or account."""
        number = f"card={who.card}" if side is Side.SOCIAL else f"account={who.pan}"
        body: Mapping[str, Any] = call(f"{self._cluster.control(side)}/_sim/state?{number}").body
        return body


def _fields(entry: Mapping[str, Any]) -> dict[str, str]:
    return {row["place"]: row["value"] for row in entry["fields"]}


@dataclass(slots=True)
class Verdict:
    """What a drill came to; `broken` is empty when every promise was kept."""

    operations: int = 0
    faults: list[str] = field(default_factory=list)
    states: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    broken: list[str] = field(default_factory=list)


class Drill:
    """One run: load and faults, then quiet, then the verdict.

    `think_s` passes between one customer of a client and the next.
    """

    def __init__(
        self, cluster: Cluster, seed: int, clients: int = 3, *, think_s: float = 0.0
    ) -> None:
        self._cluster = cluster
        self._think_s = think_s
        self._chance = Random(seed)  # noqa: S311 - no secret
        self._clients = clients
        self._diary = Diary()
        self._witness = Witness(cluster)
        # Others for each seed, so that several drills may run on one cluster.
        self._people = map(
            person, itertools.count(FRESH_FROM + _PEOPLE_OF_A_SEED * (seed % _SEEDS))
        )
        self.verdict = Verdict()

    def run(self, faults: Iterator[Callable[[Cluster], str]]) -> Verdict:
        """Let customers live while one fault after another strikes, then judge."""
        over = Event()
        with ThreadPoolExecutor(self._clients) as pool:
            living = [pool.submit(self._live, over, Random(n)) for n in range(self._clients)]  # noqa: S311
            try:
                for fault in faults:
                    self._wait_for_load(2 * self._clients)
                    self.verdict.faults.append(fault(self._cluster))
                    self._witness.look()
                self._wait_for_load(2 * self._clients)
            finally:
                over.set()
            for each in living:
                each.result()
        self._judge()
        return self.verdict

    def _live(self, over: Event, chance: Random) -> None:
        while not over.wait(self._think_s):
            Customer(self._cluster, next(self._people), self._diary, chance).live()

    def _wait_for_load(self, operations: int) -> None:
        """Let so many operations more come to their end, so that each fault strikes some."""
        wanted = len(self._diary.entries) + operations
        deadline = monotonic() + SETTLE_SECONDS_MAX
        while len(self._diary.entries) < wanted:
            if monotonic() > deadline:
                self.verdict.broken.append("the load stands still")
                return
            sleep(_LOOK_SECONDS)

    # ------------------------------------------------------------ the verdict

    def _judge(self) -> None:
        self.verdict.operations = len(self._diary.entries)
        for customer, request, view in self._diary.entries:
            self._judge_acknowledged(customer, request, view)
        for customer in {id(each): each for each, _, _ in self._diary.entries}.values():
            self._judge_sides(customer)
        self._witness.look()
        self._judge_messages()

    def _judge_acknowledged(
        self, customer: Customer, request: tuple[Any, ...], view: Mapping[str, Any]
    ) -> None:
        """Nothing acknowledged is lost: outcome and stored answer are what they were."""
        answer = customer.ask(lambda bank: bank.change(*request))
        now = customer.ask(lambda bank: bank.get(f"/v1/operations/{view['operation']}")).body
        self.verdict.states[f"{view['kind']} {now['state']}"] += 1
        if answer.body.get("operation") != view["operation"]:
            self.verdict.broken.append(f"{view['operation']}: its key gives another answer")
        if view["state"] != "unknown" and now["state"] != view["state"]:
            self.verdict.broken.append(
                f"{view['operation']}: {view['state']} became {now['state']}"
            )

    def _judge_sides(self, customer: Customer) -> None:
        """Both sides hold the links that the operations say, whole or not at all."""
        mine = [view for who, _, view in self._diary.entries if who is customer]
        held = {v["link"] for v in mine if (v["kind"], v["state"]) == ("link", "succeeded")}
        held -= {v["link"] for v in mine if (v["kind"], v["state"]) == ("unlink", "succeeded")}
        for side in Side:
            deadline = monotonic() + SETTLE_SECONDS_MAX
            while (found := self._links(side, customer.who)) != held and monotonic() < deadline:
                sleep(_LOOK_SECONDS)  # what was undone may still be on its way
            if found != held:
                self.verdict.broken.append(f"{side.value}: holds {found}, operations say {held}")

    def _links(self, side: Side, who: Person) -> set[str]:
        links = self._witness.state(side, who)["links"]
        return {link["link"] for link in links if link["active"]}

    def _judge_messages(self) -> None:
        """No trace number was used twice, none under a DE 41 that is no node's."""
        terminals = {self._cluster.terminal(name) for name in self._cluster.names}
        for side in Side:
            known: set[tuple[str, str]] = set()
            for each in self._witness.received[side]:
                trace = (each["DE 7"], each["DE 11"])
                is_network, is_repeat = each["MTI"][1] == "8", each["MTI"][3] == "1"
                if not is_network and each["DE 41"] not in terminals:
                    self.verdict.broken.append(f"{side.value}: DE 41 {each['DE 41']} is nobody's")
                if trace in known and not is_repeat:
                    self.verdict.broken.append(f"{side.value}: trace {trace} was used twice")
                known.add(trace)
        self._judge_pins()

    def _judge_pins(self) -> None:
        """No PIN was sent under more trace numbers than there were operations to set it."""
        attempts: dict[str, int] = defaultdict(int)
        for _, _, view in self._diary.entries:
            if view["kind"] == "set-ss-pin":
                attempts[view["link"]] += 1
        sent: dict[str, set[tuple[str, str]]] = defaultdict(set)
        for each in self._witness.received[Side.SOCIAL]:
            if each["message"] == "pin-set":
                link = next(value for place, value in each.items() if place.endswith("LK"))
                sent[link].add((each["DE 7"], each["DE 11"]))
        self.verdict.broken += [
            f"{link}: {len(traces)} PIN messages for {attempts[link]} operations"
            for link, traces in sent.items()
            if len(traces) > attempts[link]
        ]


# ------------------------------------------------------------------ faults


def kill(name: str) -> Callable[[Cluster], str]:
    """Kill a node, leave it dead until others took over, then start it again."""

    def strike(cluster: Cluster) -> str:
        cluster.nodes[name].kill()
        sleep(2 * LEASE_S)
        cluster.start_node(name)
        return f"{name} killed, gone for {2 * LEASE_S:.0f} s"

    return strike


def pause(name: str) -> Callable[[Cluster], str]:
    """Stop a node for longer than its lease; when it goes on it must end by itself."""

    def strike(cluster: Cluster) -> str:
        cluster.signal(name, signal.SIGSTOP)
        sleep(3 * LEASE_S)
        cluster.signal(name, signal.SIGCONT)
        status = cluster.nodes[name].process.wait(SETTLE_SECONDS_MAX)
        cluster.nodes[name].kill()
        cluster.start_node(name)
        return f"{name} paused for {3 * LEASE_S:.0f} s, ended with {status}"

    return strike


def restart_database(cluster: Cluster) -> str:
    """Crash the database and start it again."""
    cluster.database.stop(signal.SIGQUIT)
    sleep(1)
    cluster.database.start()
    return "database crashed and started again"


def fail_over(cluster: Cluster) -> str:
    """Crash the database for good; its synchronous standby becomes the primary."""
    cluster.fail_over()
    return "database failed over to its synchronous standby"


def upgrade_store(cluster: Cluster) -> str:
    """Bring the database up while every node serves."""
    return f"with every node serving: {cluster.upgrade_store()}"


def exchange(name: str) -> Callable[[Cluster], str]:
    """Stop a node in order and start it again, of the release that the cluster has by now."""

    def strike(cluster: Cluster) -> str:
        status = cluster.nodes[name].stop()
        cluster.start_node(name)
        deadline = monotonic() + SETTLE_SECONDS_MAX
        while call(f"{cluster.url_of(name)}/readyz").status != http.HTTPStatus.OK:
            if monotonic() > deadline:
                raise LocalError(f"{name} is not ready after {SETTLE_SECONDS_MAX:.0f} s")
            sleep(_LOOK_SECONDS)
        return f"{name} stopped with {status}, started again and ready"

    return strike


def upgrade_to(cluster: Cluster, release: Path | None) -> Iterator[Callable[[Cluster], str]]:
    """Upgrade without stopping, as the operator's guide has it: the database, then each node."""
    cluster.release = release
    yield upgrade_store
    yield from map(exchange, cluster.names)


def faults(seconds: float, chance: Random, names: tuple[str, ...]) -> Iterator[Callable[..., str]]:
    """Give faults of every kind for so long, each at least once; the failover comes last."""
    ends = monotonic() + seconds
    yield from (kill(names[0]), pause(names[1]), restart_database)
    while monotonic() < ends:
        fault = chance.choice((kill, pause, None))
        yield fault(chance.choice(names)) if fault is not None else restart_database
    yield fail_over


def run(seconds: float, seed: int, before: Path | None = None) -> Verdict:
    """Run one drill of three nodes and a database with a synchronous standby.

    With `before`, the directory of an earlier release, all nodes begin as that one and are brought
    up to this one first.
    """
    with (
        TemporaryDirectory(prefix="sscard-drill-") as directory,
        Cluster(
            Path(directory), lease_s=LEASE_S, with_standby=True, limits=LIMITS,
            http={"answer_wait_s": 5}, release=before,
        ) as cluster,
    ):  # fmt: skip
        chance = Random(seed)  # noqa: S311 - no secret
        upgraded = upgrade_to(cluster, None) if before is not None else ()
        struck = chain(upgraded, faults(seconds, chance, cluster.names))
        return Drill(cluster, seed).run(struck)


def main(
    seconds: Annotated[float, typer.Option(help="How long faults strike.")] = 30.0,
    seed: Annotated[int, typer.Option(help="In which order.")] = 1,
    upgrade_from: Annotated[
        Path | None, typer.Option(help="The directory of an earlier release, to begin with.")
    ] = None,
) -> None:
    """Run the drill and print its verdict; the exit status is 1 when a promise was broken."""
    verdict = run(seconds, seed, upgrade_from)
    states = ", ".join(f"{number} {state}" for state, number in sorted(verdict.states.items()))
    sys.stdout.write(f"{verdict.operations} operations: {states}\n")
    sys.stdout.write("".join(f"- {fault}\n" for fault in verdict.faults))
    sys.stdout.write("".join(f"BROKEN: {each}\n" for each in verdict.broken))
    raise SystemExit(bool(verdict.broken))


if __name__ == "__main__":
    typer.run(main)
