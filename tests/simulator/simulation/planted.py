"""Mistakes that somebody could make in the gateway, each of which a history must find.

A mistake is a handful of attributes to replace while it is in force.
"""

from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from gateway.app import conductor, turns
from gateway.app.conductor import Conductor
from gateway.app.dialogue import Dialogue, DialogueTable
from gateway.app.intake import Intake
from gateway.app.traces import TraceNumbers
from gateway.iso8583.mac import MacRule
from gateway.iso8583.matching import KeyReader, Outcome
from gateway.linking import plans
from gateway.linking.kinds import PLANS
from gateway.linking.link import SessionUsed
from gateway.operations import life, recovery
from gateway.operations.exchange import TRANSITIONS, ExchangeEvent, ExchangeState, Form, Recovery
from gateway.operations.facts import OperationKind, OperationState
from gateway.operations.life import Settle, Undo, Wait
from gateway.store import unit
from gateway.store.unit import KeyUsed, Unit
from gateway.terms.errors import Unavailable
from gateway.terms.response_codes import ResponseCode
from gateway.terms.sides import Side
from gateway.wire.outbound_link import Answers
from simulation import disk
from simulation.writer import Writer

E, S, K = ExchangeEvent, ExchangeState, OperationKind
Replacement = tuple[object, str, object]


@dataclass(frozen=True)
class Mistake:
    """What is wrong, and what to replace so that it is."""

    name: str
    replacements: Callable[[], list[Replacement]]

    @contextmanager
    def in_force(self):
        """Plant it, and dig it out in the end."""
        before = []
        try:
            for owner, name, value in self.replacements():
                table = owner if isinstance(owner, dict) else vars(owner)
                before.append((owner, name, table.get(name, _ABSENT)))
                _put(owner, name, value)
            yield
        finally:
            for owner, name, value in reversed(before):
                _put(owner, name, value)


_ABSENT = object()


def _put(owner, name, value):
    if not isinstance(owner, dict):
        setattr(owner, name, value)
    elif value is _ABSENT:
        del owner[name]
    else:
        owner[name] = value


MISTAKES = []


def mistake(name):
    """Enter a function that gives the replacements of a mistake."""

    def enter(replacements):
        MISTAKES.append(Mistake(name, replacements))
        return replacements

    return enter


# ------------------------------------------------------------------ record, then act


@mistake("skip the sync: act before the decision is on disk")
def _skip_sync():
    right = Conductor._record

    def record(self, running, decision, opened):
        journal = self._journal

        class Hasty:
            def submit(self, work, done):
                journal.submit(work, lambda _error: None)
                done(None)

        self._journal = Hasty()
        try:
            right(self, running, decision, opened)
        finally:
            self._journal = journal

    return [(Conductor, "_record", record)]


@mistake("send before recording")
def _send_first():
    right = Conductor._record

    def record(self, running, decision, opened):
        before, running.operation = running.operation, decision.operation
        for effect in decision.effects:
            if isinstance(effect, life.Transmit):
                self._perform(running, effect)
        running.operation = before
        right(self, running, decision, opened)

    return [(Conductor, "_record", record)]


@mistake("give a PIN session before it is on disk")
def _session_first():
    def keep(self, work, done):
        self._journal.submit(work, lambda _error: None)
        done(None)

    return [(Conductor, "keep", keep)]


@mistake("carry every effect out twice")
def _twice():
    right = Conductor._perform

    def perform(self, running, effect):
        right(self, running, effect)
        if isinstance(effect, life.Transmit):
            right(self, running, effect)

    return [(Conductor, "_perform", perform)]


@mistake("go on with a broken journal")
def _broken_journal():
    def not_recorded(self, running, opened, error):
        if opened is not None:
            self._dismiss(running)
            opened(error)

    return [
        (Conductor, "_not_recorded", not_recorded),
        (Writer, "lost", lambda *_: None),
    ]


@mistake("lose an event while the journal is full")
def _lose_event():
    def next_(self, running):
        while running.queue and not running.is_recording:
            event = running.queue.popleft()
            try:
                self._carry_out(running, self._decide(running, event))
            except Unavailable:
                return

    return [(Conductor, "_next", next_)]


# ------------------------------------------------------------------ trace numbers


@mistake("reuse a STAN")
def _reuse_stan():
    right = TraceNumbers._take

    def take(self):
        number = right(self)
        return number - 1 if number % 7 == 0 and number else number

    return [(TraceNumbers, "_take", take)]


@mistake("forget after a crash which STANs were used")
def _forget_stans():
    def refill(self, filled=lambda _error: None):
        if not self._numbers:
            self._numbers.append(range(50_000))
        filled(None)

    return [(TraceNumbers, "refill", refill)]


