"""Headers, body and limits of one request."""

import asyncio
import json

import pytest

from gateway.api import request_reading
from gateway.api.request_reading import BODY_BYTES_MAX
from gateway.regions.vocabulary import Channel, Proof

LINK = "lnk_" + "0" * 26
JSON = {"Content-Type": "application/json"}


def _link_body(size):
    """Pad a right body to `size` bytes with white space."""
    body = {
        "institution": "99350201",
        "ss_card_number": "T00000019",
        "account": "6200000000000005",
        "mobile": "15400000001",
    }
    return json.dumps(body).encode().ljust(size)


async def _in_chunks(content, size):
    for start in range(0, len(content), size):
        yield content[start : start + size]


def _speak(application, scope, events, turns=0):
    """Send raw ASGI events to the application, each after some turns of the loop.

    Gives what it sends back.
    """
    sent = []
    base = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": "/v1/links",
        "raw_path": b"/v1/links",
        "root_path": "",
        "query_string": b"",
        "headers": [
            (b"authorization", b"Bearer a-token-of-the-online-banking-channel"),
            (b"customer-number", b"C00000001"),
            (b"idempotency-key", b"key-1"),
            (b"content-type", b"application/json"),
        ],
    }

    async def receive():
        for _ in range(turns):
            await asyncio.sleep(0)
        if events:
            return events.pop(0)
        await asyncio.Event().wait()
        return None

    async def send(event):
        sent.append(event)

    asyncio.run(application({**base, **scope}, receive, send))
    return sent


@pytest.mark.parametrize("chunk", [1000, BODY_BYTES_MAX])
def test_body_of_the_largest_size_is_read(client, chunk):
    """The bound includes its last byte, in however many pieces it comes."""
    content = _in_chunks(_link_body(BODY_BYTES_MAX), chunk)

    response = client.send("POST", "/v1/links", JSON, content=content)

    assert response.status_code == 201


@pytest.mark.parametrize("size", [BODY_BYTES_MAX + 1, 10_000_000])
@pytest.mark.parametrize("declared", [True, False])
def test_larger_body_is_refused(client, gateway, size, declared):
    """A body beyond 64 KiB is refused, whether or not it says so beforehand."""
    content = _link_body(size) if declared else _in_chunks(_link_body(size), 65_536)

    response = client.send("POST", "/v1/links", JSON, content=content)

    assert (response.status_code, response.json()["code"]) == (413, "BODY_TOO_LARGE")
    assert gateway.calls == []


def test_body_that_says_it_is_too_large_is_not_read_at_all(application):
    """Content-Length alone is enough to refuse."""
    headers = [
        (b"authorization", b"Bearer a-token-of-the-online-banking-channel"),
        (b"customer-number", b"C00000001"),
        (b"idempotency-key", b"key-1"),
        (b"content-type", b"application/json"),
        (b"content-length", b"10000000"),
    ]

    start, _ = _speak(application, {"headers": headers}, events=[])

    assert start["status"] == 413


def test_undeclared_body_is_not_read_beyond_the_bound(application):
    """Reading stops with the piece that crosses the bound."""
    piece = {"type": "http.request", "body": b" " * 40_000, "more_body": True}
    events = [dict(piece) for _ in range(10)]

    start, _ = _speak(application, {}, events)

    assert start["status"] == 413
    assert len(events) == 8


def test_slow_body_is_refused_and_its_connection_closed(application, gateway, monkeypatch):
    """A body that does not arrive within the deadline is answered 408."""
    monkeypatch.setattr(request_reading, "BODY_SECONDS_MAX", 0.01)
    events = [{"type": "http.request", "body": b"{", "more_body": True}]

    start, body = _speak(application, {}, events)

    assert start["status"] == 408
    assert (b"connection", b"close") in start["headers"]
    assert json.loads(body["body"])["code"] == "BODY_TOO_SLOW"
    assert gateway.calls == []


@pytest.mark.parametrize("turns", [0, 1, 3])
def test_body_is_read_whether_it_is_there_or_waited_for(application, turns):
    """Its pieces may come along with the head, or later."""
    body = _link_body(300)
    pieces = [body[:20], body[20:200], body[200:]]
    events = [
        {"type": "http.request", "body": piece, "more_body": piece is not pieces[-1]}
        for piece in pieces
    ]

    start, _ = _speak(application, {}, events, turns)

    assert start["status"] == 201
    assert events == []


@pytest.mark.parametrize("turns", [0, 2])
def test_caller_that_goes_away_gets_nothing(application, gateway, turns):
    """A request that breaks off is neither carried out nor answered."""
    events = [
        {"type": "http.request", "body": _link_body(300)[:20], "more_body": True},
        {"type": "http.disconnect"},
    ]

    assert _speak(application, {}, events, turns) == []
    assert gateway.calls == []


