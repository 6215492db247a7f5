"""What the gateway counts, in the Prometheus text format; labels are bounded by configuration."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate, product
from time import monotonic
from typing import Protocol

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from gateway.app.callbacks import Outcome
from gateway.app.conductor import Conductor
from gateway.iso8583.session import State
from gateway.operations.facts import OperationKind, OperationState
from gateway.wire.inbound_link import InboundLink
from gateway.wire.tally import ROUND_TRIP_SECONDS, Tally


class Counted(Protocol):
    """A link or listener, as its counters need it."""

    @property
    def name(self) -> str:
        """Its name in the configuration."""

    @property
    def tally(self) -> Tally:
        """What was counted."""


class Link(Counted, Protocol):
    """An outbound link, as its metrics need it."""

    @property
    def state(self) -> State:
        """What is known about it."""

    @property
    def connections_up(self) -> int:
        """How many of its connections take requests."""

    @property
    def in_flight(self) -> int:
        """How many requests wait for their answer."""

    since: float
    reason: str
    business_day: str | None


@dataclass(frozen=True, slots=True)
class Sources:
    """What else is counted, supplied by the wiring; `seconds` is the clock of the links."""

    seconds: Callable[[], float] = monotonic
    callbacks: Callable[[], Mapping[str, Counter[Outcome]]] = dict
    core_failures: Callable[[], Mapping[str, int]] = dict
    store_silent_s: Callable[[], float] = float
    has_no_descriptor: Callable[[], bool] = bool


class GatewayCollector(Collector):
    """Reads the tallies of the conductor, links, listeners and others when it is asked."""

    def __init__(
        self,
        conductor: Conductor,
        links: Iterable[Link],
        listeners: Iterable[InboundLink] = (),
        sources: Sources | None = None,
    ) -> None:
        self._conductor = conductor
        self._links = tuple(links)
        self._listeners = tuple(listeners)
        self._sources = sources or Sources()

    def collect(self) -> Iterator[Metric]:
        """Give every metric now."""
        yield GaugeMetricFamily(
            "ssgw_operations_running",
            "Operations that are not at rest.",
            value=self._conductor.running_count,
        )
        yield GaugeMetricFamily(
            "ssgw_operations_manual",
            "Operations that wait for a person: gateway operations list --state manual.",
            value=self._conductor.manual_count,
        )
        yield GaugeMetricFamily(
            "ssgw_store_silent_seconds",
            "How long the store has not answered what was asked first; 0 within its bound.",
            value=self._sources.store_silent_s(),
        )
        yield GaugeMetricFamily(
            "ssgw_descriptors_exhausted",
            "1 while this process cannot open another file: nobody new is let in.",
            value=self._sources.has_no_descriptor(),
        )
        operations = CounterMetricFamily(
            "ssgw_operations", "Operations by kind and state reached.", labels=["kind", "state"]
        )
        # A series that begins at its first event hides that event from every rate().
        for kind, state in product(OperationKind, OperationState):
            if state is not OperationState.PENDING:
                count = self._conductor.settled_total.get((kind, state), 0)
                operations.add_metric([kind.value, state.value], count)
        yield operations
        callbacks = CounterMetricFamily(
            "ssgw_callbacks",
            "Attempts to tell a channel of an outcome, and notices given up.",
            labels=["channel", "outcome"],
        )
        for channel, counts in self._sources.callbacks().items():
            for outcome in Outcome:
                callbacks.add_metric([channel, outcome.value], counts[outcome])
        yield callbacks
        yield from self._link_gauges()
        yield from self._link_counters()
        yield from self._round_trips()
        yield from self._listener_metrics()

    def _link_gauges(self) -> Iterator[Metric]:
        states = GaugeMetricFamily(
            "ssgw_link_state", "1 for the state of the link.", labels=["link", "state"]
        )
        in_flight = GaugeMetricFamily(
            "ssgw_in_flight", "Requests whose answer is awaited.", labels=["link"]
        )
        connections = GaugeMetricFamily(
            "ssgw_link_connections_up", "Connections that take requests.", labels=["link"]
        )
        ages = GaugeMetricFamily(
            "ssgw_link_state_seconds",
            "How long the link has been in its state, and why it came to it.",
            labels=["link", "why"],
        )
        days = GaugeMetricFamily(
            "ssgw_link_business_day", "MMDD of the latest cut-over, as a number.", labels=["link"]
        )
        for link in self._links:
            in_flight.add_metric([link.name], link.in_flight)
            connections.add_metric([link.name], link.connections_up)
            ages.add_metric([link.name, link.reason], self._sources.seconds() - link.since)
            if link.business_day is not None:
                days.add_metric([link.name], int(link.business_day))
            for state in State:
                states.add_metric([link.name, state.value], float(link.state is state))
        yield from (states, in_flight, connections, ages, days)

    def _listener_metrics(self) -> Iterator[Metric]:
        connections = GaugeMetricFamily(
            "ssgw_listener_connections",
            "Connections of far sides by state.",
            labels=["listener", "state"],
        )
        turned_away = CounterMetricFamily(
            "ssgw_listener_turned_away", "Connections refused at once.", labels=["listener"]
        )
        for listener in self._listeners:
            turned_away.add_metric([listener.name], listener.turned_away)
            for state, count in listener.states.items():
                connections.add_metric([listener.name, state.value], count)
        failures = CounterMetricFamily(
            "ssgw_core_failures",
            "Requests of a core answered 96 for a mistake of ours: core-request-failed in the log.",
            labels=["listener"],
        )
        for name, count in self._sources.core_failures().items():
            failures.add_metric([name], count)
        yield from (connections, turned_away, failures)

    def _round_trips(self) -> Iterator[Metric]:
        family = HistogramMetricFamily(
            "ssgw_round_trip_seconds", "From a request to its answer in time.", labels=["link"]
        )
        for link in self._links:
            trips = link.tally.round_trips
            bounds = [*map(str, ROUND_TRIP_SECONDS), "+Inf"]
            counts = list(accumulate(trips.counts))
            family.add_metric([link.name], list(zip(bounds, counts, strict=True)), trips.seconds)
        yield family

    def _link_counters(self) -> Iterator[Metric]:
        spoken: tuple[Counted, ...] = (*self._links, *self._listeners)
        for name, text in _TALLIES.items():
            family = CounterMetricFamily(f"ssgw_{name}", text, labels=["link"])
            for link in spoken:
                family.add_metric([link.name], getattr(link.tally, _ATTRIBUTES[name]))
            yield family
        declines = CounterMetricFamily(
            "ssgw_declines", "Answers other than approved.", labels=["link", "response_code"]
        )
        for link in self._links:
            for code, count in link.tally.declines.items():
                declines.add_metric([link.name, code], count)
        yield declines


_TALLIES = {
    "messages_sent": "Messages written to the link.",
    "messages_received": "Messages read from the link.",
    "messages_malformed": "Messages and frames refused for their form.",
    "messages_refused": "Requests of the peer outside the message set.",
    "mac_failures": "Messages refused for their MAC.",
    "late_responses": "Answers to requests that were given up.",
    "unmatched_responses": "Answers to nothing that was asked.",
    "duplicate_responses": "Answers to requests that were answered before.",
    "link_connections": "Connections made.",
}
_ATTRIBUTES = {
    "messages_sent": "sent",
    "messages_received": "received",
    "messages_malformed": "malformed",
    "messages_refused": "refused",
    "mac_failures": "mac_failures",
    "late_responses": "late",
    "unmatched_responses": "unmatched",
    "duplicate_responses": "duplicates",
    "link_connections": "reconnects",
}


def exposition(collector: Collector) -> bytes:
    """Write a collector's metrics as Prometheus reads them."""
    registry = CollectorRegistry()
    registry.register(collector)
    return generate_latest(registry)