@mistake("repeat under a new STAN")
def _new_stan():
    right = DialogueTable.transmit

    def transmit(self, errand):
        if errand.is_repeat and errand.exchange.form is Form.ORIGINAL:
            trace = errand.exchange.trace
            fresh = self.allocate(
                errand.exchange.side, errand.cargo.card.agency, trace.transmitted_at
            )
            errand = replace(errand, exchange=replace(errand.exchange, trace=fresh))
        right(self, errand)

    return [(DialogueTable, "transmit", transmit)]


@mistake("repeat with the present time in DE 7")
def _new_time():
    right = Dialogue.transmit

    def transmit(self, errand):
        if errand.is_repeat and errand.exchange.form is Form.ORIGINAL:
            trace = errand.exchange.trace
            later = replace(
                trace, transmitted_at=errand.operation.updated_at.replace(microsecond=0)
            )
            errand = replace(errand, exchange=replace(errand.exchange, trace=later))
        right(self, errand)

    return [(Dialogue, "transmit", transmit)]


@mistake("repeat without the repeat digit")
def _no_digit():
    right = Dialogue.transmit
    return [
        (Dialogue, "transmit", lambda self, errand: right(self, replace(errand, is_repeat=False)))
    ]


@mistake("name the wrong original in DE 90")
def _wrong_original():
    right = Dialogue._message

    def message(self, kind, draft, trace):
        if draft.original is not None:
            draft = replace(draft, original=replace(draft.original, trace=trace))
        return right(self, kind, draft, trace)

    return [(Dialogue, "_message", message)]


# ------------------------------------------------------------------ what silence means


def _overdue(wrong):
    right = recovery.overdue

    def overdue(exchange, now, limits, *, resumed):
        found = wrong(exchange, resumed)
        return found or right(exchange, now, limits, resumed=resumed)

    return [(life, "overdue", overdue)]


@mistake("retry a PIN from disk after a crash")
def _pin_from_disk():
    kept = {}
    right_open = Conductor.open

    def open_(self, operation, *more, pins=None, **rest):
        kept[operation] = dict(pins or {})
        right_open(self, operation, *more, pins=pins, **rest)

    def resume(self, operation, cargo):
        running = conductor._Running(operation, cargo, recorded=len(operation.facts))
        running.pins.update(kept.get(operation.id, {}))
        self._admit(running)
        self._take(running, life.Resumed())

    def repeat(exchange, resumed):
        secret = exchange.recovery is Recovery.AT_MOST_ONCE and exchange.state is S.SENT
        return E.REPEAT if resumed and secret else None

    return [(Conductor, "open", open_), (Conductor, "resume", resume), *_overdue(repeat)]


@mistake("repeat after a crash as if nothing had happened")
def _resume_as_new():
    right = recovery.overdue
    return [
        (
            life,
            "overdue",
            lambda exchange, now, limits, *, resumed: right(  # noqa: ARG005
                exchange, now, limits, resumed=False
            ),
        )
    ]


@mistake("reverse an activation instead of inquiring")
def _reverse_before_inquiry():
    def reverse(exchange, resumed):  # noqa: ARG001
        silent = exchange.recovery is Recovery.FORWARD and exchange.state is S.SENT
        return E.REVERSE if silent and exchange.attempts > 1 else None

    return _overdue(reverse)


@mistake("give up what may have had an effect")
def _give_up():
    def give_up(exchange, resumed):  # noqa: ARG001
        doubtful = exchange.recovery in {Recovery.REVERSIBLE, Recovery.FORWARD}
        return E.GIVE_UP if doubtful and exchange.state is S.SENT else None

    return _overdue(give_up)


@mistake("call a person at the first unconfirmed reversal")
def _person_at_once():
    def expire(exchange, resumed):  # noqa: ARG001
        return E.EXPIRE if exchange.state is S.REVERSING and exchange.attempts > 1 else None

    return _overdue(expire)


@mistake("repeat a PIN for as long as it takes")
def _endless_pin():
    def repeat(exchange, resumed):
        secret = exchange.recovery is Recovery.AT_MOST_ONCE and exchange.state is S.SENT
        return E.REPEAT if secret and not resumed and exchange.attempts < 30 else None

    return _overdue(repeat)


@mistake("lose the timer of an inquiry")
def _lose_timer():
    right = Conductor._perform

    def perform(self, running, effect):
        if isinstance(effect, life.Watch):
            exchange = running.operation.exchanges[effect.exchange]
            if exchange.form is not Form.ORIGINAL:
                return
        right(self, running, effect)

    return [(Conductor, "_perform", perform)]


