"""What is counted: names and labels are those of the configuration, and every series begins."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.app.metrics import GatewayCollector, Sources, exposition
from gateway.iso8583.session import State
from gateway.operations.facts import OperationKind, OperationState
from gateway.wire.tally import RoundTrips, Tally


@dataclass
class Link:
    """A link that was up for a while."""

    name: str
    state: State = State.SIGNED_ON
    in_flight: int = 0
    tally: Tally = field(default_factory=Tally)
    connections_up: int = 1
    since: float = 0.0
    reason: str = "sign-on-accepted"
    business_day: str | None = None


@pytest.fixture
def samples_of_listener(stage):
    """Give a reader of the samples of one listener."""
    listener = SimpleNamespace(
        name="core-in", states={State.SIGNED_ON: 2}, turned_away=3, tally=Tally(received=4)
    )

    def read():
        text = exposition(
            GatewayCollector(
                stage.conductor,
                (),
                (listener,),
                Sources(
                    core_failures=lambda: {"core-in": 2},
                    store_silent_s=lambda: 7.0,
                    has_no_descriptor=lambda: True,
                ),
            )
        ).decode()
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    return read


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
    assert len(counters) == len(operations) + 9


def test_counts_are_those_of_conductor_and_links(samples, stage):
    """What was tallied is exposed under the link's name."""
    identity = stage.open()
    tally = Tally(1, 2, 3, 4, 5, 6, 9, 7, 8, {"91": 9, "other": 1})
    running = samples()["ssgw_operations_running",]
    stage.answer(identity, "bureau-pin-set")

    found = samples(Link("bureau", State.DRAINING, 10, tally), Link("core"))

    by_name = {key[0]: value for key, value in found.items() if key[1:] == ("bureau",)}
    assert by_name == {
        "ssgw_in_flight": 10,
        "ssgw_link_connections_up": 1,
        "ssgw_round_trip_seconds_count": 0,
        "ssgw_round_trip_seconds_sum": 0,
        "ssgw_messages_sent_total": 1,
        "ssgw_messages_received_total": 2,
        "ssgw_messages_malformed_total": 3,
        "ssgw_mac_failures_total": 4,
        "ssgw_messages_refused_total": 5,
        "ssgw_unmatched_responses_total": 6,
        "ssgw_duplicate_responses_total": 9,
        "ssgw_late_responses_total": 7,
        "ssgw_link_connections_total": 8,
    }
    assert found["ssgw_declines_total", "bureau", "91"] == 9
    assert (running, found["ssgw_operations_running",]) == (1, 0)
    assert found["ssgw_operations_total", "set-ss-pin", "succeeded"] == 1


def test_round_trips_are_a_histogram_of_the_link(samples):
    """Each bound counts what took no longer, and the last counts everything."""
    trips = RoundTrips()
    for seconds in (0.005, 0.006, 30.0):
        trips.add(seconds)

    found = samples(Link("bureau", tally=Tally(round_trips=trips)))

    buckets = {key[1]: v for key, v in found.items() if key[0] == "ssgw_round_trip_seconds_bucket"}
    assert (buckets["0.005"], buckets["0.01"], buckets["20.0"], buckets["+Inf"]) == (1, 2, 2, 3)
    assert found["ssgw_round_trip_seconds_sum", "bureau"] == pytest.approx(30.011)


def test_state_is_told_with_its_age_and_its_reason(samples):
    """Since when and why is read off one sample."""
    found = samples(Link("bureau", State.CLOSED, since=-60.0, reason="ConnectionLost"))

    assert found["ssgw_link_state_seconds", "bureau", "ConnectionLost"] >= 60.0


def test_business_day_is_told_once_it_is_known(samples):
    """The latest cut-over, month and day as a number."""
    before = samples(Link("bureau"))
    after = samples(Link("bureau", business_day="0101"))

    assert ("ssgw_link_business_day", "bureau") not in before
    assert after["ssgw_link_business_day", "bureau"] == 101


def test_listener_tells_who_is_connected_and_who_was_not(samples_of_listener):
    """Connections by state, those turned away, our mistakes, and the counters of every link.

    What is told of the process itself stands beside it.
    """
    found = samples_of_listener()

    assert found["ssgw_listener_connections", "core-in", "signed-on"] == 2
    assert found["ssgw_listener_turned_away_total", "core-in"] == 3
    assert found["ssgw_core_failures_total", "core-in"] == 2
    assert found["ssgw_messages_received_total", "core-in"] == 4
    assert (found["ssgw_store_silent_seconds",], found["ssgw_descriptors_exhausted",]) == (7, 1)


def test_link_state_is_one_of_all(samples):
    """A gauge for each state, of which one is 1."""
    found = samples(Link("bureau", State.CLOSED))

    states = {key[2]: value for key, value in found.items() if key[0] == "ssgw_link_state"}
    assert states == {state: float(state is State.CLOSED) for state in State}
