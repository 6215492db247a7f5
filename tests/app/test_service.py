"""What the HTTP room asks of the gateway: checks in order, once per key, one at a time per link."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.api.service import (
    ActivateCommand,
    AddedService,
    BusinessCommand,
    IdempotencyKey,
    LinkCommand,
    ReadinessCheck,
    SetPinCommand,
)
from gateway.api.vouchers import Paper
from gateway.app import conductor as conductor_module
from gateway.app.card_life import CardLife
from gateway.app.service import OnlineBanking, Readiness
from gateway.linking.link import Link, LinkState, PinSession, SessionUsed
from gateway.operations.exchange import AWAITING
from gateway.operations.facts import OperationKind, OperationState
from gateway.regions.vocabulary import Channel, Proof
from gateway.regions.working_days import WorkingDays
from gateway.store.journal import Conflict
from gateway.store.queries import Linked
from gateway.store.unit import KeyUsed
from gateway.terms.advice import Advice
from gateway.terms.errors import RequestRefused, Unavailable
from gateway.terms.numbers import (
    AgencyCode,
    CustomerNumber,
    LinkId,
    Mobile,
    OperationId,
    PinSessionId,
)
from gateway.terms.refusals import Refusal
from gateway.terms.sides import PinPurpose, Side

K = OperationKind
KEY = IdempotencyKey("key-1", b"\x01" * 32)
SESSION = PinSessionId("pse_" + "1" * 26)
OTHER_LINK = LinkId("lnk_" + "2" * 26)


class Bank:
    """The service over a stage, and a far side that answers what it is asked."""

    def __init__(self, hall):
        self.hall, self.stage, self.store, self.pins = hall, hall.stage, hall.store, hall.pins
        self.caller, self.codes = hall.caller, hall.codes
        self.service = OnlineBanking(
            hall.intake,
            card_life=None,
            session_life=timedelta(seconds=300),
            readiness=Readiness(lambda: {"link": ReadinessCheck(ready=True)}, lambda: b"metrics"),
        )

    @property
    def records(self):
        """Give what reads the records of a type."""
        return self.hall.records

    # ------------------------------------------------------------ what is asked

    def link(self, key=KEY, **changes):
        cargo = self.stage.cargo
        command = LinkCommand(
            cargo.card.agency, cargo.card.number, cargo.account.pan, cargo.card.mobile, None
        )
        return self.service.link(self.caller, key, replace(command, **changes))

    def unlink(self, key=KEY, link=None):
        return self.service.unlink(self.caller, key, link or self.stage.link)

    def open_session(self, key=KEY, purpose=PinPurpose.SS_PIN, link=None):
        return self.service.open_pin_session(self.caller, key, link or self.stage.link, purpose)

    def session(self, purpose=PinPurpose.SS_PIN, **changes):
        """Lay a usable session in the store."""
        expires_at = self.stage.timers.now() + timedelta(seconds=300)
        session = PinSession(SESSION, self.stage.link, purpose, "n" * 22, "kid", expires_at)
        session = replace(session, **changes)
        self.store.sessions[session.id] = session
        return session

    def set_pin(self, key=KEY, link=None):
        command = SetPinCommand(SESSION, "an.envelope")
        return self.service.set_ss_pin(self.caller, key, link or self.stage.link, command)

    def activate(self, key=KEY, services=()):
        command = ActivateCommand(self.stage.link, SetPinCommand(SESSION, "an.envelope"), services)
        return self.service.activate(self.caller, key, command)

    def ask(self, name):
        """Ask for one of the operations by its name."""
        if name in {"set_pin", "activate"}:
            self.session(PinPurpose.SS_PIN if name == "set_pin" else PinPurpose.FINANCIAL_PIN)
        return getattr(self, name)()


@pytest.fixture
def bank_of(hall_of):
    """Give a maker of banks in Xiamen, with one piece of its profile replaced."""
    return lambda *changed, **more: Bank(hall_of("xiamen", *changed, **more))


@pytest.fixture
def bank(bank_of):
    """Give a bank in Xiamen."""
    return bank_of()


def refused(awaitable):
    """Give the refusal that a request meets."""
    with pytest.raises(RequestRefused) as caught:
        asyncio.run(awaitable)
    return caught.value


OPERATIONS = ["link", "unlink", "set_pin", "activate"]
ON_A_LINK = ["unlink", "set_pin", "activate", "open_session"]


# ------------------------------------------------------------------ what is offered and there


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_is_carried_out_and_told(bank, name):
    """The reply holds the settled operation; the key stands for it from the same unit on."""
    reply = asyncio.run(bank.ask(name))

    assert reply.operation.state is OperationState.SUCCEEDED
    assert not reply.replayed
    (used,) = bank.records(KeyUsed)
    assert used.resource == reply.operation.operation.value
    assert (used.channel, used.request_digest) == ("bank", KEY.fingerprint)


def test_institution_that_is_not_served_is_refused(bank):
    """An unknown institution is told as such."""
    assert refused(bank.link(institution=AgencyCode("99999999"))).refusal is Refusal.UNKNOWN_AGENCY


@pytest.mark.parametrize(
    ("name", "business"),
    [
        ("link", '["link"]'),
        ("unlink", '["unlink"]'),
        ("set_pin", '["ss-pin-first-set", "ss-pin-set"]'),
        ("activate", '["activate"]'),
        ("open_session", '["ss-pin-first-set", "ss-pin-set"]'),
    ],
)
def test_what_the_region_does_not_grant_online_is_refused(bank_of, name, business):
    """A profile without the grant for online banking bars the operation before anything else."""
    granted = f'business = {business}\nchannels = ["online-bank"]'
    bank = bank_of(granted, granted.replace("online-bank", "counter"))
    bank.stage.dialogues.down = set(Side)

    error = refused(bank.ask(name))

    assert error.refusal is Refusal.NOT_GRANTED
    assert error.decision.channel is Channel.ONLINE_BANK
    assert bank.stage.journal.units == []


@pytest.mark.parametrize("name", ["link", "unlink", "set_pin", "activate", "open_session"])
def test_counter_needs_the_papers_that_the_region_asks_for(bank, name):
    """The same request passes or is refused by what the channel attests of the customer."""
    papers = frozenset({Proof.CITIZEN_ID, Proof.CARD_PRESENT})
    bank.caller = replace(bank.caller, kind=Channel.COUNTER, proofs=frozenset({Proof.CITIZEN_ID}))

    error = refused(bank.ask(name))
    bank.caller = replace(bank.caller, proofs=papers)

    assert (error.refusal, error.decision.missing) == (
        Refusal.PROOF_MISSING,
        (frozenset({Proof.CARD_PRESENT}),),
    )
    assert bank.stage.journal.units == []
    assert asyncio.run(bank.ask(name))


@pytest.mark.parametrize(("old", "outcome"), [("", "NOT_CONFIRMED"), ("value = true", None)])
def test_region_says_whether_the_mobile_must_be_the_banks(bank_of, old, outcome):
    """The default refuses a number that the bank does not hold; a profile may take it."""
    bank = bank_of(
        f"[[linking.mobile_equals_core]]\n{old}",
        "[[linking.mobile_equals_core]]\n" + old.replace("true", "false"),
    )

    reply = asyncio.run(bank.link(mobile=Mobile("15400000099")))

    refusal = reply.operation.refusal
    assert (refusal and refusal.value) == outcome


def test_link_is_shown_where_the_region_grants_it(bank_of):
    """A link cannot be looked up on a channel that has no grant for it."""
    bank = bank_of()
    bank.caller = replace(bank.caller, kind=Channel.PHONE, proofs=frozenset())

    with pytest.raises(RequestRefused) as error:
        asyncio.run(bank.service.read_link(bank.caller, bank.stage.link))

    assert error.value.refusal is Refusal.NOT_GRANTED


def test_pin_session_for_activation_needs_the_grant_for_activation(bank_of):
    """A session for the financial PIN is offered where activation is."""
    granted = 'business = ["activate"]\nchannels = ["online-bank"]'
    bank = bank_of(granted, granted.replace("online-bank", "counter"))

    error = refused(bank.open_session(purpose=PinPurpose.FINANCIAL_PIN))

    assert error.refusal is Refusal.NOT_GRANTED


def test_card_number_of_another_region_is_refused_by_place_and_rule(bank_of):
    """The form of card numbers is the region's."""
    error = refused(bank_of('value = "[0-9A-Z]{8,12}"', 'value = "X[0-9]{8}"').link())

    assert (error.refusal, error.pointer) == (Refusal.INVALID_REQUEST, "/ss_card_number")


