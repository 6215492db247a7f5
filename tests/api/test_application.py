"""What every answer has, and what is answered whatever goes wrong."""

import asyncio
import re
import socket
import threading
import traceback

import httpx
import pytest
import uvicorn
from structlog.testing import capture_logs

from gateway.api import request_reading
from gateway.api.contract import ENDPOINTS, by_path
from gateway.terms.errors import LocalError, PeerError, RequestRefused, Unavailable
from gateway.terms.refusals import Refusal

LINK = "lnk_" + "0" * 26
CANARY = "6200000000000005"
PLACES = [
    ("GET", "/v1/agencies", 200),
    ("GET", f"/v1/links/{LINK}", 200),
    ("DELETE", f"/v1/links/{LINK}", 200),
    ("GET", "/livez", 200),
    ("GET", "/docs", 200),
    ("GET", "/openapi.json", 200),
    ("GET", "/nowhere", 404),
    ("PATCH", "/v1/links", 405),
    ("POST", "/v1/links", 415),
]


@pytest.mark.parametrize(("method", "path", "status"), PLACES)
def test_every_answer_has_the_headers_of_all(client, method, path, status):
    """Nothing is stored or sniffed, and each answer names its request."""
    response = client.send(method, path)

    assert response.status_code == status
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Request-Id"] == "req_1"


@pytest.mark.parametrize("request_id", ["a", "A-z_0", "r" * 64])
def test_callers_request_id_is_kept(client, request_id):
    """A well-formed id is returned, in header and problem alike."""
    response = client.send("GET", "/nowhere", {"Request-Id": request_id})

    assert response.headers["Request-Id"] == request_id
    assert response.json()["instance"] == request_id


@pytest.mark.parametrize("request_id", ["", "r" * 65, "a b", "a\x7f", b"\xe6\xb5\x8b", "a,b"])
def test_request_id_of_another_form_is_replaced(client, request_id):
    """An id that could not be logged safely gives way to one of ours."""
    response = client.send("GET", "/livez", {"Request-Id": request_id})

    assert response.headers["Request-Id"] == "req_1"


