"""Whose links and operations are; once per key, one operation at a time on a link."""

import asyncio
from dataclasses import replace

import pytest

from gateway.api.service import (
    IdempotencyKey,
)
from gateway.linking.link import Link, LinkState, PinSession
from gateway.operations.facts import OperationState
from gateway.store.errors import Conflict
from gateway.store.found import Linked
from gateway.store.unit import KeyUsed
from gateway.terms.numbers import (
    CustomerNumber,
    LinkId,
    OperationId,
)
from gateway.terms.refusals import Refusal
from gateway.terms.sides import Side

KEY = IdempotencyKey("key-1", b"\x01" * 32)
OPERATIONS = ["link", "unlink", "set_pin", "activate"]
ON_A_LINK = ["unlink", "set_pin", "activate", "open_session"]
OTHER_LINK = LinkId("lnk_" + "2" * 26)


# ------------------------------------------------------------------ whose it is


@pytest.mark.parametrize("name", ON_A_LINK)
@pytest.mark.parametrize(
    "changes", [{"channel": "other"}, {"customer": CustomerNumber("C000000002")}]
)
def test_link_of_another_is_no_link(bank, name, changes, refused):
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
def test_link_that_is_not_active_carries_nothing(bank, name, state, refusal, refused):
    """Only an active link lets anything be done; one that is being made may become active."""
    linked = bank.store.linked_[bank.stage.link]
    bank.store.linked_[bank.stage.link] = replace(linked, link=replace(linked.link, state=state))

    assert refused(bank.ask(name)).refusal is refusal
    assert asyncio.run(bank.service.read_link(bank.caller, bank.stage.link)).state is state


@pytest.mark.parametrize("name", ["unlink", "set_pin", "open_session"])
def test_link_that_never_was_is_not_found(bank, name, refused):
    """A reference that nobody made leads nowhere."""
    assert refused(getattr(bank, name)(link=OTHER_LINK)).refusal is Refusal.NOT_FOUND


def test_operation_is_read_by_its_customer_only(bank, refused):
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
        (None, Refusal.IN_PROGRESS),
    ],
)
def test_held_card_is_told_to_its_own_customer_only(bank, owner, refusal, refused):
    """Whether somebody else did is nothing to find out; of one nobody holds, the key is in use."""
    bank.stage.journal.failing = {1: Conflict("held")}
    if owner:
        account = replace(bank.stage.cargo.account, customer=CustomerNumber(owner))
        linked = replace(bank.store.linked_[bank.stage.link], account=account)
        bank.store.holding, bank.store.linked_[OTHER_LINK] = OTHER_LINK, linked

    assert refused(bank.link()).refusal is refusal
    assert bank.stage.sent() == []


def test_card_whose_link_is_being_made_is_not_called_linked(bank, refused):
    """The link may still come to nothing: the customer is told to wait, not that all is done."""
    bank.stage.journal.failing = {1: Conflict("held")}
    linked = bank.store.linked_[bank.stage.link]
    pending = replace(linked, link=replace(linked.link, state=LinkState.PENDING))
    bank.store.holding, bank.store.linked_[OTHER_LINK] = OTHER_LINK, pending

    assert refused(bank.link()).refusal is Refusal.IN_PROGRESS


def test_pin_waits_while_an_old_one_may_still_arrive(bank, monkeypatch, refused):
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
def test_key_of_another_request_is_refused(bank, name, refused):
    """A key stands for the first request that used it."""
    used = KeyUsed("bank", KEY.key, b"\x02" * 32, "op_x", bank.stage.timers.now())
    bank.stage.journal.submit(unit_of(used), lambda _error: None)

    assert refused(bank.ask(name)).refusal is Refusal.IDEMPOTENCY_KEY_REUSED


def unit_of(*records):
    from gateway.store.unit import Unit

    return Unit(records=records)


def test_replayed_session_that_is_gone_is_not_found(bank, refused):
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


def test_key_is_free_again_after_a_refusal(bank, refused):
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


def test_operation_that_goes_on_keeps_its_link(bank_of, refused):
    """After its caller was answered 202, an operation still bars the next."""
    bank = bank_of(wait_s=0.01)
    bank.hall.is_silent = True
    bank.session()
    pending = asyncio.run(bank.set_pin())

    error = refused(bank.unlink(key=IdempotencyKey("key-2", b"\x02" * 32)))

    assert pending.operation.state is OperationState.PENDING
    assert error.refusal is Refusal.IN_PROGRESS
