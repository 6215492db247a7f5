"""Frames between the gateway's process and the store's."""

import pytest

from gateway.store.errors import Broken, Conflict, Fenced
from gateway.store.frames import Frames, error_of, frame, plain_error
from gateway.terms.errors import LocalError, Unavailable

ITEMS = [(0, 1, ("a", None, True)), (1, 2, b"bytes")]


@pytest.mark.parametrize("size", [1, 3, 7, 1_000])
def test_frames_are_read_however_their_bytes_come(size):
    """In pieces of any size, several frames in one piece, in the order sent."""
    sent = frame(ITEMS) + frame([]) + frame([(2,)])
    frames, taken = Frames(), []

    for start in range(0, len(sent), size):
        taken += frames.take(sent[start : start + size])

    assert taken == [*ITEMS, (2,)]


@pytest.mark.parametrize("kind", [Broken, Conflict, LocalError, Unavailable])
def test_an_error_crosses_as_it_is(kind):
    """Kind and text: callers tell one kind from another."""
    error = error_of(*plain_error(kind("why")))

    assert (type(error), str(error)) == (kind, "why")


def test_an_error_of_a_kind_that_callers_do_not_know_crosses_as_its_parent():
    """Who was fenced off has a local error, in its own words."""
    error = error_of(*plain_error(Fenced("taken over")))

    assert (type(error), str(error)) == (LocalError, "taken over")


def test_the_text_of_an_unforeseen_error_does_not_cross():
    """It may repeat a row; its kind says enough."""
    error = error_of(*plain_error(KeyError("6200000000000005")))

    assert (type(error), str(error)) == (LocalError, "the store failed: KeyError")
