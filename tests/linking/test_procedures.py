"""Each business in the life of a card: its row of the table, and the one plan of all rows."""

from dataclasses import replace

import pytest

from gateway.financial.account import (
    AccountLossConfirmed,
    AccountLossLifted,
    AccountOwner,
    AccountState,
)
from gateway.financial.answers import AccountFinding
from gateway.linking.link import Applicant, LinkState
from gateway.linking.plans import REQUEST
from gateway.linking.procedures import (
    BY_KIND,
    LINKS_AT_REPLACEMENT,
    PAYS_UNACTIVATED,
    PROCEDURES,
    UNPROVED,
)
from gateway.operations import life
from gateway.operations.exchange import Form, Recovery
from gateway.operations.facts import OperationKind, OperationState, ResolutionProposed
from gateway.operations.operation import evolve
from gateway.regions.vocabulary import PIN_IS_COMPARED, Proof
from gateway.social.card import (
    CardReplaced,
    EcardKept,
    MobileBound,
    NewCard,
    ReplacementBegun,
    SsLossConfirmed,
    SsLossLifted,
)
from gateway.terms.numbers import (
    CitizenId,
    CustomerNumber,
    EcardNumber,
    Mobile,
    OperationId,
    PersonName,
    SsCardNumber,
)
from gateway.terms.refusals import Refusal

K, O, R = OperationKind, OperationState, Refusal  # noqa: E741 - as elsewhere here
SAID = {
    REQUEST: Applicant(
        CustomerNumber("C00000001"), PersonName("测试甲"), CitizenId("350299199001010010")
    )
}
OWNER = AccountOwner(
    CustomerNumber("C00000001"), PersonName("测试甲"), CitizenId("350299199001010010")
)
VERIFY, SET = "bureau-pin-verify", "bureau-pin-set"
ROWS = pytest.mark.parametrize("row", PROCEDURES, ids=lambda row: row.kind)


def ended(play):
    return play.state, play.operation.refusal


@ROWS
def test_only_the_last_exchange_of_a_row_has_an_effect(row):
    """So a row is done with its last exchange or not at all, and nothing is ever half done."""
    recoveries = {exchange.recovery for exchange in row.exchanges[:-1]}

    assert recoveries <= {Recovery.QUERY}
    assert BY_KIND[row.kind] is row


@ROWS
def test_a_row_is_done_when_every_exchange_is_approved(row, script):
    """The exchanges are made in the order of the row, each after the approval of the last."""
    play = script(row.kind, findings=SAID).begin()

    for exchange in row.exchanges:
        play.answer(exchange.name)

    assert [name for name, _, _ in play.sent] == [exchange.name for exchange in row.exchanges]
    assert ended(play) == (O.SUCCEEDED, None)


@ROWS
def test_a_row_ends_with_the_first_exchange_that_is_declined(row, script):
    """The caller is told what the far side's code means, and nothing else is sent."""
    play = script(row.kind).begin().answer(row.exchanges[0].name, "40")

    assert ended(play) == (O.FAILED, R.NOT_OFFERED)
    assert len(play.sent) == 1


@ROWS
def test_a_row_that_cannot_begin_changes_nothing(row, script):
    """With the link down a request is refused at once; what is stored and forwarded goes on."""
    play = script(row.kind, ready=frozenset()).begin()

    is_forwarded = row.exchanges[0].recovery.needs_no_link
    assert play.state is (O.PENDING if is_forwarded else O.FAILED)


def test_a_wrong_pin_stops_what_it_was_to_prove(script):
    """The new PIN is not sent after a wrong old one."""
    play = script(K.SS_PIN_CHANGE).begin().answer(VERIFY, "55", reason="WRONG_PIN")

    assert ended(play) == (O.FAILED, R.WRONG_PIN)
    assert [name for name, _, _ in play.sent] == [VERIFY]


