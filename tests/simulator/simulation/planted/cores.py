"""Mistakes about a core that asks: repeats, keys used again, reversals."""

from gateway.app import core_channel
from gateway.app.core_record import CoreRecord
from gateway.iso8583 import duplicates
from gateway.linking import plans
from gateway.operations.facts import OperationState
from gateway.operations.life import Settle
from gateway.terms.refusals import Refusal
from simulation.faults import BAD_WEATHER
from simulation.planted.mistake import mistake

_LOSSY = {**BAD_WEATHER, "drop-answer": 0.5}


@mistake("forget a tombstone", habit="counter")
def _no_tombstone():
    async def bar(*_):
        return

    return [(CoreRecord, "bar", bar)]


@mistake("take a core's repeat for another request", weather=_LOSSY, habit="counter")
def _repeat_is_new():
    def duplicate_key(request):
        return (request.mti, *duplicates.duplicate_key(request)[1:])

    return [(core_channel, "duplicate_key", duplicate_key)]


@mistake("take a core's key for another body", habit="counter")
def _any_body():
    return [(core_channel, "body_hash", lambda _: b"")]


@mistake("tell a core that a removal is undone before it is", habit="counter")
def _undone_at_once():
    def taken_back(_operation, _now):
        return Settle(OperationState.FAILED, Refusal.REGISTRATION_UNDONE)

    return [(plans, "_taken_back", taken_back)]
