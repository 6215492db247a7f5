"""A conductor among stand-ins: one list of everything that happens, and a clock that is stepped."""

import asyncio
import heapq
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from gateway.api.service import Caller
from gateway.app.cargo import Cargo
from gateway.app.conductor import SS_FOLLOWS_AFTER_S, Conductor
from gateway.app.identifiers import Identifiers
from gateway.app.intake import Intake
from gateway.app.pins import AcceptedPin
from gateway.app.specifications import Specifications, shipped_directory
from gateway.financial.account import AccountOwner, AccountState, FinancialAccount
from gateway.financial.answers import AccountFinding
from gateway.linking.link import Link, LinkRequest, LinkState
from gateway.linking.plans import REQUEST
from gateway.operations.draft import EncipheredPin
from gateway.operations.exchange import Form, Trace
from gateway.operations.facts import Moved, Opened, OperationKind
from gateway.operations.life import Answered
from gateway.operations.recovery import Limits
from gateway.regions.catalogue import parse_catalogue
from gateway.social.answers import CardFinding
from gateway.social.card import CardHolder, CardState, PinState, SocialCard
from gateway.store.found import Linked, StoredKey
from gateway.store.unit import KeyUsed
from gateway.terms.errors import Unavailable
from gateway.terms.numbers import (
    Address,
    AgencyCode,
    CitizenId,
    CustomerNumber,
    LinkId,
    Mobile,
    OperationId,
    Pan,
    PersonName,
    Rrn,
    SsCardNumber,
    Stan,
)
from gateway.terms.response_codes import ResponseCode

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
AGENCY = AgencyCode("99350201")
LINK = LinkId("lnk_" + "1" * 26)
CITIZEN = CitizenId("350299197109070016")
NAME = PersonName("测试甲")
MOBILE = Mobile("15400000001")
CUSTOMER = CustomerNumber("C000000001")
HOLDER = CardHolder(NAME, CITIZEN, Mobile("16400000002"))
OWNER = AccountOwner(CUSTOMER, NAME, CITIZEN, MOBILE)
CARD = SocialCard(LINK, SsCardNumber("T00000001"), AGENCY, MOBILE, Address("测试路1号"))
ACCOUNT = FinancialAccount(LINK, Pan("6200000000000000018"), CUSTOMER)
CARGO = Cargo(CARD, ACCOUNT, channel="online-bank")
PIN = EncipheredPin(bytes.fromhex("0123456789ABCDEF"), "1600000000000000")
LIMITS = Limits(
    answer_timeout=timedelta(seconds=20),
    repeats_max=1,
    secret_life=timedelta(seconds=60),
    retry_first=timedelta(seconds=5),
    retry_max=timedelta(seconds=300),
    horizon=timedelta(hours=24),
    message_life=timedelta(seconds=60),
)
CARD_FOUND = CardFinding(HOLDER, CardState.NORMAL, PinState.UNSET)
ACCOUNT_FOUND = AccountFinding(OWNER, AccountState.ACTIVE)


def operation_id(number):
    return OperationId(f"op_{number:026d}")


class Timers:
    """Two clocks: the one of the wall may be set, the monotonic one is stepped."""

    stride_s = 60.0

    def __init__(self):
        self.wall = NOW
        self._elapsed = 0.0
        self._order = count()
        self._calls = []

    def now(self):
        return self.wall

    def seconds(self):
        return self._elapsed

    def call_later(self, delay_s, call):
        entry = [self._elapsed + delay_s, next(self._order), call]
        heapq.heappush(self._calls, entry)

        def cancel():
            entry[2] = None

        return cancel

    def step(self, seconds):
        """Let both clocks run, from one timer to the next."""
        until = self._elapsed + seconds
        while self._calls and self._calls[0][0] <= until:
            due, _, call = heapq.heappop(self._calls)
            self._pass(due - self._elapsed)
            if call is not None:
                call()
        self._pass(until - self._elapsed)

    @property
    def waiting(self):
        """Give after how many seconds the timers that wait are due."""
        return sorted(due - self._elapsed for due, _, call in self._calls if call is not None)

    def hold(self, seconds):
        """Let both clocks run while the process is held: no timer fires."""
        self._pass(seconds)

    def _pass(self, seconds):
        self._elapsed += seconds
        self.wall += timedelta(seconds=seconds)


class Journal:
    """Records at once, or when told to; may fail or be full at a chosen submit."""

    def __init__(self, events):
        self.events = events
        self.units = []
        self.is_held = False
        self.failing, self.full = {}, set()
        self._held = []
        self._submits = 0

    def submit(self, unit, done):
        self._submits += 1
        if self._submits in self.full:
            raise Unavailable("full")
        error = self.failing.get(self._submits)
        if self.is_held:
            self._held.append((unit, done, error))
        else:
            self._finish(unit, done, error)

    def release(self):
        """Make durable what was held, one unit."""
        self._finish(*self._held.pop(0))

    @property
    def held(self):
        return len(self._held)

    def _finish(self, unit, done, error):
        if error is None:
            self.units.append(unit)
            for progress in unit.progress:
                for fact in progress.operation.facts[progress.recorded :]:
                    name = fact.exchange if isinstance(fact, Moved) else ""
                    what = fact.move.event if isinstance(fact, Moved) else type(fact).__name__
                    self.events.append(("recorded", str(what), name))
        done(error)