UNREADY = [
    ("link", Side.SOCIAL, Refusal.BUREAU_UNAVAILABLE),
    ("link", Side.FINANCIAL, Refusal.CORE_UNAVAILABLE),
    ("unlink", Side.SOCIAL, Refusal.BUREAU_UNAVAILABLE),
    ("unlink", Side.FINANCIAL, Refusal.CORE_UNAVAILABLE),
    ("set_pin", Side.SOCIAL, Refusal.BUREAU_UNAVAILABLE),
    ("activate", Side.FINANCIAL, Refusal.CORE_UNAVAILABLE),
]


@pytest.mark.parametrize(("name", "down", "refusal"), UNREADY)
def test_side_that_is_down_is_named_before_anything_is_done(bank, name, down, refusal):
    """No operation is opened, no PIN is enciphered and no session is spent for nothing."""
    bank.stage.dialogues.down = {down}

    assert refused(bank.ask(name)).refusal is refusal
    assert (bank.stage.journal.units, bank.pins.orders) == ([], [])


@pytest.mark.parametrize("name", ["set_pin", "activate"])
def test_side_that_has_no_part_in_it_may_be_down(bank, name):
    """A PIN needs its own side only."""
    bank.stage.dialogues.down = {Side.FINANCIAL if name == "set_pin" else Side.SOCIAL}

    assert asyncio.run(bank.ask(name)).operation.state is OperationState.SUCCEEDED


