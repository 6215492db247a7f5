"""Two persons settle what the gateway gave up on: four eyes, a reason, and no half of a link."""

from datetime import timedelta

import pytest

from gateway.operations.exchange import ExchangeEvent, ExchangeState, Move
from gateway.operations.facts import (
    Moved,
    OperationState,
    ResolutionApproved,
    ResolutionProposed,
    Settled,
)
from gateway.operations.life import Resolved, decide, outcome_by
from gateway.operations.operation import evolve
from gateway.operations.resolution import check_approval, check_proposal, findings_of
from gateway.terms.errors import LocalError

S, E, O = ExchangeState, ExchangeEvent, OperationState  # noqa: E741 - as short as the others
DAY = timedelta(days=1)


@pytest.fixture
def manual(make_operation, trace, now):
    """Give an operation whose only message was never answered until the horizon."""
    operation = make_operation()
    for step in (Move(E.SEND, now, trace), Move(E.EXPIRE, now + DAY)):
        operation = evolve(operation, Moved("leg", step))
    return evolve(operation, Settled(O.MANUAL, now + DAY))


@pytest.fixture
def proposal(now):
    return ResolutionProposed(O.FAILED, "Wang Xiaomei", "letter 2026-114 of the bureau", now + DAY)


@pytest.fixture
def outcome_of(make_surroundings):
    return outcome_by(make_surroundings().plan)


def test_proposal_changes_nothing_until_another_person_approves(
    manual, proposal, outcome_of, make_surroundings
):
    """The approval settles: exchange, operation, and both names and the reason in the facts."""
    check_proposal(manual, proposal, outcome_of)
    proposed = evolve(manual, proposal)
    check_approval(proposed, O.FAILED, "Li Gang")

    decision = decide(proposed, Resolved("Li Gang"), proposal.at, make_surroundings())

    assert proposed.state is O.MANUAL
    assert decision.facts == (
        ResolutionApproved("Li Gang", proposal.at),
        Moved("leg", Move(E.FIND_NOT_DONE, proposal.at)),
        Settled(O.FAILED, proposal.at),
    )
    assert decision.operation.is_at_rest
    assert decision.operation.proposal is None


@pytest.mark.parametrize(("outcome", "state"), [(O.SUCCEEDED, S.APPROVED), (O.FAILED, S.DECLINED)])
def test_outcome_says_what_became_of_each_message_left_to_a_person(
    outcome, state, manual, proposal
):
    """What was found out is true of every exchange whose outcome was not known."""
    found = evolve(manual, ResolutionProposed(outcome, "A", "asked", proposal.at))
    for fact in findings_of(found, proposal.at):
        found = evolve(found, fact)

    assert found.exchanges["leg"].state is state


@pytest.mark.parametrize(
    ("by", "rule"),
    [
        ("Wang Xiaomei", "another person"),
        (" wang  XIAOMEI ", "another person"),
        (" ", "a name"),
        ("x" * 65, "a name"),
        ("Li\nGang", "a name"),
    ],
)
def test_who_proposes_does_not_approve(by, rule, manual, proposal):
    """Four eyes, however the name is written; a name is one that can be read back."""
    with pytest.raises(LocalError, match=rule):
        check_approval(evolve(manual, proposal), O.FAILED, by)


def test_approval_is_of_what_was_proposed(manual, proposal):
    """Nothing proposed, or something else: the approver has not seen it."""
    for operation, outcome in ((manual, O.FAILED), (evolve(manual, proposal), O.SUCCEEDED)):
        with pytest.raises(LocalError, match="propose it first"):
            check_approval(operation, outcome, "Li Gang")


@pytest.mark.parametrize(
    ("reason", "rule"),
    [
        (" ", "a reason"),
        ("x" * 501, "a reason"),
        ("two\nlines", "a reason"),
        ("card 6200 0000 0000", "no number"),
        ("T00000019 is not linked", "no number"),
    ],
)
def test_reason_is_short_and_holds_no_number_of_a_person(
    reason, rule, manual, proposal, outcome_of
):
    """Facts are not enciphered, so that nothing that must be may stand in them."""
    with pytest.raises(LocalError, match=rule):
        check_proposal(manual, ResolutionProposed(O.FAILED, "A", reason, proposal.at), outcome_of)


def test_outcome_must_agree_with_what_is_known(manual, proposal):
    """What the plan would not come to from there is refused, with what to look at."""
    with pytest.raises(LocalError, match="does not allow failed"):
        check_proposal(manual, proposal, lambda _operation, _now: O.SUCCEEDED)


def test_only_what_is_manual_and_at_rest_is_resolved(make_operation, manual, proposal, trace, now):
    """An operation that goes by itself needs nobody; one that is being taken back is waited for."""
    again = evolve(manual, Moved("leg", Move(E.FIND_DONE, now)))
    taken_back = evolve(again, Moved("leg", Move(E.REVERSE, now, trace)))

    for operation, rule in ((make_operation(), "pending, not manual"), (taken_back, "wait")):
        with pytest.raises(LocalError, match=rule):
            check_proposal(operation, proposal, lambda _operation, _now: O.FAILED)


def test_without_a_proposal_nothing_is_found(manual, now):
    """There is nothing to say of any exchange."""
    assert findings_of(manual, now) == []
