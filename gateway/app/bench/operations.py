"""Full durable operations over HTTP against a bare relay, measured in turns on one machine.

On the full side is everything: gateway, its two security modules, both simulators with their MACs,
PIN checks and state, SQLite with `synchronous=FULL`. On the other side are the bare relay and a
peer that approves whatever it reads, so that the ratio flatters the relay, never the gateway.
"""

import asyncio
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count, repeat
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop

from gateway.app.bench import load
from gateway.app.bench.asking import PIN, Backend, Hand, Round, all_answered
from gateway.app.bench.figures import Figure
from gateway.app.bench.processes import processes_of
from gateway.app.ensemble import Child, Ensemble, launch
from gateway.app.online_bank import seal_pin
from gateway.simulators.population import NAMED, Person, person

_RELAY = "gateway.app.bench.relay"
_CALLERS_MAX = 256  # connections of an open loop; what finds none free waits, and that counts
_HANDS_MAX = 1_500  # PINs sealed at a time; less than an envelope's life of five minutes


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to measure; the first round only warms up and does not count."""

    rounds: int = 3
    seconds: float = 5.0
    connections: int = 64
    offered_per_second: float = 500.0


def measure(plan: Plan | None = None) -> list[Figure]:
    """Measure link and set-PIN operations; raises `Unavailable` when one does not succeed."""
    plan = plan or Plan()
    with (
        TemporaryDirectory(prefix="sscard-bench-") as directory,
        Ensemble(Path(directory)) as ensemble,
        _bare_relay(Path(directory)) as relay,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        bench = _Bench(ensemble, relay, plan)
        runner.run(bench.round(min(1.0, plan.seconds)))
        rounds = [runner.run(bench.round(plan.seconds)) for _ in range(plan.rounds)]
        return _figures(rounds, plan)


@contextmanager
def _bare_relay(directory: Path) -> Iterator[Child]:
    """Run the relay and its peer; gives the relay."""
    children: list[Child] = []
    try:
        children.append(launch(directory / "peer.log", "-m", _RELAY, "peer"))
        address = children[0].said["iso8583"]
        children.append(launch(directory / "relay.log", "-m", _RELAY, "relay", address))
        yield children[1]
    finally:
        for child in reversed(children):
            child.stop()


class _Bench:
    """One run: the links made so far, and what is asked next."""

    def __init__(self, ensemble: Ensemble, relay: Child, plan: Plan) -> None:
        self._ensemble = ensemble
        self._relay = relay.said["http"]
        self._processes = {**processes_of(ensemble), "relay": [relay.process.pid]}
        self._connections, self._offered = plan.connections, plan.offered_per_second
        self._hands: list[Hand] = []
        self._people = map(person, count(NAMED + 1))
        self._backend = Backend(ensemble.url, ensemble.token)

    async def round(self, seconds: float) -> Round:
        """Relay, link, session and set PIN, one after another."""
        measured = Round()
        jwk = self._backend.jwk
        envelope = seal_pin(jwk, {"kid": jwk["kid"], "nonce": "0" * 22}, PIN)
        bare = self._backend.put_pin(
            Hand("lnk_" + "0" * 26, "C000000001"), "pse_" + "0" * 26, envelope
        )
        ask = partial(self._run, self._relay, repeat(bare), seconds, 200)
        await measured.measure("relay", self._processes, ask)
        await measured.measure("link", self._processes, partial(self._link, seconds))
        await self._set_pins(measured, seconds)
        takes = measured.rate("set PIN")
        for name, rate in (("offered", self._offered), ("offered half", takes / 2)):
            await self._offer_pins(measured, name, rate, seconds)
        return measured

    async def _link(self, seconds: float) -> load.Bout:
        asked: list[Person] = []

        def requests() -> Iterator[bytes]:
            for who in self._people:
                asked.append(who)
                yield self._backend.post_link(who)

        bout = await self._run(self._ensemble.url, requests(), seconds, 201)
        self._hands += [
            Hand(json.loads(answer.body)["link"], asked[answer.request].customer)
            for answer in bout.answers
        ]
        return bout

    async def _set_pins(self, measured: Round, seconds: float) -> None:
        """Open sessions, seal PINs aside, and set them, until setting alone took `seconds`."""
        url = self._ensemble.url
        while measured.seconds("set PIN") < seconds:
            puts = await self._sealed(measured, _HANDS_MAX, seconds)
            left = seconds - measured.seconds("set PIN")
            ask = partial(self._run, url, puts, left, 200)
            await measured.measure("set PIN", self._processes, ask)

    async def _offer_pins(self, measured: Round, name: str, rate: float, seconds: float) -> None:
        """Set PINs at a rate of our own, as many as there are links for and at most `seconds`."""
        puts = await self._sealed(measured, min(_HANDS_MAX, max(1, int(rate * seconds))), seconds)
        offer = load.offer(self._ensemble.url, puts, _CALLERS_MAX, rate)
        measured.bouts[name] = all_answered(await offer, 200)

    async def _sealed(self, measured: Round, number: int, seconds: float) -> list[bytes]:
        """Open sessions on so many links at most, and give the requests that set their PINs."""
        hands = self._hands[:number]
        self._hands = self._hands[number:] + hands
        posts = [self._backend.post_session(hand) for hand in hands]
        ask = partial(self._run, self._ensemble.url, posts, seconds, 201)
        opened = await measured.measure("open session", self._processes, ask)
        return [
            self._backend.put_sealed(hands[answer.request], answer) for answer in opened.answers
        ]

    async def _run(
        self,
        url: str,
        requests: Iterable[bytes],
        seconds: float,
        expected: int,
    ) -> load.Bout:
        return all_answered(await load.run(url, requests, self._connections, seconds), expected)


_FULL = ("set PIN", "open session", "link")
_OTHERS = ("security modules", "simulated bureau", "simulated core", "load client")


def _figures(rounds: Sequence[Round], plan: Plan) -> list[Figure]:
    bare = [each.rate("relay") for each in rounds]
    both = [1 / (1 / each.rate("open session") + 1 / each.rate("set PIN")) for each in rounds]
    unit = "operations/s"
    figures = [Figure.alone("operations: bare relay", unit, bare)]
    figures += [
        Figure.against(f"operations: {name}", unit, [each.rate(name) for each in rounds], bare)
        for name in _FULL
    ]
    figures.append(Figure.against("operations: open session, then set PIN", unit, both, bare))
    for percent in (50, 99):
        base = [each.latency("relay", percent) for each in rounds]
        figures.append(Figure.alone(f"operations: bare relay, p{percent}", "ms", base))
        figures += [
            Figure.against(
                f"operations: {name}, p{percent}",
                "ms",
                [each.latency(name, percent) for each in rounds],
                base,
            )
            for name in _FULL
        ]
    figures += _offered_figures(rounds, plan)
    return figures + [figure for name in _FULL for figure in _processor_figures(name, rounds)]


def _offered_figures(rounds: Sequence[Round], plan: Plan) -> Iterator[Figure]:
    """Tell what a caller waits whose rate does not depend on how fast it is answered."""
    offers = {
        "offered": f"{plan.offered_per_second:.0f}/s offered",
        "offered half": "half of the rate above offered",
    }
    for name, words in offers.items():
        answered = [each.rate(name) for each in rounds]
        yield Figure.alone(f"operations: set PIN, {words}: answered", "operations/s", answered)
        for percent in (50, 99):
            taken = [each.latency(name, percent) for each in rounds]
            yield Figure.alone(f"operations: set PIN, {words}: p{percent}", "ms", taken)


def _processor_figures(name: str, rounds: Sequence[Round]) -> Iterator[Figure]:
    """Compare the gateway with the relay process to process; the machine's mood cancels out."""
    unit = "µs/operation"
    bare = [each.processor("relay", "relay") for each in rounds]
    own = [each.processor(name, "gateway") for each in rounds]
    yield Figure.against(f"operations: {name}, processor time of gateway", unit, own, bare)
    for process in _OTHERS:
        taken = [each.processor(name, process) for each in rounds]
        yield Figure.alone(f"operations: {name}, processor time of {process}", unit, taken)