@pytest.mark.parametrize("name", OPERATIONS)
def test_full_gateway_refuses_before_a_session_is_spent(bank, monkeypatch, name):
    """Beyond its room the gateway says so, and the PIN session stays good."""
    monkeypatch.setattr(conductor_module, "RUNNING_MAX", 0)

    assert refused(bank.ask(name)).refusal is Refusal.OVERLOADED
    assert bank.pins.orders == []


def test_link_needs_a_customer(bank):
    """A channel that names nobody can link nothing."""
    bank.caller = replace(bank.caller, customer=None)

    assert refused(bank.link()).refusal is Refusal.INVALID_REQUEST


# ------------------------------------------------------------------ whose it is


@pytest.mark.parametrize("name", ON_A_LINK)
@pytest.mark.parametrize(
    "changes", [{"channel": "other"}, {"customer": CustomerNumber("C000000002")}]
)
def test_link_of_another_is_no_link(bank, name, changes):
    """Another customer's link, or another channel's, is answered like none."""
    bank.caller = replace(bank.caller, **changes)

    assert refused(bank.ask(name)).refusal is Refusal.NOT_FOUND
    assert refused(bank.service.read_link(bank.caller, bank.stage.link)).refusal is (
        Refusal.NOT_FOUND
    )


@pytest.mark.parametrize("name", ["unlink", "set_pin", "activate"])
def test_link_is_shared_by_the_channels_of_one_bank(bank_of, stage, name):
    """Whichever made it, another one's request is carried out, and recorded as that one's."""
    bank = bank_of(institutions={"bank": "99000001", "other": "99000001"})
    bank.caller = replace(bank.caller, channel="other")

    reply = asyncio.run(bank.ask(name))

    assert reply.operation.state is OperationState.SUCCEEDED
    operation = bank.store.operation(reply.operation.operation)
    assert operation.details["channel"] == "other"
    assert {errand.cargo.channel for errand in stage.dialogues.errands} == {"other"}


@pytest.mark.parametrize("name", ON_A_LINK)
@pytest.mark.parametrize(
    ("state", "refusal"),
    [
        (LinkState.PENDING, Refusal.IN_PROGRESS),
        (LinkState.REMOVED, Refusal.NOT_FOUND),
        (LinkState.FAILED, Refusal.NOT_FOUND),
    ],
)
def test_link_that_is_not_active_carries_nothing(bank, name, state, refusal):
    """Only an active link lets anything be done; one that is being made may become active."""
    linked = bank.store.linked_[bank.stage.link]
    bank.store.linked_[bank.stage.link] = replace(linked, link=replace(linked.link, state=state))

    assert refused(bank.ask(name)).refusal is refusal
    assert asyncio.run(bank.service.read_link(bank.caller, bank.stage.link)).state is state


@pytest.mark.parametrize("name", ["unlink", "set_pin", "open_session"])
def test_link_that_never_was_is_not_found(bank, name):
    """A reference that nobody made leads nowhere."""
    assert refused(getattr(bank, name)(link=OTHER_LINK)).refusal is Refusal.NOT_FOUND


