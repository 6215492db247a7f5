"""How a history is judged when the world is quiet: faults off, every timer run down."""

from gateway.linking.kinds import EXCHANGES
from gateway.operations.exchange import Recovery
from gateway.operations.facts import (
    OperationKind,
    OperationState,
)
from gateway.terms.sides import Side
from simulation.watch_durable import WITH_EFFECT

S = OperationState
_MAY_BE_UNKNOWN = {
    kind
    for kind, exchanges in EXCHANGES.items()
    if any(each.recovery is Recovery.AT_MOST_ONCE for each in exchanges)
}


class Judgement:
    """A mixin of `Watch`."""

    def judge(self):
        """Judge the world when it is quiet: faults off, every timer run down."""
        disk = self._world.disk
        for identity, row in disk.rows.items():
            kind, state = row.kind, row.state
            if not row.rests:
                self.fail(21, f"{identity} ({kind}) never came to rest, it is {state}")
            if state is S.PENDING or (state is S.UNKNOWN and kind not in _MAY_BE_UNKNOWN):
                self.fail(2, f"{kind} ended as {state}")
            self.check_truth(identity, kind, state)
            if kind is OperationKind.ACTIVATE and state is S.SUCCEEDED:
                follow_up = disk.fold(row).follow_up
                self.check(2, follow_up.value in disk.rows, f"nothing follows {identity}")
            if state is not S.MANUAL and WITH_EFFECT[kind]:
                nets = {self.net.get((identity, name), 0) for name in WITH_EFFECT[kind]}
                removed = kind is OperationKind.UNLINK and state is S.SUCCEEDED
                if not removed and len(nets) != 1:
                    self.fail(3, f"{kind} stands on one side only")
        self._judge_links()
        self._judge_nodes()

    def _judge_links(self):
        """Bureau, core and store say the same of every card, except where a person is needed."""
        world, disk = self._world, self._world.disk
        in_doubt = disk.links_in(S.MANUAL)
        for customer in world.customers:
            link, is_active = disk.active_link(customer.card)
            held = {link} if is_active else set()
            bureau = {each.active.get(customer.card) for each in world.bureaus} - {None}
            core = {world.core.active.get(customer.who.pan)} - {None}
            ours = {each.value for each in held}
            if (bureau | core | ours) & {each.value for each in in_doubt}:
                continue
            agree = bureau == core == ours
            self.check(3, agree, f"bureau {bureau}, core {core}, gateway {ours}")
            for link in held:
                self._judge_losses(link)

    def _judge_losses(self, link):
        """Far side, store and our own ledger say the same of each loss."""
        world, disk = self._world, self._world.disk
        linked = disk.linked(link)
        for side, half in ((Side.SOCIAL, linked.card), (Side.FINANCIAL, linked.account)):
            far_sides = world.bureaus if side is Side.SOCIAL else [world.core]
            there = any(self._lost(link, side) in each.lost for each in far_sides)
            here = half.loss is not None
            # Where clocks differ by days, a loss may bar a later link as well: that fails closed.
            was_set = world.storm.fired["clock-step"]
            agree = there == here == self.is_lost(link, side) or (here and was_set)
            self.check(17, agree, f"loss of {side}: there {there}, here {here}")

    def _judge_nodes(self):
        nodes = self._world.nodes.values()
        self.check(21, any(node.is_open for node in nodes), "no node serves")
        for node in nodes:
            if node.is_open:
                self._judge_node(node)
        told = {notice: body.encode() for notice, body in self.notices.items()}
        for notice, row in self._world.disk.notice_rows.items():
            self.check(18, row.due_at is None, f"{notice} was never told")
            del told[notice]  # given up at the horizon, for a person to see
        missing = told.keys() - self._world.receiver.heard.keys()
        self.check(18, not missing, f"{missing} were never told")

    def _judge_node(self, node):
        lost = [key for key, count in self.unrecorded.items() if count > 0 and key[0] == node.name]
        self.check(9, not lost, f"answers to {lost} were not recorded")
        count = node.conductor.running_count
        self.check(21, count == 0, f"{count} operations are in memory")
        for name, link in node.links.items():
            self.check(22, link.answers.in_flight == 0, f"{name} waits for answers")
            tally = link.answers.tally
            matched = sum(tally.round_trips.counts) + tally.late
            heard = matched + tally.duplicates + tally.unmatched + link.spoilt
            self.check(24, link.received == heard, f"{name}: {link.received} came, {heard} known")
