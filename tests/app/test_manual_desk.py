"""What waits for a person is listed and resolved by two persons, and the plan goes on."""

import asyncio
from datetime import timedelta

import pytest

from gateway.app.manual_desk import ManualDesk
from gateway.linking.link import Link, LinkChanged, LinkState
from gateway.operations.exchange import Form
from gateway.operations.facts import OperationKind, OperationState
from gateway.store.found import Linked
from gateway.terms.errors import LocalError
from gateway.terms.numbers import AgencyCode

DAY_S = timedelta(hours=25).total_seconds()


class Desk:
    """A desk over a stage's conductor and journal."""

    def __init__(self, stage):
        self.stage = stage
        self.desk = ManualDesk(stage.conductor, stage.journal, self.read, stage.timers.now)

    async def read(self, query):
        return query(self)

    def operation(self, identity):
        known = {p.operation.id for unit in self.stage.journal.units for p in unit.progress}
        return self.stage.operation(identity) if identity in known else None

    def linked(self, link, _session=None):
        now = self.stage.timers.now()
        row = Link(link, AgencyCode("99350201"), "online-bank", LinkState.PENDING, now)
        return Linked(row, self.stage.cargo.card, self.stage.cargo.account)

    def manual(self, after, _count_max):
        found = [self.operation(self.stage.operation_id(1))]
        return [each for each in found if each.state is OperationState.MANUAL and after is None]

    def ask(self, **question):
        return asyncio.run(self.desk.answer(question))

    def say(self, do, outcome, by, **more):
        identity = str(self.stage.operation_id(1))
        return self.ask(do=do, operation=identity, by=by, **{"as": outcome}, **more)


@pytest.fixture
def desk(stage):
    """Give a desk whose only operation linked a card at the core and never heard of the bureau."""
    identity = stage.open(OperationKind.LINK)
    stage.answer(identity, "account-inquiry", finding=stage.account_found)
    stage.answer(identity, "card-inquiry", finding=stage.card_found)
    stage.answer(identity, "core-register")
    stage.timers.step(DAY_S)
    assert stage.operation(identity).state is OperationState.MANUAL
    assert stage.conductor.manual_count == 1
    return Desk(stage)


def test_what_waits_for_a_person_is_listed_with_its_history(desk):
    """The list shows reference, kind and every fact; a second page begins after the first."""
    (listed,) = desk.ask(do="list")["operations"]

    assert (listed["kind"], listed["state"]) == ("link", "manual")
    assert listed["facts"][0]["fact"] == "opened"
    assert desk.ask(do="list", after=listed["operation"]) == {"operations": []}


def test_two_persons_find_that_it_was_done(desk):
    """Proposed and approved as succeeded: the link becomes active and the alarm ends."""
    proposed = desk.say("propose", "succeeded", "Wang", reason="the bureau's list of today")
    approved = desk.say("approve", "succeeded", "Li")

    assert (proposed["state"], approved["state"]) == ("manual", "succeeded")
    assert desk.stage.conductor.manual_count == 0
    changes = [r for unit in desk.stage.journal.units for r in unit.records]
    assert [c.state for c in changes if isinstance(c, LinkChanged)] == [LinkState.ACTIVE]
    words = {fact["fact"]: fact for fact in approved["facts"]}
    assert words["resolution-proposed"]["reason"] == "the bureau's list of today"
    assert (words["resolution-proposed"]["by"], words["resolution-approved"]["by"]) == (
        "Wang",
        "Li",
    )


def test_what_was_not_done_is_taken_back_at_the_other_side_first(desk):
    """As failed: the core is told to undo its half, and only then has the operation failed."""
    desk.say("propose", "failed", "Wang", reason="the bureau's list of today")
    approved = desk.say("approve", "failed", "Li")
    sent = desk.stage.sent()[-1]
    identity = desk.stage.operation_id(1)

    desk.stage.answer(identity, "core-register", form=Form.REVERSAL)

    assert approved["state"] == "manual"
    assert sent == ("reversal", "core-register")
    assert desk.stage.operation(identity).state is OperationState.FAILED
    assert desk.stage.conductor.manual_count == 0


@pytest.mark.parametrize(
    ("question", "rule"),
    [
        ({"do": "shred"}, "list, propose or approve"),
        ({"do": "propose", "operation": "op_1"}, "no such operation"),
        ({"do": "propose", "operation": f"op_{'9' * 26}"}, "no such operation"),
        ({"do": "propose", "operation": f"op_{1:026d}", "as": "pending"}, "succeeded or failed"),
        ({"do": "approve", "operation": f"op_{1:026d}", "as": "failed", "by": "Li"}, "propose"),
        ({"do": "list", "after": "op_1"}, "no such operation"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(desk, question, rule):
    """Unknown operations and outcomes, and approvals of nothing, change nothing."""
    recorded = len(desk.stage.journal.units)

    with pytest.raises(LocalError, match=rule):
        desk.ask(**question)

    assert len(desk.stage.journal.units) == recorded


def test_one_person_at_a_time_says_something_of_an_operation(desk):
    """A second one, while the first is being recorded, is told to try again."""
    desk.stage.journal.is_held = True
    said = {"operation": f"op_{1:026d}", "as": "failed", "by": "Wang", "reason": "asked"}

    async def both():
        first = asyncio.ensure_future(desk.desk.answer({"do": "propose", **said}))
        await asyncio.sleep(0)
        with pytest.raises(LocalError, match="somebody else"):
            await desk.desk.answer({"do": "propose", **said})
        desk.stage.journal.release()
        return await first

    assert asyncio.run(both())["facts"][-1]["by"] == "Wang"


def test_busy_link_is_waited_for(desk):
    """Another operation on the link must be over before this one goes on."""
    desk.say("propose", "failed", "Wang", reason="asked")
    desk.stage.open(number=2)

    with pytest.raises(LocalError, match="under way"):
        desk.say("approve", "failed", "Li")


def test_full_journal_leaves_the_operation_as_it_was(desk):
    """An approval that cannot be recorded now may be given again."""
    desk.say("propose", "succeeded", "Wang", reason="asked")
    journal = desk.stage.journal
    journal.full = {journal._submits + 1}

    with pytest.raises(Exception, match="full"):
        desk.say("approve", "succeeded", "Li")

    assert desk.say("approve", "succeeded", "Li")["state"] == "succeeded"
