"""Counters: a number is given to one process only, crash or not."""

from functools import partial

from gateway.store.counters import reserve


def test_each_block_follows_the_one_before(store):
    """A counter begins at zero; whoever asks gets numbers that nobody had."""
    blocks = [store.run(partial(reserve, name="stan", size=size)) for size in (10, 5, 10)]

    assert blocks == [0, 10, 15]
    assert store.run(partial(reserve, name="other", size=10)) == 0


def test_a_block_is_durable_when_it_is_given(store):
    """After a crash the next block begins behind it."""
    store.run(partial(reserve, name="stan", size=10_000))
    store.reopen()

    assert store.run(partial(reserve, name="stan", size=10_000)) == 10_000
