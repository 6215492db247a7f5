"""Operations, links and institutions as a caller sees them."""

from datetime import date, timedelta

from gateway.api.notices import UserMessageView
from gateway.api.vouchers import Paper, ReceiptView
from gateway.app.conductor import SS_FOLLOWS_AFTER_S
from gateway.app.rendering import (
    DUE_IS_PROVISIONAL,
    ENQUIRIES_EN,
    ENQUIRIES_ZH,
    PAPERS,
    WORKING_DAYS,
    done_at,
    link_view,
    operation_view,
    receipt_of,
    session_view,
)
from gateway.linking.kinds import EXCHANGES
from gateway.linking.link import Link, LinkState, PinSession
from gateway.operations.exchange import Form
from gateway.operations.facts import OperationKind, OperationState
from gateway.store.found import Linked
from gateway.terms.numbers import PinSessionId
from gateway.terms.sides import PinPurpose, Side

K = OperationKind


def view_of(stage, identity):
    operation = stage.operation(identity)
    return operation_view(operation, EXCHANGES[operation.kind])


def test_timeline_tells_every_fact_in_order(stage):
    """Sendings with their attempt, answers with their code, what was set aside, the end."""
    identity = stage.open(K.SET_SS_PIN)
    stage.timers.step(20)
    stage.answer(identity, "bureau-pin-set", "91")
    stage.answer(identity, "bureau-pin-set")

    view = view_of(stage, identity)

    steps = [(each.what, each.attempt, each.response_code) for each in view.timeline]
    assert steps == [
        ("opened", None, None),
        ("send", 1, None),
        ("repeat", 2, None),
        ("answer-set-aside", None, "91"),
        ("approve", None, "00"),
        ("succeeded", None, "00"),
    ]
    assert {(each.side, each.message) for each in view.timeline[1:5]} == {(Side.SOCIAL, "pin-set")}
    assert view.updated_at == view.created_at + timedelta(seconds=20)


def test_timeline_counts_a_reversal_from_one(stage):
    """Undoing is another message, whose attempts are its own."""
    identity = stage.open(K.UNLINK)
    stage.timers.step(40 + 25)
    stage.answer(identity, "bureau-remove", "00", Form.REVERSAL)

    view = view_of(stage, identity)

    attempts = [(each.what, each.attempt) for each in view.timeline if each.attempt]
    assert attempts == [("send", 1), ("repeat", 2), ("reverse", 1), ("repeat", 2)]
    assert view.state is OperationState.FAILED


def test_only_a_follow_up_has_a_due_time(stage):
    """An activation tells when the SS account follows, counted from its own success."""
    identity = stage.open(K.ACTIVATE, details={SS_FOLLOWS_AFTER_S: "86400"})
    before = view_of(stage, identity).ss_account
    stage.timers.step(5)
    stage.answer(identity, "core-activate")

    view = view_of(stage, identity)

    assert before is None
    assert view.ss_account.due_at == view.updated_at + timedelta(days=1)
    assert view.ss_account.state is OperationState.PENDING


def test_papers_say_what_was_so_when_the_business_was_done(stage):
    """Term, day and telephone are the operation's own: a profile that changes changes none."""
    details = {
        PAPERS: "voucher collection-receipt",
        WORKING_DAYS: "7",
        "DU": "20270104",
        DUE_IS_PROVISIONAL: "yes",
        ENQUIRIES_ZH: "电话",
        ENQUIRIES_EN: "Telephone",
    }
    identity = stage.open(K.CARD_REPLACE, details=details)
    before = view_of(stage, identity).papers
    stage.timers.step(5)
    stage.answer(identity, "bureau-card-order")
    operation = stage.operation(identity)

    receipt = receipt_of(operation)

    assert before == ()
    assert view_of(stage, identity).papers == (Paper.VOUCHER, Paper.COLLECTION_RECEIPT)
    assert receipt == ReceiptView(
        7, date(2027, 1, 4), is_provisional=True, enquiries=UserMessageView("电话", "Telephone")
    )
    assert done_at(operation) == operation.opened_at + timedelta(seconds=5)


def test_link_and_session_show_what_was_recorded(stage):
    """Numbers go to the HTTP room as they are, and are masked there."""
    at = stage.timers.now()
    link = Link(stage.link, stage.cargo.card.agency, "bank", LinkState.ACTIVE, at)
    session = PinSession(
        PinSessionId("pse_" + "1" * 26), stage.link, PinPurpose.SS_PIN, "nonce", "kid", at
    )

    shown = link_view(Linked(link, stage.cargo.card, stage.cargo.account))
    opened = session_view(session)

    assert (shown.state, shown.account) == (LinkState.ACTIVE, stage.cargo.account.pan)
    assert (opened.pin_session, opened.nonce, opened.kid) == (session.id, "nonce", "kid")
