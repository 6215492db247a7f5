"""A stand-in for `gateway.app`, and a client that speaks to the application without a socket."""

import asyncio
import itertools
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from gateway.api.agency_views import agency_view
from gateway.api.application import create_application
from gateway.api.authentication import Channels
from gateway.api.service import (
    LinkView,
    OperationKind,
    OperationView,
    PinSessionView,
    PublicKey,
    ReadinessCheck,
    Reply,
    SessionReply,
)
from gateway.app.specifications import Specifications, shipped_directory
from gateway.linking.link import LinkState
from gateway.operations.facts import OperationState
from gateway.terms.errors import RequestRefused
from gateway.terms.numbers import (
    AgencyCode,
    LinkId,
    OperationId,
    Pan,
    PinSessionId,
    SsCardNumber,
)
from gateway.terms.refusals import Refusal
from gateway.terms.sides import PinPurpose

LINK = LinkId("lnk_" + "0" * 26)
OPERATION = OperationId("op_" + "1" * 26)
PIN_SESSION = PinSessionId("pse_" + "2" * 26)
XIAMEN = Specifications(shipped_directory()).catalogue(["xiamen"]).agency(AgencyCode("99350201"))
BEGUN = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
TOKEN = "a-token-of-the-online-banking-channel"


@dataclass
class StandInGateway:
    """Stands for the app: records what it is asked and answers as the test arranges.

    `outcome` is laid over the operation of every reply; `error` is raised instead of any answer.
    """

    calls: list = field(default_factory=list)
    outcome: dict = field(default_factory=lambda: {"state": OperationState.SUCCEEDED})
    replayed: bool = False
    error: Exception | None = None
    checks: dict = field(default_factory=lambda: {"journal": ReadinessCheck(ready=True)})

    def _record(self, *call):
        self.calls.append(call)
        if self.error is not None:
            raise self.error

    def _reply(self, kind, *call):
        self._record(kind, *call)
        operation = OperationView(
            OPERATION, kind, OperationState.PENDING, BEGUN, BEGUN + timedelta(seconds=1), LINK
        )
        return Reply(replace(operation, **self.outcome), self.replayed)

    def agencies(self):
        self._record("agencies")
        return (agency_view(XIAMEN, BEGUN.date()),)

    async def public_keys(self):
        self._record("public_keys")
        purpose = PinPurpose.SS_PIN
        year = timedelta(days=365)
        return (
            PublicKey("EC", "P-256", "eA", "eQ", "k1", "enc", "ECDH-ES", purpose, BEGUN + year),
        )

    async def link(self, caller, key, command):
        return self._reply(OperationKind.LINK, caller, key, command)

    async def unlink(self, caller, key, link):
        return self._reply(OperationKind.UNLINK, caller, key, link)

    async def read_link(self, caller, link):
        self._record("read_link", caller, link)
        if link != LINK:
            raise RequestRefused(Refusal.NOT_FOUND)
        card, account = SsCardNumber("T00000019"), Pan("6200000000000005")
        return LinkView(link, LinkState.ACTIVE, AgencyCode("99350201"), card, account, BEGUN)

    async def open_pin_session(self, caller, key, link, purpose):
        self._record("open_pin_session", caller, key, link, purpose)
        expires_at = BEGUN + timedelta(minutes=5)
        session = PinSessionView(PIN_SESSION, purpose, "nonce-1", "k1", expires_at)
        return SessionReply(session, self.replayed)

    async def set_ss_pin(self, caller, key, link, command):
        return self._reply(OperationKind.SET_SS_PIN, caller, key, link, command)

    async def activate(self, caller, key, command):
        return self._reply(OperationKind.ACTIVATE, caller, key, command)

    async def read_operation(self, caller, operation):
        return self._reply(OperationKind.LINK, caller, operation).operation

    def readiness(self):
        return self.checks

    def metrics(self):
        return b"operations_total 1\n"


@dataclass
class Client:
    """Sends one request at a time, with the headers that every customer's call carries."""

    application: object
    headers: dict = field(
        default_factory=lambda: {
            "Authorization": f"Bearer {TOKEN}",
            "Customer-Number": "C00000001",
            "Idempotency-Key": "key-1",
        }
    )

    def send(self, method, path, headers=None, **content):
        """Send; a header of None is left out."""
        merged = {k: v for k, v in {**self.headers, **(headers or {})}.items() if v is not None}
        return asyncio.run(self._send(method, path, headers=merged, **content))

    async def _send(self, method, path, **arguments):
        transport = httpx.ASGITransport(self.application)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://gateway", trust_env=False
        ) as client:
            return await client.request(method, path, **arguments)


@pytest.fixture
def gateway():
    """Stand for the app."""
    return StandInGateway()


@pytest.fixture
def application(gateway):
    """Build the application as `gateway.app` does, with counted request ids."""
    numbers = itertools.count(1)
    return create_application(
        gateway,
        Channels.from_tokens({"other": "another-token", "online-banking": TOKEN}),
        request_ids=lambda: f"req_{next(numbers)}",
        fingerprint_key=b"k" * 32,
    )


@pytest.fixture
def client(application):
    """Speak for a channel and one customer of it."""
    return Client(application)


@pytest.fixture
def link_body():
    """Give a right body, to be broken by the test."""
    return {
        "institution": "99350201",
        "ss_card_number": "T00000019",
        "account": "6200000000000005",
        "mobile": "15400000001",
        "contact_address": "测试路1号",
    }


@pytest.fixture
def set_pin_body():
    """Give a right body, to be broken by the test."""
    return {"pin_session": PIN_SESSION.value, "encrypted_pin": "e30..aXY.Y3Q.dGFn"}


@pytest.fixture
def activate_body(set_pin_body):
    """Give a right body, to be broken by the test."""
    return {"link": LINK.value, **set_pin_body}
