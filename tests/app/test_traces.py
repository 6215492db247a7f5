"""Trace numbers: reserved before they are used, and never used again."""

import pytest

from gateway.app.traces import BLOCK, TraceNumbers
from gateway.terms.errors import LocalError, Unavailable

NAME = "stan/bureau"


def filled(counter):
    """Give trace numbers with their first block reserved."""
    traces = TraceNumbers(NAME, counter.reserve)
    traces.refill()
    return traces


def test_no_number_is_given_before_its_block_is_durable(counter, stage):
    """While the first reservation is being written there is none."""
    counter.is_held = True
    traces = filled(counter)

    with pytest.raises(Unavailable, match="no trace number"):
        traces.allocate(stage.timers.now())
    counter.release()

    assert traces.allocate(stage.timers.now()).stan.value == "000001"


def test_numbers_count_up_and_carry_the_time(counter, stage):
    """DE 37 is the year's last digit, the day, the hour and DE 11; DE 7 counts seconds."""
    traces = filled(counter)
    at = stage.timers.now().replace(microsecond=123_456)

    first, second = traces.allocate(at), traces.allocate(at)

    assert (first.stan.value, second.stan.value) == ("000001", "000002")
    assert first.rrn.value == "632504000001"
    assert first.transmitted_at == stage.timers.now()


def test_numbers_of_another_process_are_never_used(counter, stage):
    """Before or beside it: each block is one process's alone, used or not."""
    mine, other = filled(counter), filled(counter)

    used = {mine.allocate(stage.timers.now()).stan.value for _ in range(BLOCK + 1)}
    others = {other.allocate(stage.timers.now()).stan.value for _ in range(BLOCK)}

    assert counter.next[NAME] == 4 * BLOCK  # two more, half a block ahead
    assert len(used) == BLOCK + 1
    assert used.isdisjoint(others)


def test_next_block_is_reserved_in_time_and_once(counter, stage):
    """Half a block ahead the next is asked for, so that nobody waits for it."""
    traces = filled(counter)
    counter.is_held = True

    for _ in range(BLOCK):
        traces.allocate(stage.timers.now())
    reserved = counter.next[NAME]
    with pytest.raises(Unavailable):
        traces.allocate(stage.timers.now())
    counter.release()

    assert reserved == 2 * BLOCK
    assert traces.allocate(stage.timers.now()).stan.value == f"{BLOCK + 1:06d}"


@pytest.mark.parametrize("error", [Unavailable("full"), LocalError("no disk")])
def test_reservation_that_fails_is_tried_again(counter, stage, error):
    """A full journal stops nothing for ever, and whoever waits hears of it."""
    traces = TraceNumbers(NAME, counter.reserve)
    heard = []
    counter.error = error

    traces.refill(heard.append)
    with pytest.raises(Unavailable, match="no trace number"):
        traces.allocate(stage.timers.now())
    counter.error = None
    trace = traces.allocate(stage.timers.now())

    assert heard == [error]
    assert trace.stan.value == "000001"


def test_stan_goes_round_without_zero(counter, stage):
    """After 999999 comes 000001; DE 7 tells them apart."""
    counter.next[NAME] = 999_998
    traces = filled(counter)

    stans = [traces.allocate(stage.timers.now()).stan.value for _ in range(2)]

    assert stans == ["999999", "000001"]
