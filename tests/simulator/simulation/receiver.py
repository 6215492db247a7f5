"""The channel's receiver of callbacks: it hears, sees to the signature, and is away at times."""

import base64
import hmac
import json
from contextlib import contextmanager
from hashlib import sha256

import httpx

from gateway.app import callbacks
from gateway.app.callbacks import Receiver
from simulation.businesses import CHANNEL
from simulation.scheduler import settle

SECRET = bytes(range(32))
TO = Receiver(CHANNEL, "https://bank.test/outcomes", (SECRET,), None)
LOOK_S = 1_800.0  # of the couriers here: looks at nothing are most of a quiet day
_SIGNED_WITHIN_S = 300.0  # the Standard Webhooks specification's tolerance


@contextmanager
def looks_seldom():
    """Let couriers look for notices of others less often than they do."""
    before = callbacks.LOOK_S
    callbacks.LOOK_S = LOOK_S
    try:
        yield
    finally:
        callbacks.LOOK_S = before


class Post:
    """The client of one process that posts to the receiver; an `httpx.AsyncClient` as couriers use.

    It is one answer at a time as well: what `stream` gives is the context of one post.
    """

    def __init__(self, node):
        self._node = node
        self._world = node.world

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        pass

    def stream(self, _method, url, *, content, headers):
        self._world.watch.check(18, url == TO.url, f"a callback went to {url}")
        return _Exchange(self._node, content, headers)


class _Exchange:
    """One post and its answer."""

    status_code = 503
    is_success = False

    def __init__(self, node, body, headers):
        self._node, self._body, self._headers = node, body, headers

    async def __aenter__(self):
        node, storm = self._node, self._node.storm
        node.pulse("before-callback")
        arrived = node.loop.create_future()
        node.after(node.chance.uniform(0.01, 0.3), settle, arrived, None)
        await arrived
        if storm.fires("callback-lost"):
            raise httpx.ConnectTimeout("simulated")
        is_taken = self._node.world.receiver.take(self._node, self._body, self._headers)
        if storm.fires("callback-answer-lost"):
            raise httpx.ReadTimeout("simulated")
        self.is_success = is_taken and not storm.fires("callback-refused")
        node.pulse("after-callback")
        return self

    async def __aexit__(self, *_):
        pass

    async def aiter_raw(self):
        """Give the body of the answer: nothing."""
        for part in ():
            yield part


class ChannelReceiver:
    """What the channel has heard."""

    def __init__(self, world):
        self._world = world
        self._watch = world.watch
        self.heard = {}  # by notice: its body

    def take(self, node, body, headers):
        """Hear one callback; tells whether it was signed lately, else it is refused."""
        notice, stamp = headers["webhook-id"], headers["webhook-timestamp"]
        signed = hmac.digest(SECRET, f"{notice}.{stamp}.".encode() + body, sha256)
        right = f"v1,{base64.b64encode(signed).decode()}"
        self._watch.check(18, headers["webhook-signature"] == right, "a callback is not signed")
        if abs(node.now().timestamp() - int(stamp)) >= _SIGNED_WITHIN_S:
            return False  # the sender's clock was set, or the sender held, while it was under way
        self._watch.told_by_callback(notice, body.decode())
        again = self.heard.setdefault(notice, body) is not body
        told = json.loads(body)["data"]
        self._world.note("callback", node.name, notice, told["state"], "again" if again else "")
        return True
