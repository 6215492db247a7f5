"""Values that the tests of the durable operation share: a trace, an exchange, a tiny plan."""

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from gateway.operations.exchange import Exchange, ExchangeState, Recovery, Trace
from gateway.operations.facts import Opened, OperationKind, OperationState
from gateway.operations.life import Begin, Settle, Surroundings, Wait
from gateway.operations.operation import open_operation
from gateway.operations.recovery import Limits
from gateway.terms.numbers import LinkId, OperationId, Rrn, Stan
from gateway.terms.sides import Side

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
LINK = LinkId("lnk_" + "1" * 26)
OPERATION = OperationId("op_" + "1" * 26)
FOLLOW_UP = OperationId("op_" + "2" * 26)
LIMITS = Limits(
    answer_timeout=timedelta(seconds=10),
    repeats_max=2,
    secret_life=timedelta(seconds=25),
    retry_first=timedelta(seconds=5),
    retry_max=timedelta(seconds=60),
    horizon=timedelta(hours=1),
)


def make_trace(number=1, at=NOW):
    return Trace(Stan.of(number), Rrn(f"{number:012d}"), at)


_ENDS = {
    ExchangeState.APPROVED: OperationState.SUCCEEDED,
    ExchangeState.DECLINED: OperationState.FAILED,
    ExchangeState.NOT_SENT: OperationState.FAILED,
    ExchangeState.UNANSWERED: OperationState.FAILED,
    ExchangeState.REVERSED: OperationState.FAILED,
    ExchangeState.UNKNOWN: OperationState.UNKNOWN,
    ExchangeState.MANUAL: OperationState.MANUAL,
}


def one_exchange_plan(operation, _now):
    """Begin the only exchange, then tell how it ended."""
    (exchange,) = operation.exchanges.values()
    if exchange.state is ExchangeState.PLANNED:
        return Begin((exchange.name,))
    end = _ENDS.get(exchange.state)
    return Settle(end, response_code=exchange.response_code) if end else Wait()


@pytest.fixture
def now():
    return NOW


@pytest.fixture
def limits():
    return LIMITS


@pytest.fixture
def trace():
    return make_trace()


@pytest.fixture
def make_exchange():
    def make(recovery=Recovery.REVERSIBLE, **members):
        return Exchange("leg", Side.SOCIAL, "link-register", recovery, **members)

    return make


@pytest.fixture
def make_operation(make_exchange):
    def make(*exchanges, wake_at=None):
        opened = Opened(OperationKind.LINK, LINK, NOW, wake_at)
        return open_operation(OPERATION, opened, exchanges or (make_exchange(),))

    return make


@pytest.fixture
def make_surroundings():
    """Give surroundings whose trace numbers count up from one."""

    def make(plan=one_exchange_plan, ready=frozenset(Side)):
        numbers = count(1)
        return Surroundings(
            plan,
            lambda _side: LIMITS,
            lambda _side, at: make_trace(next(numbers), at),
            lambda side: side in ready,
            lambda: FOLLOW_UP,
        )

    return make