@mistake("run timers on the wall clock")
def _wall_timers():
    def in_(self, running, name, pause_s, then):
        self._cancel(running, name)
        due = self._timers.now() + conductor.timedelta(seconds=pause_s)

        def look():
            if self._timers.now() >= due:
                running.timers.pop(name, None)
                then()
            else:
                running.timers[name] = self._timers.call_later(min(pause_s, 5.0) or 0.01, look)

        look()

    return [(Conductor, "_in", in_)]


@mistake("do not take over after a crash")
def _no_resume():
    def resume(self, operation, cargo):
        self._admit(conductor._Running(operation, cargo, recorded=len(operation.facts)))

    return [(Conductor, "resume", resume)]


# ------------------------------------------------------------------ what an answer means


@mistake("take an open answer for a refusal")
def _open_is_refusal():
    right = recovery.answered

    def answered(exchange, code):
        if exchange.state is S.SENT and code.leaves_outcome_open:
            return E.DECLINE
        return right(exchange, code)

    return [(life, "answered", answered)]


@mistake("take any answer for a confirmed reversal")
def _any_confirms():
    right = recovery.answered

    def answered(exchange, code):
        return E.CONFIRM_REVERSAL if exchange.state is S.REVERSING else right(exchange, code)

    return [(life, "answered", answered)]


@mistake("take any answer for the outcome of an inquiry")
def _any_outcome():
    right = recovery.answered

    def answered(exchange, code):
        open_ = exchange.state is S.INQUIRING and right(exchange, code) is None
        return E.DECLINE if open_ else right(exchange, code)

    return [(life, "answered", answered)]


@mistake("drop a late answer")
def _drop_late():
    right = Answers.take

    def take(self, message):
        match = self._pending.match

        def matching(answer, now):
            found = match(answer, now)
            return (
                found._replace(outcome=Outcome.DUPLICATE)
                if found.outcome is Outcome.LATE
                else found
            )

        self._pending.match = matching
        try:
            right(self, message)
        finally:
            del self._pending.match

    return [(Answers, "take", take)]


@mistake("do not record an answer that decides nothing")
def _forget_aside():
    right = life._Deciding._take_answer

    def take_answer(self, event):
        if life._reading(self.operation.exchanges[event.exchange], event) is not None:
            right(self, event)

    return [(life._Deciding, "_take_answer", take_answer)]


@mistake("let a late approval override a reversal")
def _late_overrides():
    right = life._reading

    def reading(exchange, event):
        late = exchange.state is S.REVERSING and event.form is Form.ORIGINAL
        if late and event.response_code.is_approval:
            return E.APPROVE
        return right(exchange, event)

    return [(life, "_reading", reading), (TRANSITIONS[S.REVERSING], E.APPROVE, S.APPROVED)]


@mistake("match answers by STAN alone")
def _stan_alone():
    right = KeyReader.__init__
    return [(KeyReader, "__init__", lambda self, _declared=(): right(self, (11,)))]


@mistake("believe an answer without looking at its MAC")
def _no_mac():
    return [(MacRule, "verify", lambda *_: None)]


@mistake("believe any answer to a message that was sent")
def _any_code():
    right = Dialogue.read

    def read(self, side, pending, answer):
        event = right(self, side, pending, answer)
        return replace(event, response_code=ResponseCode.APPROVED, finding=None)

    return [(Dialogue, "read", read)]


# ------------------------------------------------------------------ plans


def _planned(wrong, *kinds):
    return [(PLANS, kind, wrong(PLANS[kind])) for kind in kinds]


@mistake("settle what is pending as failed")
def _pending_is_failed():
    def wrong(plan):
        def planned(operation, now):
            step = plan(operation, now)
            doubtful = any(e.state is S.REVERSING for e in operation.exchanges.values())
            return Settle(OperationState.FAILED) if doubtful and isinstance(step, Wait) else step

        return planned

    return _planned(wrong, K.LINK, K.UNLINK)


@mistake("tell an unknown PIN as failed")
def _unknown_is_failed():
    def wrong(plan):
        def planned(operation, now):
            step = plan(operation, now)
            lost = isinstance(step, Settle) and step.state is OperationState.UNKNOWN
            return Settle(OperationState.FAILED) if lost else step

        return planned

    return _planned(wrong, K.SET_SS_PIN)


@mistake("leave the first side as it is when the second declines")
def _no_undo():
    def wrong(plan):
        def planned(operation, now):
            step = plan(operation, now)
            return Settle(OperationState.FAILED) if isinstance(step, Undo) else step

        return planned

    return _planned(wrong, K.LINK, K.UNLINK)