def test_operation_is_read_by_its_customer_only(bank):
    """The reader is compared with the link's customer; the SS follow-up is nobody's to read."""
    reply = asyncio.run(bank.ask("activate"))
    follow_up = bank.stage.operation(reply.operation.operation).follow_up
    stranger = replace(bank.caller, channel="other")
    read = bank.service.read_operation

    mine = asyncio.run(read(bank.caller, reply.operation.operation))

    assert mine == replace(reply.operation, timeline=mine.timeline, ss_account=mine.ss_account)
    assert mine.ss_account.due_at == reply.operation.ss_account.due_at
    assert refused(read(stranger, reply.operation.operation)).refusal is Refusal.NOT_FOUND
    assert refused(read(bank.caller, follow_up)).refusal is Refusal.NOT_FOUND
    nobody = OperationId("op_" + "9" * 26)
    assert refused(read(bank.caller, nobody)).refusal is Refusal.NOT_FOUND


@pytest.mark.parametrize(
    ("owner", "refusal"),
    [
        ("C000000001", Refusal.ALREADY_LINKED),
        ("C000000002", Refusal.NOT_CONFIRMED),
        (None, Refusal.NOT_CONFIRMED),
    ],
)
def test_held_card_is_told_to_its_own_customer_only(bank, owner, refusal):
    """Whether somebody else linked a card is nothing to be found out."""
    bank.stage.journal.failing = {1: Conflict("held")}
    if owner:
        account = replace(bank.stage.cargo.account, customer=CustomerNumber(owner))
        linked = replace(bank.store.linked_[bank.stage.link], account=account)
        bank.store.holding, bank.store.linked_[OTHER_LINK] = OTHER_LINK, linked

    assert refused(bank.link()).refusal is refusal
    assert bank.stage.sent() == []


def test_card_whose_link_is_being_made_is_not_called_linked(bank):
    """The link may still come to nothing: the customer is told to wait, not that all is done."""
    bank.stage.journal.failing = {1: Conflict("held")}
    linked = bank.store.linked_[bank.stage.link]
    pending = replace(linked, link=replace(linked.link, state=LinkState.PENDING))
    bank.store.holding, bank.store.linked_[OTHER_LINK] = OTHER_LINK, pending

    assert refused(bank.link()).refusal is Refusal.IN_PROGRESS


def test_pin_waits_while_an_old_one_may_still_arrive(bank, monkeypatch):
    """The refusal says why, so that nobody takes it for his own request."""
    monkeypatch.setattr(type(bank.stage.conductor), "is_held", lambda _self, _link: True)

    assert refused(bank.ask("set_pin")).refusal is Refusal.EARLIER_PIN_OPEN
    assert bank.stage.sent() == []


# ------------------------------------------------------------------ once


@pytest.mark.parametrize("name", [*OPERATIONS, "open_session"])
def test_same_key_gives_what_is_known_and_does_nothing(bank, name):
    """A repeated request is answered from the record, and says so."""
    first = asyncio.run(bank.ask(name))
    for linked in bank.records(Link):
        account = replace(bank.stage.cargo.account, link=linked.id)
        bank.store.linked_[linked.id] = Linked(linked, bank.stage.cargo.card, account)
    for session in bank.records(PinSession):
        bank.store.sessions[session.id] = session
    sent, units = len(bank.stage.sent()), len(bank.stage.journal.units)

    again = asyncio.run(bank.ask(name))

    assert again.replayed
    if name != "activate":  # what follows an activation has gone on meanwhile
        assert again == replace(first, replayed=True)
    assert (len(bank.stage.sent()), len(bank.stage.journal.units)) == (sent, units)


@pytest.mark.parametrize("name", [*OPERATIONS, "open_session"])
def test_key_of_another_request_is_refused(bank, name):
    """A key stands for the first request that used it."""
    used = KeyUsed("bank", KEY.key, b"\x02" * 32, "op_x", bank.stage.timers.now())
    bank.stage.journal.submit(unit_of(used), lambda _error: None)

    assert refused(bank.ask(name)).refusal is Refusal.IDEMPOTENCY_KEY_REUSED


def unit_of(*records):
    from gateway.store.unit import Unit

    return Unit(records=records)


def test_replayed_session_that_is_gone_is_not_found(bank):
    """A key may outlive its session."""
    asyncio.run(bank.open_session())

    assert refused(bank.open_session()).refusal is Refusal.NOT_FOUND


