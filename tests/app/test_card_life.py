"""The businesses in the life of a card: checked, opened with all that belongs to them, and told."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.api.service import ApplyCommand, BusinessCommand, IdempotencyKey, SetPinCommand
from gateway.app.card_life import CardLife
from gateway.linking.link import LinkState, PinSession, SessionUsed
from gateway.operations.facts import OperationKind, OperationState
from gateway.regions.vocabulary import Channel, Proof
from gateway.regions.working_days import WorkingDays
from gateway.social.card import SsLossKept
from gateway.store.unit import KeyUsed
from gateway.terms.errors import RequestRefused
from gateway.terms.numbers import PersonName, PinSessionId
from gateway.terms.refusals import Refusal
from gateway.terms.sides import PinPurpose, Side

K = OperationKind
KEY = IdempotencyKey("key-1", b"\x01" * 32)
PAPERS = frozenset({Proof.CITIZEN_ID, Proof.CARD_PRESENT})
REPLACEMENT = BusinessCommand(words={"OT": "R", "OR": "D"})


class Counter:
    """A bank's counter in a region, and the clerk's requests."""

    def __init__(self, hall):
        self.hall, self.stage = hall, hall.stage
        self.caller = replace(hall.caller, kind=Channel.COUNTER, proofs=PAPERS)
        self.life = CardLife(hall.intake, WorkingDays(), lambda data: data.ljust(32)[::-1])

    def do(self, kind, command=None, key=KEY):
        """Have a business done."""
        command = command or BusinessCommand()
        return asyncio.run(self.life.carry_out(self.caller, key, self.stage.link, kind, command))

    def refused(self, kind, command=None):
        """Give the refusal that a business meets."""
        with pytest.raises(RequestRefused) as caught:
            self.do(kind, command)
        return caught.value.refusal

    def pin(self, purpose=PinPurpose.SS_PIN):
        """Give a command with a PIN in a usable session."""
        expires_at = self.stage.timers.now() + timedelta(seconds=300)
        identity = PinSessionId("pse_" + "1" * 26)
        session = PinSession(identity, self.stage.link, purpose, "n" * 22, "kid", expires_at)
        self.hall.store.sessions[identity] = session
        return BusinessCommand(pins={purpose: SetPinCommand(identity, "an.envelope")})

    def sent(self):
        """Name the messages that were sent."""
        return [errand.exchange.message for errand in self.stage.dialogues.errands]


@pytest.fixture
def counter_in(hall_of):
    """Give the maker of a counter in a region."""
    return lambda region: Counter(hall_of(region))


@pytest.fixture
def qingdao(counter_in):
    """Give a counter where the bank does everything."""
    return counter_in("qingdao")


def test_business_is_done_once_and_told(qingdao):
    """What the bureau told is the result; the key stands for it from the opening on."""
    qingdao.hall.told["bureau-card-order"] = {"order_state": "in-production"}

    first, again = (qingdao.do(K.CARD_REPLACE, REPLACEMENT) for _ in range(2))

    assert first.operation.state is OperationState.SUCCEEDED
    assert first.operation.result == {
        "order_state": "in-production",
        "fee": "free",
        "working_days": "7",
    }
    assert (first.replayed, again.replayed) == (False, True)
    assert again.operation.operation == first.operation.operation
    assert [used.resource for used in qingdao.hall.records(KeyUsed)] == [
        first.operation.operation.value
    ]
    assert qingdao.sent() == ["card-order"]


def test_what_the_region_does_not_grant_here_begins_nothing(counter_in):
    """No grant, a paper that is missing: nothing is recorded and nothing sent."""
    qingdao = counter_in("qingdao")
    asks_nothing = replace(qingdao.caller, proofs=frozenset())

    assert qingdao.refused(K.ECARD_CODE) is Refusal.NOT_GRANTED
    qingdao.caller = asks_nothing
    assert qingdao.refused(K.CARD_REPLACE, REPLACEMENT) is Refusal.PROOF_MISSING
    assert (qingdao.stage.journal.units, qingdao.sent()) == ([], [])


def test_pin_that_is_shown_counts_as_proved(counter_in):
    """Xiamen's website asks for the PIN of whoever reports a loss; the bureau compares it first."""
    xiamen = counter_in("xiamen")
    xiamen.caller = replace(xiamen.caller, kind=Channel.WEBSITE, proofs=frozenset({Proof.SESSION}))

    without = xiamen.refused(K.SS_LOSS_TEMPORARY)
    shown = xiamen.do(K.SS_LOSS_TEMPORARY, xiamen.pin(PinPurpose.SS_PIN_PROOF))

    assert without is Refusal.PROOF_MISSING
    assert shown.operation.state is OperationState.SUCCEEDED
    assert xiamen.sent() == ["pin-verify", "loss-report"]


