"""Every kind of operation has its exchanges and its plan."""

import pytest

from gateway.linking.kinds import EXCHANGES, PLANS
from gateway.operations.exchange import ExchangeState, Recovery
from gateway.operations.facts import OperationKind


@pytest.mark.parametrize("kind", sorted(OperationKind))
def test_every_kind_has_exchanges_of_different_names_and_a_plan(kind):
    """Nothing that can be opened is without a rule of how it goes on."""
    names = [exchange.name for exchange in EXCHANGES[kind]]

    assert callable(PLANS[kind])
    assert names
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("kind", sorted(OperationKind))
def test_what_waits_for_an_undoing_is_reversible_on_both_sides(kind):
    """An operation with effects on two sides can undo either of them."""
    effective = [each for each in EXCHANGES[kind] if each.recovery is not Recovery.QUERY]

    if len({exchange.side for exchange in effective}) > 1:
        assert {exchange.recovery for exchange in effective} == {Recovery.REVERSIBLE}
    assert all(exchange.state is ExchangeState.PLANNED for exchange in EXCHANGES[kind])
