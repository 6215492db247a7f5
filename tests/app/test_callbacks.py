"""Channels are told at least once, signed, and a receiver that is away delays nobody else's."""

import asyncio
import base64
import hmac
import json
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.app import callbacks as module
from gateway.app.callbacks import Callbacks, Courier, Outcome, Receiver, couriers, receiver
from gateway.app.settings import CallbackSettings, ChannelSettings
from gateway.operations.notice import (
    HORIZON,
    Notice,
    NoticeDelivered,
    NoticeGivenUp,
    NoticeTried,
)
from gateway.terms.errors import SpecificationError, Unavailable
from gateway.terms.numbers import OperationId

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
SECRET = f"whsec_{base64.b64encode(bytes(range(32))).decode()}"
# The example of the Standard Webhooks project, whose secret is shorter than its rule.
EXAMPLE_SECRET = base64.b64decode("plJ3nmyCDGBKInavdOK15jsl")
EXAMPLE = ("msg_loFOjxBNrRLzqYUf", 1731705121, b'{"event_type":"ping","data":{"success":true}}')
SIGNATURE = "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="
SECONDS_MAX = 10


def notice(number=1, channel="bank", **members):
    made = Notice(f"msg_{number}", channel, OperationId(f"op_{number:026d}"), "{}", NOW, NOW)
    return replace(made, **members)


class Store:
    """Stands for the journal: notices by id, and every record in the order of its writing."""

    def __init__(self, *notices):
        self.rows = {each.id: each for each in notices}
        self.records = []
        self.is_full = False

    def notices(self, channel, count_max):
        due = [each for each in self.rows.values() if each.channel == channel]
        return sorted(due, key=lambda each: each.due_at)[:count_max]

    async def read(self, query):
        if self.is_full:
            raise Unavailable("full")
        return query(self)

    def submit(self, unit, done):
        for record in unit.records:
            self.records.append(record)
            if isinstance(record, NoticeTried):
                tried = {"attempts": record.attempts, "due_at": record.due_at}
                self.rows[record.notice] = replace(self.rows[record.notice], **tried)
            else:
                del self.rows[record.notice]
        done(None)

    def count(self, kind):
        return sum(isinstance(record, kind) for record in self.records)


class Bank:
    """A channel's receiver: keeps what it is posted, and answers as the test arranges."""

    def __init__(self):
        self.status, self.body, self.port = 204, b"", 0
        self.is_silent_for, self._serving = set(), set()
        self.posts, self.open, self.open_most = [], 0, 0

    @asynccontextmanager
    async def listening(self):
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in tuple(self._serving):
                task.cancel()
            await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader, writer):
        self._serving.add(asyncio.current_task())
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii").split("\r\n")
                headers = dict(line.split(": ", 1) for line in head[1:] if line)
                headers = {name.lower(): value for name, value in headers.items()}
                content = await reader.readexactly(int(headers["content-length"]))
                self.posts.append((headers, content))
                await self._answer(headers["webhook-id"], writer)
        except (asyncio.IncompleteReadError, asyncio.CancelledError, OSError):
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, notice_id, writer):
        self.open += 1
        self.open_most = max(self.open, self.open_most)
        try:
            if notice_id in self.is_silent_for:
                await asyncio.sleep(SECONDS_MAX)
        finally:
            self.open -= 1
        head = f"HTTP/1.1 {self.status} x\r\nlocation: /elsewhere\r\n"
        if self.status != 204:
            head += f"content-length: {len(self.body)}\r\n"
        writer.write(head.encode() + b"\r\n" + self.body)
        await writer.drain()


@pytest.fixture
def secret(tmp_path):
    file = tmp_path / "secret"
    file.write_text(SECRET + "\n")
    file.chmod(0o600)
    return file


@pytest.fixture
def make_courier(secret):
    """Make the courier of a channel whose receiver listens on a port of loopback."""

    def make(store, port, channel="bank", now=NOW):
        url = f"http://127.0.0.1:{port}/outcomes"
        to = receiver(channel, CallbackSettings(url=url, secret=secret))
        return Courier(to, store.read, store, lambda: now)

    return make


async def until(probe):
    async with asyncio.timeout(SECONDS_MAX):
        while not probe():  # noqa: ASYNC110 - several parties, none of whom knows the test
            await asyncio.sleep(0.005)


async def work(courier, probe):
    """Let a courier run until something is seen; gives how long that took."""
    running = asyncio.create_task(courier.run())
    try:
        await until(probe)
    finally:
        running.cancel()
        await asyncio.wait([running])


# ------------------------------------------------------------------ signed


def test_signature_is_that_of_the_specification():
    """The published example, under the secret in use and, while it is changed, the one before."""
    to = Receiver("bank", "https://bank.example/o", (EXAMPLE_SECRET,), None)
    changing = replace(to, secrets=(bytes(32), EXAMPLE_SECRET))

    headers, both = to.headers(*EXAMPLE), changing.headers(*EXAMPLE)

    assert headers["webhook-signature"] == SIGNATURE
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == (EXAMPLE[0], str(EXAMPLE[1]))
    assert both["webhook-signature"].split()[1] == SIGNATURE
    assert len(both["webhook-signature"].split()) == 2


@pytest.mark.parametrize(
    "text",
    ["", SECRET.removeprefix("whsec_"), "whsec_c2hvcnQ=", "whsec_!", "\n".join([SECRET] * 3)],
)
def test_secret_that_is_none_is_refused(secret, text):
    """No secret, one that is too short or no base64, or more than a change needs."""
    secret.write_text(text)

    with pytest.raises(SpecificationError) as raised:
        receiver("bank", CallbackSettings(url="https://bank.example/o", secret=secret))

    assert raised.value.file == str(secret)
    assert SECRET[6:12] not in str(raised.value)


