"""An operation is its facts, folded."""

import json
from dataclasses import replace
from datetime import UTC, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.operations.exchange import TRANSITIONS, Exchange, ExchangeEvent, Move, Recovery, Trace
from gateway.operations.facts import (
    AnswerSetAside,
    Moved,
    Opened,
    OperationKind,
    OperationState,
    Settled,
    from_json,
    to_json,
)
from gateway.operations.operation import evolve, open_operation, replay
from gateway.terms.errors import LocalError
from gateway.terms.numbers import LinkId, OperationId, Rrn, Stan
from gateway.terms.refusals import Refusal
from gateway.terms.response_codes import ResponseCode
from gateway.terms.sides import Side

ID = OperationId("op_" + "1" * 26)
LINK = LinkId("lnk_" + "1" * 26)
EXCHANGES = (
    Exchange("near", Side.FINANCIAL, "link-register", Recovery.REVERSIBLE),
    Exchange("far", Side.SOCIAL, "pin-set", Recovery.AT_MOST_ONCE),
)


@pytest.fixture
def opened(now):
    return Opened(OperationKind.LINK, LINK, now, now + timedelta(hours=1), ID, {"added": "S"})


def test_an_operation_begins_as_it_was_opened(opened, now):
    """Kind, link, cause, details and waking time come from the first fact."""
    operation = open_operation(ID, opened, EXCHANGES)

    assert (operation.kind, operation.link, operation.cause) == (OperationKind.LINK, LINK, ID)
    assert (operation.opened_at, operation.updated_at) == (now, now)
    assert (operation.wake_at, operation.details) == (opened.wake_at, {"added": "S"})
    assert operation.state is OperationState.PENDING
    assert set(operation.exchanges) == {"near", "far"}
    assert operation.facts == (opened,)


@given(st.data())
def test_replay_equals_folding_live(data):
    """Any walk through the table gives the same operation when read back from the journal."""
    at = data.draw(st.datetimes(timezones=st.just(UTC)))
    live = open_operation(ID, Opened(OperationKind.LINK, LINK, at), EXCHANGES)
    for number in range(data.draw(st.integers(0, 12))):
        at += timedelta(seconds=1)
        name = data.draw(st.sampled_from(["near", "far"]))
        events = sorted(TRANSITIONS[live.exchanges[name].state])
        fact = data.draw(
            st.sampled_from(
                [
                    AnswerSetAside(name, at, ResponseCode.MALFUNCTION),
                    Settled(OperationState.UNKNOWN, at, Refusal.DECLINED),
                    *(
                        Moved(name, Move(event, at, Trace(Stan.of(number), Rrn("0" * 12), at)))
                        for event in events
                    ),
                ]
            )
        )
        live = evolve(live, fact)

    read = replay(ID, map(from_json, json.loads(to_json(live.facts))), lambda _kind: EXCHANGES)

    assert read == live
    assert read.facts == live.facts


def test_a_settled_operation_keeps_what_the_caller_was_told(opened, now):
    """State, refusal, code and follow-up are the operation's; a later settling keeps the latter."""
    follow_up = OperationId("op_" + "3" * 26)
    operation = open_operation(ID, opened, EXCHANGES)
    first = Settled(OperationState.UNKNOWN, now, None, None, follow_up)
    second = Settled(OperationState.FAILED, now, Refusal.CARD_LOST, ResponseCode.LOST)

    settled = evolve(evolve(operation, first), second)

    assert (settled.state, settled.refusal) == (OperationState.FAILED, Refusal.CARD_LOST)
    assert (settled.response_code, settled.follow_up) == (ResponseCode.LOST, follow_up)


def test_rest_means_final_with_nothing_out(opened, now):
    """An answer that is still due keeps a failed operation from its rest."""
    trace = Trace(Stan.of(1), Rrn("0" * 12), now)
    operation = open_operation(ID, opened, EXCHANGES)
    asked = evolve(operation, Moved("near", Move(ExchangeEvent.SEND, now, trace)))
    failed = evolve(asked, Settled(OperationState.FAILED, now))
    over = evolve(failed, Moved("near", Move(ExchangeEvent.DECLINE, now)))

    assert [each.is_at_rest for each in (operation, asked, failed, over)] == [False] * 3 + [True]


def test_an_operation_is_opened_once(opened):
    """A second opening in the middle of a history is refused."""
    with pytest.raises(LocalError, match="opened once"):
        evolve(open_operation(ID, opened, EXCHANGES), opened)


def test_a_history_begins_with_its_opening(now):
    """An empty history, or one that begins in the middle, is refused."""
    for history in ((), (Settled(OperationState.FAILED, now),)):
        with pytest.raises(LocalError, match="does not begin with its opening"):
            replay(ID, history, lambda _kind: EXCHANGES)


def test_a_move_of_an_exchange_that_the_kind_does_not_have_is_refused(opened, now):
    """A journal of another version is our own fault, by name."""
    with pytest.raises(LocalError, match="link operation has no exchange nobody"):
        evolve(
            open_operation(ID, opened, EXCHANGES),
            Moved("nobody", Move(ExchangeEvent.HOLD_BACK, now)),
        )


def test_findings_are_never_recorded_nor_printed(opened):
    """What far sides told of persons lives in memory only."""
    operation = open_operation(ID, opened, EXCHANGES)
    told = replace(operation, findings={"near": "somebody"})

    assert "somebody" not in repr(told)
    assert told == operation
