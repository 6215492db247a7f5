"""What a channel is told, and when it is told again."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.operations.facts import Opened, OperationKind, OperationState, Settled
from gateway.operations.notice import (
    HORIZON,
    RETRY_FIRST,
    RETRY_MAX,
    NoticeGivenUp,
    NoticeTried,
    attempt,
    notice_of,
    seconds_until_due,
)
from gateway.operations.operation import evolve, open_operation
from gateway.terms.numbers import OperationId
from gateway.terms.refusals import Refusal

CAUSE = OperationId("op_" + "7" * 26)


@pytest.fixture
def failed(make_operation, now):
    settled = Settled(OperationState.FAILED, now, Refusal.CARD_LOST)
    return evolve(make_operation(), settled)


def test_notice_holds_reference_state_and_code_only(failed, now):
    """Whoever reads it learns nothing of a person; its id is the outcome's own."""
    notice = notice_of(failed, 1, "online-bank")

    assert json.loads(notice.body) == {
        "type": "operation.settled",
        "timestamp": now.isoformat(),
        "data": {"operation": failed.id.value, "state": "failed", "code": "CARD_LOST"},
    }
    assert notice.id == f"msg_{'1' * 26}_1"
    assert (notice.channel, notice.attempts, notice.due_at) == ("online-bank", 0, now)


def test_account_that_follows_is_told_under_its_activation(make_exchange, now):
    """The channel knows the activation, not the operation by which the SS account follows."""
    link = f"lnk_{'1' * 26}"
    opened = Opened(OperationKind.SS_ACCOUNT, link, now, cause=CAUSE)
    operation = open_operation(OperationId("op_" + "8" * 26), opened, [make_exchange()])
    settled = evolve(operation, Settled(OperationState.SUCCEEDED, now))

    notice = notice_of(settled, 1, "online-bank")

    body = json.loads(notice.body)
    assert (body["type"], body["data"]["operation"]) == ("ss-account.settled", CAUSE.value)
    assert notice.operation == CAUSE


def test_pauses_double_up_to_a_limit_until_the_horizon(failed, now):
    """A receiver that is away is tried again and again, never more than five minutes apart."""
    notice, at, pauses = notice_of(failed, 1, "online-bank"), now, []
    while isinstance(tried := attempt(notice, at), NoticeTried):
        pauses.append(tried.due_at - at)
        notice, at = replace(notice, attempts=tried.attempts), tried.due_at

    assert pauses[:3] == [RETRY_FIRST, RETRY_FIRST * 2, RETRY_FIRST * 4]
    assert pauses[-1] == RETRY_MAX == max(pauses)
    assert tried == NoticeGivenUp(notice.id, len(pauses))
    assert HORIZON <= at - now < HORIZON + RETRY_MAX + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("elapsed", "attempts", "kind"),
    [
        (timedelta(hours=26), 10, NoticeTried),
        (timedelta(hours=37), 150, NoticeGivenUp),
        (timedelta(hours=-2), 270, NoticeTried),
        (timedelta(hours=-1), 295, NoticeGivenUp),
    ],
)
def test_a_step_of_the_wall_clock_gives_nothing_up_at_once(elapsed, attempts, kind, failed, now):
    """25 hours forward or back: it is tried for half the horizon at least, and not for ever."""
    notice = replace(notice_of(failed, 1, "online-bank"), attempts=attempts)

    assert type(attempt(notice, now + elapsed)) is kind


@pytest.mark.parametrize(
    ("due_in", "waits"),
    [(timedelta(seconds=9), 9.0), (timedelta(seconds=-1), 0.0), (timedelta(hours=1), 0.0)],
)
def test_clock_that_was_set_back_delays_nothing(due_in, waits, failed, now):
    """A pause that no failure could have led to is none."""
    notice = replace(notice_of(failed, 1, "online-bank"), due_at=now + due_in)

    assert seconds_until_due(notice, now) == waits
