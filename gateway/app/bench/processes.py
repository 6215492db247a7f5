"""How much time of a processor each process took (clock_getcpuclockid(3))."""

import ctypes
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from gateway.app.ensemble import Ensemble

_LIBC = ctypes.CDLL(None)
_NANOSECONDS = 1_000_000_000


def processes_of(ensemble: Ensemble) -> dict[str, list[int]]:
    """List the processes of an ensemble by what they are, this one as the load client."""
    assert ensemble.gateway is not None
    assert ensemble.bureau is not None
    assert ensemble.core is not None
    own, modules = of_gateway(ensemble.gateway.process.pid)
    return {
        "gateway": own,
        "security modules": modules,
        "simulated bureau": [ensemble.bureau.process.pid],
        "simulated core": [ensemble.core.process.pid],
        "load client": [os.getpid()],
    }


def of_gateway(pid: int) -> tuple[list[int], list[int]]:
    """List a gateway's own processes, and those of the security modules that it has started."""
    modules = [child for child in children(pid) if b"security-module" in _command(child)]
    return [pid, *(child for child in children(pid) if child not in modules)], modules


def processor_seconds(processes: Mapping[str, Iterable[int]]) -> dict[str, float]:
    """Give the seconds that each has taken since it began."""
    return {name: sum(map(_seconds, pids)) for name, pids in processes.items()}


def waited_seconds(pid: int) -> float:
    """Give how long a process of one thread was ready to run and had no processor.

    From ``/proc/PID/schedstat`` (the kernel's ``scheduler/sched-stats``); 0 where it counts none.
    """
    try:
        _, waited, _ = Path(f"/proc/{pid}/schedstat").read_text("ascii").split()
    except FileNotFoundError:
        return 0.0
    return int(waited) / _NANOSECONDS


def since(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """Give what was taken in between."""
    return {name: after[name] - before[name] for name in after}


def _seconds(pid: int) -> float:
    """Read the clock of a process: exact, where its ticks in proc(5) are of ten milliseconds."""
    clock = ctypes.c_int()
    error = _LIBC.clock_getcpuclockid(pid, ctypes.byref(clock))
    if error:
        raise ProcessLookupError(error, os.strerror(error))
    return time.clock_gettime(clock.value)


def _command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def children(pid: int) -> list[int]:
    """List the processes that one has begun itself."""
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()))
