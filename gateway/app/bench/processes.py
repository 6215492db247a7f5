"""How much time of a processor each process of an ensemble took (proc(5))."""

import os
from collections.abc import Mapping
from pathlib import Path

from gateway.app.ensemble import Ensemble

_SECONDS_PER_TICK = 1 / os.sysconf("SC_CLK_TCK")
_USER, _SYSTEM = 11, 12  # utime and stime, counted behind the name of the program


def processor_seconds(ensemble: Ensemble) -> dict[str, float]:
    """Give the seconds that each process has taken so far, this one as the load client."""
    children = {
        "gateway": ensemble.gateway,
        "simulated bureau": ensemble.bureau,
        "simulated core": ensemble.core,
    }
    pids = {name: child.process.pid for name, child in children.items() if child is not None}
    taken = {name: _seconds(pid) for name, pid in pids.items()}
    taken["security modules"] = sum(map(_seconds, _children(pids["gateway"])))
    taken["load client"] = _seconds(os.getpid())
    return taken


def since(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """Give what was taken in between."""
    return {name: after[name] - before[name] for name in after}


def _seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(") ")[2].split()
    return (int(fields[_USER]) + int(fields[_SYSTEM])) * _SECONDS_PER_TICK


def _children(pid: int) -> list[int]:
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()))
