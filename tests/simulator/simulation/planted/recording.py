"""Mistakes in recording before acting."""

from gateway.app.conductor import Conductor
from gateway.operations import life
from gateway.operations.exchange import ExchangeEvent, ExchangeState
from gateway.operations.facts import OperationKind
from gateway.terms.errors import Unavailable
from simulation.planted.mistake import mistake
from simulation.writer import Writer

E, S, K = ExchangeEvent, ExchangeState, OperationKind


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


@mistake("lose an event while the journal is full", weather={"disk-full": 0.1, "drop-answer": 0.2})
def _lose_event():
    def next_(self, running):
        while running.queue and not running.is_recording:
            event = running.queue.popleft()
            try:
                self._carry_out(running, self._decide(running, event))
            except Unavailable:
                return

    return [(Conductor, "_next", next_)]