@mistake("be content with the first side")
def _one_side():
    def wrong(plan):
        def planned(operation, now):
            first = operation.exchanges["core-register"]
            done = first.state is S.APPROVED
            return Settle(OperationState.SUCCEEDED) if done else plan(operation, now)

        return planned

    return _planned(wrong, K.LINK)


@mistake("do not change the link when its removal succeeds")
def _link_stays():
    return [(plans, "_with_link", lambda step, _operation, _state, _now: step)]


@mistake("let the SS account follow before its time")
def _follows_early():
    def wrong(plan):
        return lambda operation, now: plan(replace(operation, wake_at=None), now)

    return _planned(wrong, K.SS_ACCOUNT)


@mistake("forget that the SS account follows")
def _no_follow_up():
    return [(Conductor, "_open_follow_up", lambda *_: None)]


# ------------------------------------------------------------------ whose turn it is


@mistake("let a newer PIN overtake an older one")
def _not_alone():
    beside = conductor.BESIDE_OTHERS | {K.SET_SS_PIN}
    return [(module, "BESIDE_OTHERS", beside) for module in (conductor, unit, disk)]


@mistake("hold an unknown PIN's card for no time at all")
def _no_hold():
    right = Conductor._hold

    def hold(self, running):
        right(self, running)
        self._cancel(running, "hold")
        self._busy.pop(running.operation.link, None)
        running.is_let_go = True
        with suppress(Unavailable):
            self._journal.submit(
                Unit(records=(conductor.LetGo(running.operation.id),)), lambda _error: None
            )

    return [(Conductor, "_hold", hold)]


@mistake("never let an unknown PIN's card go")
def _hold_forever():
    right = Conductor._hold

    def hold(self, running):
        right(self, running)
        self._cancel(running, "hold")

    return [(Conductor, "_hold", hold)]


@mistake("forget an Idempotency-Key")
def _forget_key():
    right = Conductor.open

    def open_(self, *more, records=(), **rest):
        kept = tuple(each for each in records if not isinstance(each, KeyUsed))
        right(self, *more, records=kept, **rest)

    return [(Conductor, "open", open_)]


@mistake("take the same key for another body")
def _any_body():
    class Careless:
        compare_digest = staticmethod(lambda _one, _other: True)

    return [(turns, "secrets", Careless)]


@mistake("let a PIN session be used twice")
def _session_twice():
    right_open, right_refuse = Conductor.open, Conductor.refuse

    def without(records):
        return tuple(each for each in records if not isinstance(each, SessionUsed))

    def open_(self, *more, records=(), **rest):
        right_open(self, *more, records=without(records), **rest)

    def refuse(self, operation, opened, refusal, records, done):
        right_refuse(self, operation, opened, refusal, without(records), done)

    return [(Conductor, "open", open_), (Conductor, "refuse", refuse)]


@mistake("serve another customer's link")
def _any_customer():
    return [(Intake, "belongs", lambda intake, linked, by: intake.is_shared(linked, by.channel))]


@mistake("serve another channel's link")
def _any_channel():
    def belongs(_intake, linked, caller):
        return linked.account.customer == caller.customer

    return [(Intake, "belongs", belongs)]


# ------------------------------------------------------------------ two sides


@mistake("tell the bureau the account")
def _tell_bureau():
    right = Dialogue._draft

    def draft(self, errand):
        made = right(self, errand)
        if made.message == "link-register" and errand.exchange.side is Side.SOCIAL:
            private = {**made.private, "AD": f"account {errand.cargo.account.pan.value}"}
            made = replace(made, private=private)
        return made

    return [(Dialogue, "_draft", draft)]


@mistake("send a message to another bureau")
def _another_bureau():
    right = DialogueTable.of

    def of(self, side, agency):
        return self._dialogues["bureau-1"] if side is Side.SOCIAL else right(self, side, agency)

    return [(DialogueTable, "of", of)]


@mistake("write a PIN block into the log")
def _log_pin():
    right = Conductor.open

    def open_(self, operation, *more, pins=None, **rest):
        for pin in (pins or {}).values():
            conductor.log.info("opened", operation=str(operation), pin=pin.block.hex())
        right(self, operation, *more, pins=pins, **rest)

    return [(Conductor, "open", open_)]


@mistake("write a card number into the journal")
def _journal_card():
    right = Conductor.open

    def open_(self, operation, opened, cargo, **rest):
        details = {**(opened.details or {}), "card": cargo.card.number.value}
        right(self, operation, replace(opened, details=details), cargo, **rest)

    return [(Conductor, "open", open_)]