@pytest.mark.parametrize(
    "path",
    ["/v1", "/v1/", "/v1/links/", f"/v1/links/{LINK}/", "/V1/links", "/v1/links/a/b", "/v1//links"],
)
def test_unknown_path_is_answered_as_a_problem(client, path):
    """No redirect and no guess: 404, and the path is not repeated."""
    response = client.send("GET", path)

    assert (response.status_code, response.json()["code"]) == (404, "NOT_FOUND")
    assert response.json()["detail"] == "there is no such path: /docs lists those there are"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/links", "POST"),
        (f"/v1/links/{LINK}", "GET, DELETE, HEAD"),
        (f"/v1/links/{LINK}/ss-pin", "PUT, GET, HEAD"),
        ("/livez", "GET, HEAD"),
        ("/", "GET, HEAD"),
        ("/docs", "GET, HEAD"),
        ("/openapi.json", "GET, HEAD"),
    ],
)
def test_other_methods_are_answered_with_those_allowed(client, gateway, path, allowed):
    """405 lists every method of the path (RFC 9110, 15.5.6)."""
    response = client.send("PATCH", path)

    assert (response.status_code, response.json()["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert response.headers["Allow"] == allowed
    assert response.json()["detail"] == f"this path is asked by {allowed}"
    assert gateway.calls == []


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_bare_address_leads_to_the_documentation(client, method):
    """Whoever opens the gateway in a browser finds out what it is, and the path is not absolute."""
    response = client.send(method, "/", {"Authorization": None})

    assert (response.status_code, response.headers["Location"]) == (307, "/docs")
    assert response.content == b""


@pytest.mark.parametrize(
    "host",
    ["gateway", "gateway.bank.test:8443", "10.0.0.1", "127.0.0.1:35325", "[::1]:8080"],
)
def test_documentation_uses_the_address_it_is_asked_at(client, host):
    """A command of the page goes to the gateway that showed it."""
    page = client.send("GET", "/docs", {"Host": host}).text

    assert f"curl -X GET &quot;http://{host}/v1/agencies&quot;" in page
    assert "127.0.0.1:8080" not in page.replace(f"http://{host}/", "")


@pytest.mark.parametrize(
    "host",
    [
        "",
        "gateway$(id)",
        "a b",
        "a'b",
        'a"b',
        "<b>",
        "a/b",
        "a@b",
        "a:b",
        "a:123456",
        "[::1",
        "a" * 254,
        b"\xe6\xb5\x8b",
    ],
)
def test_documentation_repeats_no_other_host(client, host):
    """What is not the form of an address, or would mean something to a shell, is left out."""
    page = client.send("GET", "/docs", {"Host": host}).text

    assert "curl -X GET &quot;http://127.0.0.1:8080/v1/agencies&quot;" in page


def test_documentation_repeats_no_host_that_is_sent_twice(application):
    """Which of the two is meant is not guessed."""
    sent = []

    async def send(event):
        sent.append(event)

    hosts = [(b"host", b"one.test"), (b"host", b"two.test")]
    scope = {"type": "http", "method": "GET", "path": "/docs", "headers": hosts}
    asyncio.run(application({**scope, "query_string": b""}, None, send))

    page = sent[1]["body"]
    assert b"http://127.0.0.1:8080/" in page
    assert b".test" not in page


@pytest.mark.parametrize("path", ["/livez", "/docs"])
def test_head_is_answered_like_get(client, path):
    """HEAD is offered wherever GET is."""
    assert client.send("HEAD", path).status_code == 200


@pytest.mark.parametrize("endpoint", [e for e in ENDPOINTS if e.authenticated])
@pytest.mark.parametrize("authorization", [None, "Bearer wrong"])
def test_call_without_a_token_is_refused_first(client, gateway, endpoint, authorization):
    """Nothing about a request is judged before its channel is known."""
    path = endpoint.path.replace("{link}", "x").replace("{operation}", "x")

    response = client.send(endpoint.method, path, {"Authorization": authorization})

    assert (response.status_code, response.json()["code"]) == (401, "UNAUTHENTICATED")
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert gateway.calls == []


@pytest.mark.parametrize("refusal", list(Refusal))
def test_refusal_of_the_gateway_is_answered_by_its_code(client, gateway, refusal):
    """What the gateway raises is answered with the refusal's status and text."""
    gateway.error = RequestRefused(refusal)

    with capture_logs() as logs:
        response = client.send("DELETE", f"/v1/links/{LINK}")

    assert response.json()["code"] == refusal.value
    assert response.json()["status"] == response.status_code
    assert [entry["code"] for entry in logs] == [refusal.value]


def test_missing_dependency_is_answered_as_overload(client, gateway):
    """Nothing was changed: the caller repeats after a pause."""
    gateway.error = Unavailable("journal queue is full")

    with capture_logs() as logs:
        response = client.send("DELETE", f"/v1/links/{LINK}")

    assert (response.status_code, response.json()["code"]) == (503, "OVERLOADED")
    assert response.headers["Retry-After"] == "1"
    assert [entry["log_level"] for entry in logs] == ["warning"]


def _caused(error):
    error.__cause__ = KeyError(CANARY)
    return error


@pytest.mark.parametrize(
    ("error", "kinds"),
    [
        (ValueError(CANARY), ["ValueError"]),
        (PeerError(CANARY), ["PeerError"]),
        (_caused(LocalError(CANARY)), ["LocalError", "KeyError"]),
    ],
)
def test_unexpected_failure_says_nothing_of_its_cause(client, gateway, error, kinds):
    """The caller learns the request id; the log learns classes and places, no texts or values."""
    gateway.error = error

    with capture_logs() as logs:
        response = client.send("DELETE", f"/v1/links/{LINK}")

    assert (response.status_code, response.json()["code"]) == (500, "INTERNAL_ERROR")
    [entry] = logs
    assert entry["exception"] == kinds
    assert any("conftest.py" in frame for frame in entry["frames"])
    assert (entry["request_id"], entry["route"]) == ("req_1", "/v1/links/{link}")
    assert CANARY not in response.text + repr(logs)
    traceback.clear_frames(error.__traceback__)


@pytest.mark.parametrize(
    ("method", "path"),
    [(CANARY, "/livez"), ("GET", f"/{CANARY}"), ("GET", f"/v1/links/{CANARY}"), ("PUT", "/docs")],
)
def test_log_never_repeats_method_or_path(client, method, path):
    """Both are the caller's own text; the log has the route of the table."""
    with capture_logs() as logs:
        response = client.send(method, path)

    assert response.status_code in {404, 405}
    assert CANARY not in response.text + repr(logs) + repr(response.headers)


def test_failure_after_the_answer_began_ends_quietly(application):
    """An answer that has begun is not followed by a second one."""
    sent = []

    async def send(event):
        sent.append(event["type"])
        raise OSError

    scope = {"type": "http", "method": "GET", "path": "/livez", "headers": [], "query_string": b""}
    with capture_logs() as logs:
        asyncio.run(application(scope, None, send))

    assert sent == ["http.response.start"]
    assert [entry["exception"] for entry in logs] == [["OSError"]]


def test_websocket_is_closed(application):
    """The API has no other protocol."""
    sent = []

    async def send(event):
        sent.append(event["type"])

    asyncio.run(application({"type": "websocket", "path": "/v1/links"}, None, send))

    assert sent == ["websocket.close"]


def test_every_endpoint_of_the_table_is_routed(client):
    """No method of the table is answered 404 for its path or 405."""
    for path, endpoints in by_path().items():
        concrete = re.sub(r"\{\w+\}", "x", path)
        for endpoint in endpoints:
            response = client.send(endpoint.method, concrete, {"Authorization": None})
            assert response.status_code in {200, 401}


@pytest.fixture
def address(application):
    """Serve the application on a loopback port, as `gateway.app` does."""
    config = uvicorn.Config(application, port=0, lifespan="off", ws="none", log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            thread.join(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def test_ten_megabytes_are_refused_over_a_real_connection(address, gateway, client):
    """A caller that sends far too much reads the refusal, and the connection goes on."""
    headers = {**client.headers, "Content-Type": "application/json"}
    with httpx.Client(base_url=address, headers=headers, trust_env=False) as connection:
        response = connection.post("/v1/links", content=b" " * 10_000_000)
        after = connection.get("/livez")

    assert (response.status_code, response.json()["code"]) == (413, "BODY_TOO_LARGE")
    assert after.status_code == 200
    assert gateway.calls == []


def test_stalled_body_is_answered_and_hung_up_on_over_a_real_connection(
    address, gateway, client, monkeypatch
):
    """A caller that stops in the middle of its body cannot hold a connection."""
    monkeypatch.setattr(request_reading, "BODY_SECONDS_MAX", 0.05)
    sent = {**client.headers, "Content-Type": "application/json", "Content-Length": "100"}
    lines = ["POST /v1/links HTTP/1.1", "Host: gateway", *(f"{k}: {v}" for k, v in sent.items())]
    url = httpx.URL(address)
    received = b""

    with socket.create_connection((url.host, url.port), timeout=5) as connection:
        connection.sendall("\r\n".join((*lines, "", "{")).encode())
        while piece := connection.recv(65_536):
            received += piece

    assert received.startswith(b"HTTP/1.1 408 ")
    assert b"BODY_TOO_SLOW" in received
    assert gateway.calls == []
