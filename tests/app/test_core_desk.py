"""What a bank core may have done: on its own bank's links, under the PIN pads that were agreed."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.api.service import Caller, IdempotencyKey
from gateway.app.card_life import CardLife
from gateway.app.core_desk import CoreDesk, Order
from gateway.app.core_record import Barred, CoreRecord
from gateway.operations.facts import OperationKind, OperationState
from gateway.regions.vocabulary import Channel, Proof
from gateway.regions.working_days import WorkingDays
from gateway.terms.errors import PeerError, RequestRefused
from gateway.terms.losses import Loss, LossKind
from gateway.terms.numbers import Mobile, Pan
from gateway.terms.refusals import Refusal
from gateway.terms.sides import Side

K = OperationKind
KEY = IdempotencyKey("0100/1", b"\x01" * 32)
PAPERS = frozenset({Proof.CITIZEN_ID, Proof.CARD_PRESENT, Proof.PHONE_PRESENT})
CORE = Caller("core-in", None, "", Channel.COUNTER, PAPERS)
ONE_BANK = {"bank": "99000001", "core-in": "99000001"}
CONTROL = "1600000000000000"


class Counters:
    """A core's desk over a hall, and its orders."""

    def __init__(self, hall):
        self.hall, self.stage = hall, hall.stage
        life = CardLife(hall.intake, WorkingDays(), bytes)
        self.desk, self.record = CoreDesk(hall.intake, life), CoreRecord(hall.intake)

    def order(self, kind, **changes):
        """Write an order on the link that is there."""
        account = self.stage.cargo.account.pan
        return replace(Order(kind, self.stage.link, account), **changes)

    def do(self, kind, key=KEY, **changes):
        """Have an order carried out."""
        return asyncio.run(self.desk.do(CORE, key, self.order(kind, **changes)))

    def refused(self, kind, **changes):
        """Give the refusal that an order meets."""
        with pytest.raises(RequestRefused) as caught:
            self.do(kind, **changes)
        return caught.value.refusal

    def sent(self):
        """Name the messages that were sent."""
        return [errand.exchange.message for errand in self.stage.dialogues.errands]


@pytest.fixture
def counters(hall_of):
    """Give the counters of a bank in Xiamen."""
    return Counters(hall_of("xiamen", institutions=ONE_BANK))


@pytest.mark.parametrize(
    ("kind", "more", "message"),
    [
        (K.SET_SS_PIN, {"block": "00" * 8, "security_control": CONTROL}, "pin-set"),
        (K.SS_PIN_RESET, {"block": "00" * 8, "security_control": CONTROL}, "pin-reset"),
        (K.SS_PIN_UNLOCK, {}, "pin-unlock"),
        (K.CHANGE_MOBILE, {"private": {"MB": "16412345678"}}, "mobile-bind"),
        (K.FINANCIAL_LOSS_FORMAL, {}, "loss-report"),
        (K.SS_ACCOUNT, {}, "account-activated"),
    ],
)
def test_order_is_carried_out_once(counters, kind, more, message):
    """The second is told what became of the first; the core hears of it, whoever made the link."""
    first, again = (counters.do(kind, **more) for _ in range(2))

    assert (first.kind, first.link) == (kind, counters.stage.link)
    assert again.state is OperationState.SUCCEEDED
    assert counters.sent() == [message]
    (errand,) = counters.stage.dialogues.errands
    assert errand.cargo.channel == errand.operation.details["channel"] == "core-in"


def test_mobile_of_an_order_is_not_recorded(counters):
    """It travels in memory only."""
    number = Mobile("16412345678").value

    counters.do(K.CHANGE_MOBILE, private={"MB": number})

    units = [unit for unit in counters.stage.journal.units if unit.progress]
    assert not any(number in str(unit.progress[0].operation.facts) for unit in units)


@pytest.mark.parametrize(
    ("institutions", "changes"),
    [
        (ONE_BANK, {"account": Pan("6200000000000000026")}),
        ({"bank": "99000001", "core-in": "99000002"}, {}),
        ({}, {}),
    ],
    ids=["another account", "another bank", "nobody says whose"],
)
def test_link_of_another_is_no_link(hall_of, institutions, changes):
    """DE 2 is the link's account, and the core that of the bank whose channel made the link."""
    counters = Counters(hall_of("xiamen", institutions=institutions))

    assert counters.refused(K.SS_PIN_UNLOCK, **changes) is Refusal.NOT_FOUND
    assert counters.sent() == []


@pytest.mark.parametrize("control", ["", "2600000000000000", "1600000000000001"])
def test_pin_block_comes_with_the_de_53_that_was_agreed(counters, control):
    """Another key or another format would not be the zone's: the element is named, nothing goes."""
    with pytest.raises(PeerError, match="DE 53"):
        counters.do(K.SET_SS_PIN, block="00" * 8, security_control=control)

    assert (counters.hall.pins.orders, counters.sent()) == ([], [])


def test_loss_report_waits_for_no_link(hall_of):
    """With the bureau away the report is taken on, for no proof has to be compared first."""
    counters = Counters(hall_of("qingdao", institutions=ONE_BANK))
    counters.stage.dialogues.down = {Side.SOCIAL}

    assert counters.do(K.SS_LOSS_TEMPORARY).state is OperationState.SUCCEEDED
    assert counters.sent() == ["loss-report"]


def test_link_whose_loss_nobody_has_confirmed_is_not_removed(counters, stage):
    """The far side hears of the loss over this link."""
    linked = counters.hall.store.linked_[stage.link]
    loss = Loss(LossKind.FORMAL, stage.operation_id(7), stage.timers.now() - timedelta(hours=1))
    account = replace(linked.account, loss=loss)
    counters.hall.store.linked_[stage.link] = replace(linked, account=account)

    assert counters.refused(K.UNLINK) is Refusal.LOSS_UNCONFIRMED


def test_refusal_is_kept_for_every_repeat_unless_asking_again_may_help(counters):
    """A link that appears later changes nothing; a bureau that is back does."""
    counters.stage.dialogues.down = {Side.SOCIAL}
    away = counters.refused(K.SS_PIN_UNLOCK)
    counters.stage.dialogues.down = set()
    done = counters.do(K.SS_PIN_UNLOCK)
    linked = counters.hall.store.linked_.pop(counters.stage.link)
    other = IdempotencyKey("0100/2", bytes(32))
    absent = counters.refused(K.SS_PIN_UNLOCK, key=other)
    counters.hall.store.linked_[counters.stage.link] = linked

    assert (away, absent) == (Refusal.BUREAU_UNAVAILABLE, Refusal.NOT_FOUND)
    assert done.state is OperationState.SUCCEEDED
    assert counters.refused(K.SS_PIN_UNLOCK, key=other) is Refusal.NOT_FOUND


def test_request_that_was_barred_is_never_done(counters):
    """A tombstone stands for it, under a digest that no request has."""
    asyncio.run(counters.record.bar(CORE, replace(KEY, fingerprint=bytes(32))))

    with pytest.raises(Barred):
        counters.do(K.SS_PIN_UNLOCK)

    assert counters.sent() == []
