"""The gateway's clock: the wall's, but for practice."""

from datetime import timedelta
from types import SimpleNamespace

import pytest

from gateway.app.clock import GatewayClock, LoopTimers, clock_of, utc_now
from gateway.terms.errors import SpecificationError

DAY = timedelta(days=1)


def test_a_clock_that_was_moved_tells_others_their_own_time():
    """Other processes go on by the wall: an instant of ours is told as they have it."""
    clock = GatewayClock(movable=True)
    clock.advance(DAY)

    now = clock.now()

    assert DAY - timedelta(minutes=1) < now - utc_now() <= DAY
    assert clock.outside(now) == now - DAY


def test_no_clock_is_moved_that_anybody_beyond_this_machine_relies_on():
    """In production the option is refused, with the key that stands against it."""
    settings = SimpleNamespace(http=SimpleNamespace(is_on_loopback=False), file="gateway.toml")

    with pytest.raises(SpecificationError, match=r"http\.listen"):
        clock_of(settings, movable=True)

    assert not clock_of(settings, movable=False).movable


def test_a_moved_clock_is_noticed_at_once():
    """Somebody waits for what is due; nobody waits beside a clock that is merely set."""
    strides = [LoopTimers(None, GatewayClock(movable=each)).stride_s for each in (True, False)]

    assert strides[0] < 1 < strides[1]