async def both(first, second):
    return await asyncio.gather(first, second, return_exceptions=True)


def test_same_key_at_once_runs_once(bank):
    """The second of two requests under one key hears that the first is in progress."""
    reply, error = asyncio.run(both(bank.link(), bank.link()))

    assert reply.operation.state is OperationState.SUCCEEDED
    assert error.refusal is Refusal.IN_PROGRESS
    assert len(bank.records(KeyUsed)) == 1


def test_key_is_free_again_after_a_refusal(bank):
    """A request that was refused before anything began may be sent again under its key."""
    bank.stage.dialogues.down = {Side.SOCIAL}
    refused(bank.link())
    bank.stage.dialogues.down = set()

    assert asyncio.run(bank.link()).operation.state is OperationState.SUCCEEDED


@pytest.mark.parametrize("name", ["unlink", "set_pin", "activate"])
def test_link_is_changed_by_one_operation_at_a_time(bank, name):
    """A newer operation waits until no message of the older one can arrive any more."""
    other = IdempotencyKey("key-2", b"\x02" * 32)
    reply, error = asyncio.run(both(bank.ask(name), bank.unlink(key=other)))

    assert reply.operation.state is OperationState.SUCCEEDED
    assert error.refusal is Refusal.IN_PROGRESS


def test_operation_that_goes_on_keeps_its_link(bank_of):
    """After its caller was answered 202, an operation still bars the next."""
    bank = bank_of(wait_s=0.01)
    bank.hall.is_silent = True
    bank.session()
    pending = asyncio.run(bank.set_pin())

    error = refused(bank.unlink(key=IdempotencyKey("key-2", b"\x02" * 32)))

    assert pending.operation.state is OperationState.PENDING
    assert error.refusal is Refusal.IN_PROGRESS


# ------------------------------------------------------------------ waiting


def test_caller_waits_no_longer_than_is_decent(bank_of):
    """When the time is over the reply tells what is known: under way."""
    bank = bank_of(wait_s=0.01)
    bank.hall.is_silent = True

    reply = asyncio.run(bank.unlink())

    assert reply.operation.state is OperationState.PENDING
    operation = bank.stage.operation(reply.operation.operation)
    assert any(exchange.state in AWAITING for exchange in operation.exchanges.values())


def test_opening_that_is_not_durable_in_time_is_no_promise(bank_of):
    """What may not be on disk is not told as pending."""
    bank = bank_of(wait_s=0.01)
    bank.stage.journal.is_held = bank.store.is_blind = True

    assert refused(bank.unlink()).refusal is Refusal.OVERLOADED


@pytest.mark.parametrize("is_conflict", [True, False])
def test_outcome_after_the_caller_left_disturbs_nobody(bank_of, is_conflict):
    """A record that comes through, or fails, when nobody waits any more is no error."""
    bank = bank_of(wait_s=0.01)
    bank.stage.journal.is_held = bank.store.is_blind = True
    bank.stage.journal.failing = {1: Conflict("held")} if is_conflict else {}

    async def leave():
        with pytest.raises(RequestRefused):
            await bank.unlink()
        bank.stage.journal.is_held = False
        bank.stage.journal.release()
        await asyncio.sleep(0.01)

    asyncio.run(leave())

    assert bank.stage.conductor.running_count == 0


def test_full_journal_is_the_callers_to_repeat(bank):
    """Nothing was changed, so the request may come again."""
    bank.stage.journal.full = {1}

    with pytest.raises(Unavailable):
        asyncio.run(bank.link())


# ------------------------------------------------------------------ PIN sessions


def test_session_is_recorded_before_it_is_given(bank):
    """Session and key stand in one unit; the nonce is not guessable and lasts five minutes."""
    replies = [
        asyncio.run(bank.open_session(IdempotencyKey(f"key-{n}", KEY.fingerprint)))
        for n in range(2)
    ]

    (unit, _) = bank.stage.journal.units
    session, used = unit.records
    assert used.resource == session.id.value == replies[0].session.pin_session.value
    assert session.expires_at == bank.stage.timers.now() + timedelta(seconds=300)
    assert session.kid == "ss-pin-key"
    assert len({reply.session.nonce for reply in replies}) == 2
    assert len(session.nonce) >= 22


def test_session_that_cannot_be_recorded_is_not_given(bank):
    """A record that fails is an error of the request."""
    bank.stage.journal.failing = {1: Unavailable("no room")}

    with pytest.raises(Unavailable):
        asyncio.run(bank.open_session())


