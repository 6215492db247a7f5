"""The simulator bites: each mistake planted in the gateway is found within a few histories."""

import pytest
from simulation.planted import MISTAKES
from simulation.run import outcome_of

HISTORIES_MAX = 80  # in the weather of the mistake; most need one or two


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_planted_mistake_is_found(mistake):
    """Some history in bad weather breaks an invariant while the mistake is in force."""
    with mistake.in_force():
        seeds = range(1, HISTORIES_MAX + 1)
        breaches = (outcome_of(seed, **mistake.conditions)[1] for seed in seeds)
        found = next(filter(None, breaches), None)

    assert found is not None


def test_what_was_planted_is_dug_out():
    """After all of that the gateway is as it was."""
    weather = MISTAKES[0].weather
    breaches = [outcome_of(seed, weather=weather)[1] for seed in range(1, 4)]

    assert breaches == [None, None, None]
