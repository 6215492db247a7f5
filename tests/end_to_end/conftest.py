"""A town: gateway, bureau and core as processes, a wire to each far side, and its citizens.

Each test has a citizen of its own, so that the order of tests does not matter. Nothing sleeps for
a guessed time: what is waited for is an observable state, with a deadline.
"""

import asyncio
import json
import secrets
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import count
from pathlib import Path
from shutil import copytree
from ssl import SSLContext
from threading import Thread
from time import monotonic, sleep
from typing import Any

import pytest

from gateway.app.ensemble import Child, Ensemble
from gateway.app.online_bank import Answer, OnlineBank, call
from gateway.app.specifications import shipped_directory
from gateway.simulators.population import FRESH_FROM, Person, person
from gateway.terms.sides import Side

INSTITUTION = "99350201"  # Xiamen's
PIN, OTHER_PIN = "738291", "516047"  # neither a pattern nor part of anybody's numbers
SECONDS_MAX = 20.0  # what is waited for comes within two seconds on an idle machine
LIMITS = {
    "answer_timeout_s": 0.2,
    "repeats_max": 2,
    "retry_first_s": 0.2,
    "retry_max_s": 0.5,
    "secret_life_s": 2,
    "message_life_s": 1.2,
}
HTTP = {"answer_wait_s": 2}
FINAL = {"succeeded", "failed", "manual"}


def wait_for(
    probe: Callable[[], Any], what: str = "what was waited for", seconds: float = SECONDS_MAX
) -> Any:
    """Look again and again until the probe gives something true; fail at the deadline."""
    deadline = monotonic() + seconds
    while not (found := probe()):
        assert monotonic() < deadline, f"{what} did not come about in {seconds} s"
        sleep(0.02)
    return found


class Wire:
    """Relays one link over a port of its own: records it, cuts it, speaks out of turn on it."""

    def __init__(self, upstream: str, tls: SSLContext | None = None) -> None:
        self.upstream = upstream
        self._tls = tls  # towards the gateway
        host, _, port = upstream.rpartition(":")
        self._far_side = (host, int(port))
        # What every connection carried, a record for each.
        self.to_peer: list[bytearray] = []
        self.to_gateway: list[bytearray] = []
        self.accepted = 0
        self._port = 0
        self._open: set[asyncio.StreamWriter] = set()
        self._gateways: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever)
        self._thread.start()
        self.restore()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    def restore(self) -> None:
        """Listen (again)."""
        if self._server is None:
            self._do(self._listen())

    def cut(self) -> None:
        """Cut what is connected, and refuse connections from now on."""
        self._do(self._cut())

    def inject(self, data: bytes, *, then_close: bool = False) -> None:
        """Send the gateway bytes that the far side did not send."""
        self._do(self._inject(data, then_close=then_close))

    def close(self) -> None:
        """Cut everything and end the thread."""
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(SECONDS_MAX)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(
            self._relay, "127.0.0.1", self._port, ssl=self._tls
        )
        self._port = self._server.sockets[0].getsockname()[1]

    async def _cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in tuple(self._open):
            writer.transport.abort()
        while self._open:  # noqa: ASYNC110 - a moment's clean-up
            await asyncio.sleep(0.005)

    async def _inject(self, data: bytes, *, then_close: bool) -> None:
        for writer in tuple(self._gateways):
            writer.write(data)
            await writer.drain()
            if then_close:
                writer.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = {writer}
        self._open.add(writer)
        self.accepted += 1
        with suppress(OSError):
            peer_reader, peer_writer = await asyncio.open_connection(*self._far_side)
            ends.add(peer_writer)
            self._open.add(peer_writer)
            self._gateways.add(writer)
            await asyncio.gather(
                self._pump(reader, peer_writer, _append(self.to_peer)),
                self._pump(peer_reader, writer, _append(self.to_gateway)),
            )
        self._gateways.discard(writer)
        for end in ends:
            end.close()
            with suppress(OSError):
                await end.wait_closed()
        self._open -= ends

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, record: bytearray
    ) -> None:
        with suppress(OSError):
            while data := await source.read(65_536):
                record += data
                sink.write(data)
                await sink.drain()
        sink.close()


def _is_new_request(mti: str) -> bool:
    return mti[1] != "8" and mti[-1] == "0"


def _append(records: list[bytearray]) -> bytearray:
    records.append(bytearray())
    return records[-1]


