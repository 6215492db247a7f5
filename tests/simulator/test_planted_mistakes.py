"""The simulator bites: each mistake planted in the gateway is found within a few histories."""

import pytest
from simulation.faults import BAD_WEATHER
from simulation.planted import MISTAKES
from simulation.run import outcome_of

HISTORIES_MAX = 80  # in bad weather; most mistakes need one or two
# Weather and habits of those that hardly show in any other.
LATE_ANSWERS = {"delay-answer": 0.9}
LATE_REQUESTS = {"delay-request": 0.9, "crash": 0.03, "http-answer-lost": 0.3}
SILENCE = {"drop-request": 0.3, "drop-answer": 0.9, "delay-request": 0.9, "crash": 0.02}
WEATHER = {
    "let a late approval override a reversal": (LATE_ANSWERS, "links"),
    "hold an unknown PIN's card for no time at all": (SILENCE, "pins"),
    "let a newer PIN overtake an older one": (LATE_REQUESTS, "pins"),
}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_planted_mistake_is_found(mistake):
    """Some history in bad weather breaks an invariant while the mistake is in force."""
    weather, habit = WEATHER.get(mistake.name, (BAD_WEATHER, None))
    with mistake.in_force():
        seeds = range(1, HISTORIES_MAX + 1)
        found = next(filter(None, (_breach(seed, weather, habit) for seed in seeds)), None)

    assert found is not None


def test_what_was_planted_is_dug_out():
    """After all of that the gateway is as it was."""
    assert [_breach(seed) for seed in range(1, 4)] == [None, None, None]


def _breach(seed, weather=BAD_WEATHER, habit=None):
    return outcome_of(seed, weather=weather, habit=habit)[1]
