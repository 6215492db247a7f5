"""What is watched of the wires, of far sides and of clients while a history goes on."""

from collections import defaultdict

from gateway.app.dialogue import Pending
from gateway.iso8583.message import without_repeat
from gateway.operations.exchange import Form, Recovery
from gateway.operations.facts import (
    OperationState,
)
from gateway.operations.life import Answered
from gateway.terms.sides import PinPurpose, Side
from simulation.counter import PAD_BLOCK
from simulation.far_side import key_of
from simulation.judgement import Judgement
from simulation.watch_durable import ENVELOPE, RECOVERY, Durable, secret_in

S = OperationState
# How each kind of secret begins, so that it is found wherever it should not be.
BLOCK_HEADS = {
    PinPurpose.SS_PIN: b"\xd1\x5e\xa5\xed",
    PinPurpose.SS_PIN_PROOF: b"\xd1\x5e\xa5\xed",
    PinPurpose.FINANCIAL_PIN: b"\xf1\xaa\x5e\xd0",
}
_SOCIAL_WORDS = (BLOCK_HEADS[PinPurpose.SS_PIN], b"T00000")
_FINANCIAL_WORDS = (BLOCK_HEADS[PinPurpose.FINANCIAL_PIN], b"62000000000", b"C00000")


class Watch(Judgement, Durable):
    """Everything that a history is judged by.

    `Watch` sees every message that leaves, every effect at a far side, every row that becomes
    durable and every answer that a client gets. What it finds broken it keeps: the first breach
    ends the history.
    """

    def __init__(self, world):
        super().__init__(world)
        self.sent_first = {}  # by link and key: operation, exchange, form, what was said
        self.sent_bytes = {}  # by what left, byte for byte: the message
        self.sent_times = {}  # by operation, exchange, STAN
        self.told = {}  # by operation: the last state that a client was told
        self.blocks = {}  # by PIN block: node, zone, purpose, session
        self.applied = {}  # by far side and card: place in order of what was applied last
        self.genuine = defaultdict(set)  # by operation, exchange, form: DE 39 really answered
        self.last_sent = {}  # by operation and exchange: when a message left last
        self.begun_by = {}  # by operation and exchange: the process that sent the original first
        self.blocks_left = {}  # by PIN block: when it left first
        self.answers_out = {}  # by bytes of a genuine answer: the key of its request
        self.heard = set()  # by node, link and key: answers that came in
        self.beliefs = 0
        self.where = {}  # by operation and exchange: link and key of its original

    def leaves(self, node, speech, message, data, pending: Pending):
        """See a message about to go out."""
        operation = pending.operation.value
        attempt = (operation, pending.exchange, message.fields[11])
        times = self.sent_times[attempt] = self.sent_times.get(attempt, 0) + 1
        durable = self._world.disk.sendings.get(attempt, 0)
        if times > durable:
            self.fail(6, f"{pending.exchange} left {times} times, {durable} are recorded")
        owner = self.owners.get(operation)
        if owner != node.name:
            self.fail(20, f"{node.name} sends for {operation}, which is {owner}'s")
        self.sent_bytes[data] = message.with_fields({speech.mac_field: data[-8:]})
        self._check_identity(speech, message, pending)
        self._check_words(speech, data)
        if 52 in message.fields:
            self._check_block(node, speech, pending, message.fields[52])
        if pending.form is Form.ORIGINAL:
            self._check_original(node, operation, pending)
        self._check_pace(operation, pending, message)
        mark = "again" if message.is_repeat else "sent"
        self._world.note(mark, node.name, speech.name, message.trace, operation)

    def _check_identity(self, speech, message, pending):
        stan, transmitted = message.fields[11], message.fields[7]
        key = (speech.name, *key_of(message.mti, stan, transmitted))
        said = message.fields
        known = self.sent_first.get(key)
        if known is None:
            # A repeat may be what leaves first: the link was down when its original was due.
            day = (speech.name, transmitted[:4], stan)
            if day in self.sent_first:
                self.fail(7, f"STAN of {message.trace} was used that day")
            self.sent_first[day] = self.sent_first[key] = (
                pending,
                said,
                without_repeat(message.mti),
            )
            return
        if not message.is_repeat:
            self.fail(7, f"{message.trace} was sent as new twice")
        if (known[0].operation, known[0].exchange) != (pending.operation, pending.exchange):
            self.fail(7, f"{message.trace} is known from another operation")
        if known[1] != said:
            self.fail(7, f"repeat {message.trace} differs in more than its MTI")
        if known[2] != without_repeat(message.mti):
            self.fail(7, f"{message.trace} has another MTI")

    def _check_original(self, node, operation, pending):
        """See that what may have an effect is sent by one process."""
        begun_by = self.begun_by.setdefault((operation, pending.exchange), node.name)
        recovery = RECOVERY[pending.exchange]
        if begun_by == node.name or recovery is Recovery.QUERY or recovery.needs_no_link:
            return
        self.fail(8, f"{pending.exchange} was sent again after a crash")

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
        kept_s = now - self.blocks_left.setdefault(bytes(block), now)
        life_s = self._world.limits.secret_life.total_seconds()
        self.check(13, kept_s <= life_s, f"a PIN block was kept for {kept_s:.0f} s")
        self.check(13, maker == node.name, f"{node.name} sent a PIN block that {maker} received")

    def _check_pace(self, operation, pending, message):
        """See that a repeat keeps its distance, whatever the wall clock does."""
        now = self._world.scheduler.elapsed
        name = (operation, pending.exchange)
        if message.is_repeat and pending.form is Form.ORIGINAL and name in self.last_sent:
            recovery = RECOVERY[pending.exchange]
            waited = now - self.last_sent[name]
            least = self._world.limits.answer_timeout.total_seconds() - 1.0
            early = waited < least and not recovery.needs_no_link
            self.check(23, not early, f"{pending.exchange} was repeated after {waited:.1f} s")
        self.last_sent[name] = now

    def effect(self, link, key, change):
        """See an effect come about at a far side, or be undone."""
        known = self.sent_first.get((link, *key))
        self.check(10, known is not None, f"{link} carried out what was never sent")
        pending = known[0]
        operation = pending.operation.value
        name = (operation, pending.exchange)
        net = self.net[name] = self.net.get(name, 0) + change
        if net not in {0, 1}:
            self.fail(1, f"{pending.exchange} applied {net} times")
        self._world.note("effect", link, key[1], change, operation)
        state = self.settled.get(operation)
        if state in {S.FAILED, S.SUCCEEDED} and operation not in self.withdrawn:
            standing = net == (state is S.SUCCEEDED)
            self.check(4, standing, f"{operation} was told {state}, then {change:+}")
        if change > 0:
            self.where[name] = (link, key)
        if change > 0 and not RECOVERY[pending.exchange].needs_no_link:
            self._check_order(link, pending, known[1])

    def _check_order(self, link, pending, fields):
        who = (link, fields.get(102) or fields.get(2))
        place = self._world.disk.rows[pending.operation.value].place
        last = self.applied.get(who, -1)
        if place < last:
            self.fail(12, f"{pending.exchange} took effect after a newer operation's")
        self.applied[who] = place

    def original_named(self, link, key):
        """See DE 90 of a reversal or an inquiry."""
        known = self.sent_first.get((link, *key)) or self._durable(link, key)
        self.check(8, known, f"DE 90 names {key} on {link}, which never left")

    def _durable(self, link, key):
        """Tell whether the attempt is on disk: for all that the gateway knows, it left."""
        return any(stan == key[1] for _, _, stan in self._world.disk.sendings) and link

    def answered(self, speech, request, answer, data):
        """See what a far side, or a relay in its name, really answered."""
        key = (speech.name, *key_of(request.mti, request.text(11), request.text(7)))
        known = self.sent_first.get(key)
        self.answers_out[data] = key
        if known is not None:
            pending = known[0]
            attempt = (pending.operation.value, pending.exchange, pending.form)
            self.genuine[attempt].add(answer.text(39))

    def came(self, node, data, believed):
        """See a genuine answer that came in, and how many were believed for it."""
        key = self.answers_out.get(data)
        known = self.sent_first.get(key)
        if known is None or (node.name, key) in self.heard:
            return
        self.heard.add((node.name, key))
        if believed:
            return
        pending = known[0]
        mine = self.begun_by.get((pending.operation.value, pending.exchange)) == node.name
        if mine and pending.operation in node.conductor._running:
            self.fail(9, f"an answer to {pending.exchange} was dropped")

    def believed(self, node, operation, event: Answered):
        """See an answer that reaches the conductor."""
        self.beliefs += 1
        if operation in node.conductor._running:
            self.unrecorded[node.name, operation.value] += 1
        real = self.genuine[operation.value, event.exchange, event.form]
        told = event.response_code.value
        if told not in real:
            self.fail(10, f"{event.exchange} was told {told}, the far side said {real}")
        self._world.note(
            "answer", node.name, event.exchange, event.form.value, told, operation.value
        )

    def replied(self, customer, key, view):
        """See an answer with an operation in it, as it leaves the gateway."""
        if self._world.disk.state_of(view.operation) is None:
            self.fail(5, f"{view.operation} was answered and is not in the store")
        if self.resources.get(("bank", key)) != view.operation.value:
            self.fail(11, f"key {key} was answered with another one")
        self._tells(view)
        self._world.note("told", customer, view.kind.value, view.state.value, view.operation.value)

    def opened_session(self, view):
        """See a PIN session that is given to a customer."""
        if self._world.disk.session(view.pin_session) is None:
            self.fail(5, f"{view.pin_session} was given and is not in the store")

    def viewed(self, view):
        """See an operation read back."""
        self._tells(view)

    def _tells(self, view):
        before = self.told.get(view.operation.value)
        if before is not None and before.is_final and view.state is not before:
            self.fail(4, f"told {before}, then {view.state}")
        if view.state.is_final:
            stored = self._world.disk.state_of(view.operation)
            if stored is not view.state:
                self.fail(5, f"told {view.state}, stored {stored}")
        self.told[view.operation.value] = view.state

    def new_pin_block(self, node, order):
        """Make a PIN block that is known wherever it turns up."""
        session = order.session
        is_sealed = ENVELOPE in order.envelope or order.block == PAD_BLOCK.hex()
        self.check(15, is_sealed, "the module got no PIN")
        head = BLOCK_HEADS[order.purpose]
        block = head + (len(self.blocks) + 1).to_bytes(4, "big")
        self.blocks[block] = (node.name, order.zone, order.purpose, session.id)
        return block

    def logged(self, entries):
        """Look through what the process logged."""
        found = secret_in(repr(entries))
        self.check(13, found is None, f"{found} is in the log")
