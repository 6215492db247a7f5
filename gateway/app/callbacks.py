"""Tells channels of outcomes for which nobody waits, at least once, by signed callbacks.

What is to be told stands in the journal beside the outcome; this reads it there and posts it, as
the Standard Webhooks specification has it. Each channel has a courier of its own, so that a
receiver that is away delays nobody else's.
"""

import asyncio
import base64
import binascii
import hmac
import ssl
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

import httpx
import structlog

from gateway.app.futures import resolve
from gateway.app.ports import Recorder
from gateway.app.settings import CallbackSettings, ChannelSettings
from gateway.app.turns import Reader
from gateway.hsm.private_files import read_private
from gateway.operations.notice import (
    ATTEMPT_MAX,
    Notice,
    NoticeDelivered,
    NoticeGivenUp,
    NoticeRecord,
    attempt,
    seconds_until_due,
)
from gateway.store import questions
from gateway.store.errors import Conflict
from gateway.store.unit import Unit
from gateway.terms.errors import SpecificationError, Unavailable

log = structlog.get_logger()

IN_FLIGHT_MAX = 8  # posts of one channel at a time: some 80 a second at 100 ms each
LOOK_S = 60.0  # the longest until a courier looks into the journal by itself
BUSY_S = 1.0  # the pause when the store has no room
ANSWER_BYTES_MAX = 4_096  # of a body that nobody reads; more is cut off with the connection
SECRET_PREFIX = "whsec_"  # noqa: S105 - what a secret begins with
SECRET_BYTES = range(24, 65)
SECRETS_MAX = 2  # the one in use and the one before it


class Outcome(StrEnum):
    """What became of an attempt, or of a notice."""

    DELIVERED = "delivered"
    FAILED = "failed"
    GIVEN_UP = "given-up"


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where a channel is told, and under which secrets, the newest first."""

    channel: str
    url: str
    secrets: tuple[bytes, ...] = field(repr=False)
    trust: ssl.SSLContext

    def headers(self, notice: str, timestamp: int, body: bytes) -> dict[str, str]:
        """Give the headers of one attempt, signed under every secret."""
        signed = f"{notice}.{timestamp}.".encode() + body
        digests = (hmac.digest(secret, signed, sha256) for secret in self.secrets)
        return {
            "content-type": "application/json",
            "webhook-id": notice,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": " ".join(f"v1,{base64.b64encode(d).decode()}" for d in digests),
        }


def receiver(channel: str, settings: CallbackSettings) -> Receiver:
    """Read what a channel's receiver needs; raises `SpecificationError` naming file and rule."""
    lines = read_private(settings.secret).split()
    if not 0 < len(lines) <= SECRETS_MAX:
        rule = f"holds 1 to {SECRETS_MAX} secrets, one a line, the newest first"
        raise SpecificationError(str(settings.secret), "", rule)
    secrets = tuple(_secret(line, settings.secret) for line in lines)
    try:
        trust = ssl.create_default_context(cafile=settings.trust)
    except (OSError, ssl.SSLError):
        rule = "cannot be read as certificates in PEM form"
        raise SpecificationError(str(settings.trust), "", rule) from None
    return Receiver(channel, settings.url, secrets, trust)


def _secret(line: str, file: Path) -> bytes:
    try:
        secret = base64.b64decode(line.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        secret = b""
    if not line.startswith(SECRET_PREFIX) or len(secret) not in SECRET_BYTES:
        rule = f"a secret is {SECRET_PREFIX} and 24 to 64 random bytes in base64"
        raise SpecificationError(str(file), "", rule)
    return secret


def _client(to: Receiver) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=IN_FLIGHT_MAX)
    timeout = httpx.Timeout(ATTEMPT_MAX.total_seconds())
    return httpx.AsyncClient(verify=to.trust, limits=limits, timeout=timeout, trust_env=False)


