"""A copy differs in what was changed and in nothing else."""

from dataclasses import replace

import pytest

from gateway.operations.copies import copier
from gateway.operations.exchange import Exchange, ExchangeState
from gateway.operations.facts import OperationState
from gateway.operations.operation import Operation


@pytest.mark.parametrize("changes", [{}, {"state": ExchangeState.SENT, "attempts": 2}])
def test_copy_of_an_exchange_is_that_of_dataclasses(changes, make_exchange):
    """The same value as `replace` makes, and the original stays."""
    exchange = make_exchange()

    assert copier(Exchange)(exchange, changes) == replace(exchange, **changes)
    assert exchange == make_exchange()


def test_copy_of_an_operation_keeps_what_is_not_compared(make_operation):
    """Findings are not compared, and are copied all the same."""
    operation = replace(make_operation(), findings={"near": "somebody"})

    copy = copier(Operation)(operation, {"state": OperationState.FAILED})

    assert copy == replace(operation, state=OperationState.FAILED)
    assert copy.findings == {"near": "somebody"}


def test_unknown_field_is_refused(make_exchange):
    """A member that there is not is our own mistake."""
    with pytest.raises(KeyError):
        copier(Exchange)(make_exchange(), {"colour": "red"})
