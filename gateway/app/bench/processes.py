"""How much time of a processor each process took (proc(5))."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from gateway.app.ensemble import Ensemble

_SECONDS_PER_TICK = 1 / os.sysconf("SC_CLK_TCK")
_USER, _SYSTEM = 11, 12  # utime and stime, counted behind the name of the program


def processes_of(ensemble: Ensemble) -> dict[str, list[int]]:
    """List the processes of an ensemble by what they are, this one as the load client."""
    assert ensemble.gateway is not None
    assert ensemble.bureau is not None
    assert ensemble.core is not None
    gateway = ensemble.gateway.process.pid
    return {
        "gateway": [gateway],
        "security modules": _children(gateway),
        "simulated bureau": [ensemble.bureau.process.pid],
        "simulated core": [ensemble.core.process.pid],
        "load client": [os.getpid()],
    }


def processor_seconds(processes: Mapping[str, Iterable[int]]) -> dict[str, float]:
    """Give the seconds that each has taken since it began."""
    return {name: sum(map(_seconds, pids)) for name, pids in processes.items()}


def since(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """Give what was taken in between."""
    return {name: after[name] - before[name] for name in after}


def _seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(") ")[2].split()
    return (int(fields[_USER]) + int(fields[_SYSTEM])) * _SECONDS_PER_TICK


def _children(pid: int) -> list[int]:
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()))
