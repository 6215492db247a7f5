"""Mistakes about what the bank's staff decide."""

from gateway.app import manual_desk
from simulation.faults import BAD_WEATHER
from simulation.planted.mistake import mistake

# With two nodes the horizon lies within a storm, so that something becomes manual in each history.
DEAF = {**BAD_WEATHER, "drop-answer": 0.9, "drop-request": 0.5}


@mistake("let one person resolve what is manual", weather=DEAF, nodes=2)
def _one_person():
    return [(manual_desk, "check_approval", lambda *_: None)]
