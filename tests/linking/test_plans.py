"""Each plan from its beginning to every end, as transcripts."""

from dataclasses import replace

import pytest

from gateway.financial.account import AccountState, OwnerKept
from gateway.financial.answers import AccountFinding
from gateway.linking.kinds import PLANS
from gateway.linking.link import LinkState
from gateway.linking.plans import may_be_taken_back
from gateway.operations import life
from gateway.operations.exchange import ExchangeState, Form
from gateway.operations.facts import OperationKind, OperationState, ResolutionProposed
from gateway.operations.resolution import check_proposal
from gateway.social.answers import CardFinding
from gateway.social.card import CardState, HolderKept, PinState
from gateway.terms.errors import LocalError
from gateway.terms.numbers import CitizenId, CustomerNumber, Mobile, PersonName
from gateway.terms.refusals import Refusal
from gateway.terms.response_codes import ResponseCode
from gateway.terms.sides import Side

K, S, O, R = OperationKind, ExchangeState, OperationState, Refusal  # noqa: E741 - as elsewhere here
ASK, CARD = "account-inquiry", "card-inquiry"
CORE, BUREAU = "core-register", "bureau-register"
FIRST, SECOND = "bureau-remove", "core-remove"
STRANGER = CitizenId("350299199001010029")


@pytest.fixture
def confirmed(script):
    """Bring a link operation to where the identities agree and the core is about to register."""
    return lambda **members: script(K.LINK, **members).begin().answer(ASK).answer(CARD)


@pytest.fixture
def owner(confirmed):
    return confirmed().operation.findings[ASK].owner


@pytest.fixture
def holder(confirmed):
    return confirmed().operation.findings[CARD].holder


def ended(play):
    return play.state, play.operation.refusal, play.link_states


# ---------------------------------------------------------------- link: asking


def test_linking_asks_both_sides_at_once(script):
    """Whose account and whose card it is are asked in one step."""
    play = script(K.LINK).begin()

    assert play.sent == [(ASK, Form.ORIGINAL, False), (CARD, Form.ORIGINAL, False)]


def test_linking_registers_at_the_core_then_at_the_bureau(confirmed):
    """Confirmed identities are kept with their sides; success makes the link active."""
    play = confirmed()
    first = [name for name, _, _ in play.sent[2:]]
    play.answer(CORE)
    second = [name for name, _, _ in play.sent[3:]]

    play.answer(BUREAU)

    assert (first, second) == ([CORE], [BUREAU])
    assert ended(play) == (O.SUCCEEDED, None, [LinkState.ACTIVE])
    assert {type(record) for record in play.records[:2]} == {HolderKept, OwnerKept}
    assert play.operation.response_code is ResponseCode.APPROVED


@pytest.mark.parametrize("ready", [{Side.SOCIAL}, {Side.FINANCIAL}, set()])
def test_with_a_link_down_nothing_is_asked(script, ready):
    """Nobody is asked, the caller is told which side is away, the card is free again."""
    play = script(K.LINK, ready=ready).begin()

    away = R.CORE_UNAVAILABLE if Side.FINANCIAL not in ready else R.BUREAU_UNAVAILABLE
    assert play.sent == []
    assert ended(play) == (O.FAILED, away, [LinkState.FAILED])


@pytest.mark.parametrize(
    ("silent", "away"), [(ASK, R.CORE_UNAVAILABLE), (CARD, R.BUREAU_UNAVAILABLE)]
)
def test_an_unanswered_question_ends_the_operation_without_effect(script, silent, away):
    """After its repeats the question is given up; nothing was registered."""
    other = CARD if silent == ASK else ASK
    play = script(K.LINK).begin().answer(other)

    play.silence(silent)

    assert ended(play) == (O.FAILED, away, [LinkState.FAILED])
    assert play[CORE].state is S.PLANNED


