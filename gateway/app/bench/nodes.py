"""Several nodes on one PostgreSQL against one of them, with as many connections in all.

In turns in one run: the same database with the same history, the same far sides. While one node
serves, the others renew their leases. Everything stands on one machine.
"""

import asyncio
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop

from gateway.app.bench import load
from gateway.app.bench.asking import Backend, Hand, Round, all_answered
from gateway.app.bench.cluster import Cluster
from gateway.app.bench.figures import Figure
from gateway.app.bench.processes import children, of_gateway
from gateway.simulators.population import NAMED, person

_ONE = "one node"
_LEASE_S = 10.0  # as it is unless set otherwise
_LINKING_SECONDS_MAX = 60.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to measure; the first round only warms up and does not count.

    There are so many `nodes`, and PINs are set through so many `links` in turn.
    """

    rounds: int = 3
    seconds: float = 5.0
    connections: int = 64
    nodes: int = 4
    links: int = 512


def measure(plan: Plan | None = None) -> list[Figure]:
    """Measure set-PIN operations at one node and at all; raises `Unavailable` when one fails.

    Also where no PostgreSQL server is installed.
    """
    plan = plan or Plan()
    with (
        TemporaryDirectory(prefix="sscard-bench-") as directory,
        Cluster(Path(directory), nodes=plan.nodes, lease_s=_LEASE_S) as cluster,
    ):
        cluster.wait_until_ready()
        return compare(cluster, plan)


def compare(cluster: Cluster, plan: Plan) -> list[Figure]:
    """Measure at one node of a cluster that is ready, and at all of them."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        bench = _Bench(cluster, plan)
        runner.run(bench.link())
        runner.run(bench.round(min(1.0, plan.seconds), first=bench.all))
        firsts = (_ONE, bench.all)
        rounds = [
            runner.run(bench.round(plan.seconds, first=firsts[number % 2]))
            for number in range(plan.rounds)
        ]
        return list(_figures(rounds, bench.all))


class _Bench:
    """One run: the links through which PINs are set, and where."""

    def __init__(self, cluster: Cluster, plan: Plan) -> None:
        self._plan = plan
        self._urls = [cluster.url_of(name) for name in cluster.names]
        self._processes = _processes_of(cluster)
        self._backend = Backend(self._urls[0], cluster.token)
        self._hands: list[Hand] = []
        self.all = f"{len(self._urls)} nodes"

    async def link(self) -> None:
        """Make the links, at all nodes."""
        people = [person(NAMED + 1 + number) for number in range(self._plan.links)]
        posts = [self._backend.post_link(who) for who in people]
        linked = await self._run(self._urls, posts, _LINKING_SECONDS_MAX, 201)
        self._hands = [
            Hand(json.loads(answer.body)["link"], people[answer.request].customer)
            for answer in linked.answers
        ]

    async def round(self, seconds: float, first: str) -> Round:
        """Set PINs at one node and at all, in an order that changes from round to round."""
        measured, places = Round(), {_ONE: self._urls[:1], self.all: self._urls}
        for name in sorted(places, key=lambda name: name != first):
            urls = places[name]
            while measured.seconds(name) < seconds:
                opened = await self._run(urls, self._sessions(), seconds, 201)
                puts = self._sealed(opened)
                left = seconds - measured.seconds(name)
                ask = partial(self._run, urls, puts, left, 200)
                await measured.measure(name, self._processes, ask)
        return measured

    def _sessions(self) -> Iterator[bytes]:
        return map(self._backend.post_session, self._hands)

    def _sealed(self, opened: load.Bout) -> list[bytes]:
        hands = self._hands
        puts = [self._backend.put_sealed(hands[each.request], each) for each in opened.answers]
        self._hands = hands[len(puts) :] + hands[: len(puts)]
        return puts

    async def _run(
        self,
        urls: Sequence[str],
        requests: Iterator[bytes] | list[bytes],
        seconds: float,
        status: int,
    ) -> load.Bout:
        bout = await load.run(urls, requests, self._plan.connections, seconds)
        return all_answered(bout, status)


def _processes_of(cluster: Cluster) -> dict[str, list[int]]:
    gateways = [of_gateway(child.process.pid) for child in cluster.nodes.values()]
    assert cluster.bureau is not None
    return {
        "nodes": [pid for own, _ in gateways for pid in own],
        "security modules": [pid for _, modules in gateways for pid in modules],
        "database": [cluster.database.pid, *children(cluster.database.pid)],
        "simulated bureau": [cluster.bureau.process.pid],
        "load client": [os.getpid()],
    }


def _figures(rounds: Sequence[Round], all_: str) -> Iterator[Figure]:
    rates = {name: [each.rate(name) for each in rounds] for name in (_ONE, all_)}
    yield Figure.alone(f"nodes: set PIN, {_ONE}", "operations/s", rates[_ONE])
    yield Figure.against(f"nodes: set PIN, {all_}", "operations/s", rates[all_], rates[_ONE])
    for percent in (50, 99):
        one = [each.latency(_ONE, percent) for each in rounds]
        every = [each.latency(all_, percent) for each in rounds]
        yield Figure.alone(f"nodes: set PIN, {_ONE}, p{percent}", "ms", one)
        yield Figure.against(f"nodes: set PIN, {all_}, p{percent}", "ms", every, one)
    for process in rounds[0].processors[_ONE]:
        one = [each.processor(_ONE, process) for each in rounds]
        every = [each.processor(all_, process) for each in rounds]
        name = f"processor time of {process}"
        yield Figure.alone(f"nodes: set PIN, {_ONE}, {name}", "µs/operation", one)
        yield Figure.against(f"nodes: set PIN, {all_}, {name}", "µs/operation", every, one)
