"""Many histories on many cores; one history again; a broken one made small.

``python -m simulation.run --histories 2000`` tells the histories of the seeds 1 to 2000 and
prints what was met in them. ``--seed 7`` tells one of them and prints its trace. When a history
breaks an invariant, the command that tells it again is printed, made as small as it will go.
"""

import argparse
import gc
import json
import os
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from time import monotonic, process_time

from simulation.disk import Disk
from simulation.history import Violation, World
from simulation.invariants import INVARIANTS
from simulation.store_disk import StoreDisk

REAL_STORE_EACH = 40  # every so many histories are told through the real store
CHUNK = 50  # histories that one worker tells in one go
TRACE_LINES = 60


@dataclass(slots=True)
class Tally:
    """What many histories had in them."""

    histories: int = 0
    operations: int = 0
    operations_least: int = sys.maxsize  # of one history
    messages: int = 0
    events: int = 0
    simulated_s: float = 0.0
    cpu_s: float = 0.0
    starts: int = 0
    ends: Counter = field(default_factory=Counter)
    faults: Counter = field(default_factory=Counter)
    crashes: Counter = field(default_factory=Counter)
    hashes: list = field(default_factory=list)
    broken: list = field(default_factory=list)

    def add_world(self, world):
        self.histories += 1
        self.operations += len(world.disk.rows)
        self.operations_least = min(self.operations_least, len(world.disk.rows))
        self.messages += sum(world.watch.sent_times.values())
        self.events += world.scheduler.events
        self.simulated_s += world.scheduler.elapsed
        self.starts += world.starts
        self.ends.update(row.state.value for row in world.disk.rows.values())
        self.ends["by hand"] += world.watch.by_hand
        self.faults.update(world.storm.fired)
        self.crashes.update(world.deaths)
        self.hashes.append((world.seed, world.hash))

    def add(self, other):
        for name in ("histories", "operations", "messages", "events", "starts"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.operations_least = min(self.operations_least, other.operations_least)
        self.simulated_s += other.simulated_s
        self.cpu_s += other.cpu_s
        for name in ("ends", "faults", "crashes"):
            getattr(self, name).update(getattr(other, name))
        self.hashes += other.hashes
        self.broken += other.broken

    @property
    def hash(self):
        """Sum up the traces of all histories, in the order of their seeds."""
        text = "".join(trace for _, trace in sorted(self.hashes))
        return blake2b(text.encode(), digest_size=8).hexdigest()


def store_of(seed):
    return StoreDisk if seed % REAL_STORE_EACH == 0 else Disk


def tell(seeds):
    """Tell the histories of some seeds; a broken one is kept with its seed, the rest go on."""
    tally, begun = Tally(), process_time()
    gc.collect()
    gc.freeze()  # what was loaded stays, and is not looked at again
    gc.disable()  # a history is a heap of objects that die together
    try:
        for seed in seeds:
            world = World(seed, store=store_of(seed))
            try:
                world.play()
            except Exception as error:  # noqa: BLE001 - whatever it is, the seed tells it again
                tally.broken.append((seed, f"{type(error).__name__}: {error}"))
            tally.add_world(world)
            del world
            gc.collect()  # while it is warm: left for later it takes three times as long
    finally:
        gc.enable()
    tally.cpu_s = process_time() - begun
    return tally


def tell_many(first, histories, workers, seconds=None):
    """Tell the histories of many seeds on some cores, for so many seconds at most."""
    total, until = Tally(), monotonic() + (seconds or 1e9)
    starts = iter(range(first, first + histories, CHUNK))
    chunk_of = lambda start: range(start, min(start + CHUNK, first + histories))  # noqa: E731
    with ProcessPoolExecutor(workers) as pool:
        running = [pool.submit(tell, chunk_of(start)) for start in islice(starts, 2 * workers)]
        while running:
            total.add(running.pop(0).result())
            start = next(starts, None)
            if start is not None and monotonic() < until and not total.broken:
                running.append(pool.submit(tell, chunk_of(start)))
    return total


# ------------------------------------------------------------------ one history, small


def outcome_of(seed, **smaller):
    """Tell one history; gives its world and what it broke, if anything."""
    world = World(seed, store=store_of(seed), **smaller)
    try:
        world.play()
    except Exception as error:  # noqa: BLE001 - as above
        return world, error
    return world, None


def _same(error, other):
    if isinstance(error, Violation) and isinstance(other, Violation):
        return error.number == other.number
    return type(error) is type(other)


def shrink(seed, error):
    """Leave out what is not needed for the same breach: kinds of fault, customers, time."""
    smaller = {"without": frozenset()}
    kinds = list(World(seed).storm.rates)
    trials = [("without", kind) for kind in kinds]
    trials += [("customers", number) for number in (1, 2, 3)]
    trials += [("lasting", seconds) for seconds in (5.0, 20.0, 120.0, 600.0)]
    for name, value in trials:
        if name != "without" and name in smaller:
            continue
        tried = smaller | {name: smaller["without"] | {value} if name == "without" else value}
        if _same(error, outcome_of(seed, **tried)[1]):
            smaller = tried
    return smaller


def command_of(seed, without=frozenset(), customers=None, lasting=None):
    """Write the one command that tells a history again."""
    words = [f"make simulate SEED={seed}"]
    if without:
        words.append(f"WITHOUT={','.join(sorted(without))}")
    if customers is not None:
        words.append(f"CUSTOMERS={customers}")
    if lasting is not None:
        words.append(f"LASTING={lasting:g}")
    return " ".join(words)


def trace_of(world, lines=None):
    """Write the trace of a history, or the end of it, for a reader."""
    chosen = world.lines if lines is None else world.lines[-lines:]
    return "\n".join(
        f"{at:12.3f}  {what:8} {' '.join(map(str, more))}" for at, what, *more in chosen
    )


def explain(seed, error):
    """Say what broke, which command tells it again, and how it went in its smallest form."""
    smaller = shrink(seed, error)
    world, found = outcome_of(seed, **smaller)
    kept = ", ".join(world.storm.rates) or "none"
    return (
        f"seed {seed}: {found}\n  again: {command_of(seed)}\n"
        f"  small: {command_of(seed, **smaller)}\n  faults that it needs: {kept}\n"
        f"{trace_of(world, TRACE_LINES)}"
    )


# ------------------------------------------------------------------ command line


def _arguments():
    parser = argparse.ArgumentParser(prog="simulation", description=__doc__.split("\n")[0])
    parser.add_argument("--histories", type=int, default=2_000)
    parser.add_argument("--first", type=int, default=1, help="first seed")
    parser.add_argument("--seconds", type=float, help="begin no more after so many")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, help="tell this one, with its trace")
    parser.add_argument("--without", default="", help="kinds of fault to leave out")
    parser.add_argument("--customers", type=int)
    parser.add_argument("--lasting", type=float, help="seconds that the storm lasts at most")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    return parser.parse_args()