@pytest.mark.parametrize("part", ["customer", "name", "citizen_id", "mobile"])
def test_a_mismatch_of_any_part_of_the_identity_is_not_confirmed(script, owner, part):
    """Customer, name, citizen id and mobile must all be the same person's."""
    strangers = {
        "customer": CustomerNumber("C00000002"),
        "name": PersonName("测试乙"),
        "citizen_id": STRANGER,
        "mobile": Mobile("15400000002"),
    }
    other = replace(owner, **{part: strangers[part]})
    play = script(K.LINK).begin().answer(CARD)

    play.answer(ASK, finding=AccountFinding(other, AccountState.ACTIVE))

    assert ended(play) == (O.FAILED, R.NOT_CONFIRMED, [LinkState.FAILED])
    assert play[CORE].state is S.PLANNED
    assert not any(isinstance(record, HolderKept | OwnerKept) for record in play.records)


@pytest.mark.parametrize("unknown", [ASK, CARD])
@pytest.mark.parametrize("order", [[ASK, CARD], [CARD, ASK]])
def test_an_unknown_card_or_account_is_answered_like_a_mismatch_and_as_late(script, unknown, order):
    """The same refusal, and only when both have answered: there is nothing to enumerate."""
    play = script(K.LINK).begin()
    play.answer(order[0], "14" if order[0] == unknown else "00")
    between = play.state

    play.answer(order[1], "14" if order[1] == unknown else "00")

    assert between is O.PENDING
    assert ended(play) == (O.FAILED, R.NOT_CONFIRMED, [LinkState.FAILED])
    assert play.operation.response_code is None


@pytest.mark.parametrize(
    ("state", "refusal"),
    [
        (CardState.TEMPORARY_LOSS, R.CARD_LOST),
        (CardState.FORMAL_LOSS, R.CARD_LOST),
        (CardState.LOCKED, R.CARD_NOT_USABLE),
        (CardState.CANCELLED, R.CARD_NOT_USABLE),
    ],
)
def test_a_card_that_cannot_be_used_is_not_linked(script, holder, state, refusal):
    """Its holder is told why, once it is certain that it is the holder."""
    play = script(K.LINK).begin().answer(ASK)

    play.answer(CARD, finding=CardFinding(holder, state, PinState.UNSET))

    assert ended(play) == (O.FAILED, refusal, [LinkState.FAILED])


@pytest.mark.parametrize("state", [AccountState.FROZEN, AccountState.LOST, AccountState.CLOSED])
def test_an_account_that_cannot_be_used_is_not_linked(script, owner, state):
    """Frozen, lost and closed accounts are refused before anything is registered."""
    play = script(K.LINK).begin().answer(CARD)

    play.answer(ASK, finding=AccountFinding(owner, state))

    assert ended(play) == (O.FAILED, R.ACCOUNT_NOT_USABLE, [LinkState.FAILED])


def test_the_state_of_a_strangers_card_is_not_told(script, owner, holder):
    """A lost card of somebody else is not confirmed, like any other."""
    play = script(K.LINK).begin()
    play.answer(ASK, finding=AccountFinding(replace(owner, citizen_id=STRANGER), AccountState.LOST))

    play.answer(CARD, finding=CardFinding(holder, CardState.FORMAL_LOSS, PinState.UNSET))

    assert play.operation.refusal is R.NOT_CONFIRMED


# ---------------------------------------------------------------- both or neither

LEGS = pytest.mark.parametrize(
    ("kind", "first", "second"), [(K.LINK, CORE, BUREAU), (K.UNLINK, FIRST, SECOND)]
)


def begun(script, kind, **members):
    play = script(kind, **members).begin()
    return play.answer(ASK).answer(CARD) if kind is K.LINK else play


def unchanged(kind):
    """Give what becomes of the link when neither side holds anything of the operation."""
    return [LinkState.FAILED] if kind is K.LINK else []