@pytest.mark.parametrize("loss", [K.SS_LOSS_TEMPORARY, K.FINANCIAL_LOSS_TEMPORARY])
def test_loss_taken_down_while_a_pin_is_enciphered_stops_it(qingdao, loss):
    """What was allowed before the report is looked at anew; the report itself waits for nobody."""
    command, encipher = qingdao.pin(PinPurpose.SS_PIN), qingdao.hall.pins.encipher

    async def encipher_slowly(order):
        link, key = qingdao.stage.link, IdempotencyKey("key-2", bytes(32))
        await qingdao.life.carry_out(qingdao.caller, key, link, loss, BusinessCommand())
        return await encipher(order)

    qingdao.hall.pins.encipher = encipher_slowly

    assert qingdao.refused(K.SS_PIN_RESET, command) is Refusal.IN_PROGRESS
    assert qingdao.sent() == ["loss-report"]


def test_loss_stands_with_its_opening_whoever_can_be_reached(qingdao):
    """The block is in the unit that opens the report, under the report's own reference."""
    qingdao.stage.dialogues.down = set(Side)

    qingdao.do(K.SS_LOSS_FORMAL)

    unit = qingdao.stage.journal.units[0]
    (kept,) = [record for record in unit.records if isinstance(record, SsLossKept)]
    assert kept.loss.reference == unit.progress[0].operation.id
    assert unit.progress[0].operation.details["LN"] == kept.loss.reference.value


def test_only_what_has_no_effect_or_cannot_wait_goes_beside_another(qingdao):
    """While the link is in use, an order waits its turn; questions and loss reports do not."""
    with qingdao.hall.intake.turns.alone(qingdao.stage.link):
        order = qingdao.refused(K.CARD_REPLACE, REPLACEMENT)
        report = qingdao.do(K.SS_LOSS_FORMAL)
        question = asyncio.run(
            qingdao.life.ask(qingdao.caller, qingdao.stage.link, K.CARD_PROGRESS)
        )

    assert order is Refusal.IN_PROGRESS
    assert report.operation.state is question.operation.state is OperationState.SUCCEEDED


def test_side_that_is_away_is_said_before_anything_is_spent(qingdao):
    """The PIN session stays good."""
    qingdao.stage.dialogues.down = {Side.SOCIAL}

    assert qingdao.refused(K.SS_PIN_RESET, qingdao.pin()) is Refusal.BUREAU_UNAVAILABLE
    assert qingdao.hall.records(SessionUsed) == []


def test_refused_pin_ends_the_business_and_its_session(qingdao):
    """The module's refusal is the operation's; no message leaves."""
    qingdao.hall.pins.outcome = Refusal.PIN_TRIVIAL

    reply = qingdao.do(K.SS_PIN_RESET, qingdao.pin())

    assert (reply.operation.state, reply.operation.refusal) == (
        OperationState.FAILED,
        Refusal.PIN_TRIVIAL,
    )
    assert len(qingdao.hall.records(SessionUsed)) == 1
    assert qingdao.sent() == []


