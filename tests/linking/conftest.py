"""Persons, and two far sides behind a lossy wire that an operation of linking talks to.

`World` is the conductor in small: it decides, records, acts, crashes at any of these points and
resumes from what was recorded. It watches the promises and raises `Violation` with the moment.
"""

import heapq
import json
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random  # noqa: TID251 - the world's chance is seeded and so repeatable

import pytest

from gateway.financial.account import AccountOwner, AccountState
from gateway.financial.answers import AccountFinding
from gateway.linking.kinds import EXCHANGES, PLANS
from gateway.linking.link import LinkChanged, LinkRequest, LinkState
from gateway.linking.plans import REQUEST
from gateway.operations import life
from gateway.operations.exchange import AWAITING, ExchangeEvent, Form, Recovery, Trace
from gateway.operations.facts import Moved, Opened, OperationKind, OperationState, Settled
from gateway.operations.facts import from_json as read_fact
from gateway.operations.facts import to_json as write_facts
from gateway.operations.operation import open_operation, replay
from gateway.operations.recovery import Limits
from gateway.social.answers import CardFinding
from gateway.social.card import CardHolder, CardState, PinState
from gateway.terms.numbers import (
    CitizenId,
    CustomerNumber,
    LinkId,
    Mobile,
    OperationId,
    PersonName,
    Rrn,
    Stan,
)
from gateway.terms.response_codes import ResponseCode
from gateway.terms.sides import Side

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
LINK = LinkId("lnk_" + "1" * 26)
NAME, CITIZEN, MOBILE = PersonName("测试甲"), CitizenId("350299199001010010"), Mobile("15400000001")
CUSTOMER = CustomerNumber("C00000001")
OWNER = AccountOwner(CUSTOMER, NAME, CITIZEN, MOBILE)
HOLDER = CardHolder(NAME, CITIZEN, MOBILE)
ASKED = LinkRequest(CUSTOMER, MOBILE)
FINDINGS = {
    "account-inquiry": AccountFinding(OWNER, AccountState.ACTIVE),
    "card-inquiry": CardFinding(HOLDER, CardState.NORMAL, PinState.UNSET),
}
LIMITS = Limits(retry_max=timedelta(minutes=30))  # fewer messages in long silences
SECRETS = {"bureau-pin-set", "core-activate", "bureau-pin-verify", "bureau-ecard-issue"}
PINS = {OperationKind.SET_SS_PIN, OperationKind.SS_PIN_CHANGE}
EFFECTS = {
    kind: {each.name for each in exchanges if each.recovery is not Recovery.QUERY}
    for kind, exchanges in EXCHANGES.items()
}


def operation_id(number):
    return OperationId(f"op_{number:026d}")


def make_trace(number, at):
    return Trace(Stan.of(number), Rrn(f"{number:012d}"), at)


# ---------------------------------------------------------------- transcripts


