"""What was made durable is read back as it was."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text, update

from gateway.financial.account import OwnerKept
from gateway.linking.link import LinkChanged, LinkState, SessionUsed
from gateway.operations.exchange import ExchangeEvent, Move, Trace
from gateway.operations.facts import AnswerSetAside, Moved, OperationKind, OperationState, Settled
from gateway.operations.operation import evolve
from gateway.social.card import HolderKept
from gateway.store import queries, tables
from gateway.store.found import Linked, StoredKey
from gateway.store.unit import KeyUsed, LetGo, Progress, Unit
from gateway.terms.errors import LocalError
from gateway.terms.numbers import OperationId, PinSessionId, Rrn, SsCardNumber, Stan
from gateway.terms.refusals import Refusal
from gateway.terms.response_codes import ResponseCode
from gateway.terms.sides import PinPurpose

E = ExchangeEvent
APPROVED = ResponseCode.APPROVED
TRACE = (Stan("000001"), Rrn("632504000001"))


@pytest.fixture
def history(record):
    """Give an operation after each of its decisions: sent, unknown, settled late."""
    now = record.now
    opened = record.operation()
    sent = evolve(opened, Moved("bureau-pin-set", Move(E.SEND, now, Trace(*TRACE, now))))
    lost = Moved("bureau-pin-set", Move(E.LOSE_TRACK, now + timedelta(minutes=1)))
    unknown = evolve(evolve(sent, lost), Settled(OperationState.UNKNOWN, lost.at))
    late = Moved("bureau-pin-set", Move(E.APPROVE, now + timedelta(minutes=2)))
    settled = evolve(evolve(unknown, late), Settled(OperationState.SUCCEEDED, late.at))
    return opened, sent, unknown, settled


def write_history(store, *operations):
    recorded = 0
    for operation in operations:
        assert store.write(Unit((Progress(operation, recorded),))) == [None]
        recorded = len(operation.facts)


def test_a_link_is_read_with_both_halves(store, record):
    """Link, card and account, as they were written."""
    address = record.card(1, address=record.address)
    store.keep(record.link(1), address, record.account(1))

    found = store.read(lambda queries: queries.linked(record.link_id(1)))

    assert found == Linked(record.link(1), address, record.account(1))
    assert store.read(lambda queries: queries.linked(record.link_id(2))) is None


def test_a_pin_session_is_read_along_with_its_link(store, record):
    """One trip to the store tells both; a session that there is not is none."""
    store.keep(record.link(1), record.card(1), record.account(1), record.session(1))
    named = [record.session(number).id for number in (1, 2)]

    along = [store.read(lambda q, each=each: q.linked(record.link_id(1), each)) for each in named]

    assert [linked.session for linked in along] == [record.session(1), None]


def test_what_a_request_names_is_read_at_once(store, record):
    """Key and link are found each by itself: either may be there without the other."""
    link = record.link_id(1)
    store.keep(record.link(1), record.card(1), record.account(1), record.session(1))
    store.keep(KeyUsed("web", "used", bytes(32), "op_" + "0" * 26, record.now))

    def asked(*names):
        return store.read(lambda queries: queries.asked("web", *names))

    linked = Linked(record.link(1), record.card(1), record.account(1))
    stored = StoredKey(bytes(32), "op_" + "0" * 26)
    assert asked("used") == (stored, None)
    assert asked("fresh") == (None, None)
    assert asked("fresh", link) == (None, linked)
    assert asked("used", record.link_id(2), record.session(1).id) == (stored, None)
    assert asked("used", link, record.session(1).id) == (
        stored,
        replace(linked, session=record.session(1)),
    )


def test_what_the_far_sides_told_is_kept_with_each_half(store, record):
    """Holder with the card, owner with the account; the rest of each row stays."""
    store.write(record.linked(1))

    store.keep(
        HolderKept(record.link_id(1), record.holder), OwnerKept(record.link_id(1), record.owner)
    )

    found = store.read(lambda queries: queries.linked(record.link_id(1)))
    assert found.card == record.card(1, holder=record.holder)
    assert found.account == record.account(1, owner=record.owner)


@pytest.mark.parametrize(
    ("state", "activated"),
    [(LinkState.ACTIVE, True), (LinkState.FAILED, False), (LinkState.REMOVED, False)],
)
def test_a_link_changes_its_state(store, record, state, activated):
    """The instant of activation is kept; an ended link holds its card no more."""
    later = record.now + timedelta(seconds=3)
    store.write(record.linked(1))

    store.keep(LinkChanged(record.link_id(1), state, later))

    link = store.read(lambda queries: queries.linked(record.link_id(1))).link
    held = store.read(lambda queries: queries.link_holding(SsCardNumber("T00000019")))
    assert link == replace(record.link(1, state), activated_at=later if activated else None)
    assert held == (record.link_id(1) if activated else None)


def test_a_removed_link_keeps_when_it_was_activated(store, record):
    """History is not rewritten by the end."""
    store.write(record.linked(1))
    store.keep(LinkChanged(record.link_id(1), LinkState.ACTIVE, record.now))

    store.keep(LinkChanged(record.link_id(1), LinkState.REMOVED, record.now + timedelta(days=1)))

    link = store.read(lambda queries: queries.linked(record.link_id(1))).link
    assert (link.state, link.activated_at) == (LinkState.REMOVED, record.now)


def test_the_link_that_holds_a_card_is_found_by_its_number(store, record):
    """Only the one that holds it now."""
    store.write(record.linked(1), record.linked(2, "T00000027"))

    assert store.read(
        lambda queries: queries.link_holding(SsCardNumber("T00000027"))
    ) == record.link_id(2)
    assert store.read(lambda queries: queries.link_holding(SsCardNumber("T00000035"))) is None


def test_a_session_is_read_and_spent(store, record):
    """A PIN session is used once, and stays used."""
    session = record.session(1)
    store.keep(session)
    assert store.read(lambda queries: queries.session(session.id)) == session

    store.keep(SessionUsed(session.id))

    assert store.read(lambda queries: queries.session(session.id)).is_used
    assert store.read(lambda queries: queries.session(PinSessionId("pse_" + "z" * 26))) is None


def test_a_session_ends_the_earlier_ones_of_its_link_and_pin(store, record):
    """The one opened last is valid, also when a clock was set back and its name sorts first."""
    store.keep(record.session(3))
    store.keep(record.session(5, PinPurpose.FINANCIAL_PIN), record.session(6, link=2))
    store.keep(record.session(2))
    store.keep(record.session(4), record.session(1))

    def is_used(number):
        session = record.session(number).id
        return store.read(lambda queries: queries.session(session)).is_used

    assert [is_used(number) for number in range(1, 7)] == [False, True, True, True, False, False]


def test_an_idempotency_key_belongs_to_its_channel(store, record):
    """Two channels may use the same key for different things."""
    for number, channel in enumerate(("web", "app")):
        store.keep(KeyUsed(channel, "key", bytes([number]) * 32, f"op {number}", record.now))

    assert store.read(lambda queries: queries.key("app", "key")) == StoredKey(b"\1" * 32, "op 1")
    assert store.read(lambda queries: queries.key("web", "other")) is None


def test_an_operation_is_read_as_it_was_recorded(store, history):
    """Decision by decision, the facts in the journal fold to the operation in memory."""
    recorded = 0
    for operation in history:
        store.write(Unit((Progress(operation, recorded),)))
        recorded = len(operation.facts)

        assert store.read(lambda queries, each=operation: queries.operation(each.id)) == operation

    assert store.read(lambda queries: queries.operation(OperationId("op_" + "z" * 26))) is None


def test_facts_are_folded_in_their_order_however_many(store, history, record):
    """More than ten decisions: the order is that of numbers, not of their digits."""
    _, sent, *_ = history
    write_history(store, sent)
    recorded = len(sent.facts)
    for number in range(12):
        repeat = Moved("bureau-pin-set", Move(E.REPEAT, record.now + timedelta(seconds=number)))
        sent = evolve(sent, repeat)
        store.write(Unit((Progress(sent, recorded),)))
        recorded += 1

    assert store.read(lambda queries: queries.operation(sent.id)) == sent


@pytest.mark.parametrize(("stage", "unfinished"), [(0, True), (1, True), (2, True), (3, False)])
def test_a_restart_finds_what_is_unfinished_and_nothing_else(store, history, stage, unfinished):
    """Opened and sent go on; an unknown PIN may still be delivered; a settled operation is over."""
    write_history(store, *history[: stage + 1])

    found = store.read(lambda queries: queries.unfinished())

    assert found == ([history[stage]] if unfinished else [])
    assert store.read(lambda queries: queries.unfinished("another node")) == []


def test_a_restart_leaves_an_unknown_pin_that_was_let_go(store, history):
    """Nobody has to wait for it any more, and an answer that comes later changes nothing of that.

    Its link is free for the next operation.
    """
    *_, unknown, _settled = history
    write_history(store, *history[:3])
    store.keep(LetGo(unknown.id))
    aside = evolve(unknown, AnswerSetAside("bureau-pin-set", unknown.updated_at, APPROVED))

    store.write(Unit((Progress(aside, len(unknown.facts), is_let_go=True),)))

    assert store.read(lambda queries: queries.unfinished()) == []
    assert store.read(lambda queries: queries.operation(unknown.id)) == aside


def test_many_links_are_read_at_once(store, record):
    """More than a statement takes; those that there are not are left out."""
    numbers = range(1, queries._LINKS_AT_ONCE + 3)
    store.write(*(record.linked(number, f"T{number:08d}") for number in numbers))

    links = [record.link_id(number) for number in (*numbers, 999_999)]
    found = store.read(lambda queries: queries.all_linked(links))

    assert set(found) == set(links[:-1])
    one = record.link_id(3)
    assert found[one] == store.read(lambda queries: queries.linked(one))


def test_a_restart_goes_on_with_a_question_that_outlived_its_operation(store, record):
    """Failed, but an answer is still due: it is not at rest."""
    now = record.now
    operation = record.operation(kind=OperationKind.LINK)
    asked = evolve(operation, Moved("card-inquiry", Move(E.SEND, now, Trace(*TRACE, now))))
    failed = evolve(asked, Settled(OperationState.FAILED, now, Refusal.CORE_UNAVAILABLE))
    write_history(store, failed)

    found = store.read(lambda queries: queries.unfinished())

    assert found == [failed]


def test_several_operations_of_one_unit_are_durable_together(store, record, history):
    """An activation and the operation that it opens."""
    follower = record.operation(2, OperationKind.SS_ACCOUNT)

    store.write(Unit((Progress(history[3], 0), Progress(follower, 0))))

    read = [
        store.read(lambda q, each=each: q.operation(each.id)) for each in (history[3], follower)
    ]
    assert read == [history[3], follower]


def test_a_row_that_is_not_json_is_our_own_fault(store, history):
    """A damaged journal stops us, in words that hold nothing of the row."""
    write_history(store, history[1])
    with store.database.engine.begin() as connection:
        connection.execute(update(tables.facts).values(body="not JSON"))

    with pytest.raises(LocalError, match="a row that is not JSON"):
        store.read(lambda queries: queries.operation(history[1].id))


def test_what_waits_for_a_person_is_found_without_reading_the_rest(embedded, record):
    """Manual operations are paged through and counted by the index of states."""
    manual = Settled(OperationState.MANUAL, record.now)
    waiting = [evolve(record.operation(number), manual) for number in (1, 2, 3)]
    for operation in (*waiting, record.operation(4)):
        write_history(embedded, operation)

    page = embedded.read(lambda queries: queries.manual(waiting[0].id, 1))
    counted = embedded.read(lambda queries: queries.manual_count())

    assert (page, counted) == ([waiting[1]], 3)
    with embedded.database.engine.connect() as connection:
        sql = "EXPLAIN QUERY PLAN SELECT id FROM operations_operations WHERE state = 'manual'"
        (plan,) = connection.execute(text(sql)).all()
    assert "operations_by_state" in plan.detail
