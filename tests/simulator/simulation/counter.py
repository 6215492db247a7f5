"""The bank core's counters, which ask the gateway in ISO 8583 over a listener of its own.

A core repeats a request until it has a definite answer, changes its mind and reverses it, sends the
reversal ahead of what it reverses, and now and then uses a key again for something else.
"""

from asyncio import sleep as pause
from datetime import timedelta

from gateway.iso8583.duplicates import duplicate_key
from gateway.iso8583.errors import MacMismatch, MalformedMessage
from gateway.iso8583.original_data import OriginalData
from gateway.operations.facts import OperationKind as K
from gateway.terms.numbers import transmission_date_time
from gateway.terms.response_codes import ResponseCode as R
from gateway.terms.sides import Side
from simulation.far_side import key_of
from simulation.network import DELIVERED_WITHIN_S

INSTITUTION = "99990001"
TERMINAL = "COUNTER1"
PAD_BLOCK = b"\xa5" * 8  # of the counters' PIN pads, under their zone
PAD_CONTROL = "9900000000000000"
_TRIES_MAX = 6
_ANSWER_S = 20.0
_CHANGED_MIND = 0.35  # of those who had a card unlinked or a loss cancelled
_OVERTAKEN = 0.2  # reversals that arrive before their original
_REUSED = 0.2  # keys that are used again for another body
_OPEN = {code.value for code in R if code.leaves_outcome_open}
_ASKED = {
    "ss-pin-set": (K.SET_SS_PIN, Side.SOCIAL),
    "ss-pin-unlock": (K.SS_PIN_UNLOCK, Side.SOCIAL),
    "unlink": (None, None),
    "financial-loss-temporary": (None, None),
    "financial-loss-cancel": (None, None),
    "account-activated": (None, None),
}
_REVERSED = ("unlink", "financial-loss-cancel")


class Counters:
    """The counters of the one core, and what they were answered."""

    def __init__(self, world, speech):
        self._world = world
        self._speech = speech
        self._watch = world.watch
        self._chance = world.chance_of("counter")
        self._stan = 0
        self._heard = {}  # by key and DE 12: the last answer

    async def serve(self, customer):
        """Do one thing for a customer who stands at the counter."""
        name = self._chance.choice(tuple(_ASKED))
        request = self._word(name, customer)
        if name in _REVERSED and self._chance.random() < _OVERTAKEN:
            await self._overtake(request, customer)
            return
        lost = self._is_barred(name, customer.link)
        code = await self._ask(request)
        if code == R.APPROVED.value and lost and self._is_barred(name, customer.link):
            self._watch.fail(17, f"{name} was done although a loss of it was reported")
        if code == R.APPROVED.value and self._chance.random() < _REUSED:
            await self._reuse(request)
        undo = name in _REVERSED and (code is None or self._chance.random() < _CHANGED_MIND)
        if undo:
            await self._reverse(request, customer)

    def _is_barred(self, name, link):
        side = _ASKED[name][1]
        return side is not None and self._watch.is_lost(link, side)

    # ------------------------------------------------------------ what is asked

    def _word(self, name, customer):
        """Word a request with fresh trace numbers."""
        self._stan += 1
        now = self._world.epoch + timedelta(seconds=self._world.scheduler.elapsed)
        fields = {2: customer.who.pan, 7: transmission_date_time(now), 11: f"{self._stan:06d}"}
        fields |= {12: now.strftime("%H%M%S"), 13: now.strftime("%m%d"), 32: INSTITUTION}
        fields |= {33: INSTITUTION, 37: f"9{self._stan:011d}", 41: TERMINAL}
        private = {"LK": customer.link.value, "PF": "IC"}
        if name == "ss-pin-set":
            fields |= {52: PAD_BLOCK, 53: PAD_CONTROL}
        if name == "account-activated":
            private["AT"] = now.strftime("%Y%m%d%H%M%S")
        return self._speech.message_set.kind(name).build(fields, private)

    async def _reverse(self, request, customer):
        """Reverse a request until it is known what became of it."""
        original = OriginalData(
            request.mti, request.text(11), request.text(7), INSTITUTION, INSTITUTION
        )
        known = {37: request.text(37), 41: TERMINAL}
        reversal = self._word("reversal", customer).with_fields({90: original.build(), **known})
        self._watch.counter_reverses(_key(request))
        code = await self._ask(reversal)
        if code == R.ORIGINAL_NOT_FOUND.value:
            self._watch.bars("/".join(duplicate_key(request)))

    async def _overtake(self, request, customer):
        """Have the reversal arrive first; the original must not be carried out any more."""
        self._post(request, self._chance.uniform(30.0, DELIVERED_WITHIN_S))
        await self._reverse(request, customer)
        await pause(DELIVERED_WITHIN_S)

    async def _reuse(self, request):
        """Use a key again for another body, which is not answered as the first one was."""
        changed = request.with_fields({12: "000000" if request.text(12) != "000000" else "000001"})
        self._post(changed, 0.1)
        await pause(_ANSWER_S)
        code = self._heard.get(_body(changed))
        fine = code in {None, R.DUPLICATE.value, R.INOPERATIVE.value}
        self._watch.check(11, fine, f"a key with another body was answered {code}")

    # ------------------------------------------------------------ the wire

    async def _ask(self, request):
        """Ask until there is a definite answer; None when none comes."""
        key, message = _key(request), request
        for _ in range(_TRIES_MAX):
            self._heard.pop(_body(request), None)
            self._post(message, 0.05)
            message = request.as_repeat()
            for _ in range(2):
                await pause(_ANSWER_S)
                code = self._heard.get(_body(request))
                if code is not None:
                    break
            if code is not None and code not in _OPEN:
                self._watch.counter_told(key, code)
                return code
        return None

    def _post(self, request, delay):
        storm, data = self._world.storm, self._speech.codec.encode(request, self._speech.mac)
        self._world.note("asks", "counter", request.trace)
        if storm.fires("drop-request"):
            return
        copies = 2 if storm.fires("duplicate-request") else 1
        for _ in range(copies):
            late = self._chance.uniform(0.0, 5.0) if storm.fires("delay-request") else 0.05
            self._world.scheduler.after(delay + late, self._arrive, data)

    def _arrive(self, data):
        serving = [node for node in self._world.nodes.values() if node.is_open]
        if serving:
            node = self._chance.choice(serving)
            node.call(self._take, node, data)

    def _take(self, node, data):
        try:
            request = self._speech.codec.read(data, self._speech.mac)
        except (MacMismatch, MalformedMessage):
            return
        node.core_channel.handle(request, lambda answer: self._answer(request, answer))

    def _answer(self, request, answer):
        data = self._speech.codec.encode(answer, self._speech.mac)
        if not self._world.storm.fires("drop-answer"):
            self._world.scheduler.after(0.05, self._hear, request, data)

    def _hear(self, request, data):
        speech = self._speech
        answer = speech.codec.read(data, speech.mac)
        kind = speech.message_set.identify(request)
        speech.message_set.check_response(kind, request, answer)
        self._heard[_body(request)] = answer.text(39)
        self._world.note("answers", "counter", answer.trace, answer.text(39))


def _key(request):
    return key_of(request.mti, request.text(11), request.text(7))


def _body(request):
    """Tell a request from another one with the same key."""
    return (*_key(request), request.text(12))