class Script:
    """One operation under a script: what each event made of it, step by step."""

    def __init__(self, kind, *, ready=frozenset(Side), wake_at=None, details=None, findings=None):
        self.kind, self.ready, self.at = kind, ready, NOW
        opened = Opened(kind, LINK, NOW, wake_at, details=details)
        fresh = open_operation(operation_id(1), opened, EXCHANGES[kind])
        self.operation = replace(fresh, findings=findings or {REQUEST: ASKED})
        self.records, self.effects, self.sent = [], [], []
        self._numbers = count(1)

    def take(self, event, after=timedelta(seconds=1)):
        self.at += after
        around = life.Surroundings(
            PLANS[self.kind],
            lambda _side: LIMITS,
            lambda _side, at: make_trace(next(self._numbers), at),
            lambda side: side in self.ready,
            lambda: operation_id(2),
        )
        decision = life.decide(self.operation, event, self.at, around)
        self.operation = decision.operation
        self.records += decision.records
        self.effects += decision.effects
        self.sent += [
            (effect.exchange, self[effect.exchange].form, effect.is_repeat)
            for effect in decision.effects
            if isinstance(effect, life.Transmit)
        ]
        return self

    def begin(self):
        return self.take(life.Begun())

    def answer(self, name, code="00", form=Form.ORIGINAL, reason=None, finding=None):
        code = ResponseCode(code)
        told = (finding or FINDINGS.get(name)) if code.is_approval else None
        return self.take(life.Answered(name, form, code, reason, told))

    def silence(self, name):
        """Let the answer be overdue until something else than a repeat happens."""
        before = self[name].state
        for _ in range(LIMITS.repeats_max + 1):
            self.take(life.Overdue(name), LIMITS.answer_timeout)
            if self[name].state is not before:
                break
        return self

    def horizon(self, name):
        """Let the answer be overdue for as long as the horizon, with the pauses of real life."""
        pause = LIMITS.answer_timeout + LIMITS.retry_max
        for _ in range(LIMITS.horizon // pause + 1):
            if self[name].state in AWAITING:
                self.take(life.Overdue(name), pause)
        return self

    def resume(self):
        """Let another process take over what was recorded; what was in memory is gone."""
        facts = [*map(read_fact, json.loads(write_facts(self.operation.facts)))]
        self.operation = replay(self.operation.id, facts, EXCHANGES.__getitem__)
        self.sent.clear()
        return self.take(life.Resumed())

    def __getitem__(self, name):
        return self.operation.exchanges[name]

    @property
    def state(self):
        return self.operation.state

    @property
    def link_states(self):
        return [each.state for each in self.records if isinstance(each, LinkChanged)]


@pytest.fixture
def script():
    return Script


# ---------------------------------------------------------------- the world


class Violation(AssertionError):
    """A promise was broken."""


class FarSide:
    """Does each request once, knows it again by its trace, undoes it, refuses what was undone."""

    def __init__(self, decline):
        self._decline = decline
        self._outcomes = {}
        self._undone = set()
        self._tombstones = set()
        self.net = Counter()

    def take(self, message):
        if message.form is Form.ORIGINAL:
            return self._carry_out(message)
        original = self._outcomes.get(message.original)
        if original is None:
            self._tombstones.add(message.original)
            return ResponseCode.ORIGINAL_NOT_FOUND
        done = original is ResponseCode.APPROVED
        if message.form is Form.INQUIRY:
            return ResponseCode.APPROVED if done else ResponseCode.STATE_DOES_NOT_ALLOW
        if done and message.original not in self._undone:
            self._undone.add(message.original)
            self.net[message.exchange] -= 1
        return ResponseCode.APPROVED

    def _carry_out(self, message):
        code = self._outcomes.get(message.trace)
        if code is not None:
            return code
        refused = message.trace in self._tombstones
        code = ResponseCode.STATE_DOES_NOT_ALLOW if refused else self._decline(message.exchange)
        self._outcomes[message.trace] = code
        if code is ResponseCode.APPROVED:
            self.net[message.exchange] += 1
        return code


@dataclass(frozen=True)
class Sent:
    operation: OperationId
    exchange: str
    form: Form
    side: Side
    trace: str
    original: str


@dataclass(frozen=True)
class Faults:
    drop: float
    twice: float
    open_code: float
    crash: float
    down: float
    decline: float
    delay_s: float
    silent_after_s: float
    lasting: timedelta

    @classmethod
    def of(cls, chance):
        """Draw how bad this world is; every kind of fault is absent from some worlds."""
        return cls(
            chance.choice((0, 0.1, 0.4, 0.8)),
            chance.choice((0, 0.3)),
            chance.choice((0, 0.2, 0.6)),
            chance.choice((0, 0.02, 0.15)),
            chance.choice((0, 0.2, 0.6)),
            chance.choice((0, 0.3)),
            chance.choice((1, 15, 300, 20_000)),
            chance.choice((chance.uniform(0, 120), 1e9)),
            timedelta(hours=chance.choice((0.1, 3, 30, 60))),
        )


CALM = Faults(0, 0, 0, 0, 0, 0, 1, 1e9, timedelta())
OPEN_CODES = [code for code in ResponseCode if code.leaves_outcome_open]


class World:
    """Plays one operation, and what follows it, against both far sides."""

    def __init__(self, kind, seed, plans=PLANS):
        self.chance = Random(seed)  # noqa: S311 - no secret is made of it
        self.kind, self.plans = kind, plans
        self.storm, self.faults = Faults.of(self.chance), CALM
        self.storm_from = NOW + timedelta(
            seconds=self.chance.choice((0, self.chance.uniform(0, 9)))
        )
        self.storm_until = NOW + self.storm.lasting
        self.now, self.process = NOW, 0
        self.events, self.numbers, self.ids = [], count(1), count(1)
        self.sides = {side: FarSide(self._decision) for side in Side}
        self.journal, self.running, self.pins, self.findings = {}, {}, {}, {}
        self.begun_by, self.told, self.links = {}, {}, []
        self.first_traces = set()

    # ------------------------------------------------------------ the story

    def play(self):
        first = self._open(self.kind, {REQUEST: ASKED})
        self.pins = dict.fromkeys(SECRETS, "PIN block")
        self._schedule(NOW, lambda: self._take(first, life.Begun()))
        while self.events:
            self.now, _, act = heapq.heappop(self.events)
            is_storm = self.storm_from <= self.now < self.storm_until
            self.faults = self.storm if is_storm else CALM
            act()
            self._watch_promises()
        self._judge()
        return self

    def _open(self, kind, findings, cause=None, identity=None):
        identity = identity or operation_id(next(self.ids))
        wake_at = self.now + timedelta(hours=self.chance.choice((0, 24))) if cause else None
        opened = Opened(kind, LINK, self.now, wake_at, cause)
        fresh = open_operation(identity, opened, EXCHANGES[kind])
        self.running[identity] = replace(fresh, findings=findings)
        return identity

    # ------------------------------------------------------------ decide, record, act

    def _take(self, identity, event):
        operation = self.running.get(identity)
        if operation is None:
            return
        around = life.Surroundings(
            self.plans[operation.kind],
            lambda _side: LIMITS,
            lambda _side, at: make_trace(next(self.numbers), at),
            lambda _side: not self._happens(self.faults.down),
            lambda: operation_id(next(self.ids)),
        )
        decision = life.decide(operation, event, self.now, around)
        if self._happens(self.faults.crash):
            self._crash()
            return
        followers = self._record(decision)
        if self._act(decision):
            for follower in followers:
                self._take(follower, life.Woken())

    def _act(self, decision):
        """Carry the effects out; tells whether the process lived to do the last of them."""
        self.running[decision.operation.id] = decision.operation
        for effect in decision.effects:
            if self._happens(self.faults.crash):
                self._crash()
                return False
            self._perform(decision.operation, effect)
        return True

    def _record(self, decision):
        identity = decision.operation.id
        fresh = decision.facts if identity in self.journal else decision.operation.facts
        self.journal.setdefault(identity, []).extend(json.loads(write_facts(fresh)))
        self.links += [each.state for each in decision.records if isinstance(each, LinkChanged)]
        for fact in decision.facts:
            if isinstance(fact, Settled):
                self._tell(identity, fact.state)
            if isinstance(fact, Moved) and fact.move.event is ExchangeEvent.SEND:
                self.begun_by[identity, fact.exchange] = self.process
        followers = []
        for effect in decision.effects:
            if isinstance(effect, life.OpenFollowUp):
                self._open(effect.kind, {}, identity, effect.operation)
                facts = self.running[effect.operation].facts
                self.journal[effect.operation] = json.loads(write_facts(facts))
                followers.append(effect.operation)
        return followers

    def _tell(self, identity, state):
        told = self.told.setdefault(identity, [])
        if told and (told[-1].is_final or state is OperationState.PENDING):
            raise Violation(f"{told[-1]} became {state}")
        told.append(state)

    def _crash(self):
        """Forget all but what was recorded; another process takes over some time later."""
        self.process += 1
        self.pins, self.running = {}, {}
        started = self.process
        for identity, facts in self.journal.items():
            read = map(read_fact, facts)
            operation = replay(identity, read, EXCHANGES.__getitem__)
            if not operation.is_at_rest:
                self.running[identity] = operation
        wait = self.chance.choice((0, 5, 3600))
        for identity in list(self.running):
            self._at(self._later(wait), identity, life.Resumed(), started)

    # ------------------------------------------------------------ effects

    def _perform(self, operation, effect):
        match effect:
            case life.Transmit():
                self._transmit(operation, operation.exchanges[effect.exchange], effect.is_repeat)
            case life.Watch(exchange=name, due=due):
                self._at(due, operation.id, life.Overdue(name), self.process)
            case life.WakeAt(at=at):
                self._at(at, operation.id, life.Woken(), self.process)
            case life.Forget(exchange=name):
                self.pins.pop(name, None)
            case life.OpenFollowUp():
                pass

    def _at(self, due, identity, event, process):
        def fire():
            if process == self.process:
                self._take(identity, event)

        self._schedule(due, fire)

    def _transmit(self, operation, exchange, is_repeat):
        self._check_leaving(operation, exchange, is_repeat)
        message = Sent(
            operation.id,
            exchange.name,
            exchange.form,
            exchange.side,
            exchange.current_trace.stan.value,
            exchange.trace.stan.value,
        )
        copies = 2 if self._happens(self.faults.twice) else 1
        for _ in range(copies):
            if not self._is_lost():
                self._schedule(self._later(self.faults.delay_s), lambda: self._arrive(message))

    def _check_leaving(self, operation, exchange, is_repeat):
        trace = exchange.current_trace.stan.value
        if not is_repeat and trace in self.first_traces:
            raise Violation(f"{exchange.name} was sent as new twice under one trace")
        self.first_traces.add(trace)
        if exchange.form is not Form.ORIGINAL or exchange.recovery is Recovery.ADVICE:
            return
        if self.process != self.begun_by[operation.id, exchange.name]:
            raise Violation(f"{exchange.name} was sent again by another process")
        if exchange.name in SECRETS and exchange.name not in self.pins:
            raise Violation(f"{exchange.name} had to be sent without its PIN")

    def _arrive(self, message):
        is_open = self._happens(self.faults.open_code)
        if is_open and self._happens(0.5):
            code = self.chance.choice(OPEN_CODES)  # a middleman that did not pass it on
        else:
            code = self.sides[message.side].take(message)
            code = self.chance.choice(OPEN_CODES) if is_open else code
        if not self._is_lost():
            self._schedule(self._later(self.faults.delay_s), lambda: self._answer(message, code))

    def _answer(self, message, code):
        operation = self.running.get(message.operation)
        if operation is None:
            return
        awaited = operation.exchanges[message.exchange]
        known = {each.stan.value for each in (awaited.trace, awaited.follow_up) if each}
        if message.trace in known:
            told = FINDINGS.get(message.exchange) if code.is_approval else None
            event = life.Answered(message.exchange, message.form, code, None, told)
            self._take(message.operation, event)

    # ------------------------------------------------------------ chance and time

    def _happens(self, probability):
        return self.chance.random() < probability

    def _is_lost(self):
        is_silent = (self.now - NOW).total_seconds() > self.faults.silent_after_s
        return is_silent or self._happens(self.faults.drop)

    def _later(self, seconds):
        return self.now + timedelta(seconds=self.chance.uniform(0, seconds))

    def _schedule(self, due, act):
        heapq.heappush(self.events, (max(due, self.now), self.chance.random(), act))

    def _decision(self, _exchange):
        declined = self._happens(self.faults.decline)
        return ResponseCode.RESTRICTED if declined else ResponseCode.APPROVED

    # ------------------------------------------------------------ promises

    def net(self, kind):
        """Give the net effect of each exchange of a kind that has one, on its far side."""
        return {
            each.name: self.sides[each.side].net[each.name]
            for each in EXCHANGES[kind]
            if each.name in EFFECTS[kind]
        }

    def _outcomes(self):
        """Give what was recorded: each operation's kind, what its caller was told, net effects."""
        for identity, facts in self.journal.items():
            kind = OperationKind(facts[0]["kind"])
            yield kind, self.told.get(identity, [OperationState.PENDING])[-1], self.net(kind)

    def _watch_promises(self):
        for kind, told, net in self._outcomes():
            if not set(net.values()) <= {0, 1}:
                raise Violation(f"{kind} had effect more than once: {net}")
            if told is OperationState.FAILED and any(net.values()):
                raise Violation(f"{kind} was told to have failed, but stands: {net}")
            if told is OperationState.SUCCEEDED and not all(net.values()):
                raise Violation(f"{kind} was told to have succeeded, but does not stand: {net}")

    def _judge(self):
        for kind, told, net in self._outcomes():
            if told is OperationState.PENDING:
                raise Violation(f"{kind} never came to an end")
            if told is OperationState.UNKNOWN and kind not in PINS:
                raise Violation(f"{kind} is unknown")
            if told is OperationState.MANUAL:
                if self.storm.lasting < LIMITS.horizon:
                    raise Violation(f"{kind} needs a person before the horizon")
            elif len(set(net.values())) > 1:
                raise Violation(f"{kind} stands on one side only")
        self._judge_link()

    def _judge_link(self):
        states = self.told.get(operation_id(1), [None])
        success = {OperationKind.LINK: LinkState.ACTIVE, OperationKind.UNLINK: LinkState.REMOVED}
        failure = {OperationKind.LINK: LinkState.FAILED}
        wanted = {
            OperationState.SUCCEEDED: success.get(self.kind),
            OperationState.FAILED: failure.get(self.kind),
        }.get(states[-1])
        if self.links != ([wanted] if wanted else []):
            raise Violation(f"{self.kind} {states[-1]}, but the link became {self.links}")


@pytest.fixture
def world():
    return World


@pytest.fixture
def violation():
    return Violation


@pytest.fixture
def plans():
    return PLANS