UNUSABLE = {
    "unknown": None,
    "used": {"is_used": True},
    "expired": {"expires_at": datetime(2026, 11, 21, 4, 0, tzinfo=UTC)},
    "of another link": {"link": OTHER_LINK},
    "for the other PIN": {"purpose": PinPurpose.FINANCIAL_PIN},
}


@pytest.mark.parametrize("what", UNUSABLE)
def test_session_that_is_not_good_is_refused_unopened(bank, what):
    """No envelope is opened under a session that is not this one's, fresh and unused."""
    if UNUSABLE[what] is not None:
        bank.session(**UNUSABLE[what])

    error = refused(bank.set_pin())

    assert (error.refusal, error.pointer) == (Refusal.PIN_SESSION_UNUSABLE, "/pin_session")
    assert bank.pins.orders == []


def test_refused_pin_spends_its_session_and_sends_nothing(bank):
    """A weak PIN is an operation that failed; its session is used in the same unit."""
    bank.session()
    bank.pins.outcome = Refusal.PIN_TRIVIAL

    reply = asyncio.run(bank.set_pin())

    assert (reply.operation.state, reply.operation.refusal) == (
        OperationState.FAILED,
        Refusal.PIN_TRIVIAL,
    )
    (unit,) = bank.stage.journal.units
    assert [type(record) for record in unit.records] == [SessionUsed, KeyUsed]
    assert bank.stage.sent() == []


@pytest.mark.parametrize("error", [Conflict("key"), None])
def test_refusal_recorded_after_the_caller_left_disturbs_nobody(bank, error):
    """A caller that hangs up while its refusal is being recorded leaves no exception behind."""
    bank.session()
    bank.pins.outcome = Refusal.PIN_TRIVIAL
    bank.stage.journal.is_held = True
    bank.stage.journal.failing = {1: error}

    async def hang_up():
        task = asyncio.create_task(bank.set_pin())
        for _ in range(20):  # as many turns of the loop as the request needs, and some more
            await asyncio.sleep(0)
        assert bank.stage.journal.held
        task.cancel()
        await asyncio.wait([task])
        bank.stage.journal.release()

    asyncio.run(hang_up())

    assert bank.stage.sent() == []


def test_refusal_that_cannot_be_recorded_is_an_error(bank):
    """Nothing is told that is not on disk."""
    bank.session()
    bank.pins.outcome = Refusal.PIN_TRIVIAL
    bank.stage.journal.failing = {1: Unavailable("no room")}

    with pytest.raises(Unavailable):
        asyncio.run(bank.set_pin())


FASTER = {
    "with the key": ({"key": True}, Refusal.IN_PROGRESS),
    "on the link": ({"holder": OperationState.PENDING}, Refusal.IN_PROGRESS),
    "with a PIN still open": ({"holder": OperationState.UNKNOWN}, Refusal.EARLIER_PIN_OPEN),
    "with the session": ({}, Refusal.PIN_SESSION_UNUSABLE),
}


@pytest.mark.parametrize(("what", "refusal"), FASTER.values(), ids=FASTER)
def test_what_another_node_did_meanwhile_is_told_as_if_before(bank, what, refusal):
    """The database says that another was faster, and the store why; nothing is sent."""
    bank.session()
    bank.stage.journal.failing = {1: Conflict("faster")}
    bank.store.meanwhile = what

    with pytest.raises(RequestRefused) as refused:
        asyncio.run(bank.set_pin())

    assert refused.value.refusal is refusal
    assert bank.stage.sent() == []


def test_session_recorded_after_the_caller_left_disturbs_nobody(bank):
    """A caller that hangs up while its session is being recorded leaves no exception behind."""
    bank.stage.journal.is_held = True

    async def hang_up():
        task = asyncio.create_task(bank.open_session())
        for _ in range(20):  # as many turns of the loop as the request needs, and some more
            await asyncio.sleep(0)
        assert bank.stage.journal.held
        task.cancel()
        await asyncio.wait([task])
        bank.stage.journal.release()

    asyncio.run(hang_up())

    assert len(bank.records(PinSession)) == 1


