"""A mistake: a handful of attributes to replace while it is in force, and when it shows."""

from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from simulation.faults import BAD_WEATHER

Replacement = tuple[object, str, object]


@dataclass(frozen=True)
class Mistake:
    """What is wrong, what to replace so that it is, and the histories in which it shows.

    `weather` says how often each kind of fault strikes, `habit` what customers do, `nodes` how many
    share the store; what is not given is left to chance.
    """

    name: str
    kind: str
    replacements: Callable[[], list[Replacement]]
    weather: Mapping[str, float]
    habit: str | None
    nodes: int | None

    @contextmanager
    def in_force(self):
        """Plant it, and dig it out in the end."""
        before = []
        try:
            for owner, name, value in self.replacements():
                table = owner if isinstance(owner, dict) else vars(owner)
                before.append((owner, name, table.get(name, _ABSENT)))
                _put(owner, name, value)
            yield
        finally:
            for owner, name, value in reversed(before):
                _put(owner, name, value)

    @property
    def conditions(self):
        """Give the arguments of a history in which it is looked for."""
        return {"weather": self.weather, "habit": self.habit, "nodes": self.nodes}


_ABSENT = object()


def _put(owner, name, value):
    if not isinstance(owner, dict):
        setattr(owner, name, value)
    elif value is _ABSENT:
        del owner[name]
    else:
        owner[name] = value


MISTAKES = []


def mistake(name, *, weather=None, habit=None, nodes=None):
    """Enter a function that gives the replacements of a mistake."""

    def enter(replacements):
        kind = replacements.__module__.rpartition(".")[2]
        entered = Mistake(name, kind, replacements, weather or BAD_WEATHER, habit, nodes)
        MISTAKES.append(entered)
        return replacements

    return enter