class Peer:
    """The control port of a simulated far side."""

    def __init__(self, town: "Town", side: Side) -> None:
        self._town = town
        self._side = side

    def fault(self, message: str, fault: str, **more: Any) -> None:
        """Put a fault in force, once unless `times` says otherwise."""
        assert self._ask("faults", {"message": message, "fault": fault, **more}).status == 200

    def heal(self) -> None:
        """Take every fault back."""
        self._ask("faults", None, "DELETE")

    def mark(self) -> int:
        """Give where the journal ends now."""
        return self._ask(f"journal?after={2**31}").body["last"]  # and none of its entries

    def entries(self, after: int = 0) -> list[Mapping[str, Any]]:
        """Give the journal's entries behind a mark: messages and events."""
        return self._ask(f"journal?after={after}").body["entries"]

    def received(self, after: int, message: str) -> list[Mapping[str, Any]]:
        """Give the messages of one name that came behind a mark."""
        return [
            entry
            for entry in self.entries(after)
            if entry["direction"] == "received" and entry.get("message") == message
        ]

    def begun(self, after: int) -> list[str]:
        """Name the requests that came behind a mark, without repeats of earlier ones.

        Network management is left out: an idle link asks for an echo whenever its time has come.
        """
        return [
            entry["message"]
            for entry in self.entries(after)
            if entry["direction"] == "received" and _is_new_request(entry["fields"][0]["value"])
        ]

    def state(self, who: Person) -> Mapping[str, Any]:
        """Show the card (the account) of a person."""
        is_bureau = self._side is Side.SOCIAL
        number = f"card={who.card}" if is_bureau else f"account={who.pan}"
        return self._ask(f"state?{number}").body

    def links(self, who: Person) -> list[str]:
        """Give the active links of a person's card (account)."""
        return [link["link"] for link in self.state(who)["links"] if link["active"]]

    def scan(self, who: Person, code: str) -> str:
        """Scan what a person's app shows; tells whether it was good."""
        return self._ask("ecard-scan", {"card": who.card, "code": code}).body["answer"]

    def challenge(self, who: Person) -> str:
        """Have a handling system show a code for a person's app to scan."""
        return self._ask("ecard-challenge", {"card": who.card}).body["code"]

    def make_card(self, who: Person) -> None:
        """Let the card that was ordered in place of a person's be made at once."""
        self.make(who.card)

    def make(self, number: str) -> None:
        """Let the card that is ordered under a number be made at once."""
        assert self._ask("card-made", {"card": number}).status == 200

    def accepts(self, who: Person, pin: str) -> bool:
        """Tell whether the bureau's pharmacies accept a PIN."""
        body = {"scene": "pharmacy", "card": who.card, "pin": pin}
        return self._ask("terminal", body).body["answer"] == "accepted"

    def _ask(self, path: str, body: object | None = None, method: str | None = None) -> Answer:
        data = None if body is None else json.dumps(body).encode()
        url = f"{self._town.control(self._side)}/_sim/{path}"
        return call(urllib.request.Request(url, data, method=method))  # noqa: S310 - on loopback


