"""Mistakes about several nodes on one store: leases, epochs, take-over."""

from contextlib import contextmanager

from gateway.app.dialogue import Dialogue
from gateway.store import chores, node
from gateway.store.lease import Lease
from gateway.store.node import LeasedNode
from gateway.terms.numbers import OperationId
from simulation.faults import BAD_WEATHER
from simulation.planted.mistake import mistake

_HELD = {**BAD_WEATHER, "drop-answer": 0.6, "paused-past-lease": 0.15}


@mistake("ignore the end of the lease", weather=_HELD, nodes=2)
def _no_lease():
    return [(Lease, "is_held", property(lambda _: True))]


@mistake("do not compare the epoch", weather=_HELD, nodes=2)
def _no_epoch():
    @contextmanager
    def transaction(self, engine):
        with engine.connect() as connection, connection.begin():
            yield connection
        self.lease.renew(node.monotonic())

    return [(LeasedNode, "transaction", transaction)]


@mistake("carry on what a living node carries on", weather=_HELD, nodes=2)
def _claim_of_the_living():
    def claim(connection, node, count_max):
        disk = connection._world.disk
        others = {row.owner for row in disk.rows.values() if row.owner != node}
        found = [each for name in sorted(others) for each in disk.unfinished_after(None, 9, name)]
        disk.claim(found[:count_max], node)
        return [OperationId(each.value) for each in found[:count_max]]

    return [(chores, "claim", claim)]


@mistake("repeat another node's message under one's own name", weather=_HELD, nodes=2)
def _own_name():
    right = Dialogue._trace_fields

    def trace_fields(self, trace):
        return {**right(self, trace), 41: self._station.terminal}

    return [(Dialogue, "_trace_fields", trace_fields)]
