"""Mistakes in reading answers."""

from dataclasses import replace

from gateway.app.dialogue import Dialogue
from gateway.iso8583.mac import MacRule
from gateway.iso8583.matching import KeyReader, Outcome
from gateway.operations import life, recovery
from gateway.operations.exchange import TRANSITIONS, ExchangeEvent, ExchangeState, Form
from gateway.operations.facts import OperationKind
from gateway.terms.response_codes import ResponseCode
from gateway.wire.outbound_link import Answers
from simulation.planted.mistake import mistake

E, S, K = ExchangeEvent, ExchangeState, OperationKind


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


@mistake("let a late approval override a reversal", weather={"delay-answer": 0.9}, habit="links")
def _late_overrides():
    right = life._reading

    def reading(exchange, event):
        late = exchange.state is S.REVERSING and event.form is Form.ORIGINAL
        if late and event.response_code.is_approval:
            return E.APPROVE
        return right(exchange, event)

    return [(life, "_reading", reading), (TRANSITIONS[S.REVERSING], E.APPROVE, S.APPROVED)]


@mistake(
    "match answers by STAN alone", weather={"answer-with-another-trace": 0.6, "drop-answer": 0.3}
)
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
