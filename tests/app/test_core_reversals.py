"""What a core's 0420 takes back, where another node or nobody else is faster."""

import asyncio
from contextlib import suppress
from dataclasses import replace

import pytest

from gateway.api.service import Caller, IdempotencyKey
from gateway.app import core_record as module
from gateway.app.card_life import CardLife
from gateway.app.core_desk import CoreDesk, Order
from gateway.app.core_reversals import AnotherRequest, CoreReversals, Named, OriginalRefused
from gateway.app.identifiers import Identifiers
from gateway.app.intake import Intake
from gateway.linking.link import LinkState
from gateway.linking.procedures import BY_KIND
from gateway.operations.facts import OperationKind, OperationState
from gateway.regions.vocabulary import Channel, Proof
from gateway.regions.working_days import WorkingDays
from gateway.social.card import SsLossKept
from gateway.store.errors import Conflict
from gateway.store.tables import idempotency_keys
from gateway.terms.errors import RequestRefused
from gateway.terms.losses import LossKind
from gateway.terms.numbers import LinkId, Pan
from gateway.terms.refusals import Refusal

CORE = Caller("core-in", None, "", Channel.COUNTER)
REVERSAL, ORIGINAL, OTHER = (
    IdempotencyKey(name, bytes(32)) for name in ("0420/1", "0300/1", "0300/2")
)
OTHER_LINK = LinkId("lnk_" + "2" * 26)
K = OperationKind


class Nothing:
    """A store in which nothing stands."""

    def key(self, _channel, _key):
        return None

    def asked(self, *_names):
        return None, None


@pytest.fixture
def reversals(stage):
    """Give the reversals over a stage's conductor and an empty store."""

    async def read(query):
        return query(Nothing())

    intake = Intake(
        conductor=stage.conductor,
        read=read,
        pins=None,
        catalogue=None,
        identifiers=Identifiers(stage.timers.now),
        is_ready=stage.dialogues.is_ready,
        zone=None,
        now=stage.timers.now,
        answer_wait_s=1.0,
    )
    return CoreReversals(intake, card_life=None)


@pytest.mark.parametrize(
    ("failing", "refusal"),
    [({}, Refusal.NOT_FOUND), ({1: Conflict("held")}, Refusal.IN_PROGRESS)],
)
def test_reversal_that_meets_its_original_is_to_be_asked_again(stage, reversals, failing, refusal):
    """Both write the same key; only who bars the original may say that it is not there."""
    stage.journal.failing = failing

    with pytest.raises(RequestRefused) as caught:
        asyncio.run(
            reversals.undo(CORE, REVERSAL, Named(ORIGINAL, stage.cargo.account.pan, stage.link))
        )

    assert caught.value.refusal is refusal


def test_every_refusal_that_is_kept_fits_its_column():
    """A longer one would be an error of PostgreSQL, at which the node stops."""
    # The HTTP room alone refuses for a key that is missing, and keeps nothing under none.
    kept = {each for each in Refusal if not each.retryable} - {Refusal.IDEMPOTENCY_KEY_MISSING}

    longest = max(len(module.REFUSED + each.value) for each in kept)

    assert longest <= idempotency_keys.c.resource.type.length


PAPERS = frozenset({Proof.CITIZEN_ID, Proof.CARD_PRESENT, Proof.PHONE_PRESENT})
CLERK = replace(CORE, proofs=PAPERS)


class Counters:
    """A core's desk and reversals over a hall in Qingdao."""

    def __init__(self, hall):
        self.hall, self.stage = hall, hall.stage
        life = CardLife(hall.intake, WorkingDays(), bytes)
        self.desk, self.reversals = CoreDesk(hall.intake, life), CoreReversals(hall.intake, life)
        self.account = hall.stage.cargo.account.pan

    def do(self, kind, caller=CLERK):
        """Have something done under the original's key."""
        order = Order(kind, self.stage.link, self.account)
        with suppress(RequestRefused):
            asyncio.run(self.desk.do(caller, ORIGINAL, order))

    def named(self, **changes):
        """Name the original as a reversal does."""
        return replace(Named(ORIGINAL, self.account, self.stage.link), **changes)

    def undo(self, key=REVERSAL, **changes):
        """Reverse it; give whether it is taken back, or why not."""
        try:
            return asyncio.run(self.reversals.undo(CLERK, key, self.named(**changes)))
        except RequestRefused as refused:
            return refused.refusal

    def sent(self):
        """Name the messages that were sent."""
        return [errand.exchange.message for errand in self.stage.dialogues.errands]


