"""The invariants, by the numbers of ``docs/evidence.md``, watched while a history goes on.

`Watch` sees every message that leaves, every effect at a far side, every row that becomes
durable and every answer that a client gets. What it finds broken it keeps: the first breach ends
the history.
"""

import re
from collections import Counter, defaultdict

from gateway.app.dialogue import Pending
from gateway.financial.account import AccountLossKept, AccountLossLifted
from gateway.iso8583.message import without_repeat
from gateway.linking.kinds import EXCHANGES
from gateway.linking.link import SessionUsed
from gateway.operations.exchange import ExchangeEvent, Form, Move, Recovery
from gateway.operations.facts import (
    AnswerSetAside,
    Moved,
    OperationKind,
    OperationState,
    ResolutionApproved,
    ResolutionProposed,
    Settled,
)
from gateway.operations.life import Answered
from gateway.social.card import CardRecord, CardReplaced, SsLossKept, SsLossLifted
from gateway.store.unit import KeyUsed
from gateway.terms.response_codes import ResponseCode
from gateway.terms.sides import PinPurpose, Side
from simulation.cluster import LEASE_S
from simulation.far_side import key_of

S = OperationState
INVARIANTS = {
    1: "At most once: of each exchange, applied less undone is 0 or 1",
    2: "Agreement when quiet: told and net effect of both sides agree",
    3: "No half link: bureau and core agree on every link",
    4: "No lie: nobody is told an end that is not and does not stay true",
    5: "Durable acknowledgement: what was answered is in the store",
    6: "Write-ahead: no message leaves before its attempt is durable",
    7: "Repeat identity: a repeat differs in MTI and MAC only; no trace number is used twice",
    8: "Reversal discipline: it names a message that may have left, and nobody was told success",
    9: "Late answer: it changes no final state and is stored",
    10: "Correlation: only a genuine answer to the same attempt completes it",
    11: "Idempotency: one execution for a key, whatever happened in between",
    12: "Order: no older operation takes effect on a card after a newer one",
    13: "PIN canary: no PIN or PIN block is stored, logged or sent again by another process",
    14: "Separation: no side hears of the other's numbers, no zone of another's PIN block",
    15: "Authorised: each PIN effect has one session of its own customer, link and purpose",
    18: "Notified: what nobody waits for is told by a signed callback, once it is durable",
    20: "Fencing: whoever carries an operation on is its only owner, and nobody else's word stands",
    17: "Loss report wins: what a loss bars is not begun until both sides say that it is over",
    21: "Liveness: when quiet nothing waits, nothing is in memory, and every card can be served",
    22: "Bounds: when quiet no link awaits anything (the limits themselves: unit tests)",
    23: "Clock-proof: a step of the wall clock makes no message early",
    24: "Conservation: each answer that came is matched, late, duplicate, foreign or spoilt",
    25: "Determinism: one seed, one trace",
    26: "Four eyes: what was manual ends by the word of two persons, never of one",
}
SLOW_DISK_S = 15.0  # makes anything later
HELD_S = 90.0  # and so does a process that is held
WITH_EFFECT = {
    kind: {each.name for each in exchanges if each.recovery is not Recovery.QUERY}
    for kind, exchanges in EXCHANGES.items()
}
_RECOVERY = {each.name: each.recovery for group in EXCHANGES.values() for each in group}
# How each kind of secret begins, so that it is found wherever it should not be.
BLOCK_HEADS = {
    PinPurpose.SS_PIN: b"\xd1\x5e\xa5\xed",
    PinPurpose.SS_PIN_PROOF: b"\xd1\x5e\xa5\xed",
    PinPurpose.FINANCIAL_PIN: b"\xf1\xaa\x5e\xd0",
}
_LOSS_RECORDS = (SsLossKept, SsLossLifted, AccountLossKept, AccountLossLifted, CardReplaced)
_MAY_BE_UNKNOWN = {
    kind
    for kind, exchanges in EXCHANGES.items()
    if any(each.recovery is Recovery.AT_MOST_ONCE for each in exchanges)
}
ENVELOPE = "envelope-of-a-pin"
_IN_TEXT = (ENVELOPE, "d15ea5ed", "f1aa5ed0", r"\xd1^\xa5\xed", "T00000", "62000000000", "1540000")
_SECRET = re.compile("|".join(map(re.escape, _IN_TEXT)))
_SOCIAL_WORDS = (BLOCK_HEADS[PinPurpose.SS_PIN], b"T00000")
_FINANCIAL_WORDS = (BLOCK_HEADS[PinPurpose.FINANCIAL_PIN], b"62000000000", b"C00000")