class Dialogues:
    """Links that note what they are asked to transmit."""

    def __init__(self, events):
        self.events = events
        self.errands = []
        self.down = set()
        self.traces_left = 1_000
        self._stans = count(1)

    def is_ready(self, side, _agency):
        return side not in self.down

    def allocate(self, _side, _agency, at):
        if not self.traces_left:
            raise Unavailable("no trace number")
        self.traces_left -= 1
        number = next(self._stans)
        return Trace(Stan.of(number), Rrn(f"{number:012d}"), at)

    def limits(self, _side):
        return LIMITS

    def transmit(self, errand):
        self.errands.append(errand)
        self.events.append(("sent", str(errand.exchange.form), errand.exchange.name))


class Notices:
    """Channels that are told, and how often each was said to have something to hear."""

    def __init__(self):
        self.channels = {"online-bank"}
        self.heard = []

    def wants(self, channel):
        return channel in self.channels

    def recorded(self, channel):
        self.heard.append(channel)


class Stage:
    """A conductor, its stand-ins, and the one list of what happened in which order."""

    link, cargo, pin = LINK, CARGO, PIN
    card_found, account_found = CARD_FOUND, ACCOUNT_FOUND
    operation_id = staticmethod(operation_id)

    def __init__(self):
        self.events = []
        self.failures = []
        self.journal = Journal(self.events)
        self.dialogues = Dialogues(self.events)
        self.timers = Timers()
        self.notices = Notices()
        self._numbers = count(100)
        self.conductor = Conductor(
            self.journal,
            self.dialogues,
            self.timers,
            lambda: operation_id(next(self._numbers)),
            self.failures.append,
            self.notices,
        )
        self.outcomes = []

    def open(self, kind=OperationKind.SET_SS_PIN, number=1, **more):
        """Open an operation on the only link; give its reference."""
        pins = {
            OperationKind.SET_SS_PIN: {"bureau-pin-set": PIN},
            OperationKind.ACTIVATE: {"core-activate": PIN},
        }
        findings = {}
        if kind is OperationKind.LINK:
            findings = {REQUEST: LinkRequest(CUSTOMER, MOBILE)}
        details = more.pop("details", None)
        opened = Opened(kind, LINK, self.timers.now(), details=details)
        identity = operation_id(number)
        more = {"pins": pins.get(kind), "findings": findings, "done": self.outcomes.append} | more
        self.conductor.open(identity, opened, CARGO, **more)
        return identity

    def answer(self, identity, exchange, code="00", form=Form.ORIGINAL, finding=None, told=None):
        """Bring an answer of a far side."""
        event = Answered(exchange, form, ResponseCode(code), finding=finding, told=told or {})
        self.conductor.answer(identity, event)

    def sent(self):
        """Give the form and exchange of every message sent."""
        return [(what, name) for kind, what, name in self.events if kind == "sent"]

    def recorded(self):
        """Give what was recorded, in order."""
        return [(what, name) for kind, what, name in self.events if kind == "recorded"]

    def settle_inquiries(self, identity):
        """Answer both inquiries of a link operation so that it goes on to register."""
        self.answer(identity, "account-inquiry", finding=self.account_found)
        self.answer(identity, "card-inquiry", finding=self.card_found)

    def waiting_follow_up(self, after_s=3600):
        """Give a follow-up operation that waits for its time."""
        kind = OperationKind.ACTIVATE
        self.answer(self.open(kind, details={SS_FOLLOWS_AFTER_S: str(after_s)}), "core-activate")
        return self.follow_up()

    def follow_up(self):
        """Give the operation that followed, as it was opened."""
        return self.operation(self.operation_id(100))

    def operation(self, identity):
        """Give an operation as it was last recorded."""
        states = [
            progress.operation
            for unit in self.journal.units
            for progress in unit.progress
            if progress.operation.id == identity
        ]
        return states[-1]