def _again(arguments):
    smaller = {
        "without": frozenset(filter(None, arguments.without.split(","))),
        "customers": arguments.customers,
        "lasting": arguments.lasting,
    }
    world, error = outcome_of(arguments.seed, **smaller)
    sys.stdout.write(trace_of(world) + "\n")
    sys.stdout.write(
        f"seed {arguments.seed}: {error or 'every invariant holds'}; trace {world.hash}\n"
    )
    return 1 if error else 0


def figures(tally):
    """Give what is published of a run."""
    return {
        "histories": tally.histories,
        "operations": tally.operations,
        "operations of the shortest history": tally.operations_least,
        "messages": tally.messages,
        "events": tally.events,
        "simulated days": round(tally.simulated_s / 86_400, 1),
        "process starts": tally.starts,
        "histories per second per core": round(tally.histories / tally.cpu_s, 1),
        "ends of operations": dict(tally.ends.most_common()),
        "faults": dict(tally.faults.most_common()),
        "crash points": dict(tally.crashes.most_common()),
        "invariants checked": len(INVARIANTS),
        "broken": len(tally.broken),
        "hash of all traces": tally.hash,
    }


def main():
    """Do what the command line says; the status is 1 when anything broke."""
    arguments = _arguments()
    if arguments.seed is not None:
        return _again(arguments)
    begun = monotonic()
    tally = tell_many(arguments.first, arguments.histories, arguments.workers, arguments.seconds)
    found = figures(tally) | {"seconds": round(monotonic() - begun, 1)}
    text = json.dumps(found, indent=2)
    sys.stdout.write(text + "\n")
    if arguments.json:
        arguments.json.write_text(text + "\n", "utf-8")
    for seed, _ in islice(tally.broken, 3):
        sys.stdout.write(explain(seed, outcome_of(seed)[1]) + "\n")
    return 1 if tally.broken else 0


if __name__ == "__main__":
    sys.exit(main())
