"""Runs everything that is evidence and writes ``docs/evidence.md`` from what came of it.

``make evidence`` calls this. No figure in that document is written by hand.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import monotonic

from simulation.faults import RATES
from simulation.invariants import INVARIANTS
from simulation.planted import MISTAKES
from simulation.run import figures, outcome_of, tell_many

ROOT = Path(__file__).parents[3]
TRIALS = 3
TRIAL_STRIDE = 10_000  # between the first seeds of two trials
KILLS_OF_A_RELEASE = 10_000  # of either store: ``reference/reliability-security.md`` 7
GATEWAYS = (
    4  # killed side by side: one spends most of its time waiting for timers and for its start
)
SEARCH_MAX = 100  # histories until a mistake counts as not found

# Invariants of the reference that no history shows, and what shows them instead.
ELSEWHERE = {
    16: ("Limits", "attempts are counted by the security module", "tests/hsm/test_limits.py"),
    19: ("Audit", "the module's audit has a chain", "tests/hsm/test_audit.py"),
}
HEAD = """\
# Evidence

Written by `{command}`; every figure is of that one run. Commit {commit}{dirty}, {when}, {machine},
{seconds} s in all.

## Simulated histories

A history is one seed: two to four customers and more when they are needed, three bureaus, a core
that is asked and asks, a receiver of callbacks and two persons who resolve what is manual.
Processes die at any port call and are started again on the same disk: one at a time on one of two
machines, or, in three of ten histories, two at once, each under a lease. Customers link, set,
change and reset PINs, activate, report and cancel losses, have cards replaced, stand at the
counter, ask wrongly, in a mixture that each history draws. The service, the core's channel, the
conductor, couriers, leases, take-over, dialogues, codec, MAC placement, matching, plans and
decisions are the gateway's own; time, network, disk, security modules and far sides are
simulated, and so are the rows of leases, which are PostgreSQL's. Every fortieth history is told
through the real store (SQLAlchemy on SQLite in memory), the others through a model of it; a test
sees that both have the same trace. Not in the histories: the browser's JWE (a PIN's envelope is a
canary), framing, sessions and sockets (`tests/wire`, and real processes below), e-cards and
applications for cards, more than one core.

In the storm each history has some kinds of fault, each at a rate of its own; then everything calms
down, every timer runs out, and the history is judged; then two persons resolve what is manual, and
every customer must be served again.

The tests tell the first of these histories, as many as there is time for (see
[performance.md](performance.md)): each kind of fault strikes 40 times at least in all of them.


```console
make simulate HISTORIES={histories}      # the seeds 1 to {histories} again
make simulate SEED=7                     # one of them, with its trace
```
"""
PLANTED = """
## Planted mistakes

{count} mistakes are planted in the gateway one by one; {found} of them are found in each of
{trials} searches, which begin at the seeds {seeds} and end after {most} histories at most. Each
is looked for in the weather, with the habits and nodes, that its row in the source names.
"""
PROCESSES = """
## Real processes

Gateway, two security modules, both simulators and three clients on loopback. The gateway, forked
from an interpreter that is warm, was killed (SIGKILL) at random, by itself at a named point, or
after a fault (a full or failing disk, a wall clock that is wrong by up to a day, a power cut that
takes what was not synced); where its disk fails a sync or a read it ends by itself. Afterwards
everything acknowledged stood as told, both far sides agreed on every link, and no PIN went out
under two trace numbers. The reference's table has 100 kills for each commit, which the tests do,
and 10,000 on each store for a release: `make torture SECONDS=…` goes on until then. {gateways}
gateways were killed side by side, each with clients, modules and far sides of its own.
"""

STORE = """
### {name}

{kills:,} kills in {seconds:,} s, seeds {first} to {last}; {acknowledged:,} changes of {customers:,}
customers acknowledged. At that rate 10,000 kills take {hours:.1f} hours.
"""

POWER = """
### Power cuts