@pytest.mark.parametrize(("proved", "state"), [(False, O.FAILED), (True, O.UNKNOWN)])
def test_a_restart_before_the_change_left_changes_nothing(proved, state, script):
    """The new PIN was in the memory of the process that is gone; one sent may be in force."""
    play = script(K.SS_PIN_CHANGE).begin()
    if proved:
        play.answer(VERIFY)

    play.resume()

    assert (play.state, play.sent) == (state, [])


def test_a_lost_answer_to_the_change_itself_is_unknown(script):
    """Old or new PIN may be in force, as with a PIN that is set."""
    play = script(K.SS_PIN_CHANGE).begin().answer(VERIFY).silence(SET)

    assert play.state is O.UNKNOWN


def test_what_can_be_asked_after_is_never_unknown(script):
    """Unlocking is inquired after until the bureau says what became of it."""
    name = "bureau-pin-unlock"
    play = script(K.SS_PIN_UNLOCK).begin().silence(name)
    asked = play.sent[-1]

    play.answer(name, form=Form.INQUIRY)

    assert asked == (name, Form.INQUIRY, False)
    assert ended(play) == (O.SUCCEEDED, None)


def test_a_question_waits_for_nothing(script):
    """Nothing that has no effect is held up by an operation on the card, nor holds one up."""
    beside = {row.kind for row in PROCEDURES if row.is_beside_others}

    losses = {row.kind for row in PROCEDURES if row.loses}
    assert beside == {K.SS_PIN_STATE, K.CARD_PROGRESS, K.ECARD_CODE} | losses
    assert script(K.SS_PIN_STATE).begin().answer("card-inquiry").state is O.SUCCEEDED


REPORT, CANCEL = "bureau-loss-report", "bureau-loss-cancel"
MINE = "op_" + "1" * 26


@pytest.mark.parametrize(
    ("kind", "name", "lift"),
    [
        (K.SS_LOSS_TEMPORARY, REPORT, SsLossLifted),
        (K.FINANCIAL_LOSS_FORMAL, "core-loss-report", AccountLossLifted),
    ],
)
def test_a_loss_that_the_far_side_will_not_have_is_lifted_here(kind, name, lift, script):
    """What stood here at once stands no longer when the far side refuses the report for good."""
    play = script(kind, details={"LN": MINE, UNPROVED: "yes"}).begin().answer(name, "14")

    assert play.state is O.FAILED
    assert play.records == [lift(play.operation.link, OperationId(MINE), was_refused=True)]


@pytest.mark.parametrize(
    ("kind", "name", "known"),
    [
        (K.SS_LOSS_FORMAL, REPORT, SsLossConfirmed),
        (K.FINANCIAL_LOSS_TEMPORARY, "core-loss-report", AccountLossConfirmed),
    ],
)
def test_a_loss_that_the_far_side_has_is_confirmed_here(kind, name, known, script):
    """From then on the far side guards what is lost, whoever links it."""
    play = script(kind, details={"LN": MINE, UNPROVED: "yes"}).begin().answer(name)

    operation = play.operation
    assert play.records == [known(operation.link, OperationId(MINE), operation.updated_at)]


def test_a_loss_report_is_made_with_the_link_down_and_never_given_up(script):
    """However long the bureau is away the report goes on, and it is alarmed about."""
    details = {"LN": MINE, UNPROVED: "yes"}
    play = script(K.SS_LOSS_FORMAL, ready=frozenset(), details=details).begin()
    for _ in range(5):
        play.horizon(REPORT)

    assert play.state is O.PENDING
    assert life.Alarm(REPORT) in play.effects
    assert play.records == []
    assert play.answer(REPORT).state is O.SUCCEEDED


@pytest.mark.parametrize(("code", "lifted"), [("00", True), ("22", False)])
def test_a_cancellation_lifts_nothing_before_it_is_confirmed(code, lifted, script):
    """Until the bureau has cancelled the loss of that very reference, it stands here."""
    play = script(K.SS_LOSS_CANCEL, details={"LN": MINE, UNPROVED: "yes"}).begin().silence(CANCEL)
    before = list(play.records)

    play.answer(CANCEL, code, Form.INQUIRY)

    assert before == []
    assert play.records == ([SsLossLifted(play.operation.link, OperationId(MINE))] * lifted)


