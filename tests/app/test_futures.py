"""What goes on beside requests does not end unheard."""

import asyncio

import pytest
from structlog.testing import capture_logs

from gateway.app.futures import beside


@pytest.mark.parametrize(("ends", "told"), [("by mistake", ["ended-by-mistake"]), ("told to", [])])
def test_what_ends_by_a_mistake_is_told_at_once(ends, told):
    """Whoever is cancelled has come to its end as it should."""

    async def work():
        if ends == "by mistake":
            raise LookupError
        await asyncio.Event().wait()

    async def main():
        task = beside("purge", work())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

    with capture_logs() as lines:
        asyncio.run(main())

    assert [line["event"] for line in lines] == told
    assert all(line["what"] == "purge" for line in lines)