class Courier:
    """Delivers one channel's notices, the first due first, a bounded number at a time.

    `client` makes what posts to the receiver.
    """

    def __init__(
        self,
        to: Receiver,
        read: Reader,
        journal: Recorder,
        now: Callable[[], datetime],
        client: Callable[[Receiver], httpx.AsyncClient] = _client,
    ) -> None:
        self._to = to
        self._client = client
        self._read = read
        self._journal = journal
        self._now = now
        self._awake = asyncio.Event()
        self._in_flight: dict[str, asyncio.Task[None]] = {}
        self.counts: Counter[Outcome] = Counter()

    def wake(self) -> None:
        """Look into the journal now."""
        self._awake.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with self._client(self._to) as client:
            try:
                while True:
                    self._awake.clear()
                    pause = await self._begin_due(client)
                    with suppress(TimeoutError):
                        # Not wait_for: on Python 3.11 that may swallow the end of the task.
                        async with asyncio.timeout(pause):
                            await self._awake.wait()
            finally:
                running = tuple(self._in_flight.values())
                for task in running:
                    task.cancel()
                await asyncio.gather(*running, return_exceptions=True)

    async def _begin_due(self, client: httpx.AsyncClient) -> float:
        """Begin what is due and has room; gives how long until more is due, in seconds."""
        try:
            waiting = await self._read(questions.notices(self._to.channel, 2 * IN_FLIGHT_MAX))
        except Unavailable:
            return BUSY_S
        for notice in waiting:
            if notice.id in self._in_flight:
                continue
            if len(self._in_flight) >= IN_FLIGHT_MAX:
                break  # the next that ends wakes us
            pause = seconds_until_due(notice, self._now())
            if pause:
                return pause
            self._in_flight[notice.id] = asyncio.create_task(self._deliver(client, notice))
        return LOOK_S

    async def _deliver(self, client: httpx.AsyncClient, notice: Notice) -> None:
        try:
            begun = attempt(notice, self._now())
            await self._make_durable(begun)
            if isinstance(begun, NoticeGivenUp):
                self._count(Outcome.GIVEN_UP, notice, f"{begun.attempts} attempts")
                return
            failure = await self._post(client, notice)
            if failure:
                self._count(Outcome.FAILED, notice, failure)
                return
            await self._make_durable(NoticeDelivered(notice.id))
            self.counts[Outcome.DELIVERED] += 1
        except Conflict:
            pass  # another node on the same database delivers it
        except Unavailable:
            await asyncio.sleep(BUSY_S)  # it is still due, or will be: nothing is lost
        finally:
            del self._in_flight[notice.id]
            self.wake()

    async def _post(self, client: httpx.AsyncClient, notice: Notice) -> str:
        """Post a notice; gives why it was not taken, or nothing."""
        body = notice.body.encode()
        headers = self._to.headers(notice.id, int(self._now().timestamp()), body)
        try:
            # Over all: a receiver that trickles is as good as one that is away.
            async with (
                asyncio.timeout(ATTEMPT_MAX.total_seconds()),
                client.stream("POST", self._to.url, content=body, headers=headers) as response,
            ):
                read = 0
                async for chunk in response.aiter_raw():
                    read += len(chunk)
                    if read > ANSWER_BYTES_MAX:
                        break
                return "" if response.is_success else f"status {response.status_code}"
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as error:
            return type(error).__name__

    async def _make_durable(self, record: NoticeRecord) -> None:
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._journal.submit(Unit(records=(record,)), resolve(written))
        await written

    def _count(self, outcome: Outcome, notice: Notice, why: str) -> None:
        self.counts[outcome] += 1
        write = log.error if outcome is Outcome.GIVEN_UP else log.warning
        place = {"channel": notice.channel, "notice": notice.id}
        write(f"callback-{outcome.value}", why=why, operation=str(notice.operation), **place)


def couriers(
    channels: Mapping[str, ChannelSettings],
    read: Reader,
    journal: Recorder,
    now: Callable[[], datetime],
) -> dict[str, Courier]:
    """Make the courier of each channel that is told; raises `SpecificationError`."""
    return {
        name: Courier(receiver(name, channel.callback), read, journal, now)
        for name, channel in channels.items()
        if channel.callback is not None
    }


class Callbacks:
    """The couriers of all channels that are told; what the conductor knows of them."""

    def __init__(self, couriers: Mapping[str, Courier]) -> None:
        self._couriers = couriers

    def wants(self, channel: str) -> bool:
        """Tell whether the channel is told."""
        return channel in self._couriers

    def recorded(self, channel: str) -> None:
        """Hear that a notice to the channel is durable."""
        self._couriers[channel].wake()

    def counts(self) -> Mapping[str, Counter[Outcome]]:
        """Give what was counted, by channel."""
        return {channel: courier.counts for channel, courier in self._couriers.items()}

    async def run(self) -> None:
        """Deliver until cancelled."""
        await asyncio.gather(*(courier.run() for courier in self._couriers.values()))