@pytest.mark.parametrize("length", ["ten", "-1", "+5", "1_0", "9" * 20])
def test_content_length_must_be_a_number(client, length):
    """Whatever a server in front lets through, a strange length is refused by name."""
    headers = {**JSON, "Content-Length": length}

    response = client.send("POST", "/v1/links", headers, content=_in_chunks(b"{}", 2))

    assert response.json()["errors"] == [{"rule": "a number of bytes", "header": "Content-Length"}]


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON; charset=UTF-8", 'application/json;charset="utf-8"'],
)
def test_json_in_utf8_is_accepted(client, content_type):
    """Case and quotes of the media type do not matter."""
    headers = {"Content-Type": content_type}

    response = client.send("POST", "/v1/links", headers, content=_link_body(200))

    assert response.status_code == 201


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": ""},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/jsonp"},
        {"Content-Type": "application/json; charset=gb18030"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
def test_other_media_types_are_refused(client, gateway, headers):
    """Only JSON in UTF-8, not compressed."""
    response = client.send("POST", "/v1/links", headers, content=_link_body(200))

    assert (response.status_code, response.json()["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert gateway.calls == []


STATE_CHANGES = [
    ("POST", "/v1/links"),
    ("DELETE", f"/v1/links/{LINK}"),
    ("POST", f"/v1/links/{LINK}/pin-sessions"),
    ("PUT", f"/v1/links/{LINK}/ss-pin"),
    ("POST", "/v1/activations"),
]
CUSTOMER_CALLS = [*STATE_CHANGES, ("GET", f"/v1/links/{LINK}"), ("GET", "/v1/operations/op_1")]


@pytest.mark.parametrize(("method", "path"), STATE_CHANGES)
def test_state_change_without_a_key_is_refused(client, gateway, method, path):
    """Every state change demands an Idempotency-Key."""
    response = client.send(method, path, {"Idempotency-Key": None})

    assert (response.status_code, response.json()["code"]) == (400, "IDEMPOTENCY_KEY_MISSING")
    assert gateway.calls == []


@pytest.mark.parametrize("key", ["", "k" * 256, "a b", "a\tb", b"\xe6\xb5\x8b", b"\x7f"])
@pytest.mark.parametrize(("method", "path"), STATE_CHANGES)
def test_key_of_another_form_is_refused(client, gateway, method, path, key):
    """A key has 1 to 255 visible ASCII characters."""
    response = client.send(method, path, {"Idempotency-Key": key})

    assert response.status_code == 400
    assert response.json()["errors"][0]["header"] == "Idempotency-Key"
    assert gateway.calls == []


@pytest.mark.parametrize("key", ["k", "k" * 255, "!~"])
def test_key_reaches_the_gateway_unchanged(client, gateway, key):
    """The shortest and the longest key are keys."""
    client.send("DELETE", f"/v1/links/{LINK}", {"Idempotency-Key": key})

    assert gateway.calls[0][2].key == key


@pytest.mark.parametrize(
    "number", [None, "", "C0001", "C" * 33, "C0000000\uff11".encode(), "C 1234"]
)
@pytest.mark.parametrize(("method", "path"), CUSTOMER_CALLS)
def test_customer_call_must_name_the_customer(client, gateway, method, path, number):
    """Without a well-formed customer number nobody is asked, and the number is not repeated."""
    response = client.send(method, path, {"Customer-Number": number})

    assert response.status_code == 400
    assert response.json()["errors"][0]["header"] == "Customer-Number"
    assert not (isinstance(number, str) and number and number in response.text)
    assert gateway.calls == []


@pytest.mark.parametrize("name", ["Authorization", "Customer-Number", "Idempotency-Key"])
def test_header_sent_twice_is_refused(application, gateway, name):
    """Two values of one header are not chosen between, even if they are the same."""
    headers = [
        (b"authorization", b"Bearer a-token-of-the-online-banking-channel"),
        (b"customer-number", b"C00000001"),
        (b"idempotency-key", b"key-1"),
    ]
    twice = [(key, value) for key, value in headers if key == name.lower().encode()]
    path = f"/v1/links/{LINK}"

    start, body = _speak(
        application, {"method": "DELETE", "path": path, "headers": headers + twice}, events=[]
    )

    assert start["status"] == 400
    [error] = json.loads(body["body"])["errors"]
    assert error == {"rule": "ASCII characters, sent once", "header": name}
    assert gateway.calls == []


@pytest.mark.parametrize("path", ["/v1/links", "/v1/agencies", "/livez", f"/v1/links/{LINK}"])
def test_query_string_is_refused(client, gateway, path):
    """URLs end up in other people's logs, so nothing may be said there."""
    method = "POST" if path == "/v1/links" else "GET"

    response = client.send(method, f"{path}?pin=483920")

    assert response.status_code == 400
    assert "483920" not in response.text
    assert gateway.calls == []


@pytest.mark.parametrize("content", [b"{}", "chunks"])
def test_body_where_none_belongs_is_refused(client, gateway, content):
    """DELETE has no body: one that is sent would be ignored, so it is refused."""
    chunks = _in_chunks(b"{}", 1) if content == "chunks" else content

    response = client.send("DELETE", f"/v1/links/{LINK}", content=chunks)

    assert response.json()["errors"] == [{"rule": "no body", "pointer": ""}]
    assert gateway.calls == []


def test_empty_body_where_none_belongs_is_none(client):
    """Content-Length 0 says that there is no body."""
    response = client.send("DELETE", f"/v1/links/{LINK}", {"Content-Length": "0"})

    assert response.status_code == 200


WRONG_IDS = ["lnk_", "lnk_" + "0" * 27, "lnk_" + "u" * 26, "483920", "lnk_" + "%30" * 25 + "%0A"]


@pytest.mark.parametrize("wrong", WRONG_IDS)
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/links/{}"), ("DELETE", "/v1/links/{}"), ("GET", "/v1/operations/{}")],
)
def test_id_of_another_form_is_an_id_that_does_not_exist(client, gateway, method, path, wrong):
    """The answer is that of an unknown record, and the path is not repeated."""
    response = client.send(method, path.format(wrong))

    assert (response.status_code, response.json()["code"]) == (404, "NOT_FOUND")
    assert wrong not in response.text
    assert gateway.calls == []


def _fingerprint(client, gateway, path="/v1/links", headers=None, body=None, method="POST"):
    content = {} if body is None else {"content": body}
    client.send(method, path, {**JSON, **(headers or {})}, **content)
    return gateway.calls.pop()[2].fingerprint


def test_fingerprint_is_of_the_meaning_not_the_bytes(client, gateway):
    """White space, order and escapes do not make another request."""
    plain = b'{"purpose": "ss-pin"}'
    path = f"/v1/links/{LINK}/pin-sessions"

    one = _fingerprint(client, gateway, path, body=plain)
    other = _fingerprint(client, gateway, path, body=b' {"purp\\u006fse":"ss-pin" } ')

    assert one == other
    assert len(one) == 32


def test_fingerprint_tells_method_path_customer_and_body_apart(client, gateway):
    """Each of the four makes another request."""
    other_link = "lnk_" + "1" * 26
    session = b'{"purpose": "ss-pin"}'
    fingerprints = [
        _fingerprint(client, gateway, f"/v1/links/{LINK}/pin-sessions", body=session),
        _fingerprint(client, gateway, f"/v1/links/{other_link}/pin-sessions", body=session),
        _fingerprint(
            client,
            gateway,
            f"/v1/links/{LINK}/pin-sessions",
            {"Customer-Number": "C00000002"},
            session,
        ),
        _fingerprint(
            client, gateway, f"/v1/links/{LINK}/pin-sessions", body=b'{"purpose":"financial-pin"}'
        ),
        _fingerprint(client, gateway, f"/v1/links/{LINK}", method="DELETE"),
    ]

    assert len(set(fingerprints)) == 5


def test_fingerprint_is_keyed():
    """A fingerprint cannot be searched for account numbers without the application's key."""
    scope = {"method": "POST", "path": "/v1/links"}
    arguments = (scope, "C00000001", {"account": "6200000000000005"})

    one = request_reading.fingerprint(b"a" * 32, *arguments)
    other = request_reading.fingerprint(b"b" * 32, *arguments)

    assert one != other


@pytest.mark.parametrize(
    ("header", "proofs"),
    [
        (None, {Proof.SESSION}),
        ("session, bound-phone-code", {Proof.SESSION, Proof.BOUND_PHONE_CODE}),
        ("citizen-id,card-present", {Proof.CITIZEN_ID, Proof.CARD_PRESENT}),
    ],
)
def test_channel_attests_proofs_by_a_header(client, gateway, link_body, header, proofs):
    """Online banking attests its session unless it says something else."""
    client.send("POST", "/v1/links", json=link_body, headers={"Proofs": header})

    [(_, caller, _, _)] = gateway.calls
    assert (caller.kind, caller.proofs) == (Channel.ONLINE_BANK, proofs)


@pytest.mark.parametrize("header", ["", "session,", "passport", "ss-pin", "session, ss-pin"])
def test_proofs_that_no_channel_can_attest_are_refused(client, gateway, link_body, header):
    """A slip of the pen, and a PIN that only its encrypted form can prove, are no proofs."""
    answer = client.send("POST", "/v1/links", json=link_body, headers={"Proofs": header})

    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_REQUEST")
    assert answer.json()["errors"][0]["header"] == "Proofs"
    assert gateway.calls == []


def test_another_channel_than_online_banking_attests_nothing_by_itself():
    """A counter says what it has seen, or has seen nothing."""
    headers = request_reading.Headers({"headers": []})

    assert request_reading.attested_proofs(headers, Channel.COUNTER) == frozenset()