@dataclass
class Store:
    """Reads back what a stage's journal recorded, and what a test lays in."""

    stage: object
    linked_: dict = field(default_factory=dict)
    sessions: dict = field(default_factory=dict)
    holding: LinkId | None = None
    is_blind: bool = False
    meanwhile: dict = field(default_factory=dict)  # what another node did after the first look
    looks: int = 0

    def holder(self, _link):
        return self.meanwhile.get("holder")

    def linked(self, link, _session=None):
        return self.linked_.get(link)

    def asked(self, channel, key, link=None, session=None):
        return self.key(channel, key), self.linked(link, session)

    def link_holding(self, _number):
        return self.holding

    def key(self, channel, key):
        self.looks += 1
        if self.looks > 1 and "key" in self.meanwhile:
            return StoredKey(bytes(32), "op_" + "0" * 26)
        for unit in self.stage.journal.units:
            for record in unit.records:
                if isinstance(record, KeyUsed) and (record.channel, record.key) == (channel, key):
                    return StoredKey(record.request_digest, record.resource)
        return None

    def session(self, session):
        return self.sessions.get(session)

    def operation(self, identity):
        if self.is_blind:
            return None
        known = {
            progress.operation.id: progress.operation
            for unit in self.stage.journal.units
            for progress in unit.progress
        }
        return known.get(identity)


@dataclass
class Pins:
    """Security modules that answer as the test arranges."""

    outcome: object
    orders: list = field(default_factory=list)

    async def kid(self, purpose):
        return f"{purpose}-key"

    async def public_keys(self):
        return ("a key",)

    async def security_control(self, _channel, _side):
        return "1600000000000000"

    async def encipher(self, order):
        self.orders.append(order)
        return self.outcome


class Hall:
    """An intake over a stage: one link is there, and far sides answer what they are asked."""

    def __init__(self, stage, catalogue, wait_s=5.0, institutions=None):
        self.stage = stage
        self.store = Store(stage)
        self.pins = Pins(AcceptedPin(stage.pin))
        self.codes, self.told = {}, {}
        self.is_silent = False
        agency = next(iter(catalogue.agencies))
        card = replace(stage.cargo.card, agency=agency)
        link = Link(stage.link, agency, "bank", LinkState.ACTIVE, stage.timers.now())
        self.store.linked_[stage.link] = Linked(link, card, stage.cargo.account)
        self.caller = Caller("bank", stage.cargo.account.customer, "req_1")
        self._transmit = stage.dialogues.transmit
        stage.dialogues.transmit = self.transmit
        self.intake = Intake(
            conductor=stage.conductor,
            read=self.read,
            pins=self.pins,
            catalogue=catalogue,
            identifiers=Identifiers(stage.timers.now),
            is_ready=stage.dialogues.is_ready,
            zone=lambda side, agency: f"{side}/{agency}",
            now=stage.timers.now,
            answer_wait_s=wait_s,
            institutions=institutions or {},
        )

    async def read(self, query):
        await asyncio.sleep(0)
        return query(self.store)

    def transmit(self, errand):
        self._transmit(errand)
        if not self.is_silent:
            asyncio.get_running_loop().call_soon(self._answer, errand)

    def _answer(self, errand):
        name = errand.exchange.name
        found = {
            "card-inquiry": self.stage.card_found,
            "account-inquiry": self.stage.account_found,
        }
        code = self.codes.get(name, "00")
        finding = found.get(name) if code == "00" else None
        told = self.told.get(name, {})
        self.stage.answer(errand.operation.id, name, code, errand.exchange.form, finding, told)

    def records(self, type_):
        """Give what was recorded of a type."""
        return [
            record
            for unit in self.stage.journal.units
            for record in unit.records
            if isinstance(record, type_)
        ]


class Counter:
    """Stands for the durable counter of trace numbers."""

    def __init__(self):
        self.next = defaultdict(int)
        self.is_held = False
        self.error = None
        self._waiting = []

    def reserve(self, counter, size, done):
        assert counter.startswith("stan/")
        if isinstance(self.error, Unavailable):
            raise self.error
        outcome = self.error
        if outcome is None:
            outcome = self.next[counter]
            self.next[counter] += size
        if self.is_held:
            self._waiting.append(lambda: done(outcome))
        else:
            done(outcome)

    def release(self):
        self._waiting.pop(0)()


@pytest.fixture
def stage():
    """Give a conductor among stand-ins."""
    return Stage()


@pytest.fixture
def counter():
    """Give a durable counter."""
    return Counter()


@pytest.fixture(scope="session")
def specifications():
    """Give what is shipped."""
    return Specifications(shipped_directory())


@pytest.fixture
def specs_copy(tmp_path):
    """Give a copy of what is shipped, to be spoilt."""
    for folder in ("dialects", "messages", "regions"):
        (tmp_path / folder).mkdir()
        for file in (shipped_directory() / folder).glob("*.toml"):
            Path(tmp_path / folder / file.name).write_text(file.read_text("utf-8"), "utf-8")
    return tmp_path


@pytest.fixture
def catalogue_of(specifications):
    """Give a maker of one region's catalogue with one piece of its file replaced."""

    def make(region, old="", new=""):
        text, file = specifications.text("regions", region)
        assert old in text
        return parse_catalogue({file: text.replace(old, new)})

    return make


@pytest.fixture
def hall_of(stage, catalogue_of):
    """Give the maker of a hall in a region."""
    return lambda region, *changed, **more: Hall(stage, catalogue_of(region, *changed), **more)
