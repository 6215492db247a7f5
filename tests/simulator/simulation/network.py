"""Links between a node and the far sides: bytes both ways, and everything that befalls them.

Links are message channels here: what TCP, framing and the session make of a connection is a link
that is up, down, or up and deaf. Requests are delivered within `DELIVERED_WITHIN_S` or never,
which is what `message_life` of the limits assumes of a far side; answers may come hours late.
"""

from gateway.app.dialogue import hear
from gateway.iso8583.errors import MacMismatch, MalformedMessage
from gateway.wire.answers import Answers

DELIVERED_WITHIN_S = 55.0
IN_FLIGHT_MAX = 64
_USUAL_S = (0.02, 0.4)


class _Plan:
    """What `Answers` wants to know of a link."""

    def __init__(self, speech, answer_seconds_max, answered):
        self.name = speech.name
        self.message_set = speech.message_set
        self.answer_seconds_max = answer_seconds_max
        self.in_flight_max = IN_FLIGHT_MAX
        self.answered = answered


class _Clock:
    def __init__(self, scheduler):
        self._scheduler = scheduler

    def seconds(self):
        return self._scheduler.elapsed


class SimulatedLink:
    """One node's link to one far side: a `gateway.app.dialogue.Link`."""

    def __init__(self, node, far_side, dialogue, deliver):
        self._node = node
        self._world = node.world
        self._far_side = far_side
        self.speech = far_side.speech
        self._chance = node.chance
        heard = hear(self.speech.side, dialogue, deliver)
        limits = node.world.limits.answer_timeout.total_seconds()
        plan = _Plan(self.speech, limits, heard)
        self.answers = Answers(plan, _Clock(node.world.scheduler))
        self.is_up = False
        self.is_deaf = False
        self.connection = 0  # counts connections; what is on an old one is lost
        self.received = self.spoilt = 0

    # ------------------------------------------------------------ the link as the gateway sees it

    @property
    def is_ready(self):
        return self.is_up and self.answers.in_flight < IN_FLIGHT_MAX

    def send(self, message, pending, until=None):
        self._node.pulse("before-send")
        if until is not None and self._world.scheduler.elapsed > until:
            return
        if self.is_up and self.answers.await_answer(message, pending, self.connection):
            data = self.speech.codec.encode(message, self.speech.mac)
            self._world.watch.leaves(self._node, self.speech, message, data, pending)
            self._post(data)
        self._node.pulse("after-send")

    def rise(self):
        """Connect and sign on."""
        if not self.is_up:
            self.is_up, self.is_deaf = True, False
            self.connection += 1
            self._world.note("up", self._node.name, self.speech.name)
            self._node.conductor.link_is_back(self.speech.side)

    def fall(self):
        """Lose the connection, and everything that was awaited over it."""
        if self.is_up:
            self._world.note("down", self._node.name, self.speech.name)
            self.is_up = False
            self.answers.give_up(self.connection)
            self._node.after(self._chance.choice((0.5, 5.0, 60.0, 900.0)), self.rise)

    def go_deaf(self):
        """Become half-open: nothing arrives either way until the echoes have been missed."""
        self.is_deaf = True
        self._node.after(self._chance.uniform(60.0, 200.0), self.fall)

    # ------------------------------------------------------------ there

    def _post(self, data):
        storm = self._node.storm
        if self.is_deaf or storm.fires("drop-request"):
            return
        if storm.fires("corrupt-request"):
            data = self._spoil(data)
        copies = 2 if storm.fires("duplicate-request") else 1
        for _ in range(copies):
            self._world.scheduler.after(self._delay("delay-request"), self._arrive, data)
        if storm.fires("link-down"):
            self._node.call(self.fall)
        if storm.fires("half-open"):
            self.go_deaf()
        if storm.fires("all-links-down"):
            for link in self._node.links.values():
                self._node.call(link.fall)

    def _arrive(self, data):
        answer = self._far_side.take(data)
        connection = self.connection
        if answer is None or self._node.storm.fires("drop-answer"):
            return
        copies = 2 if self._node.storm.fires("duplicate-answer") else 1
        for _ in range(copies):
            self._return(answer, connection)
        self._intrude(answer, connection)

    # ------------------------------------------------------------ and back

    def _return(self, answer, connection):
        if self._node.storm.fires("corrupt-answer"):
            answer = self._spoil(answer)
        delay = self._delay("delay-answer", longest=(30.0, 90.0, 300.0, 4_000.0))
        self._node.after(delay, self._hear, answer, connection)

    def _hear(self, data, connection):
        """Take what came; an old connection's bytes come no more, unless a relay kept them."""
        is_lost = connection != self.connection and self._chance.random() < 0.5
        if self.is_deaf or not self.is_up or is_lost:
            return
        self.received += 1
        try:
            answer = self.speech.codec.read(data, self.speech.mac)
        except (MacMismatch, MalformedMessage):
            self.spoilt += 1
            return
        if answer.is_answer:
            watch = self._world.watch
            before = watch.beliefs
            self.answers.take(answer)
            watch.came(self._node, data, watch.beliefs > before)

    def _intrude(self, answer, connection):
        """Let an intruder or a muddled relay answer too, in a way that must not be believed."""
        storm = self._node.storm
        if storm.fires("forged-answer"):
            forged = self.speech.codec.read(answer, self.speech.mac)
            forged = forged.with_fields({39: "00" if forged.text(39) != "00" else "22"})
            data = self.speech.codec.encode(forged, _forgers_mac)
            self._node.after(self._delay(), self._hear, data, connection)
        if storm.fires("answer-with-another-trace"):
            other = self.speech.codec.read(answer, self.speech.mac)
            data = self.speech.codec.encode(self._muddled(other), self.speech.mac)
            self._node.after(self._delay(), self._hear, data, connection)
        if storm.fires("answer-on-another-link"):
            self._world.misdirect(self._node, self.speech, answer)

    def _muddled(self, answer):
        de = self._chance.choice([de for de in (7, 11, 32, 33, 37, 41) if answer.text(de)])
        value = answer.text(de)
        last = "1" if value[-1] != "1" else "2"
        code = "00" if answer.text(39) != "00" else "22"
        return answer.with_fields({de: value[:-1] + last, 39: code})

    def take_misdirected(self, data):
        """Get bytes that belong on another link, whose MAC key is not this link's."""
        self._node.after(self._delay(), self._hear, data, self.connection)

    # ------------------------------------------------------------ chance

    def _delay(self, kind=None, longest=(DELIVERED_WITHIN_S,)):
        if kind is not None and self._node.storm.fires(kind):
            return self._chance.uniform(0.0, self._chance.choice(longest))
        return self._chance.uniform(*_USUAL_S)

    def _spoil(self, data):
        at = self._chance.randrange(len(data))
        return data[:at] + bytes((data[at] ^ 1 << self._chance.randrange(8),)) + data[at + 1 :]


def _forgers_mac(data):
    return b"%08d" % (len(data) % 100_000_000)
