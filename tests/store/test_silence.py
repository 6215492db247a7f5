"""A store that does not answer is known by the oldest of what waits for it."""

import pytest

from gateway.store.silence import LOOK_S, LOOKS_MAX, Silence


@pytest.fixture
def silence():
    return Silence()


def seen(silence, *looks):
    """Give for how long it is silent after each look at what waits."""
    told = []
    for waiting in looks:
        silence.look(waiting)
        told.append(silence.seconds)
    return told


def test_it_is_silent_when_the_oldest_waits_beyond_the_bound(silence):
    """Whatever is asked behind it; and for longer with each look."""
    looks = [{7: None} | dict.fromkeys(range(8, 8 + look)) for look in range(LOOKS_MAX + 2)]

    assert seen(silence, *looks) == [
        *(0.0,) * LOOKS_MAX,
        LOOKS_MAX * LOOK_S,
        (LOOKS_MAX + 1) * LOOK_S,
    ]


@pytest.mark.parametrize("after", [(), {8: None}])
def test_one_answer_ends_it(silence, after):
    """Nothing waits any more, or what was asked later is the oldest now."""
    silent = seen(silence, *[{7: None}] * (LOOKS_MAX + 1))[-1]

    assert (silent, seen(silence, after)) == (LOOKS_MAX * LOOK_S, [0.0])


def test_busy_store_is_not_silent(silence):
    """Something waits at each look, and it is always something else."""
    assert set(seen(silence, *({number: None} for number in range(3 * LOOKS_MAX)))) == {0.0}


def test_nothing_asked_is_no_silence(silence):
    """However long nothing waits."""
    assert set(seen(silence, *[()] * (3 * LOOKS_MAX))) == {0.0}
