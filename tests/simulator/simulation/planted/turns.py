"""Mistakes about whose turn it is: keys, sessions, links, cards."""

from contextlib import suppress

from gateway.app import conductor, turns
from gateway.app.conductor import Conductor
from gateway.app.intake import Intake
from gateway.linking.link import SessionUsed
from gateway.operations.exchange import ExchangeEvent, ExchangeState
from gateway.operations.facts import OperationKind
from gateway.store import unit
from gateway.store.unit import KeyUsed, Unit
from gateway.terms.errors import Unavailable
from simulation import disk
from simulation.planted.mistake import mistake

E, S, K = ExchangeEvent, ExchangeState, OperationKind
_LATE_REQUESTS = {"delay-request": 0.9, "crash": 0.03, "http-answer-lost": 0.3}
_SILENCE = {"drop-request": 0.3, "drop-answer": 0.9, "delay-request": 0.9, "crash": 0.02}


@mistake("let a newer PIN overtake an older one", weather=_LATE_REQUESTS, habit="pins")
def _not_alone():
    beside = conductor.BESIDE_OTHERS | {K.SET_SS_PIN}
    return [(module, "BESIDE_OTHERS", beside) for module in (conductor, unit, disk)]


@mistake("hold an unknown PIN's card for no time at all", weather=_SILENCE, habit="pins")
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


@mistake("serve another channel's link", habit="links")
def _any_channel():
    def belongs(_intake, linked, caller):
        return linked.account.customer == caller.customer

    return [(Intake, "belongs", belongs)]
