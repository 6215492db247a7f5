"""A far side put together."""

from datetime import UTC, datetime

from gateway.simulators.faults import Fault, FaultKind


def test_time_is_that_of_its_clock(clocked):
    """The far side's time is its clock's, in UTC."""
    host, clock = clocked()

    assert host.now() == datetime.fromtimestamp(clock.seconds(), UTC)


def test_reset_gives_the_state_of_the_beginning(clocked):
    """State, desk, faults and journal are new; the wire stays."""
    host, _ = clocked()
    rules, desk, wire = host.rules, host.desk, host.wire
    host.faults.add(Fault("*", FaultKind.DROP_REQUEST))
    host.journal.event(host.now(), 1, "connected")

    host.reset()

    assert host.rules is not rules
    assert host.desk is not desk
    assert host.wire is wire
    assert (host.faults.listed(), host.journal.read()) == ([], [])
