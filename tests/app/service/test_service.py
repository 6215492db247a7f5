"""What the HTTP room asks of the gateway: checks in order, once per key, one at a time per link."""

import asyncio
from dataclasses import replace

import pytest

from gateway.api.service import (
    IdempotencyKey,
    ReadinessCheck,
)
from gateway.app import conductor as conductor_module
from gateway.operations.exchange import AWAITING
from gateway.operations.facts import OperationState
from gateway.regions.vocabulary import Channel, Proof
from gateway.store.errors import Conflict
from gateway.store.unit import KeyUsed
from gateway.terms.errors import RequestRefused, Unavailable
from gateway.terms.numbers import (
    AgencyCode,
    Mobile,
)
from gateway.terms.refusals import Refusal
from gateway.terms.sides import PinPurpose, Side

KEY = IdempotencyKey("key-1", b"\x01" * 32)
OPERATIONS = ["link", "unlink", "set_pin", "activate"]


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


def test_institution_that_is_not_served_is_refused(bank, refused):
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
def test_what_the_region_does_not_grant_online_is_refused(bank_of, name, business, refused):
    """A profile without the grant for online banking bars the operation before anything else."""
    granted = f'business = {business}\nchannels = ["online-bank"]'
    bank = bank_of(granted, granted.replace("online-bank", "counter"))
    bank.stage.dialogues.down = set(Side)

    error = refused(bank.ask(name))

    assert error.refusal is Refusal.NOT_GRANTED
    assert error.decision.channel is Channel.ONLINE_BANK
    assert bank.stage.journal.units == []


@pytest.mark.parametrize("name", ["link", "unlink", "set_pin", "activate", "open_session"])
def test_counter_needs_the_papers_that_the_region_asks_for(bank, name, refused):
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


def test_pin_session_for_activation_needs_the_grant_for_activation(bank_of, refused):
    """A session for the financial PIN is offered where activation is."""
    granted = 'business = ["activate"]\nchannels = ["online-bank"]'
    bank = bank_of(granted, granted.replace("online-bank", "counter"))

    error = refused(bank.open_session(purpose=PinPurpose.FINANCIAL_PIN))

    assert error.refusal is Refusal.NOT_GRANTED


def test_card_number_of_another_region_is_refused_by_place_and_rule(bank_of, refused):
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
def test_side_that_is_down_is_named_before_anything_is_done(bank, name, down, refusal, refused):
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
def test_full_gateway_refuses_before_a_session_is_spent(bank, monkeypatch, name, refused):
    """Beyond its room the gateway says so, and the PIN session stays good."""
    monkeypatch.setattr(conductor_module, "RUNNING_MAX", 0)

    assert refused(bank.ask(name)).refusal is Refusal.OVERLOADED
    assert bank.pins.orders == []


def test_link_needs_a_customer(bank, refused):
    """A channel that names nobody can link nothing."""
    bank.caller = replace(bank.caller, customer=None)

    assert refused(bank.link()).refusal is Refusal.INVALID_REQUEST


# ------------------------------------------------------------------ waiting


def test_caller_waits_no_longer_than_is_decent(bank_of):
    """When the time is over the reply tells what is known: under way."""
    bank = bank_of(wait_s=0.01)
    bank.hall.is_silent = True

    reply = asyncio.run(bank.unlink())

    assert reply.operation.state is OperationState.PENDING
    operation = bank.stage.operation(reply.operation.operation)
    assert any(exchange.state in AWAITING for exchange in operation.exchanges.values())


@pytest.mark.parametrize("name", ["unlink", "open_session"])
@pytest.mark.parametrize("is_silent", [True, False])
def test_what_is_not_durable_in_time_is_no_promise(bank_of, refused, name, is_silent, monkeypatch):
    """It may be on disk or not: told neither as pending nor as refused, it is to be asked again."""
    bank = bank_of(wait_s=0.01)
    bank.stage.journal.is_held = bank.store.is_blind = True

    def silent(_operation):
        raise Unavailable("the store does not answer")

    if is_silent:
        monkeypatch.setattr(bank.store, "operation", silent)

    assert refused(bank.ask(name)).refusal is Refusal.IN_PROGRESS


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


# ------------------------------------------------------------------ reading


def test_what_needs_no_customer_is_told(bank):
    """Institutions, keys, readiness and metrics come from where they are."""
    (agency,) = bank.service.agencies()

    assert agency.institution == AgencyCode("99350201")
    assert asyncio.run(bank.service.public_keys()) == ("a key",)
    assert bank.service.readiness() == {"link": ReadinessCheck(ready=True)}
    assert bank.service.metrics() == b"metrics"
