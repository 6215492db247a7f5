"""What two nodes share: the rows of their leases, and the storage of each.

`LeasedNode`, `fence_dead`, `claim` and `Storage` are the gateway's own. The rows of
``operations_nodes`` are a model that answers their statements, as a database would whose clock is
that of the simulation.
"""

from contextlib import contextmanager, nullcontext

from gateway.app.storage import Storage
from gateway.store import lease, node, takeover
from gateway.store.node import LeasedNode, Membership, Node

LEASE_S = 120.0
TERMINALS = {"a": "GATEWAY1", "b": "GATEWAY2"}


class Leases:
    """Rows of nodes by name; an engine and a connection at once."""

    def __init__(self, world):
        self._world = world
        self._rows = {}
        self.process = ""  # that runs the present transaction
        self._answers = {
            node._JOIN: self._join,
            node._RENEW: self._renew,
            takeover._FENCE: self._fence,
            takeover._FIND: self._find,
            takeover._CLAIM: self._claim,
        }

    def connect(self):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def begin(self):
        return nullcontext(self)

    def execute(self, statement, values=None):
        return self._answers[statement](values or {})

    def holds(self, lease):
        """Tell whether nobody has taken over from this holder of a lease."""
        row = self._rows.get(lease.name)
        return row is None or row["epoch"] == lease._epoch

    @property
    def _now(self):
        return self._world.scheduler.elapsed * 1_000

    def _join(self, values):
        row = self._rows.setdefault(values["name"], {"epoch": 0, "batch": 0})
        row["epoch"] += 1
        row["ends"] = self._now + values["lease"]
        self._world.note("joined", values["name"], row["epoch"])
        return _Rows([(row["epoch"], row["batch"])])

    def _renew(self, values):
        row = self._rows[values["name"]]
        if row["epoch"] != values["epoch"]:
            return _Rows([])
        row["batch"], row["ends"] = values["batch"], self._now + values["lease"]
        return _Rows([row])

    def _fence(self, values):
        dead = [
            name
            for name, row in self._rows.items()
            if name != values["node"] and row["ends"] is not None and row["ends"] < self._now
        ]
        for name in dead:
            self.fence(name)
        return _Rows(dead)

    def fence(self, name):
        """Raise the epoch of a node, so that nothing of its process goes through any more."""
        self._rows[name]["epoch"] += 1
        self._rows[name]["ends"] = None
        self._world.note("fenced", name)

    def _find(self, _values):
        disk = self._world.disk
        dead = [name for name, row in sorted(self._rows.items()) if row["ends"] is None]
        return _Rows([name for name in dead if disk.unfinished_after(None, 1, name)])

    def _claim(self, values):
        disk = self._world.disk
        claimed = disk.unfinished_after(None, values["most"], values["dead"])
        disk.claim(claimed, values["node"])
        return _Rows([each.value for each in claimed])


class _Rows:
    """The answer to a statement."""

    def __init__(self, rows):
        self._rows = rows
        self.rowcount = len(rows)

    def one(self):
        (row,) = self._rows
        return row

    def scalar(self):
        return self._rows[0] if self._rows else None

    def scalars(self):
        return self._rows


class SimulatedStorage(Storage):
    """The gateway's storage, on a simulated journal and reader."""

    def __init__(self, simulated):
        self._loop = simulated.loop
        self.node = simulated.lease.lease
        self.journal = simulated.journal
        self.read = simulated.read


def lease_of(machine, *, is_shared):
    """Give what the process on a machine holds: a lease where there are other nodes."""
    if not is_shared:
        return Node()
    return LeasedNode(Membership(machine.name, TERMINALS[machine.name], LEASE_S))


@contextmanager
def simulated_clock(scheduler):
    """Let leases run on the clock of the simulation."""
    before = node.monotonic
    node.monotonic = lease.monotonic = lambda: scheduler.elapsed
    try:
        yield
    finally:
        node.monotonic = lease.monotonic = before
