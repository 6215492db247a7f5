"""PIN sessions, PINs and activation: recorded before they are given, refused unopened."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.api.service import (
    AddedService,
    BusinessCommand,
    IdempotencyKey,
)
from gateway.api.vouchers import Paper
from gateway.app.card_life import CardLife
from gateway.linking.link import PinSession, SessionUsed
from gateway.operations.facts import OperationKind, OperationState
from gateway.regions.vocabulary import Channel, Proof
from gateway.regions.working_days import WorkingDays
from gateway.store.errors import Conflict
from gateway.store.unit import KeyUsed
from gateway.terms.advice import Advice
from gateway.terms.errors import RequestRefused, Unavailable
from gateway.terms.numbers import (
    LinkId,
)
from gateway.terms.refusals import Refusal
from gateway.terms.sides import PinPurpose

KEY = IdempotencyKey("key-1", b"\x01" * 32)
OTHER_LINK = LinkId("lnk_" + "2" * 26)


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
def test_session_that_is_not_good_is_refused_unopened(bank, what, refused):
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
    "with an unlinking left": ({"holder": OperationState.MANUAL}, Refusal.UNLINKING_OPEN),
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
def test_code_is_used_only_in_the_modes_of_the_region(hall_of, modes, granted, refused):
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
