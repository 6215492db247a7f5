"""Whose turn it is: what was read while another was at it is not acted upon."""

import asyncio
from types import SimpleNamespace

import pytest

from gateway.api.service import IdempotencyKey
from gateway.app.turns import Turns
from gateway.terms.errors import RequestRefused
from gateway.terms.numbers import LinkId
from gateway.terms.refusals import Refusal

LINK, OTHER = LinkId("lnk_" + "1" * 26), LinkId("lnk_" + "2" * 26)
CALLER = SimpleNamespace(channel="online-bank")


class Busy:
    """A conductor with operations on some links, and a store that takes time to read."""

    def __init__(self):
        self.links, self.may_read = set(), asyncio.Event()

    def is_busy(self, link):
        return link in self.links

    def is_held(self, _link):
        return False

    async def read(self, _query):
        await self.may_read.wait()
        return None, None


def asking(turns, key, link):
    """Have a request read its link, and then claim it."""

    async def ask():
        async with turns.once(CALLER, IdempotencyKey(key, bytes(32)), link):
            with turns.alone(link):
                return "its turn"

    return asyncio.create_task(ask())


@pytest.mark.parametrize(("link", "said"), [(LINK, Refusal.IN_PROGRESS), (OTHER, "its turn")])
def test_what_was_read_beside_another_operation_is_not_acted_upon(link, said):
    """It ended after the read began: the link may not be what was read; another link is."""

    async def main():
        busy = Busy()
        turns = Turns(busy.read, busy)
        busy.links = {LINK}
        asked = asking(turns, "key", link)
        await asyncio.sleep(0)
        busy.links.clear()
        busy.may_read.set()
        (outcome,) = await asyncio.gather(asked, return_exceptions=True)
        later = await asking(turns, "key", link)
        return outcome, later

    outcome, later = asyncio.run(main())

    assert getattr(outcome, "refusal", outcome) is said
    assert isinstance(outcome, RequestRefused) is (link is LINK)
    assert later == "its turn"