def test_question_that_nobody_answers_is_the_far_sides_absence(hall_of):
    """It is not left open: asking again costs nothing."""
    counter = Counter(hall_of("qingdao", wait_s=0.01))
    counter.hall.is_silent = True

    with pytest.raises(RequestRefused) as caught:
        asyncio.run(counter.life.ask(counter.caller, counter.stage.link, K.SS_PIN_STATE))

    assert caught.value.refusal is Refusal.BUREAU_UNAVAILABLE


@pytest.fixture
def application(stage, qingdao):
    """Give an application for a first card by the owner of the account."""
    owner = stage.account_found.owner
    return ApplyCommand(
        qingdao.hall.store.linked_[stage.link].link.agency,
        stage.cargo.account.pan,
        owner.name,
        owner.citizen_id,
        owner.mobile,
        None,
    )


@pytest.mark.parametrize(
    ("changes", "state", "refusal", "sent"),
    [
        ({}, OperationState.SUCCEEDED, None, ["account-inquiry", "card-apply"]),
        (
            {"name": PersonName("测试丁")},
            OperationState.FAILED,
            Refusal.NOT_CONFIRMED,
            ["account-inquiry"],
        ),
    ],
    ids=["the owner", "somebody else"],
)
def test_card_is_applied_for_by_the_owner_of_the_account(
    qingdao, application, changes, state, refusal, sent
):
    """The core says whose account it is, before the bureau hears of anybody."""
    wanted = replace(application, **changes)

    reply = asyncio.run(qingdao.life.apply(qingdao.caller, KEY, wanted))

    assert (reply.operation.state, reply.operation.refusal) == (state, refusal)
    assert reply.operation.link != qingdao.stage.link
    assert qingdao.sent() == sent
    stands = LinkState.ACTIVE if refusal is None else LinkState.FAILED
    assert [
        record.state
        for unit in qingdao.stage.journal.units
        for record in unit.records
        if type(record).__name__ == "LinkChanged"
    ] == [stands]


def test_voucher_is_of_what_was_done_and_of_nothing_else(qingdao):
    """Its code proves it; another code, and an operation that failed, prove nothing."""
    done = qingdao.do(K.CARD_TEMPORARY, BusinessCommand(words={"OT": "T"}))
    qingdao.hall.codes["bureau-card-cancel"] = "22"
    failed = qingdao.do(K.CARD_CANCEL, key=IdempotencyKey("key-2", bytes(32)))

    def voucher(reply):
        return asyncio.run(qingdao.life.voucher(qingdao.caller, reply.operation.operation))

    code = voucher(done).verification_code

    assert voucher(done).business.en == "Obtain a temporary card"
    assert qingdao.life.is_genuine(done.operation.operation, code)
    assert not qingdao.life.is_genuine(failed.operation.operation, code)
    with pytest.raises(RequestRefused) as caught:
        voucher(failed)
    assert caught.value.refusal is Refusal.NOT_FOUND


def test_loss_whose_cancellation_is_taken_back_is_reported_without_papers(qingdao):
    """Nobody is asked for a proof; the report says so, and blocks at once."""
    linked = qingdao.hall.store.linked_[qingdao.stage.link]

    reply = asyncio.run(qingdao.life.report_again(linked, K.SS_LOSS_TEMPORARY, (), "core-in"))

    assert reply.operation.state is OperationState.SUCCEEDED
    assert qingdao.sent() == ["loss-report"]
    assert len(qingdao.hall.records(SsLossKept)) == 1


def test_due_date_of_a_year_that_nobody_published_is_an_estimate(qingdao):
    """It is said to be one."""
    timers = qingdao.stage.timers
    timers.wall = timers.wall.replace(year=2040)

    reply = qingdao.do(K.CARD_REPLACE, REPLACEMENT)

    assert reply.operation.result["due_is_provisional"] == "yes"
    (errand,) = qingdao.stage.dialogues.errands
    assert errand.operation.details["DU"].startswith("2040")
