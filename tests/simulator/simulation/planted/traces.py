"""Mistakes in trace numbers, and in what a repeat is."""

from dataclasses import replace

from gateway.app.dialogue import Dialogue, DialogueTable
from gateway.app.traces import TraceNumbers
from gateway.operations.exchange import ExchangeEvent, ExchangeState, Form
from gateway.operations.facts import OperationKind
from simulation.planted.mistake import mistake

E, S, K = ExchangeEvent, ExchangeState, OperationKind


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