def test_activation_carries_the_customers_choice(bank):
    """Only listed services are added, written in the order of the table."""
    bank.session(PinPurpose.FINANCIAL_PIN)
    services = (AddedService.WEALTH_ACCOUNT, AddedService.SMS)

    reply = asyncio.run(bank.activate(services=services))

    operation = bank.stage.operation(reply.operation.operation)
    assert operation.details["services"] == "SW"
    assert reply.operation.ss_account.state is OperationState.PENDING
    (order,) = bank.pins.orders
    assert (order.purpose, order.zone) == (PinPurpose.FINANCIAL_PIN, "financial/99350201")


@pytest.mark.parametrize("order", ["financial-first", "independent"])
def test_bureau_hears_of_an_activation_where_the_ss_account_follows(bank_of, order):
    """Where the accounts are independent it hears nothing, and the answer says nothing of it."""
    bank = bank_of('value = "financial-first"', f'value = "{order}"')
    bank.session(PinPurpose.FINANCIAL_PIN)

    reply = asyncio.run(bank.activate())

    follows = reply.operation.ss_account is not None
    assert (reply.operation.state, follows) == (OperationState.SUCCEEDED, order != "independent")


@pytest.mark.parametrize("is_duty", [True, False])
def test_papers_are_due_by_the_regions_rule_of_the_day(bank_of, is_duty):
    """What is done says which papers are to be printed; what is not done has none."""
    old = "[[vouchers.every_business]]\nvalue = false"
    bank = bank_of(old, old.replace("false", str(is_duty).lower()))
    bank.session()
    done = asyncio.run(bank.set_pin())
    bank.session()
    bank.codes["bureau-pin-set"] = "38"
    failed = asyncio.run(bank.set_pin(key=IdempotencyKey("key-2", b"\x02" * 32)))

    assert done.operation.papers == (Paper.VOUCHER,) * is_duty
    assert failed.operation.papers == ()


@pytest.mark.parametrize(
    ("modes", "granted"),
    [
        ('"active-scan"', {OperationKind.ECARD_SCAN}),
        ('"passive-scan"', {OperationKind.ECARD_CODE}),
        ('"active-scan", "passive-scan"', {OperationKind.ECARD_SCAN, OperationKind.ECARD_CODE}),
    ],
)
def test_code_is_used_only_in_the_modes_of_the_region(hall_of, modes, granted):
    """Scanning a code and showing one are two modes; a region may have either."""
    hall = hall_of("kunming", '"active-scan", "passive-scan"', modes)
    caller = replace(hall.caller, kind=Channel.APP, proofs=frozenset({Proof.SESSION}))
    card_life = CardLife(hall.intake, WorkingDays(), lambda data: data)

    def asked(kind):
        key = IdempotencyKey(kind.value, b"\x01" * 32)
        return card_life.carry_out(caller, key, hall.stage.link, kind, BusinessCommand())

    for kind in (OperationKind.ECARD_SCAN, OperationKind.ECARD_CODE):
        if kind in granted:
            assert asyncio.run(asked(kind)).operation.state is OperationState.SUCCEEDED
        else:
            assert refused(asked(kind)).refusal is Refusal.NOT_OFFERED


def test_advice_is_given_once_and_never_recorded(bank):
    """It stands beside the first answer; a repeat of the request, or a later look, has none."""
    bank.session()
    bank.pins.outcome = replace(bank.pins.outcome, advice=Advice.PIN_TRIVIAL_ADVICE)

    async def scenario():
        first = await bank.set_pin()
        return first, await bank.service.read_operation(bank.caller, first.operation.operation)

    first, later = asyncio.run(scenario())

    assert first.operation.advice is Advice.PIN_TRIVIAL_ADVICE
    assert later == replace(first.operation, advice=None)
    assert "ADVICE" not in repr(bank.stage.journal.units)


def test_ss_pin_is_ordered_for_the_bureaus_zone(bank):
    """The order names zone and policy of the region and carries the session."""
    session = bank.session()

    asyncio.run(bank.set_pin())

    (order,) = bank.pins.orders
    assert (order.purpose, order.zone) == (PinPurpose.SS_PIN, "social/99350201")
    assert (order.session, order.envelope) == (session, "an.envelope")


# ------------------------------------------------------------------ reading


def test_what_needs_no_customer_is_told(bank):
    """Institutions, keys, readiness and metrics come from where they are."""
    (agency,) = bank.service.agencies()

    assert agency.institution == AgencyCode("99350201")
    assert asyncio.run(bank.service.public_keys()) == ("a key",)
    assert bank.service.readiness() == {"link": ReadinessCheck(ready=True)}
    assert bank.service.metrics() == b"metrics"