class Violation(AssertionError):
    """An invariant is broken; `number` says which."""

    def __init__(self, number, text):
        super().__init__(f"invariant {number} ({INVARIANTS[number].split(':')[0]}): {text}")
        self.number = number


class Watch:
    """Everything that a history is judged by."""

    def __init__(self, world):
        self._world = world
        self.broken = None
        self.sent_first = {}  # by link and key: operation, exchange, form, what was said
        self.sent_bytes = {}  # by what left, byte for byte: the message
        self.sent_times = Counter()  # by operation, exchange, STAN
        self.net = Counter()  # by operation and exchange
        self.told = {}  # by operation: the last state that a client was told
        self.resources = {}  # by channel and key: the operation or session it stands for
        self.blocks = {}  # by PIN block: node, zone, purpose, session
        self.applied = {}  # by far side and card: place in order of what was applied last
        self.settled = {}  # by operation: its state on disk
        self.genuine = defaultdict(set)  # by operation, exchange, form: DE 39 really answered
        self.last_sent = {}  # by operation and exchange: when a message left last
        self.used_sessions = set()
        self.begun_by = {}  # by operation and exchange: the process that sent the original first
        self.blocks_left = {}  # by PIN block: when it left first
        self.answers_out = {}  # by bytes of a genuine answer: the key of its request
        self.heard = set()  # by node, link and key: answers that came in
        self.beliefs = 0
        self.unrecorded = Counter()  # by node and operation: answers not on disk yet
        self.losses = defaultdict(list)  # by card or account: references of losses that stand
        self.owners = {}  # by operation: the process that carries it on
        self.notices = {}  # by id: what is on disk to be told
        self.openers = {}  # by operation: the process that was asked for it
        self.at_rest = {}  # by operation: whether a restart would leave it be
        self.proposed = {}  # by operation: what somebody said of it last
        self.by_hand = 0  # operations that persons resolved
        self.where = {}  # by operation and exchange: link and key of its original

    def fail(self, number, text):
        if self.broken is None:
            self.broken = Violation(number, text)
        raise self.broken

    def check(self, number, holds, text):
        if not holds:
            self.fail(number, text)

    # ------------------------------------------------------------ what becomes durable

    def recorded(self, node, operation, fresh, text):
        """See facts of an operation at the moment they are on disk."""
        self._owns(node, operation.id)
        if _SECRET.search(text):
            self.fail(13, f"{operation.id} holds {_SECRET.search(text)[0]} in the journal")
        for fact in fresh:
            match fact:
                case Settled():
                    self._settles(operation, fact)
                case AnswerSetAside():
                    self.unrecorded[node, operation.id] -= 1
                case Moved():
                    self._moves(node, operation, fact)
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
        process = self.owners.get(operation, "")
        if not rests and self._world.is_shared and process.partition(".")[0] != owner:
            self.fail(20, f"{process} carries {operation} on, which the store says is {owner}'s")

    def _moves(self, node, operation, fact):
        match fact.move:
            case Move(response_code=ResponseCode()):
                self.unrecorded[node, operation.id] -= 1
            case Move(event=ExchangeEvent.REVERSE):
                self._reverses(operation, fact.exchange)
            case Move(event=ExchangeEvent.SEND, at=at):
                early = operation.wake_at is not None and at < operation.wake_at
                self.check(23, not early, f"{fact.exchange} was sent before its time")

    def _resolves(self, operation, said):
        if isinstance(said, ResolutionProposed):
            self.proposed[operation.id] = said
            return
        proposed = self.proposed.get(operation.id)
        two = proposed and proposed.by != said.by and proposed.reason
        self.check(26, two, f"{operation.id} was resolved by one person")
        self.by_hand += 1

    def _reverses(self, operation, exchange):
        said = self.told.get(operation.id)
        self.check(8, said is not S.SUCCEEDED, f"{operation.id} succeeded and is undone")
        reversible = _RECOVERY[exchange] is Recovery.REVERSIBLE
        self.check(8, reversible, f"{exchange} is reversed, which is never done")

    def noticed(self, notice):
        """See a notice at the moment it is on disk, with the outcome that it tells of."""
        self.notices[notice.id] = notice.body

    def told_by_callback(self, notice, body):
        """See what the channel's receiver is told."""
        self.check(18, self.notices.get(notice) == body, f"callback {notice} is not on disk so")

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
        before = self.settled.get(operation.id)
        final = before is not None and before.is_final
        self.check(9, not final or fact.state is before, f"{before} became {fact.state}")
        self.settled[operation.id] = fact.state
        self.check_truth(operation.id, operation.kind, fact.state)
        if fact.state is S.MANUAL:
            self._check_manual(operation)

    def _must_be_noticed(self, operation, fact):
        """See that an outcome that cannot be told by word of mouth is told by a callback."""
        opened_by = self.openers.setdefault(operation.id, self._world.disk.writer)
        if opened_by == self._world.disk.writer or operation.details.get("channel"):
            return
        sequence = operation.facts.index(fact)
        name = f"msg_{operation.id.value.removeprefix('op_')}_{sequence}"
        self.check(18, name in self.notices, f"nobody is told that {operation.id} is {fact.state}")

    def _check_manual(self, operation):
        horizon = self._world.limits.horizon.total_seconds()
        begun = min(each.sent_at for each in operation.exchanges.values() if each.sent_at)
        waited = (operation.updated_at - begun).total_seconds()
        self.check(2, waited >= horizon, f"{operation.id} needs a person after {waited:.0f} s")

    def check_truth(self, identity, kind, state):
        """Compare what is told with what stands at the far sides now."""
        nets = {name: self.net[identity, name] for name in WITH_EFFECT[kind]}
        if state is S.FAILED and any(nets.values()):
            self.fail(4, f"{identity} failed, but stands: {nets}")
        if state is S.SUCCEEDED and kind is not OperationKind.UNLINK and not all(nets.values()):
            self.fail(4, f"{identity} succeeded, but not all of it: {nets}")

    def kept(self, record):
        """See a record at the moment it is on disk."""
        if isinstance(record, KeyUsed):
            name = (record.channel, record.key)
            known = self.resources.setdefault(name, record.resource)
            self.check(11, known == record.resource, f"key {record.key} stands for two operations")
        elif isinstance(record, SessionUsed):
            once = record.session not in self.used_sessions
            self.check(15, once, f"{record.session} was used twice")
            self.used_sessions.add(record.session)
        elif isinstance(record, _LOSS_RECORDS):
            self._loss(record)

    def _loss(self, record):
        """Keep a ledger of losses of our own: a report that is refused ends by itself alone."""
        side = Side.SOCIAL if isinstance(record, CardRecord) else Side.FINANCIAL
        standing = self.losses[self._lost(record.link, side)]
        match record:
            case SsLossKept() | AccountLossKept():
                standing.append(record.loss.reference)
            case CardReplaced():
                standing.clear()
            case _ if record.reference in standing:
                at = standing.index(record.reference)
                del standing[at if record.was_refused else 0 : at + 1]

    def is_lost(self, link, side):
        """Tell whether a loss stands, by what is on disk."""
        return bool(self.losses.get(self._lost(link, side)))

    def _lost(self, link, side):
        """Give the number that a loss is of."""
        disk = self._world.disk
        if side is Side.SOCIAL:
            return disk.cards[link].number.value
        return disk.accounts[link].pan.value

    # ------------------------------------------------------------ what leaves

    def leaves(self, node, speech, message, data, pending: Pending):
        """See a message about to go out."""
        attempt = (pending.operation, pending.exchange, message.text(11))
        self.sent_times[attempt] += 1
        durable = self._world.disk.sendings[attempt]
        if self.sent_times[attempt] > durable:
            times = self.sent_times[attempt]
            self.fail(6, f"{pending.exchange} left {times} times, {durable} are recorded")
        owner = self.owners.get(pending.operation)
        if owner != node.name:
            self.fail(20, f"{node.name} sends for {pending.operation}, which is {owner}'s")
        self.sent_bytes[data] = message.with_fields({speech.mac_field: data[-8:]})
        self._check_identity(speech, message, pending)
        self._check_words(speech, data)
        if 52 in message.fields:
            self._check_block(node, speech, pending, message.fields[52])
        if pending.form is Form.ORIGINAL:
            self._check_original(node, pending)
        self._check_pace(pending, message)
        mark = "again" if message.is_repeat else "sent"
        self._world.note(mark, node.name, speech.name, message.trace, pending.operation)

    def _check_identity(self, speech, message, pending):
        key = (speech.name, *key_of(message.mti, message.text(11), message.text(7)))
        said = tuple(sorted(message.fields.items()))
        known = self.sent_first.get(key)
        if known is None:
            # A repeat may be what leaves first: the link was down when its original was due.
            day = (speech.name, message.text(7)[:4], message.text(11))
            if day in self.sent_first:
                self.fail(7, f"STAN of {message.trace} was used that day")
            self.sent_first[day] = self.sent_first[key] = (
                pending,
                said,
                without_repeat(message.mti),
            )
            return
        self.check(7, message.is_repeat, f"{message.trace} was sent as new twice")
        same = (known[0].operation, known[0].exchange) == (pending.operation, pending.exchange)
        self.check(7, same, f"{message.trace} is known from another operation")
        self.check(7, known[1] == said, f"repeat {message.trace} differs in more than its MTI")
        self.check(7, known[2] == without_repeat(message.mti), f"{message.trace} has another MTI")

    def _check_original(self, node, pending):
        """See that what may have an effect is sent by one process."""
        begun_by = self.begun_by.setdefault((pending.operation, pending.exchange), node.name)
        recovery = _RECOVERY[pending.exchange]
        if recovery is not Recovery.QUERY and not recovery.needs_no_link:
            self.check(8, begun_by == node.name, f"{pending.exchange} was sent again after a crash")

    def _check_words(self, speech, data):
        foreign = _FINANCIAL_WORDS if speech.side is Side.SOCIAL else _SOCIAL_WORDS
        for word in foreign:
            if word in data:
                self.fail(14, f"link {speech.name} carries the other side's {word}")

    def _check_block(self, node, speech, pending, block):
        known = self.blocks.get(bytes(block))
        self.check(14, known is not None, f"{pending.exchange} carries a PIN block of no module")
        maker, zone, purpose, _ = known
        self.check(14, zone == speech.name, f"a PIN block of zone {zone} left on {speech.name}")
        self.check(14, purpose.side is speech.side, "a PIN block left for the other side")
        now = self._world.scheduler.elapsed
        first = self.blocks_left.setdefault(bytes(block), now)
        rates = self._world.storm.rates
        leeway = SLOW_DISK_S + HELD_S * ("paused" in rates)
        leeway += 3 * LEASE_S * ("paused-past-lease" in rates)
        life = self._world.limits.secret_life.total_seconds() + leeway
        self.check(13, now - first <= life, f"a PIN block was kept for {now - first:.0f} s")
        self.check(13, maker == node.name, f"{node.name} sent a PIN block that {maker} received")

    def _check_pace(self, pending, message):
        """See that a repeat keeps its distance, whatever the wall clock does."""
        now = self._world.scheduler.elapsed
        name = (pending.operation, pending.exchange)
        if message.is_repeat and pending.form is Form.ORIGINAL and name in self.last_sent:
            recovery = _RECOVERY[pending.exchange]
            waited = now - self.last_sent[name]
            least = self._world.limits.answer_timeout.total_seconds() - 1.0
            early = waited < least and not recovery.needs_no_link
            self.check(23, not early, f"{pending.exchange} was repeated after {waited:.1f} s")
        self.last_sent[name] = now

    # ------------------------------------------------------------ what the far sides do

    def effect(self, link, key, change):
        """See an effect come about at a far side, or be undone."""
        known = self.sent_first.get((link, *key))
        self.check(10, known is not None, f"{link} carried out what was never sent")
        pending = known[0]
        name = (pending.operation, pending.exchange)
        self.net[name] += change
        self.check(
            1, self.net[name] in {0, 1}, f"{pending.exchange} applied {self.net[name]} times"
        )
        self._world.note("effect", link, key[1], change, pending.operation)
        state = self.settled.get(pending.operation)
        if state in {S.FAILED, S.SUCCEEDED}:
            standing = self.net[name] == (state is S.SUCCEEDED)
            self.check(4, standing, f"{pending.operation} was told {state}, then {change:+}")
        if change > 0:
            self.where[name] = (link, key)
        if change > 0 and not _RECOVERY[pending.exchange].needs_no_link:
            self._check_order(link, pending, known[1])

    def _check_order(self, link, pending, said):
        fields = dict(said)
        who = (link, fields.get(102) or fields.get(2))
        place = self._world.disk.order[pending.operation]
        last = self.applied.get(who, -1)
        self.check(12, place >= last, f"{pending.exchange} took effect after a newer operation's")
        self.applied[who] = place

    def original_named(self, link, key):
        """See DE 90 of a reversal or an inquiry."""
        known = self.sent_first.get((link, *key)) or self._durable(link, key)
        self.check(8, known, f"DE 90 names {key} on {link}, which never left")

    def _durable(self, link, key):
        """Tell whether the attempt is on disk: for all that the gateway knows, it left."""
        return any(stan == key[1] for _, _, stan in self._world.disk.sendings) and link

    # ------------------------------------------------------------ what is believed

    def answered(self, speech, request, answer, data):
        """See what a far side, or a relay in its name, really answered."""
        key = (speech.name, *key_of(request.mti, request.text(11), request.text(7)))
        known = self.sent_first.get(key)
        self.answers_out[data] = key
        if known is not None:
            pending = known[0]
            attempt = (pending.operation, pending.exchange, pending.form)
            self.genuine[attempt].add(answer.text(39))

    def came(self, node, data, believed):
        """See a genuine answer that came in, and how many were believed for it."""
        key = self.answers_out.get(data)
        known = self.sent_first.get(key)
        if known is None or (node.name, key) in self.heard:
            return
        self.heard.add((node.name, key))
        mine = self.begun_by.get((known[0].operation, known[0].exchange)) == node.name
        if mine and known[0].operation in node.conductor._running:
            self.check(9, believed, f"an answer to {known[0].exchange} was dropped")

    def believed(self, node, operation, event: Answered):
        """See an answer that reaches the conductor."""
        self.beliefs += 1
        if operation in node.conductor._running:
            self.unrecorded[node.name, operation] += 1
        real = self.genuine[operation, event.exchange, event.form]
        told = event.response_code.value
        if told not in real:
            self.fail(10, f"{event.exchange} was told {told}, the far side said {real}")
        self._world.note("answer", node.name, event.exchange, event.form, told, operation)

    # ------------------------------------------------------------ what clients hear

    def replied(self, customer, key, view):
        """See an answer with an operation in it, as it leaves the gateway."""
        stored = self._world.disk.state_of(view.operation)
        self.check(5, stored is not None, f"{view.operation} was answered and is not in the store")
        known = self.resources.get(("bank", key))
        self.check(11, known == view.operation.value, f"key {key} was answered with another one")
        self._tells(view)
        self._world.note("told", customer, view.kind, view.state, view.operation)

    def opened_session(self, view):
        """See a PIN session that is given to a customer."""
        stored = self._world.disk.session(view.pin_session)
        self.check(5, stored is not None, f"{view.pin_session} was given and is not in the store")

    def viewed(self, view):
        """See an operation read back."""
        self._tells(view)

    def _tells(self, view):
        before = self.told.get(view.operation)
        final = before is not None and before.is_final
        self.check(4, not final or view.state is before, f"told {before}, then {view.state}")
        if view.state.is_final:
            stored = self._world.disk.state_of(view.operation)
            self.check(5, stored is view.state, f"told {view.state}, stored {stored}")
        self.told[view.operation] = view.state

    def new_pin_block(self, node, order):
        """Make a PIN block that is known wherever it turns up."""
        session = order.session
        self.check(15, ENVELOPE in order.envelope, "the module got no envelope")
        head = BLOCK_HEADS[order.purpose]
        block = head + (len(self.blocks) + 1).to_bytes(4, "big")
        self.blocks[block] = (node.name, order.zone, order.purpose, session.id)
        return block

    def logged(self, entries):
        """Look through what the process logged."""
        found = _SECRET.search(repr(entries))
        self.check(13, found is None, f"{found and found[0]} is in the log")

    # ------------------------------------------------------------ the end

    def judge(self):
        """Judge the world when it is quiet: faults off, every timer run down."""
        disk = self._world.disk
        for identity, (state, rests) in disk.heads.items():
            kind = disk.opened[identity].kind
            if not rests:
                self.fail(21, f"{identity} ({kind}) never came to rest, it is {state}")
            allowed = state is not S.UNKNOWN or kind in _MAY_BE_UNKNOWN
            self.check(2, allowed and state is not S.PENDING, f"{kind} ended as {state}")
            self.check_truth(identity, kind, state)
            if kind is OperationKind.ACTIVATE and state is S.SUCCEEDED:
                follow_up = disk.operation(identity).follow_up
                self.check(2, follow_up in disk.heads, f"nothing follows {identity}")
            if state is not S.MANUAL and WITH_EFFECT[kind]:
                nets = {self.net[identity, name] for name in WITH_EFFECT[kind]}
                removed = kind is OperationKind.UNLINK and state is S.SUCCEEDED
                self.check(3, removed or len(nets) == 1, f"{kind} stands on one side only")
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
            agree = there == here == self.is_lost(link, side)
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
