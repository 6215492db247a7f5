"""Descriptors: that none is left is known and said, once, and that there is one again."""

import asyncio
import errno
import os

import pytest
from structlog.testing import capture_logs

from gateway.app import descriptors as module
from gateway.app.descriptors import Descriptors

SECONDS_MAX = 10


@pytest.fixture
def exhaust(monkeypatch):
    """Give the switch that leaves no descriptor; the real limit would be the runner's too."""
    really = os.open

    def switch(error):
        def refuse(*arguments):
            if error:
                raise OSError(error, os.strerror(error))
            return really(*arguments)

        monkeypatch.setattr(module.os, "open", refuse)

    return switch


@pytest.mark.parametrize("error", [errno.EMFILE, errno.ENFILE])
def test_want_of_a_descriptor_is_said_once_and_so_is_its_end(exhaust, error):
    """Of this process's own, or of the whole machine's."""
    descriptors, seen = Descriptors(), []
    with capture_logs() as lines:
        for each in (0, error, error, 0, 0):
            exhaust(each)
            descriptors.look()
            seen.append(bool(descriptors.why_none))

    assert seen == [False, True, True, False, False]
    assert [line["event"] for line in lines] == ["descriptors-exhausted", "descriptors-again"]
    assert os.strerror(error) in lines[0]["why"]


def test_it_looks_again_and_again(exhaust, monkeypatch):
    """Nobody has to ask."""
    monkeypatch.setattr(module, "LOOK_S", 0.001)
    descriptors = Descriptors()

    async def main():
        watching = asyncio.create_task(descriptors.watch())
        async with asyncio.timeout(SECONDS_MAX):
            for error in (errno.EMFILE, 0):
                exhaust(error)
                while bool(descriptors.why_none) is not bool(error):  # noqa: ASYNC110 - of what no event tells
                    await asyncio.sleep(0.001)
        watching.cancel()

    asyncio.run(main())


def test_a_look_leaves_nothing_open():
    """It is made each second, for years."""
    before = os.listdir("/proc/self/fd")  # noqa: PTH208 - names only

    for _ in range(10):
        Descriptors().look()

    assert os.listdir("/proc/self/fd") == before  # noqa: PTH208 - names only
