"""A far side put together."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.simulators.faults import Fault, FaultKind
from gateway.terms.errors import SpecificationError


def test_time_is_that_of_its_clock(clocked):
    """The far side's time is its clock's, in UTC."""
    host, clock = clocked()

    assert host.now() == datetime.fromtimestamp(clock.seconds(), UTC)


def test_time_is_advanced_and_refuses_to_run_away(clocked):
    """What passed at once is added to the clock; beyond ten years nothing is."""
    host, _ = clocked()
    before = host.now()
    host.advance(86_400)

    with pytest.raises(SpecificationError, match="3660 days"):
        host.advance(3_660 * 86_400)

    assert host.now() - before == timedelta(days=1)


def test_reset_gives_the_state_of_the_beginning(clocked):
    """State, desk, faults and journal are new; the wire stays."""
    host, _ = clocked()
    rules, desk, wire = host.rules, host.desk, host.wire
    host.faults.add(Fault("*", FaultKind.DROP_REQUEST))
    host.journal.event(host.now(), 1, "connected")
    host.advance(86_400)

    host.reset()

    assert host.rules is not rules
    assert host.desk is not desk
    assert (host.wire, host.ahead) == (wire, timedelta())
    assert (host.faults.listed(), host.journal.read()) == ([], [])
