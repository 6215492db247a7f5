"""Every invariant holds in every history, and a history is told the same way twice."""

import os
import subprocess
import sys

import pytest
from simulation.disk import Disk
from simulation.faults import KINDS
from simulation.history import OPERATIONS_MIN, World
from simulation.invariants import Violation
from simulation.planted.staff import DEAF
from simulation.run import command_of, explain, outcome_of, tell, trace_of
from simulation.store_disk import StoreDisk
from simulation.watch import Watch

HISTORIES = 720  # as many as there is time for; 2,000 and more are `make simulate`'s
PART = 240  # is handed out by itself (`tests/conftest.py`), so that processes share them
STRUCK_MIN = 7  # times that each kind of fault strikes in each part: the gate's 20 in all


@pytest.mark.parametrize("first", range(1, HISTORIES, PART))
def test_every_invariant_holds(first):
    """Whatever the storm, each invariant holds, and in the calm everything comes to its end.

    No kind of fault is only a word, and operations end in every way that they can.
    """
    tally = tell(range(first, first + PART))

    assert [explain(seed, outcome_of(seed)[1]) for seed, _ in tally.broken[:1]] == []
    assert tally.histories == PART
    assert tally.operations_least >= OPERATIONS_MIN
    assert [kind for kind in KINDS if tally.faults[kind] < STRUCK_MIN] == []
    assert {"succeeded", "failed", "unknown"} <= set(tally.ends)
    assert len(tally.crashes) >= 8


def test_two_persons_resolve_what_nobody_answers():
    """Far sides are deaf until the horizon: what is manual then is over in the end."""
    told = [outcome_of(seed, weather=DEAF, nodes=2) for seed in range(1, 7)]

    assert [error for _, error in told] == [None] * len(told)
    assert sum(world.watch.by_hand for world, _ in told) > 0


@pytest.mark.parametrize("seed", range(1, 21))
def test_a_seed_tells_the_same_history_again(seed):
    """Two runs have the same trace, the second of them through the real store."""
    traces = {World(seed, store=store).play().hash for store in (Disk, StoreDisk)}

    assert len(traces) == 1


def test_another_process_tells_the_same_history():
    """No order of a set or of a dictionary's hashes decides anything."""
    program = "from simulation.history import World; print(World(3).play().hash)"
    words = {**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", program]

    told = subprocess.run(command, env=words, capture_output=True, text=True, check=True)

    assert told.stdout.strip() == World(3).play().hash


def test_a_breach_is_explained(monkeypatch):
    """It names invariant and seed, the commands that tell it again, and shows a short trace."""

    def refuse(watch, *_):
        watch.fail(4, "planted")

    monkeypatch.setattr(Watch, "effect", refuse)

    _, error = outcome_of(3)
    text = explain(3, error)

    assert isinstance(error, Violation)
    assert "invariant 4 (No lie): planted" in text
    assert "make simulate SEED=3" in text
    assert "CUSTOMERS=1" in text
    assert "faults that it needs: none" in text


def test_a_history_is_told_again_from_its_command():
    """The words of the command are the arguments of the history."""
    without = frozenset({"crash", "drop-answer"})

    command = command_of(7, without=without, customers=2, lasting=20.0)

    assert command == "make simulate SEED=7 WITHOUT=crash,drop-answer CUSTOMERS=2 LASTING=20"
    world, error = outcome_of(7, without=without, customers=2, lasting=20.0)
    assert error is None
    assert len(trace_of(world).splitlines()) == len(world.lines)