def test_a_loss_that_is_not_ours_is_cancelled_at_the_bureau_alone(script):
    """Nothing is lifted here that was never recorded here."""
    play = script(K.SS_LOSS_CANCEL, details={UNPROVED: "yes"}).begin().answer(CANCEL)

    assert (play.state, play.records) == (O.SUCCEEDED, [])


@pytest.mark.parametrize("form", [Form.ORIGINAL, Form.INQUIRY])
def test_a_bound_mobile_is_kept_as_the_bureau_names_it(form, script):
    """Its answer and its word on an inquiry name the number, so that a restart loses nothing."""
    name, number = "bureau-mobile-bind", Mobile("16400000001")
    play = script(K.BIND_MOBILE).begin()
    if form is Form.INQUIRY:
        play.silence(name)

    play.answer(name, form=form, finding=number)

    assert play.records == [MobileBound(play.operation.link, number)]


ORDER, COLLECT = "bureau-card-order", "bureau-card-collect"


def test_an_ordered_card_bars_the_way_back(script):
    """From the bureau's yes on a loss is not cancelled any more."""
    play = script(K.CARD_REPLACE).begin().answer(ORDER)

    assert play.records == [ReplacementBegun(play.operation.link)]


@pytest.mark.parametrize("form", [Form.ORIGINAL, Form.INQUIRY])
@pytest.mark.parametrize(
    ("rule", "told", "stays"),
    [
        ("kept", False, True),
        ("dropped", True, False),
        ("ask-bureau", True, True),
        ("ask-bureau", False, False),
    ],
)
def test_the_link_goes_over_to_the_new_card_as_region_or_bureau_say(
    rule, told, stays, form, script
):
    """Whatever the answer or the inquiry tells is kept in the same transaction."""
    play = script(K.CARD_COLLECT, details={LINKS_AT_REPLACEMENT: rule}).begin()
    if form is Form.INQUIRY:
        play.silence(COLLECT)
    number = SsCardNumber("T50000001")

    play.answer(COLLECT, form=form, finding=NewCard(number, told))

    if stays:
        assert play.records == [
            CardReplaced(play.operation.link, number, play.operation.updated_at)
        ]
    else:
        assert play.link_states == [LinkState.REMOVED]


@pytest.mark.parametrize("rule", ["kept", "dropped", "ask-bureau"])
def test_a_hand_over_that_a_person_found_done_ends_the_link(rule, script):
    """The old card is void, and no answer told the new one's number: it is linked anew."""
    play = script(K.CARD_COLLECT, details={LINKS_AT_REPLACEMENT: rule}).begin()
    play.silence(COLLECT).horizon(COLLECT)
    proposal = ResolutionProposed(O.SUCCEEDED, "A", "letter 2026-114", play.at)
    play.operation = evolve(play.operation, proposal)

    play.take(life.Resolved("B"))

    assert (play.state, play.link_states) == (O.SUCCEEDED, [LinkState.REMOVED])


@pytest.mark.parametrize(
    ("name", "state"),
    [("测试甲", LinkState.ACTIVE), ("测试丁", LinkState.FAILED), ("", LinkState.FAILED)],
)
def test_a_card_is_applied_for_the_owner_of_the_account_only(name, state, script):
    """The core says whose account it is; a stranger's application, or a forgotten one, ends."""
    said = replace(SAID[REQUEST], name=PersonName(name)) if name else "forgotten"
    play = script(K.CARD_APPLY, findings={REQUEST: said}).begin().answer("account-inquiry")
    if state is LinkState.ACTIVE:
        play.answer("bureau-card-apply")

    assert play.link_states == [state]
    assert play.operation.refusal is (None if state is LinkState.ACTIVE else R.NOT_CONFIRMED)


