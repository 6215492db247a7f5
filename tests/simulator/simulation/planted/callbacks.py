"""Mistakes about callbacks: what a channel is told for which nobody waits."""

import asyncio
import base64
import hmac
from hashlib import sha256

from gateway.app import callbacks
from gateway.app.callbacks import Courier, Receiver
from gateway.app.conductor import Conductor
from gateway.operations.notice import NoticeGivenUp
from simulation.planted.mistake import mistake

_SILENCE = {"drop-answer": 0.5, "crash": 0.02, "callback-lost": 0.4, "callback-refused": 0.2}


@mistake(
    "send a callback before its outcome is on disk", weather={"drop-answer": 0.5, "disk-slow": 0.5}
)
def _callback_first():
    right, sent = Conductor._record, []

    def record(self, running, decision, *more):
        loop = asyncio.get_running_loop()
        for notice in self._notices_of(running, decision):
            courier = self._notices._couriers[notice.channel]
            sent.append(loop.create_task(courier._post(courier._client(courier._to), notice)))
        right(self, running, decision, *more)

    return [(Conductor, "_record", record)]


@mistake("forget after a restart that somebody is to be told", weather=_SILENCE)
def _forgotten():
    right = Conductor.resume

    def resume(self, operation, cargo):
        right(self, operation, cargo)
        if operation.id in self._running:
            self._running[operation.id].is_attended = True

    return [(Conductor, "resume", resume)]


@mistake("take a callback for heard whatever the receiver says", weather=_SILENCE)
def _heard_anyway():
    right = Courier._post

    async def post(self, client, notice):
        await right(self, client, notice)
        return ""

    return [(Courier, "_post", post)]


@mistake("give a callback up after its first attempt", weather=_SILENCE)
def _once_only():
    right = callbacks.attempt

    def attempt(notice, now):
        return NoticeGivenUp(notice.id, 1) if notice.attempts else right(notice, now)

    return [(callbacks, "attempt", attempt)]


@mistake("sign the body of a callback alone", weather=_SILENCE)
def _signed_body():
    right = Receiver.headers

    def headers(self, notice, timestamp, body):
        digest = hmac.digest(self.secrets[0], body, sha256)
        signed = {"webhook-signature": f"v1,{base64.b64encode(digest).decode()}"}
        return right(self, notice, timestamp, body) | signed

    return [(Receiver, "headers", headers)]