def test_secret_that_others_may_read_is_refused(secret):
    """It is ours alone, like a key store."""
    secret.chmod(0o644)

    with pytest.raises(SpecificationError, match="600"):
        receiver("bank", CallbackSettings(url="https://bank.example/o", secret=secret))


def test_trust_that_cannot_be_read_is_named(secret):
    """A file without certificates is refused at start."""
    settings = CallbackSettings(url="https://bank.example/o", secret=secret, trust=secret)

    with pytest.raises(SpecificationError, match="PEM"):
        receiver("bank", settings)


# ------------------------------------------------------------------ delivered


def test_attempt_is_recorded_before_it_leaves_and_the_notice_ends_with_2xx(make_courier):
    """Record, then act; what was posted is the body as it was recorded, with its signature."""
    store, bank = Store(notice(body='{"type":"operation.settled"}')), Bank()

    async def play():
        async with bank.listening():
            await work(make_courier(store, bank.port), lambda: not store.rows)

    asyncio.run(play())

    ((headers, body),) = bank.posts
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signature = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    assert headers["webhook-signature"] == f"v1,{signature}"
    assert json.loads(body) == {"type": "operation.settled"}
    assert store.records == [
        NoticeTried("msg_1", 1, NOW + timedelta(seconds=15)),
        NoticeDelivered("msg_1"),
    ]


@pytest.mark.parametrize("status", [302, 400, 410, 500])
def test_notice_that_is_not_taken_waits_for_its_next_attempt(make_courier, status):
    """Anything but 2xx is no delivery, and a redirection is not followed."""
    store, bank = Store(notice()), Bank()
    bank.status, bank.body = status, b"x" * 10_000
    courier = make_courier(store, 0)

    async def play():
        nonlocal courier
        async with bank.listening():
            courier = make_courier(store, bank.port)
            await work(courier, lambda: courier.counts[Outcome.FAILED])

    asyncio.run(play())

    assert (len(bank.posts), store.rows["msg_1"].attempts) == (1, 1)
    assert store.count(NoticeDelivered) == 0


def test_dead_receiver_delays_no_other_channel(make_courier):
    """Each channel has a courier of its own; nobody at one port, an answer at the other."""
    store, bank = Store(*(notice(n) for n in range(20)), notice(99, "other")), Bank()

    async def play():
        async with bank.listening():
            dead, alive = make_courier(store, 1), make_courier(store, bank.port, "other")
            both = Callbacks({"bank": dead, "other": alive})
            await work(both, lambda: "msg_99" not in store.rows and dead.counts[Outcome.FAILED])
            return both

    both = asyncio.run(play())

    assert both.counts()["other"] == {Outcome.DELIVERED: 1}
    assert (both.wants("bank"), both.wants("core-in")) == (True, False)


def test_stuck_notice_does_not_hold_up_the_others(make_courier):
    """The receiver is silent about some; the rest pass, and never more than eight are out."""
    store, bank = Store(*(notice(n) for n in range(30))), Bank()
    bank.is_silent_for = {"msg_0", "msg_5"}

    async def play():
        async with bank.listening():
            await work(make_courier(store, bank.port), lambda: len(store.rows) == 2)

    asyncio.run(play())

    assert set(store.rows) == bank.is_silent_for
    assert bank.open_most <= module.IN_FLIGHT_MAX


def test_new_notice_is_posted_at_once(make_courier):
    """A courier that has nothing to do hears of what was recorded."""
    store, bank = Store(), Bank()

    async def play():
        async with bank.listening():
            courier = make_courier(store, bank.port)
            both = Callbacks({"bank": courier})
            running = asyncio.create_task(both.run())
            await asyncio.sleep(0)
            store.rows["msg_7"] = notice(7)
            both.recorded("bank")
            await until(lambda: courier.counts[Outcome.DELIVERED])
            running.cancel()
            await asyncio.wait([running])

    asyncio.run(play())

    assert [headers["webhook-id"] for headers, _ in bank.posts] == ["msg_7"]


def test_horizon_ends_the_attempts_with_an_alarm(make_courier):
    """A notice that nobody took for a day is given up, counted and kept."""
    store = Store(notice(attempts=290))
    courier = make_courier(store, 1, now=NOW + HORIZON)

    asyncio.run(work(courier, lambda: courier.counts[Outcome.GIVEN_UP]))

    assert store.records == [NoticeGivenUp("msg_1", 290)]


def test_store_without_room_is_tried_again(make_courier, monkeypatch):
    """Nothing is lost while the store is busy."""
    monkeypatch.setattr(module, "BUSY_S", 0.01)
    store, bank = Store(notice()), Bank()
    store.is_full = True

    async def play():
        async with bank.listening():
            running = asyncio.create_task(make_courier(store, bank.port).run())
            await asyncio.sleep(0.03)
            store.is_full = False
            await until(lambda: not store.rows)
            running.cancel()
            await asyncio.wait([running])

    asyncio.run(play())

    assert len(bank.posts) == 1


def test_only_channels_with_a_callback_have_a_courier(secret):
    """A channel without settings is not told."""
    callback = CallbackSettings(url="http://localhost/o", secret=secret)
    channels = {
        "told": ChannelSettings(token_sha256="0" * 64, callback=callback),
        "untold": ChannelSettings(token_sha256="0" * 64),
    }

    assert set(couriers(channels, None, None, None)) == {"told"}