ISSUE, PAY = "bureau-ecard-issue", "bureau-ecard-payment"


@pytest.mark.parametrize("form", [Form.ORIGINAL, Form.INQUIRY])
def test_an_issued_ecard_is_kept_with_its_card(form, script):
    """Its number comes with the answer, or with that to the inquiry."""
    number = EcardNumber("E00000000001")
    play = script(K.ECARD_ISSUE).begin()
    if form is Form.INQUIRY:
        play.silence(ISSUE)

    play.answer(ISSUE, form=form, finding=number)

    assert play.records == [EcardKept(play.operation.link, number)]


def test_an_issue_that_nobody_can_speak_for_is_revoked(script):
    """Asked after in vain it is undone until that is confirmed; a late answer changes nothing."""
    play = script(K.ECARD_ISSUE).begin().silence(ISSUE).silence(ISSUE)
    late = play.answer(ISSUE).state

    play.answer(ISSUE, form=Form.REVERSAL)

    assert late is O.PENDING
    assert play.sent[-1] == (ISSUE, Form.REVERSAL, False)
    assert (ended(play), play.records) == ((O.FAILED, R.BUREAU_UNAVAILABLE), [])


@pytest.mark.parametrize(
    ("state", "refusal"),
    [
        (AccountState.NOT_ACTIVATED, R.NOT_ACTIVATED),
        (AccountState.LOST, R.ACCOUNT_LOST),
        (AccountState.FROZEN, R.NOT_ACTIVATED),
    ],
)
def test_an_ecard_pays_from_an_active_account_only(state, refusal, script):
    """The core is asked first; the bureau hears nothing of an account that cannot pay."""
    play = script(K.ECARD_PAYMENT_ENABLE).begin()

    play.answer("account-inquiry", finding=AccountFinding(OWNER, state))

    assert ended(play) == (O.FAILED, refusal)
    assert len(play.sent) == 1


@pytest.mark.parametrize(
    ("state", "outcome"),
    [(AccountState.NOT_ACTIVATED, O.SUCCEEDED), (AccountState.FROZEN, O.FAILED)],
)
def test_ecard_pays_from_a_new_account_where_the_region_says_so(state, outcome, script):
    """One that is lost, frozen or closed pays in no region."""
    play = script(K.ECARD_PAYMENT_ENABLE, details={PAYS_UNACTIVATED: "yes"}).begin()

    play.answer("account-inquiry", finding=AccountFinding(OWNER, state))
    if outcome is O.SUCCEEDED:
        play.answer("bureau-ecard-payment")

    assert play.state is outcome


@pytest.mark.parametrize("kind", [K.ECARD_REVOKE, K.CARD_CANCEL])
def test_no_ecard_is_left_of_what_is_over(kind, script):
    """Revoked by itself or with its card, it is not kept here any more."""
    play = script(kind, details={UNPROVED: "yes"}).begin()
    (name,) = [name for name, _, _ in play.sent]

    assert play.answer(name).records == [EcardKept(play.operation.link, None)]


def test_a_pin_in_force_that_is_not_shown_is_not_compared(script):
    """Whether it must be shown is the region's to say; the change goes on without."""
    play = script(K.SS_PIN_CHANGE, details={UNPROVED: "yes"}).begin()

    assert [name for name, _, _ in play.sent] == [SET]
    assert play.answer(SET).state is O.SUCCEEDED


@pytest.mark.parametrize("proof", [Proof.SS_PIN, Proof.ECARD_PIN, Proof.FINANCIAL_PIN])
def test_profiles_may_demand_a_pin_where_a_far_side_compares_it(proof):
    """What the vocabulary of the regions says of PINs in force is what the rows do."""
    rows = {
        "ecard-code" if row.kind is K.ECARD_SCAN else row.kind.value
        for row in PROCEDURES
        for purpose in row.pins.values()
        if purpose.value == f"{proof.value}-proof"
    }

    assert {business.value for business in PIN_IS_COMPARED[proof]} == rows