class Town(Ensemble):
    """An ensemble with a wire between the gateway and each far side, and another bank's channel.

    `lines` stand at the top of the configuration, which `amend` changes; `tls` is what
    the core's wire has towards the gateway; `starter` starts the gateway in another way.
    """

    def __init__(
        self,
        directory: Path,
        *,
        lines: str = "",
        amend: Callable[["Town", str], str] = lambda _, text: text,
        tls: SSLContext | None = None,
        starter: Callable[["Town"], Child] | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(directory, **settings)
        self._starter = starter
        self.lines = lines
        self._amend = amend
        self._tls = tls
        self.other_token = secrets.token_urlsafe(32)
        self.wires: dict[str, Wire] = {}
        self.bureau_peer = Peer(self, Side.SOCIAL)
        self.core_peer = Peer(self, Side.FINANCIAL)

    def start_simulator(self, name: str, port: int = 0) -> Child:
        child = super().start_simulator(name, port)
        tls = self._tls if name == "core" else None
        wire = self.wires[name] = Wire(child.said["iso8583"], tls)
        return Child(child.process, {**child.said, "iso8583": wire.address})

    def write_configuration(self) -> None:
        super().write_configuration()
        text = self.configuration.read_text("utf-8")
        digest = sha256(self.other_token.encode()).hexdigest()
        channel = f'[http.channels.other]\ntoken_sha256 = "{digest}"\ninstitution = "99000009"\n'
        text = self._amend(self, f"{self.lines}\n{text}\n{channel}")
        self.configuration.write_text(text, "utf-8")

    def start_gateway(self) -> None:
        if self._starter is None:
            super().start_gateway()
        else:
            self.gateway = self._starter(self)

    def restart_gateway(self) -> None:
        """Start the gateway anew after it was stopped or killed, and wait until it is ready."""
        self.start_gateway()
        self.wait_until_ready()

    def module_pid(self, side: Side) -> int:
        """Find the gateway's security-module process of a side."""
        gateway = self.gateway.process.pid
        children = Path(f"/proc/{gateway}/task/{gateway}/children").read_text("ascii").split()
        return next(int(pid) for pid in children if f"--side {side.value}" in _command(pid))

    def stop(self) -> None:
        super().stop()
        for wire in self.wires.values():
            wire.close()

    def wait_until_ready(self) -> None:
        """Wait until everything that the gateway needs is there, both modules asked afresh."""
        keys = urllib.request.Request(f"{self.url}/v1/jwks.json")  # noqa: S310 - on loopback
        keys.add_header("Authorization", f"Bearer {self.token}")
        wait_for(lambda: call(f"{self.url}/readyz").body.get("degraded") == [], "readiness")
        wait_for(lambda: call(keys).status == 200, "the security modules")

    def is_up(self, name: str) -> bool:
        """Tell whether the gateway says that one thing is there."""
        return call(f"{self.url}/readyz").body["checks"][name]["ready"]

    def log(self, name: str = "gateway") -> str:
        """Read a process's log."""
        return (self.directory / f"{name}.log").read_text("utf-8")

    def at_peace(self) -> None:
        """Heal everything, and start what a test left dead."""
        for wire in self.wires.values():
            wire.restore()
        for peer in (self.bureau_peer, self.core_peer):
            peer.heal()
        assert self.gateway is not None
        if self.gateway.process.poll() is not None:
            self.start_gateway()
        self.wait_until_ready()


def _command(pid: str) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


@dataclass(slots=True)
class Citizen:
    """A customer of the bank, with the bank's backend and the browser that serve it."""

    town: Town
    who: Person
    link: str = ""
    token: str = field(default="", repr=False)
    proofs: str = ""

    def at_counter(self, proofs: str = "citizen-id, card-present") -> "Citizen":
        """Give the same customer at the bank's counter, whose clerk has seen these proofs."""
        return replace(self, token=self.town.tokens["counter"], proofs=proofs)

    def in_app(self, proofs: str = "session") -> "Citizen":
        """Give the same customer in the bank's app, which has seen these proofs."""
        return replace(self, token=self.town.tokens["app"], proofs=proofs)

    @property
    def bank(self) -> OnlineBank:
        token = self.token or self.town.token
        return OnlineBank(self.town.url, token, self.who.customer, proofs=self.proofs)

    def link_body(self) -> dict[str, Any]:
        """Write the body that asks for the link of the own card and the own account."""
        return {
            "institution": INSTITUTION,
            "ss_card_number": self.who.card,
            "account": self.who.pan,
            "mobile": self.who.at_bank.mobile,
        }

    def ask_link(self, key: str | None = None, **changes: Any) -> Answer:
        """Ask for the link of the own card and the own account, with some members changed."""
        answer = self.bank.change("POST", "/v1/links", self.link_body() | changes, key)
        if answer.status in {201, 202}:
            self.link = answer.body["link"]
        return answer

    def linked(self, institution: str = INSTITUTION) -> "Citizen":
        """Link card and account."""
        answer = self.ask_link(institution=institution)
        assert answer.status == 201, answer
        return self

    def unlink(self, key: str | None = None) -> Answer:
        return self.bank.change("DELETE", f"/v1/links/{self.link}", key=key)

    def session(self, purpose: str = "ss-pin") -> Mapping[str, str]:
        """Open a PIN session."""
        answer = self.bank.open_session(self.link, purpose)
        assert answer.status == 201, answer
        return answer.body

    def pin_body(self, pin: str, session: Mapping[str, str]) -> dict[str, Any]:
        """Write the body that sets a PIN."""
        envelope = self.bank.encrypt(session, pin)
        return {"pin_session": session["pin_session"], "encrypted_pin": envelope}

    def ask(self, path: str) -> Answer:
        """Ask something about the link."""
        return self.bank.get(f"/v1/links/{self.link}/{path}")

    def do(self, path: str, body: Mapping[str, Any] | None = None, method: str = "POST") -> Answer:
        """Have a business done through the link."""
        return self.bank.change(method, f"/v1/links/{self.link}/{path}", body)

    def set_pin(self, pin: str = PIN) -> Answer:
        """Set the SS PIN in a session of its own."""
        return self.send_pin(self.pin_body(pin, self.session()))

    def send_pin(self, body: Mapping[str, Any], key: str | None = None) -> Answer:
        return self.bank.change("PUT", f"/v1/links/{self.link}/ss-pin", body, key)

    def activation_body(self, pin: str = PIN, *services: str) -> dict[str, Any]:
        """Write the body that activates the account under a new PIN."""
        body = self.pin_body(pin, self.session("financial-pin"))
        return body | {"link": self.link, "added_services": list(services)}

    def activate(self, pin: str = PIN, *services: str) -> Answer:
        body = self.activation_body(pin, *services)
        return self.bank.change("POST", "/v1/activations", body)

    def operation(self, answer: Answer) -> Mapping[str, Any]:
        """Ask for the operation that an answer named."""
        view = self.bank.get(f"/v1/operations/{answer.body['operation']}")
        assert view.status == 200, view
        return view.body

    def settled(self, answer: Answer) -> Mapping[str, Any]:
        """Wait until the operation that an answer named has its final state."""

        def look() -> Mapping[str, Any] | None:
            view = self.operation(answer)
            return view if view["state"] in FINAL else None

        return wait_for(look, "a final state")

    def settled_as(self, answer: Answer, state: str) -> Mapping[str, Any]:
        """Wait until the operation that an answer named has one state."""

        def look() -> Mapping[str, Any] | None:
            view = self.operation(answer)
            return view if view["state"] == state else None

        return wait_for(look, f"the state {state}")


@pytest.fixture(scope="session")
def eventually() -> Callable[..., Any]:
    """Give the one way of waiting: for a state, with a deadline."""
    return wait_for


_INDEXES = count(1_000)
_FRESH_INDEXES = count(FRESH_FROM)


@pytest.fixture(scope="session")
def fresh_town(tmp_path_factory) -> Iterator[Callable[..., Town]]:
    """Give the maker of further towns, which it stops in the end."""
    towns: list[Town] = []

    def make(**settings: Any) -> Town:
        settings = {"limits": LIMITS, "http": HTTP} | settings
        town = Town(tmp_path_factory.mktemp("town"), **settings)
        towns.append(town)
        town.start()
        town.wait_until_ready()
        return town

    try:
        yield make
    finally:
        for town in towns:
            town.stop()


@pytest.fixture(scope="session")
def town_of(fresh_town, tmp_path_factory) -> Callable[..., Town]:
    """Give the maker of a town in another region, with its bureau and its profile.

    One whose configuration is amended is made for the asker; the others are shared.
    """
    towns: dict[object, Town] = {}

    def make(region: str, amend: Callable[[Town, str], str] | None = None) -> Town:
        key = region, amend
        if key not in towns:
            specifications = tmp_path_factory.mktemp("specs") / region
            copytree(shipped_directory(), specifications)
            text = (specifications / f"regions/{region}.toml").read_text("utf-8")
            profile = text.replace(f'link = "{region}"', 'link = "bureau"')
            (specifications / "regions/xiamen.toml").write_text(profile, "utf-8")
            more = {"amend": amend} if amend else {}
            towns[key] = fresh_town(specifications=specifications, **more)
        towns[key].at_peace()
        return towns[key]

    return make


@pytest.fixture(scope="session")
def the_town(fresh_town) -> Town:
    return fresh_town()


@pytest.fixture(scope="session")
def the_brief_town(fresh_town) -> Town:
    return fresh_town(lines="pin_session_life_s = 3")


@pytest.fixture
def brief_town(the_brief_town) -> Iterator[Town]:
    """Give a town whose gateway may be killed, and whose PIN sessions last three seconds."""
    the_brief_town.at_peace()
    yield the_brief_town
    the_brief_town.at_peace()


@pytest.fixture
def town(the_town) -> Iterator[Town]:
    """Give the town that all tests share; each leaves it as it found it."""
    the_town.at_peace()
    yield the_town
    the_town.at_peace()


@pytest.fixture
def bureau(town) -> Peer:
    return town.bureau_peer


@pytest.fixture
def core(town) -> Peer:
    return town.core_peer


@pytest.fixture
def newcomer(request) -> Callable[..., Citizen]:
    """Give the maker of citizens whom no other test knows; `fresh` ones have nothing activated.

    The town of all tests is started for those who are of no other.
    """

    def make(*, fresh: bool = False, of: Town | None = None) -> Citizen:
        who = person(next(_FRESH_INDEXES if fresh else _INDEXES))
        return Citizen(of or request.getfixturevalue("town"), who)

    return make


@pytest.fixture
def citizen(newcomer) -> Citizen:
    return newcomer()
