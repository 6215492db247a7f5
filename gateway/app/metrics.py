"""What the gateway counts, in the Prometheus text format; labels are bounded by configuration."""

from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.app.conductor import Conductor
from gateway.iso8583.session import State
from gateway.operations.facts import OperationKind, OperationState
from gateway.wire.outbound_link import OutboundLink


class GatewayCollector(Collector):
    """Reads the conductor's and the links' tallies when it is asked."""

    def __init__(self, conductor: Conductor, links: Iterable[OutboundLink[Any]]) -> None:
        self._conductor = conductor
        self._links = tuple(links)

    def collect(self) -> Iterator[Metric]:
        """Give every metric now."""
        yield GaugeMetricFamily(
            "ssgw_operations_running",
            "Operations that are not at rest.",
            value=self._conductor.running_count,
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
        yield from self._link_gauges()
        yield from self._link_counters()

    def _link_gauges(self) -> Iterator[Metric]:
        states = GaugeMetricFamily(
            "ssgw_link_state", "1 for the state of the link.", labels=["link", "state"]
        )
        in_flight = GaugeMetricFamily(
            "ssgw_in_flight", "Requests whose answer is awaited.", labels=["link"]
        )
        for link in self._links:
            in_flight.add_metric([link.name], link.in_flight)
            for state in State:
                states.add_metric([link.name, state.value], float(link.state is state))
        yield states
        yield in_flight

    def _link_counters(self) -> Iterator[Metric]:
        for name, text in _TALLIES.items():
            family = CounterMetricFamily(f"ssgw_{name}", text, labels=["link"])
            for link in self._links:
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
    "link_connections": "reconnects",
}


def exposition(collector: Collector) -> bytes:
    """Write a collector's metrics as Prometheus reads them."""
    registry = CollectorRegistry()
    registry.register(collector)
    return generate_latest(registry)
