"""The stand-in for a backend and a browser, against a plain HTTP server."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from joserfc import jwe
from joserfc.jwk import ECKey

from gateway.app.online_bank import OnlineBank, call, seal_pin
from gateway.terms.errors import Unavailable

SESSION = {"kid": "kid-1", "nonce": "nonce-1"}


class Handler(BaseHTTPRequestHandler):
    """Answers with what it was asked; below /refused with 422."""

    def _answer(self):
        length = int(self.headers.get("Content-Length", "0"))
        asked = {
            "method": self.command,
            "path": self.path,
            "headers": dict(self.headers),
            "body": self.rfile.read(length).decode(),
            "keys": [self.server.jwk],
        }
        self.send_response(422 if self.path.startswith("/refused") else 200)
        self.end_headers()
        self.wfile.write(json.dumps(asked).encode())

    do_GET = do_POST = do_PUT = _answer  # noqa: N815 - the standard library's names

    def log_message(self, *_arguments):
        pass


@pytest.fixture(scope="module")
def key():
    return ECKey.generate_key("P-256")


@pytest.fixture(scope="module")
def server(key):
    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.jwk = key.as_dict(private=False) | {"kid": "kid-1", "use": "enc"}
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def calls():
    return []


@pytest.fixture
def bank(server, calls):
    host, port = server.server_address
    url = f"http://{host}:{port}"
    return OnlineBank(url, "token", "C000000001", lambda *each: calls.append(each))


def test_reading_carries_who_asks(bank, calls):
    """Token and customer go with every request; a reading has no key and no body."""
    asked = bank.get("/v1/agencies").body

    assert asked["headers"]["Authorization"] == "Bearer token"
    assert asked["headers"]["Customer-Number"] == "C000000001"
    assert {"Idempotency-Key", "Content-Type"}.isdisjoint(asked["headers"])
    assert calls == [("GET", "/v1/agencies", 200)]


def test_change_has_a_key_of_its_own_unless_one_is_given(bank):
    """Two changes are two; a repeated one keeps its key."""
    keys = [
        bank.open_session("lnk_1", "ss-pin").body["headers"]["Idempotency-Key"] for _ in range(2)
    ]
    given = bank.change("PUT", "/v1/x", {"a": 1}, key="mine").body

    assert len({*keys, given["headers"]["Idempotency-Key"]}) == 3
    assert given["headers"]["Idempotency-Key"] == "mine"
    assert json.loads(given["body"]) == {"a": 1}


def test_refusal_is_an_answer(bank, calls):
    """Whatever the status, the body is read."""
    answer = bank.get("/refused")

    assert (answer.status, answer.body["path"]) == (422, "/refused")
    assert calls == [("GET", "/refused", 422)]


def test_pin_is_sealed_to_the_sessions_key(bank, key):
    """Only the key named by the session opens the envelope, which holds PIN and nonce."""
    envelope = bank.encrypt(SESSION, "738291")

    opened = jwe.decrypt_compact(envelope, key, algorithms=["ECDH-ES", "A256GCM"])
    assert json.loads(opened.plaintext) == {"pin": "738291", "nonce": "nonce-1"}
    assert opened.headers()["kid"] == "kid-1"


def test_two_envelopes_of_one_pin_differ(key):
    """Each has an ephemeral key of its own."""
    jwk = key.as_dict(private=False)

    assert seal_pin(jwk, SESSION, "738291") != seal_pin(jwk, SESSION, "738291")


def test_nobody_listening_is_told_in_one_line():
    """A server that is not there is no traceback."""
    with pytest.raises(Unavailable, match="no answer over HTTP"):
        call("http://127.0.0.1:1/")
