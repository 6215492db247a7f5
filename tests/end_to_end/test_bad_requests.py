"""Bad requests over a real socket: a 4xx problem with place and rule, and never the value."""

import http.client
import json
import socket
from urllib.parse import urlsplit

import pytest

GOOD = {
    "institution": "99350201",
    "ss_card_number": "T00000901",
    "account": "6200000000000009015",
    "mobile": "15400000901",
}
CANARY = "6200000000000009999"  # a card number without its check digit


def body(**changes):
    return json.dumps(GOOD | changes).encode()


BODIES = {
    "unknown member": (
        body(pan=CANARY),
        "",
        "no members but institution, ss_card_number, account, mobile, contact_address",
    ),
    "wrong type": (body(account=6200000000000009015), "/account", "a string"),
    "null": (body(mobile=None), "/mobile", "a string"),
    "full-width digits": (body(mobile="\uff11\uff15400000901"), "/mobile", ""),
    "bad Luhn digit": (body(account=CANARY), "/account", ""),
    "not a mobile": (body(mobile="25400000901"), "/mobile", ""),
    "line break in a number": (body(ss_card_number="T00000901\n"), "/ss_card_number", ""),
    "missing": (json.dumps({"institution": "99350201"}).encode(), "/account", "required"),
    "member twice": (
        body()[:-1] + b', "account": "' + CANARY.encode() + b'"}',
        "/account",
        "no member twice",
    ),
    "array": (b"[]", "", "a JSON object"),
    "cut off": (body()[:-5], "", "valid JSON (RFC 8259) in UTF-8"),
    "not UTF-8": (body(mobile="x").replace(b"x", b"\xff"), "", "valid JSON (RFC 8259) in UTF-8"),
    "not a number": (b'{"account": NaN}', "", "valid JSON (RFC 8259) in UTF-8"),
    "nested": (b"[" * 10_000 + b"]" * 10_000, "", "at most 64 objects and arrays"),
}


@pytest.fixture
def send(town):
    """Give what sends one request with good headers, some of them changed."""

    def ask(content, path="/v1/links", method="POST", **changes):
        headers = {
            "Authorization": f"Bearer {town.token}",
            "Customer-Number": "C000000901",
            "Idempotency-Key": "bad-requests",
            "Content-Type": "application/json",
        }
        headers |= {name.replace("_", "-"): value for name, value in changes.items()}
        connection = http.client.HTTPConnection(urlsplit(town.url).netloc, timeout=20)
        try:
            sent = {name: value for name, value in headers.items() if value is not None}
            connection.request(method, path, content, sent)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    return ask


@pytest.mark.parametrize("case", BODIES)
def test_bad_body_is_told_by_place_and_rule(send, town, bureau, core, case):
    """The answer names the broken member; neither it nor the log repeats what was sent."""
    content, pointer, rule = BODIES[case]
    marks, log = (bureau.mark(), core.mark()), len(town.log())

    status, problem = send(content)

    places = {error["pointer"]: error["rule"] for error in problem["errors"]}
    assert (status, problem["code"]) == (400, "INVALID_REQUEST")
    assert pointer in places
    assert rule in places[pointer]
    for value in (CANARY, "25400000901", "15400000901", "\uff11"):
        assert value not in json.dumps(problem, ensure_ascii=False)
        assert value not in town.log()[log:]
    assert bureau.begun(marks[0]) == core.begun(marks[1]) == []


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"Authorization": None}, 401, "UNAUTHENTICATED"),
        ({"Authorization": "Bearer wrong"}, 401, "UNAUTHENTICATED"),
        ({"Idempotency_Key": None}, 400, "IDEMPOTENCY_KEY_MISSING"),
        ({"Idempotency_Key": "k" * 256}, 400, "INVALID_REQUEST"),
        ({"Customer_Number": "1 OR 1=1"}, 400, "INVALID_REQUEST"),
        ({"Content_Type": "text/plain"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
        ({"Content_Encoding": "gzip"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
        ({"path": "/v1/links?account=1"}, 400, "INVALID_REQUEST"),
        ({"path": "/v1/link"}, 404, "NOT_FOUND"),
        ({"method": "PATCH"}, 405, "METHOD_NOT_ALLOWED"),
    ],
)
def test_bad_head_is_refused_before_anything_is_done(send, bureau, changes, status, code):
    """Headers, path and method are checked before the body means anything."""
    mark = bureau.mark()

    told, problem = send(body(), **changes)

    assert (told, problem["code"]) == (status, code)
    assert bureau.begun(mark) == []


def test_body_of_ten_megabytes_is_refused_unread(send):
    """A large body that says so is answered 413."""
    status, problem = send(b'{"account": "' + b"6" * 10_000_000 + b'"}')

    assert (status, problem["code"]) == (413, "BODY_TOO_LARGE")


def test_endless_body_is_hung_up_on_when_it_is_too_large(send):
    """A body in chunks that does not say how long it is is not read beyond the limit."""
    chunks = (b"6" * 10_000 for _ in range(1_000))

    with pytest.raises(ConnectionError):
        send(chunks, Transfer_Encoding="chunked")

    assert len(list(chunks)) > 500
    assert send(b"[]")[0] == 400


@pytest.mark.parametrize(
    "data",
    [b"\x16\x03\x01\x00\xc8\x01\x00\x00", b"0110" * 20 + b"\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"],
    ids=repr,
)
def test_what_is_not_http_is_hung_up_on(town, send, data):
    """Other protocols on the HTTP port are closed, and the next request is served."""
    host, port = urlsplit(town.url).netloc.split(":")
    with socket.create_connection((host, int(port)), 10) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := client.recv(4096):
            answer += piece

    assert answer == b"" or answer.startswith(b"HTTP/1.1 400")
    assert send(body(account=CANARY))[0] == 400


def test_many_bad_requests_at_once_leave_the_good_ones_alone(send, newcomer):
    """Half-sent requests hold no one up."""
    url = urlsplit(newcomer().town.url)
    stalled = [socket.create_connection((url.hostname, url.port), 10) for _ in range(50)]
    try:
        for each in stalled:
            each.sendall(b"POST /v1/links HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{")
        answer = newcomer().ask_link()
    finally:
        for each in stalled:
            each.close()

    assert answer.status == 201
    assert send(b"[]")[0] == 400
