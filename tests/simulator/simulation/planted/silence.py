"""Mistakes about what it means that no answer came."""

from datetime import timedelta

from gateway.app.conductor import Conductor
from gateway.app.running import Running
from gateway.operations import life, recovery
from gateway.operations.exchange import ExchangeEvent, ExchangeState, Form, Recovery
from gateway.operations.facts import OperationKind
from simulation.planted.mistake import mistake

E, S, K = ExchangeEvent, ExchangeState, OperationKind
_HELD = {"paused": 0.5, "disk-slow": 0.9, "drop-request": 0.7}


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
        recorded, now = len(operation.facts), self._timers.seconds()
        running = Running(operation, cargo, recorded, begun_at=now)
        running.pins.update(kept.get(operation.id, {}))
        self._admit(running)
        self._take(running, life.Resumed())

    def repeat(exchange, resumed):
        secret = exchange.recovery is Recovery.AT_MOST_ONCE and exchange.state is S.SENT
        return E.REPEAT if resumed and secret else None

    return [(Conductor, "open", open_), (Conductor, "resume", resume), *_overdue(repeat)]


@mistake("send a PIN however old it has become", weather=_HELD, habit="pins")
def _old_pin():
    right = Conductor._transmit

    def transmit(self, running, name, *, is_repeat):
        running.begun_at = self._timers.seconds()
        right(self, running, name, is_repeat=is_repeat)

    return [(Conductor, "_transmit", transmit)]


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


@mistake("repeat a PIN for as long as it takes", weather={"drop-answer": 0.9}, habit="pins")
def _endless_pin():
    def repeat(exchange, resumed):
        secret = exchange.recovery is Recovery.AT_MOST_ONCE and exchange.state is S.SENT
        return E.REPEAT if secret and not resumed and exchange.attempts < 30 else None

    # Two rules stand against it: what is repeated, and what may still leave.
    return [*_old_pin(), *_overdue(repeat)]


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
        due = self._timers.now() + timedelta(seconds=pause_s)

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
        self._admit(Running(operation, cargo, recorded=len(operation.facts)))

    return [(Conductor, "resume", resume)]
