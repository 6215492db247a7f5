"""Outcomes that come after the answer are told to the channel, over restarts and outages."""

import base64
import hmac
import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

KEY = bytes(range(32))


class Receiver(BaseHTTPRequestHandler):
    """The channel's own endpoint: checks the signature and keeps what it is told."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        signed = (
            f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + body
        )
        signature = base64.b64encode(hmac.digest(KEY, signed, "sha256")).decode()
        if self.headers["webhook-signature"] == f"v1,{signature}":
            self.server.told.append(json.loads(body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_arguments):
        """Say nothing."""


@contextmanager
def receiving(port=0):
    """Listen for what the channel is told."""
    server = ThreadingHTTPServer(("127.0.0.1", port), Receiver)
    server.told, server.block_on_close = [], False
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module", name="telling_town")
def _telling_town(fresh_town, tmp_path_factory):
    """Give a town whose online bank is told, and the port at which it is."""
    secret = tmp_path_factory.mktemp("callback") / "secret"
    secret.write_text(f"whsec_{base64.b64encode(KEY).decode()}\n")
    secret.chmod(0o600)
    with receiving() as server:
        port = server.server_address[1]
    callback = (
        "[http.channels.online-bank.callback]\n"
        f'url = "http://127.0.0.1:{port}/outcomes"\nsecret = "{secret}"\n'
    )
    limits = {"answer_timeout_s": 5}
    return fresh_town(
        amend=lambda _, text: text + callback, limits=limits, http={"answer_wait_s": 1.5}
    ), port


def test_outcome_is_told_although_the_gateway_died_before_it_could_be(
    telling_town, newcomer, eventually
):
    """Answered 202, settled while the channel is away, killed, started again: told and signed."""
    town, port = telling_town
    citizen = newcomer(of=town).linked()
    town.bureau_peer.fault("pin-set", "delay", seconds=1.8)
    answer = citizen.set_pin()
    settled = citizen.settled(answer)
    town.gateway.kill()

    with receiving(port) as server:
        town.restart_gateway()
        eventually(lambda: server.told, "the callback")

    (told,) = server.told
    assert answer.status == 202
    assert told["type"] == "operation.settled"
    assert told["data"] == {
        "operation": answer.body["operation"],
        "state": settled["state"],
        "code": None,
    }


def test_outcome_that_was_answered_is_not_told_again(telling_town, newcomer, eventually):
    """What the caller heard at once needs no callback; the SS account that follows does."""
    town, port = telling_town

    with receiving(port) as server:
        citizen = newcomer(fresh=True, of=town)
        citizen.linked()
        activated = citizen.activate()
        eventually(lambda: server.told, "the callback")

    assert activated.status == 200
    assert [(each["type"], each["data"]["operation"]) for each in server.told] == [
        ("ss-account.settled", activated.body["operation"])
    ]
