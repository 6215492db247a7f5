"""What is counted: names and labels are those of the configuration, and every series begins."""

from dataclasses import dataclass, field

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.app.metrics import GatewayCollector, exposition
from gateway.iso8583.session import State
from gateway.operations.facts import OperationKind, OperationState
from gateway.wire.connection import Tally


@dataclass
class Link:
    """A link that was up for a while."""

    name: str
    state: State = State.SIGNED_ON
    in_flight: int = 0
    tally: Tally = field(default_factory=Tally)


@pytest.fixture
def samples(stage):
    """Give a reader of every sample, by name and labels."""

    def read(*links):
        text = exposition(GatewayCollector(stage.conductor, links)).decode()
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    return read


def test_every_series_begins_at_zero(samples):
    """The first event of a kind must not be its series' beginning, or no rate shows it."""
    found = samples(Link("bureau"))

    counters = {key: value for key, value in found.items() if key[0].endswith("_total")}
    assert set(counters.values()) == {0}
    operations = {key[1:] for key in counters if key[0] == "ssgw_operations_total"}
    settled = set(OperationState) - {OperationState.PENDING}
    assert operations == {(kind, state) for kind in OperationKind for state in settled}
    assert len(counters) == len(operations) + 8


def test_counts_are_those_of_conductor_and_links(samples, stage):
    """What was tallied is exposed under the link's name."""
    identity = stage.open()
    tally = Tally(1, 2, 3, 4, 5, 6, 7, 8, {"91": 9, "other": 1})
    running = samples()["ssgw_operations_running",]
    stage.answer(identity, "bureau-pin-set")

    found = samples(Link("bureau", State.DRAINING, 10, tally), Link("core"))

    by_name = {key[0]: value for key, value in found.items() if key[1:] == ("bureau",)}
    assert by_name == {
        "ssgw_in_flight": 10,
        "ssgw_messages_sent_total": 1,
        "ssgw_messages_received_total": 2,
        "ssgw_messages_malformed_total": 3,
        "ssgw_mac_failures_total": 4,
        "ssgw_messages_refused_total": 5,
        "ssgw_unmatched_responses_total": 6,
        "ssgw_late_responses_total": 7,
        "ssgw_link_connections_total": 8,
    }
    assert found["ssgw_declines_total", "bureau", "91"] == 9
    assert (running, found["ssgw_operations_running",]) == (1, 0)
    assert found["ssgw_operations_total", "set-ss-pin", "succeeded"] == 1


def test_link_state_is_one_of_all(samples):
    """A gauge for each state, of which one is 1."""
    found = samples(Link("bureau", State.CLOSED))

    states = {key[2]: value for key, value in found.items() if key[0] == "ssgw_link_state"}
    assert states == {state: float(state is State.CLOSED) for state in State}
