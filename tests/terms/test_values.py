"""A value behaves as a frozen dataclass does, and the type checker keeps it frozen."""

import subprocess
import sys
from dataclasses import dataclass

import pytest

from gateway.terms.values import value


@value(frozen=True, slots=True)
class Move:
    event: str
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class FrozenMove:
    event: str
    attempts: int = 1


def test_value_compares_hashes_and_prints_as_a_frozen_dataclass():
    """Who holds one cannot tell it from a frozen one, but by trying to change it."""
    move = Move("send")

    assert (move, move) == (Move("send", 1), Move(event="send"))
    assert move != Move("send", 2)
    assert move != FrozenMove("send")
    assert hash(move) == hash(FrozenMove("send"))
    assert repr(move) == "Move(event='send', attempts=1)"
    with pytest.raises(AttributeError):
        move.colour = "red"  # it has slots


def test_type_checker_refuses_to_change_a_value(tmp_path):
    """An assignment is a mistake that is found before anything runs."""
    program = tmp_path / "change.py"
    program.write_text(
        "from gateway.terms.values import value\n"
        "@value(frozen=True, slots=True)\n"
        "class Move:\n"
        "    event: str\n"
        'Move("send").event = "reverse"\n'
    )
    mypy = [sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path), "--config-file", ""]

    checked = subprocess.run([*mypy, program], capture_output=True, text=True, check=False)

    assert "change.py:5: error" in checked.stdout
    assert "read-only" in checked.stdout