@pytest.fixture
def counters(hall_of):
    """Give the counters of one bank."""
    return Counters(hall_of("qingdao", institutions={"bank": "1", "core-in": "1"}))


@pytest.mark.parametrize(
    ("kind", "answered", "outcome"),
    [
        (K.SS_PIN_UNLOCK, {}, Refusal.NOT_OFFERED),
        (K.SS_PIN_UNLOCK, {"bureau-pin-unlock": "22"}, Refusal.ALREADY_SO),
        (K.CARD_TEMPORARY, {}, Refusal.NOT_OFFERED),
        (K.SS_LOSS_TEMPORARY, {}, Refusal.NOT_OFFERED),
        (K.FINANCIAL_LOSS_FORMAL, {}, Refusal.NOT_OFFERED),
        (K.SS_ACCOUNT, {}, Refusal.NOT_OFFERED),
        (K.SS_PIN_STATE, {}, Refusal.ALREADY_SO),
        (K.ECARD_CODE, {}, Refusal.ALREADY_SO),  # refused, for no region grants it here
        (K.UNLINK, {"bureau-remove": "22"}, Refusal.ALREADY_SO),
    ],
)
def test_reversal_is_answered_by_what_stands(counters, kind, answered, outcome):
    """What cannot be taken back is said to stand; of what failed or only asked nothing stands."""
    counters.hall.codes.update(answered)
    counters.do(kind)
    before = counters.sent()

    answers = [counters.undo(), counters.undo()]

    assert answers == [outcome, outcome]
    assert counters.sent() == before


@pytest.mark.parametrize("loss", [K.SS_LOSS_TEMPORARY, K.SS_LOSS_FORMAL])
def test_cancelled_loss_stands_again_as_it_was(counters, stage, loss):
    """The report that the cancellation names says which kind it was."""
    reported = asyncio.run(
        counters.desk.do(CLERK, OTHER, Order(loss, stage.link, counters.account))
    )
    linked = counters.hall.store.linked_[stage.link]
    (kept,) = counters.hall.records(SsLossKept)
    found = replace(
        linked, card=replace(linked.card, loss=replace(kept.loss, kind=LossKind.TEMPORARY))
    )
    counters.hall.store.linked_[stage.link] = found
    counters.do(K.SS_LOSS_CANCEL)

    taken_back = counters.undo()

    again = counters.hall.records(SsLossKept)[-1].loss
    assert (reported.state, taken_back) == (OperationState.SUCCEEDED, True)
    assert counters.sent() == ["loss-report", "loss-cancel", "loss-report"]
    assert again.kind is BY_KIND[loss].loses
    assert again.reference != kept.loss.reference


@pytest.mark.parametrize(
    "changes", [{"account": Pan("6200000000000000026")}, {"link": OTHER_LINK}, {"link": None}]
)
def test_original_is_known_by_account_and_link_too(counters, changes):
    """DE 90 with another DE 2 or another LK names nothing that is undone or told."""
    counters.do(K.UNLINK)

    with pytest.raises(AnotherRequest):
        counters.undo(**changes)
    with pytest.raises(AnotherRequest):
        asyncio.run(counters.reversals.inquire(CLERK, counters.named(**changes)))


def test_inquiry_tells_why_the_original_was_refused(counters):
    """As its own answer did."""
    counters.do(K.ECARD_CODE)

    with pytest.raises(OriginalRefused) as caught:
        asyncio.run(counters.reversals.inquire(CLERK, counters.named()))

    assert caught.value.refusal is Refusal.NOT_GRANTED


@pytest.mark.parametrize("is_done", [False, True])
def test_what_is_being_taken_back_is_open_until_it_is(hall_of, is_done):
    """Neither the removal nor its end is told while a far side has still to undo it."""
    own = {"bank": "1", "core-in": "1"}
    counters = Counters(hall_of("qingdao", institutions=own, wait_s=0.05))
    store, link = counters.hall.store, counters.stage.link
    counters.hall.is_silent = not is_done
    counters.do(K.UNLINK)
    if is_done:
        linked = store.linked_[link]
        removed = replace(linked.link, state=LinkState.REMOVED)
        store.linked_[link] = replace(linked, link=removed)
    counters.hall.is_silent = True

    taken_back = counters.undo()
    told = asyncio.run(counters.reversals.inquire(CLERK, counters.named()))

    units = counters.stage.journal.units
    (operation,) = {each.operation.id for unit in units for each in unit.progress}
    assert counters.stage.operation(operation).is_withdrawn
    assert (taken_back, told.state) == (False, OperationState.PENDING)