def undone(kind, leg):
    """Give the refusal told when this leg was reversed; an undone removal changed nothing."""
    side = R.BUREAU_UNAVAILABLE if leg.startswith("bureau") else R.CORE_UNAVAILABLE
    return R.REGISTRATION_UNDONE if kind is K.LINK else side


def test_unlinking_removes_at_the_bureau_then_at_the_core(script):
    """Both approve, and the card is free."""
    play = script(K.UNLINK).begin().answer(FIRST).answer(SECOND)

    assert [name for name, _, _ in play.sent] == [FIRST, SECOND]
    assert ended(play) == (O.SUCCEEDED, None, [LinkState.REMOVED])


@pytest.mark.parametrize("absent_at", [{FIRST}, {SECOND}, {FIRST, SECOND}])
def test_unlinking_takes_what_is_not_there_for_removed(script, absent_at):
    """A far side that does not know the link (25) has it as the customer wants it."""
    play = script(K.UNLINK).begin()
    for leg in (FIRST, SECOND):
        play.answer(leg, "25" if leg in absent_at else "00")

    assert ended(play) == (O.SUCCEEDED, None, [LinkState.REMOVED])


def test_a_removal_of_nothing_is_not_undone(script):
    """When the other side then declines there is nothing to put back."""
    play = script(K.UNLINK).begin().answer(FIRST, "25").answer(SECOND, "41")

    assert ended(play) == (O.FAILED, R.ACCOUNT_LOST, [])
    assert [name for name, _, _ in play.sent] == [FIRST, SECOND]


@LEGS
def test_a_decline_of_the_first_ends_it(script, kind, first, second):
    """Neither side holds anything, and the second was not asked."""
    play = begun(script, kind).answer(first, "22")

    assert play.state is O.FAILED
    assert play.operation.response_code is ResponseCode.STATE_DOES_NOT_ALLOW
    assert play.link_states == unchanged(kind)
    assert play[second].state is S.PLANNED


@LEGS
def test_silence_of_the_first_is_undone_before_anybody_is_told(script, kind, first, second):
    """A timeout is not a failure: only the confirmed reversal is."""
    play = begun(script, kind).silence(first)
    between = play.state, play[first].state

    play.answer(first, "25", Form.REVERSAL)

    assert between == (O.PENDING, S.REVERSING)
    assert ended(play) == (O.FAILED, undone(kind, first), unchanged(kind))
    assert play[second].state is S.PLANNED


@LEGS
def test_a_decline_of_the_second_undoes_the_first(script, kind, first, second):
    """The first is reversed until confirmed; the second's reason is told."""
    play = begun(script, kind).answer(first).answer(second, "41")
    between = play.state, play[first].state

    play.answer(first, "00", Form.REVERSAL)

    refusal = R.CARD_LOST if second == BUREAU else R.ACCOUNT_LOST
    assert between == (O.PENDING, S.REVERSING)
    assert ended(play) == (O.FAILED, refusal, unchanged(kind))


@LEGS
def test_silence_of_the_second_undoes_both(script, kind, first, second):
    """The doubtful one first, then the certain one, and then it is told."""
    play = begun(script, kind).answer(first).silence(second)
    assert (play[first].state, play[second].state) == (S.APPROVED, S.REVERSING)
    play.answer(second, "00", Form.REVERSAL)
    assert (play[first].state, play.state) == (S.REVERSING, O.PENDING)

    play.answer(first, "00", Form.REVERSAL)

    assert ended(play) == (O.FAILED, undone(kind, second), unchanged(kind))


@LEGS
def test_a_link_that_went_down_before_the_second_undoes_the_first(script, kind, first, second):
    """Nothing is sent to the second; the caller is told which side is away."""
    play = begun(script, kind)
    play.ready = frozenset()
    play.answer(first)
    between = play[first].state, play[second].state

    play.answer(first, "00", Form.REVERSAL)

    away = R.BUREAU_UNAVAILABLE if second == BUREAU else R.CORE_UNAVAILABLE
    assert between == (S.REVERSING, S.NOT_SENT)
    assert ended(play) == (O.FAILED, away, unchanged(kind))