The process that holds the SQLite database was stopped in the midst of a change, and its files were
copied; of every write that no sync had come after each was then kept, dropped or torn at a sector,
as chance had it, many times over. Whatever was lost, the database was whole, and what had been
acknowledged was in it. With `synchronous=NORMAL` or `OFF` the same test fails.
"""

FLOODS = """
### Floods

Connections at any time, beyond the limits: idle, slow headers and bodies, bytes of frames, garbage,
resets, requests behind requests, readers that never read. Meanwhile links are made and PINs are
set, and a core is answered; nothing of that was lost. Bureaus that stood still, half frames and
cores that were gone without a word were noticed within their limits.
"""
_SUMMED = ("kills", "acknowledged", "customers")


def main():
    """Run, write, and tell by the status whether anything broke."""
    parser = argparse.ArgumentParser(prog="evidence")
    parser.add_argument("--histories", type=int, default=2_000)
    parser.add_argument("--torture-seconds", type=int, default=60)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "evidence.md")
    arguments = parser.parse_args()
    begun = monotonic()
    seconds = arguments.torture_seconds  # each part ends then at the latest
    histories = figures(tell_many(1, arguments.histories, arguments.workers, seconds))
    planted = _search(arguments.workers, seconds)
    torture = _torture(arguments.torture_seconds)
    text = _head(arguments, round(monotonic() - begun))
    text += _histories(histories) + _faults(histories) + _invariants() + _planted(planted)
    arguments.output.write_text(text + _processes(torture), "utf-8")
    missed = any(_MISSED in found for _, _, found, _ in planted)
    return 1 if histories["broken"] or missed or not torture else 0


# ------------------------------------------------------------------ running


_MISSED = "not found"
_NO_TIME = "no time"


def _search(workers, seconds):
    """Look for each planted mistake from several first seeds; gives how many histories it took."""
    until = monotonic() + seconds
    trials = [(index, trial, until) for trial in range(TRIALS) for index in range(len(MISTAKES))]
    with ProcessPoolExecutor(workers) as pool:
        found = dict(zip(trials, pool.map(_look_for, trials), strict=True))
    results = []
    for index, mistake in enumerate(MISTAKES):
        took = [found[index, trial, until] for trial in range(TRIALS)]
        numbers = {number for _, number in took} - {""}
        told = ", ".join(map(str, sorted(numbers, key=str)))
        results.append((mistake.kind, mistake.name, [count for count, _ in took], told))
    return results


def _look_for(trial):
    index, number, until = trial
    with MISTAKES[index].in_force():
        for count in range(1, SEARCH_MAX + 1):
            if monotonic() > until:
                return _NO_TIME, ""
            _, error = outcome_of(number * TRIAL_STRIDE + count, **MISTAKES[index].conditions)
            if error is not None:
                return count, getattr(error, "number", type(error).__name__)
    return _MISSED, ""


def _torture(seconds):
    """Kill real processes for so long; gives what the test wrote down, nothing when it failed."""
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "torture.json"
        words = {"TORTURE_SECONDS": str(seconds), "TORTURE_REPORT": str(report)}
        words |= {"TORTURE_GATEWAYS": str(GATEWAYS)}
        test = ("-p", "no:cacheprovider", "tests/end_to_end/test_torture.py")
        command = [sys.executable, "-m", "pytest", "-q", "-n0", *test]
        running = [
            subprocess.Popen(
                command, cwd=ROOT, env=os.environ | words | {"TORTURE_SEED": str(seed)}
            )
            for seed in range(1, GATEWAYS + 1)
        ]
        failed = [process.args for process in running if process.wait()]
        floods = [*command[:-1], "tests/end_to_end/test_floods.py"]
        if (
            failed
            or subprocess.run(floods, cwd=ROOT, env=os.environ | words, check=False).returncode
        ):
            return None
        return json.loads(report.read_text("utf-8"))


# ------------------------------------------------------------------ writing


def _head(arguments, seconds):
    names = f"HISTORIES={arguments.histories} SECONDS={arguments.torture_seconds}"
    return HEAD.format(
        command=f"make evidence {names}",
        commit=_git("rev-parse", "--short=12", "HEAD"),
        dirty=" (with changes)" if _git("status", "--porcelain", "gateway", "tests") else "",
        when=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),  # noqa: TID251 - of the document
        machine=f"{os.cpu_count()} cores {_processor()}, Python {platform.python_version()}",
        seconds=seconds,
        histories=arguments.histories,
    )


def _git(*words):
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _processor():
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _table(head, rows):
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(["", "| " + " | ".join(head) + " |", "|" + "---|" * len(head), *lines, ""])


def _number(value):
    return f"{value:,}" if isinstance(value, int | float) else value


def _histories(found):
    plain = [(name, _number(value)) for name, value in found.items() if not isinstance(value, dict)]
    ends = [
        (f"operations that ended as {end}", _number(n))
        for end, n in found["ends of operations"].items()
    ]
    return _table(("of the run", "figure"), [*plain, *ends])


def _faults(found):
    rows = [
        (kind, ", ".join(map(str, rates)), _number(found["faults"].get(kind, 0)))
        for kind, rates in RATES.items()
    ]
    crashes = [(point, _number(n)) for point, n in found["crash points"].items()]
    return (
        "\n### Faults\n"
        + _table(("fault", "rates, where a history has it", "struck"), rows)
        + "\n### Where processes died\n"
        + _table(("point", "times"), crashes)
    )


def _invariants():
    here = [(number, text, "every history") for number, text in INVARIANTS.items()]
    there = [
        (number, f"{name}: {why}", f"[{test}](../{test})")
        for number, (name, why, test) in ELSEWHERE.items()
    ]
    rows = sorted(here + there)
    return "\n### Invariants\n" + _table(("number", "invariant", "shown by"), rows)


def _planted(results):
    rows = []
    for kind, name, counts, invariants in results:
        known = [count for count in counts if isinstance(count, int)]
        unknown = [SEARCH_MAX + 1] * counts.count(_MISSED)
        middle = median([*known, *unknown]) if known or unknown else None
        told = _NO_TIME if middle is None else f"{middle:g}"
        if middle is not None and middle > SEARCH_MAX:
            told = f"more than {SEARCH_MAX}"
        rows.append((kind, name, told, ", ".join(map(str, counts)), invariants))
    head = PLANTED.format(
        count=len(results),
        found=sum(all(isinstance(count, int) for count in counts) for _, _, counts, _ in results),
        trials=TRIALS,
        seeds=", ".join(str(number * TRIAL_STRIDE + 1) for number in range(TRIALS)),
        most=SEARCH_MAX,
    )
    names = ("kind", "mistake", "median histories", "each search", "broken")
    return head + _table(names, rows)


def _processes(torture):
    if not torture:
        return "\n## Real processes\n\nThe run failed; there are no figures.\n"
    text = PROCESSES.format(gateways=GATEWAYS)
    floods, cuts = torture.pop("floods"), torture.pop("power")
    for name, runs in sorted(torture.items()):
        points = sum((Counter(run["by point"]) for run in runs), Counter())
        found = {each: sum(run[each] for run in runs) for each in _SUMMED}
        found |= {"seconds": max(run["seconds"] for run in runs)}
        found |= {"hours": KILLS_OF_A_RELEASE / found["kills"] * found["seconds"] / 3_600}
        seeds = sorted(run["seed"] for run in runs)
        text += STORE.format(name=name, first=seeds[0], last=seeds[-1], **found)
        text += _table(("died", "times"), sorted(points.items()))
    power = [run.values() for run in sorted(cuts, key=lambda run: run["seed"])]
    text += POWER + _table(tuple(cuts[0]), power)
    rows = [run.values() for run in sorted(floods, key=lambda run: run["where"])]
    text += FLOODS + _table(tuple(floods[0]), rows)
    return text


if __name__ == "__main__":
    sys.exit(main())
