"""Plays an online-banking backend and its customer's browser: for demo, bench and tests.

Everything here could be written from ``/openapi.json`` alone.
"""

import http
import json
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jwe
from joserfc.jwk import ECKey

from gateway.terms.errors import Unavailable

CALL_SECONDS_MAX = 60.0  # the gateway answers after 25 s at the latest


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: status, JSON body and headers."""

    status: int
    body: Any
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class OnlineBank:
    """A backend that asks the gateway on behalf of one customer; `called` hears of each call.

    `proofs` is what it attests of the customer: the Proofs header, left out when empty.
    """

    url: str
    token: str
    customer: str
    called: Callable[[str, str, int], None] = lambda _method, _path, _status: None
    proofs: str = ""

    def get(self, path: str) -> Answer:
        """Read something."""
        return self._call("GET", path, None, {})

    def change(
        self, method: str, path: str, body: object | None = None, key: str | None = None
    ) -> Answer:
        """Change something, under an Idempotency-Key of its own unless one is given."""
        return self._call(method, path, body, {"Idempotency-Key": key or uuid.uuid4().hex})

    def open_session(self, link: str, purpose: str) -> Answer:
        """Open a one-time PIN session."""
        return self.change("POST", f"/v1/links/{link}/pin-sessions", {"purpose": purpose})

    def encrypt(self, session: Mapping[str, str], pin: str, other_than: str = "") -> str:
        """Encrypt a PIN as the customer's browser does, under the session's key.

        `other_than` is a PIN that it must not be, which is compared where the envelope is opened.
        """
        known = self.get("/v1/jwks.json")
        if known.status != http.HTTPStatus.OK:
            raise Unavailable(f"no public keys now: {known.body.get('code')}")
        key = next(key for key in known.body["keys"] if key["kid"] == session["kid"])
        return seal_pin(key, session, pin, other_than)

    def page(self, path: str) -> str:
        """Read a page for people."""
        status, page, _headers = fetch(self._request("GET", path, None, {}))
        self.called("GET", path, status)
        return page.decode()

    def _call(
        self, method: str, path: str, body: object | None, headers: Mapping[str, str]
    ) -> Answer:
        answer = call(self._request(method, path, body, headers))
        self.called(method, path, answer.status)
        return answer

    def _request(
        self, method: str, path: str, body: object | None, headers: Mapping[str, str]
    ) -> urllib.request.Request:
        data = None if body is None else json.dumps(body).encode()
        described = {"Content-Type": "application/json"} if data is not None else {}
        who = {"Authorization": f"Bearer {self.token}", "Customer-Number": self.customer}
        who |= {"Proofs": self.proofs} if self.proofs else {}
        return urllib.request.Request(  # noqa: S310 - http on loopback, our own ensemble
            self.url + path, data=data, method=method, headers={**who, **described, **headers}
        )


def call(request: urllib.request.Request | str) -> Answer:
    """Send a request and read a JSON answer, whatever its status; raises `Unavailable`."""
    status, body, headers = fetch(request)
    return Answer(status, json.loads(body), headers)


def fetch(request: urllib.request.Request | str) -> tuple[int, bytes, Mapping[str, str]]:
    """Send a request; gives status, body and headers, and raises `Unavailable` for no answer."""
    try:
        with urllib.request.urlopen(request, timeout=CALL_SECONDS_MAX) as answer:  # noqa: S310
            return answer.status, answer.read(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        with error as refused:
            return refused.code, refused.read(), dict(refused.headers)
    except OSError as error:
        raise Unavailable(f"no answer over HTTP: {error}") from None


def seal_pin(
    jwk: Mapping[str, str], session: Mapping[str, str], pin: str, other_than: str = ""
) -> str:
    """Make the compact JWE of a PIN: ECDH-ES over P-256, A256GCM."""
    public = ECKey.import_key({name: jwk[name] for name in ("kty", "crv", "x", "y")})
    header = {"alg": "ECDH-ES", "enc": "A256GCM", "kid": session["kid"]}
    # UTF-8 as a browser's JSON.stringify writes it: the payload has no escapes.
    members = {"pin": pin, "nonce": session["nonce"]}
    members |= {"other_than": other_than} if other_than else {}
    payload = json.dumps(members, ensure_ascii=False).encode()
    return jwe.encrypt_compact(header, payload, public, algorithms=["ECDH-ES", "A256GCM"])