@LEGS
def test_a_link_that_is_down_before_the_first_ends_it(script, kind, first, second):
    """Nothing leaves for either."""
    play = script(kind)
    if kind is K.LINK:
        play.begin().answer(ASK)
        play.ready = frozenset()
        play.answer(CARD)
    else:
        play.ready = frozenset()
        play.begin()

    away = R.CORE_UNAVAILABLE if first == CORE else R.BUREAU_UNAVAILABLE
    assert ended(play) == (O.FAILED, away, unchanged(kind))
    assert play[second].state is S.PLANNED


@LEGS
def test_an_answer_before_the_reversal_is_adopted(script, kind, first, second):
    """As long as only repeats went out, the late approval counts."""
    play = begun(script, kind).take(life.Overdue(first))

    play.answer(first).answer(second)

    assert play.state is O.SUCCEEDED


@LEGS
def test_an_approval_after_the_reversal_was_decided_changes_nothing(script, kind, first, second):
    """Exactly one reversal follows a late approval."""
    play = begun(script, kind).silence(first)

    play.answer(first)

    reversals = [sent for sent in play.sent if sent[1] is Form.REVERSAL]
    assert (play[first].state, play[second].state) == (S.REVERSING, S.PLANNED)
    assert len(reversals) == 1


@LEGS
@pytest.mark.parametrize("leg", [0, 1])
def test_an_unconfirmed_reversal_needs_a_person_at_the_horizon(script, kind, first, second, leg):
    """MANUAL is told; the card stays held, for nobody knows what stands."""
    play = begun(script, kind)
    if leg:
        play.answer(first)
    play.silence((first, second)[leg])

    play.horizon((first, second)[leg])

    assert ended(play) == (O.MANUAL, None, [])


@pytest.mark.parametrize("crashes", [False, True])
def test_an_unlinking_is_taken_back_at_both_sides(script, crashes):
    """Each side undoes its removal, one after the other; then the link is active again."""
    play = begun(script, K.UNLINK).answer(FIRST).answer(SECOND)
    assert play.state is O.SUCCEEDED

    play.take(life.Withdrawn())
    if crashes:
        play.resume()
    for leg in (FIRST, SECOND):
        play.answer(leg, "00", Form.REVERSAL)

    assert {play[leg].state for leg in (FIRST, SECOND)} == {S.REVERSED}
    assert ended(play) == (O.FAILED, R.REGISTRATION_UNDONE, [LinkState.REMOVED, LinkState.ACTIVE])


@pytest.mark.parametrize(
    ("codes", "restorable"),
    [(("00", "00"), True), (("25", "00"), False), (("00", "25"), False), (("25", "25"), False)],
)
def test_what_one_side_did_not_have_is_not_taken_back(script, codes, restorable):
    """Both sides or neither: a side without a record would be left without the link."""
    play = begun(script, K.UNLINK).answer(FIRST, codes[0]).answer(SECOND, codes[1])

    assert play.state is O.SUCCEEDED
    assert may_be_taken_back(play.operation) is restorable


@pytest.mark.parametrize("crashes", [False, True])
@pytest.mark.parametrize(("first", "sent"), [("00", [FIRST]), ("22", []), ("25", [])])
def test_an_unlinking_under_way_is_taken_back(script, first, sent, crashes):
    """Nothing more is removed; what was removed is undone, and what stood before stands again."""
    play = begun(script, K.UNLINK)

    play.take(life.Withdrawn())
    waits = play.state
    if crashes:
        play.resume()
        first, sent = "00", [FIRST]  # the removal is reversed, whatever became of it
    else:
        play.answer(FIRST, first)
    for leg in sent:
        play.answer(leg, "00", Form.REVERSAL)

    assert waits is O.PENDING
    assert play[SECOND].state is S.PLANNED
    assert ended(play) == (O.FAILED, R.REGISTRATION_UNDONE, [LinkState.ACTIVE])


