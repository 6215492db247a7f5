"""What is watched of that which becomes durable: facts, records and who writes them."""

from collections import Counter

from gateway.financial.account import AccountLossKept, AccountLossLifted
from gateway.linking.kinds import EXCHANGES
from gateway.linking.link import SessionUsed
from gateway.operations.exchange import ExchangeEvent, ExchangeState, Move, Recovery
from gateway.operations.facts import (
    AnswerSetAside,
    Moved,
    OperationKind,
    OperationState,
    ResolutionApproved,
    ResolutionProposed,
    Settled,
    Withdrawn,
)
from gateway.social.card import CardReplaced, SsLossKept, SsLossLifted
from gateway.store.unit import KeyUsed
from gateway.terms.response_codes import ResponseCode
from simulation.shipped import COUNTER
from simulation.watch_outside import Outside

S = OperationState
WITH_EFFECT = {
    kind: {each.name for each in exchanges if each.recovery is not Recovery.QUERY}
    for kind, exchanges in EXCHANGES.items()
}
RECOVERY = {each.name: each.recovery for group in EXCHANGES.values() for each in group}
_LOSS_RECORDS = (SsLossKept, SsLossLifted, AccountLossKept, AccountLossLifted, CardReplaced)
ENVELOPE = "envelope-of-a-pin"
# What no text may hold: PINs, their blocks as they are written, numbers of people.
_IN_TEXT = (ENVELOPE, "d15ea5ed", "f1aa5ed0", r"\xd1^\xa5\xed", "T00000", "62000000000", "1540000")


def secret_in(text):
    """Give the first word in a text that may not be there, None where there is none."""
    return next((word for word in _IN_TEXT if word in text), None)


class Durable(Outside):
    """Sees every fact and every record at the moment it is on disk."""

    def __init__(self, world):
        super().__init__(world)
        self.net = {}  # by operation and exchange
        self.resources = {}  # by channel and key: the operation or session it stands for
        self.settled = {}  # by operation: its state on disk
        self.used_sessions = set()
        self.unrecorded = Counter()  # by node and operation: answers not on disk yet
        self.owners = {}  # by operation: the process that carries it on
        self.withdrawn = set()  # operations that their own caller takes back
        self.at_rest = {}  # by operation: whether a restart would leave it be
        self.proposed = {}  # by operation: what somebody said of it last
        self.by_hand = 0  # operations that persons resolved

    def recorded(self, node, operation, fresh, text):
        """See facts of an operation at the moment they are on disk."""
        identity = operation.id.value
        self._owns(node, identity)
        self.openers.setdefault(identity, node)
        found = secret_in(text)
        if found:
            self.fail(13, f"{identity} holds {found} in the journal")
        for fact in fresh:
            match fact:
                case Settled():
                    self._settles(operation, fact)
                case AnswerSetAside():
                    self.unrecorded[node, operation.id.value] -= 1
                case Moved():
                    self._moves(node, operation, fact)
                case Withdrawn():
                    self.withdrawn.add(identity)
                case ResolutionProposed() | ResolutionApproved():
                    self._resolves(operation, fact)

    def _owns(self, node, operation):
        """See that its owner alone writes an operation; what rests belongs to whoever wakes it."""
        owner = self.owners.setdefault(operation, node)
        if self.at_rest.get(operation):
            self.owners[operation] = node
        elif owner != node:
            self.fail(20, f"{node} writes what {owner} carries on: {operation}")

    def written(self, operation, owner, *, rests):
        """See an operation in the store after it was written."""
        self.at_rest[operation] = rests
        if rests or not self._world.is_shared:
            return
        process = self.owners.get(operation, "")
        if process.partition(".")[0] != owner:
            self.fail(20, f"{process} carries {operation} on, which the store says is {owner}'s")

    def _moves(self, node, operation, fact):
        match fact.move:
            case Move(response_code=ResponseCode()):
                self.unrecorded[node, operation.id.value] -= 1
            case Move(event=ExchangeEvent.REVERSE):
                self._reverses(operation, fact.exchange)
            case Move(event=ExchangeEvent.SEND, at=at):
                if operation.wake_at is not None and at < operation.wake_at:
                    self.fail(23, f"{fact.exchange} was sent before its time")

    def _resolves(self, operation, said):
        if isinstance(said, ResolutionProposed):
            self.proposed[operation.id.value] = said
            return
        proposed = self.proposed.get(operation.id.value)
        two = proposed and proposed.by != said.by and proposed.reason
        self.check(26, two, f"{operation.id} was resolved by one person")
        self.by_hand += 1

    def _reverses(self, operation, exchange):
        said = self.told.get(operation.id.value)
        own = operation.id.value in self.withdrawn
        self.check(8, own or said is not S.SUCCEEDED, f"{operation.id} succeeded and is undone")
        reversible = RECOVERY[exchange] is Recovery.REVERSIBLE
        self.check(8, reversible, f"{exchange} is reversed, which is never done")

    def takes_over(self, node, operation):
        """See a process go on with what another one left: that one must be gone, or fenced off."""
        before = self.owners.get(operation)
        for other in self._world.nodes.values():
            lives = other.name == before and not other.is_dead and other is not node
            if lives and self._world.leases.holds(other.lease):
                self.fail(20, f"{node.name} takes over from {before}, which holds its lease")
        self.owners[operation] = node.name

    def _settles(self, operation, fact):
        self._must_be_noticed(operation, fact)
        identity = operation.id.value
        before = self.settled.get(identity)
        final = before is not None and before.is_final and identity not in self.withdrawn
        if final and fact.state is not before:
            self.fail(9, f"{before} became {fact.state}")
        self.settled[identity] = fact.state
        self.check_truth(identity, operation.kind, fact.state)
        if fact.state is S.MANUAL:
            self._check_manual(operation)

    def _check_manual(self, operation):
        horizon = self._world.limits.horizon.total_seconds()
        for exchange in operation.exchanges.values():
            if exchange.state is not ExchangeState.MANUAL:
                continue
            waited = (operation.updated_at - exchange.sent_at).total_seconds()
            # Where a clock shows a time before the first attempt, the attempts are counted.
            is_due = waited >= horizon or waited < 0
            self.check(2, is_due, f"{exchange.name} needs a person after {waited:.0f} s")

    def check_truth(self, identity, kind, state):
        """Compare what is told with what stands at the far sides now."""
        nets = {name: self.net.get((identity, name), 0) for name in WITH_EFFECT[kind]}
        if state is S.FAILED and any(nets.values()):
            self.fail(4, f"{identity} failed, but stands: {nets}")
        if state is S.SUCCEEDED and kind is not OperationKind.UNLINK and not all(nets.values()):
            self.fail(4, f"{identity} succeeded, but not all of it: {nets}")

    def kept(self, record):
        """See a record at the moment it is on disk."""
        if isinstance(record, KeyUsed):
            name = (record.channel, record.key)
            is_done = record.resource.startswith("op_")
            if name in self.barred and is_done:
                self.fail(8, f"key {record.key} was reversed before it came, and is carried out")
            if record.channel == COUNTER and is_done and not record.key.startswith("undo/"):
                self.begun_for_core(record.key, record.resource)
            known = self.resources.setdefault(name, record.resource)
            if known != record.resource:
                self.fail(11, f"key {record.key} stands for two operations")
        elif isinstance(record, SessionUsed):
            if record.session in self.used_sessions:
                self.fail(15, f"{record.session} was used twice")
            self.used_sessions.add(record.session)
        elif isinstance(record, _LOSS_RECORDS):
            self._loss(record)