def test_an_unlinking_under_way_that_nobody_can_give_back_stands(script):
    """The bureau had no record of the link, and the core's is being removed when it is reversed."""
    play = begun(script, K.UNLINK).answer(FIRST, "25")

    play.take(life.Withdrawn()).answer(SECOND)

    assert ended(play) == (O.SUCCEEDED, None, [LinkState.REMOVED])


def test_an_unlinking_that_cannot_be_taken_back_needs_a_person(script):
    """Nobody confirms the reversal until the horizon: MANUAL, and nothing is said of the link."""
    play = begun(script, K.UNLINK).answer(FIRST).answer(SECOND)

    play.take(life.Withdrawn()).horizon(FIRST)

    assert ended(play) == (O.MANUAL, None, [LinkState.REMOVED])


@pytest.mark.parametrize(
    ("codes", "allowed"),
    [
        (("00", "00"), {O.FAILED}),
        (("00", None), {O.FAILED}),
        (("25", None), {O.SUCCEEDED, O.FAILED}),
    ],
)
def test_persons_say_of_an_unlinking_taken_back_that_it_failed(script, codes, allowed):
    """`succeeded` only where one side had no record, so that the removal may stand at both."""
    play, legs = begun(script, K.UNLINK), zip((FIRST, SECOND), codes, strict=True)
    for leg, code in legs:
        play.answer(leg, code) if code else play.silence(leg)
    play.take(life.Withdrawn()).horizon(FIRST).horizon(SECOND)
    assert play.state is O.MANUAL

    def may_be_said(outcome):
        proposal = ResolutionProposed(outcome, "A", "letter 2026-114", play.at)
        try:
            check_proposal(play.operation, proposal, life.outcome_by(PLANS[K.UNLINK]))
        except LocalError:
            return False
        return True

    assert {outcome for outcome in (O.SUCCEEDED, O.FAILED) if may_be_said(outcome)} == allowed


# ---------------------------------------------------------------- crashes


def test_a_crash_while_asking_ends_the_operation_without_effect(script):
    """What was learnt is gone; nothing was registered, nothing is sent."""
    play = script(K.LINK).begin().answer(ASK).resume()

    assert play.sent == []
    assert ended(play) == (O.FAILED, R.BUREAU_UNAVAILABLE, [LinkState.FAILED])


@LEGS
def test_a_crash_while_the_first_is_out_reverses_it(script, kind, first, second):
    """It is never sent as new: its reversal is, and it may have been the first to leave."""
    play = begun(script, kind).resume()

    assert play.sent == [(first, Form.REVERSAL, False)]
    play.answer(first, "25", Form.REVERSAL)
    assert ended(play)[0] is O.FAILED
    assert play[second].state is S.PLANNED


@LEGS
def test_a_crash_while_the_second_is_out_reverses_both(script, kind, first, second):
    """Both or neither, by another process as well."""
    play = begun(script, kind).answer(first).resume()
    play.answer(second, "00", Form.REVERSAL).answer(first, "00", Form.REVERSAL)

    assert [sent[:2] for sent in play.sent] == [(second, Form.REVERSAL), (first, Form.REVERSAL)]
    assert play.state is O.FAILED


@LEGS
def test_a_crash_while_undoing_goes_on_undoing(script, kind, first, second):
    """The reversal is repeated under its own trace."""
    play = begun(script, kind).answer(first).answer(second, "22").resume()

    assert play.sent == [(first, Form.REVERSAL, True)]


@LEGS
def test_a_crash_after_the_end_changes_nothing(script, kind, first, second):
    """A finished operation sends and records nothing more."""
    play = begun(script, kind).answer(first).answer(second).resume()

    assert play.sent == []
    assert play.state is O.SUCCEEDED
