"""What one decision becomes on disk, and what never gets there."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.financial.account import OwnerKept
from gateway.linking.link import LinkChanged, LinkState, SessionUsed
from gateway.operations.exchange import ExchangeEvent, Move, Trace
from gateway.operations.facts import Moved, OperationKind, OperationState, Settled
from gateway.operations.operation import evolve
from gateway.social.card import HolderKept
from gateway.store.batch import Batch
from gateway.store.errors import Conflict
from gateway.store.unit import KeyUsed, LetGo, Progress, Unit, pack
from gateway.terms.errors import LocalError
from gateway.terms.numbers import Rrn, Stan
from gateway.terms.refusals import Refusal

E = ExchangeEvent
NAME = "bureau-pin-set"
SUCCEEDED = Settled(OperationState.SUCCEEDED, datetime(2026, 11, 21, tzinfo=UTC))


@pytest.fixture
def sent(record):
    trace = Trace(Stan("000001"), Rrn("632504000001"), record.now)
    return evolve(record.operation(), Moved("bureau-pin-set", Move(E.SEND, record.now, trace)))


def test_no_full_number_stands_in_any_file_of_the_database(store, record, sent):
    """Card, account, id, mobile, name, address and customer: neither pages nor WAL hold them."""
    link = record.link_id(1)
    card = record.card(1, address=record.address)
    declined = Move(E.DECLINE, record.now, reason="CARD_LOST")
    failed = evolve(sent, Moved("bureau-pin-set", declined))
    store.keep(record.link(1), card, record.account(1), record.session(1))
    store.keep(HolderKept(link, record.holder), OwnerKept(link, record.owner))
    store.keep(KeyUsed("web", "key", bytes(32), link.value, record.now))
    assert store.write(
        Unit((Progress(evolve(failed, Settled(OperationState.FAILED, record.now)), 0),))
    ) == [None]
    store.keep(LinkChanged(link, LinkState.ACTIVE, record.now))
    secrets = [record.name, record.citizen, record.mobile, record.address, record.customer]
    secrets += [record.pan, card.number]

    wal = store.on_disk()
    store.close()
    pages = store.on_disk()

    for data in (wal, pages):
        assert link.value.encode() in data  # the canary would sing
        for secret in secrets:
            for encoding in ("utf-8", "gb18030", "utf-16-le"):
                assert secret.value.encode(encoding) not in data
            if secret.value.isdigit() and len(secret.value) % 2 == 0:
                assert bytes.fromhex(secret.value) not in data


def test_a_decision_without_facts_leaves_room_for_the_next(store, record, sent):
    """Rows of facts are numbered by what is recorded: no facts, no row."""
    recorded = len(sent.facts)
    lost = evolve(sent, Moved("bureau-pin-set", Move(E.LOSE_TRACK, record.now)))
    units = [
        Unit((Progress(sent, 0),)),
        Unit((Progress(sent, recorded),), (record.session(1),)),
        Unit((Progress(lost, recorded),)),
    ]

    told = [store.write(unit) for unit in units]

    assert told == [[None]] * 3
    assert store.read(lambda queries: queries.operation(sent.id)) == lost


def test_a_record_that_no_table_keeps_is_refused(store):
    """Nothing is silently not stored."""
    with pytest.raises(LocalError, match="no table keeps a timedelta"):
        Batch(store.sealer).add(pack(Unit(records=(timedelta(1),))))


def test_rest_is_what_a_restart_need_not_touch(record, sent):
    """Pending and unknown go on; a final state rests when nothing is out."""
    now = record.now
    lost = evolve(sent, Moved("bureau-pin-set", Move(E.LOSE_TRACK, now)))
    declined = evolve(sent, Moved("bureau-pin-set", Move(E.DECLINE, now)))
    failed = Settled(OperationState.FAILED, now, Refusal.DECLINED)

    assert not record.operation().is_at_rest
    assert not sent.is_at_rest
    assert not evolve(lost, Settled(OperationState.UNKNOWN, now)).is_at_rest
    assert not evolve(sent, failed).is_at_rest
    assert not declined.is_at_rest
    assert evolve(declined, failed).is_at_rest


def test_a_link_has_one_operation_at_a_time(store, record, sent):
    """Whichever process opens the second; an SS account that follows goes beside the others."""
    beside = record.operation(2, OperationKind.SS_ACCOUNT)
    second = record.operation(3, OperationKind.UNLINK)
    assert store.write(Unit((Progress(sent, 0),)), Unit((Progress(beside, 0),))) == [None, None]

    (refused,) = store.write(Unit((Progress(second, 0),)))
    over = evolve(evolve(sent, Moved(NAME, Move(E.APPROVE, record.now))), SUCCEEDED)
    store.write(Unit((Progress(over, len(sent.facts)),)))

    assert isinstance(refused, Conflict)
    assert store.write(Unit((Progress(second, 0),))) == [None]


@pytest.mark.parametrize(
    ("kind", "bars"), [(OperationKind.UNLINK, True), (OperationKind.ACTIVATE, False)]
)
def test_a_link_waits_for_an_unlinking_until_a_person_has_resolved_it(store, record, kind, bars):
    """Whether the link stands is not known; of an account that may be active, the link is."""
    opened, second = record.operation(1, kind), record.operation(2)
    manual = evolve(opened, Settled(OperationState.MANUAL, record.now))
    over = evolve(manual, Settled(OperationState.FAILED, record.now))
    store.write(Unit((Progress(opened, 0),)))
    store.write(Unit((Progress(manual, 1),)))

    holder = store.read(lambda queries: queries.holder(second.link))
    (meanwhile,) = store.write(Unit((Progress(second, 0),)))
    store.write(Unit((Progress(over, 2),)))
    afterwards = store.write(Unit((Progress(record.operation(3), 0),)))

    assert holder == (OperationState.MANUAL if bars else None)
    assert isinstance(meanwhile, Conflict) == bars
    assert (afterwards == [None]) == bars


def test_a_link_waits_for_an_unknown_pin_until_it_is_let_go(store, record, sent):
    """A stale message must not overtake a newer one, whichever process sends it."""
    lost = evolve(sent, Moved(NAME, Move(E.LOSE_TRACK, record.now)))
    unknown = evolve(lost, Settled(OperationState.UNKNOWN, record.now))
    store.write(Unit((Progress(unknown, 0),)))
    second = Unit((Progress(record.operation(2), 0),))

    (refused,) = store.write(second)
    store.keep(LetGo(unknown.id))

    assert isinstance(refused, Conflict)
    assert store.write(second) == [None]


@pytest.mark.parametrize("is_one_batch", [True, False])
def test_a_pin_session_is_spent_once(store, record, is_one_batch):
    """Two requests with one session: the second is refused, whichever process takes it."""
    session = record.session(1)
    store.keep(session)
    units = [Unit(records=(SessionUsed(session.id), record.link(number))) for number in (1, 2)]

    batches = [units] if is_one_batch else [[unit] for unit in units]
    outcomes = [error for batch in batches for error in store.write(*batch)]

    assert [type(error) for error in outcomes] == [type(None), Conflict]


@pytest.mark.parametrize("kept", ["holder", "owner"])
def test_what_is_learnt_of_a_link_that_is_gone_stands_nowhere(store, record, kept):
    """It fails alone, and the journal goes on with what else there is."""
    link = record.link_id(1)
    learnt = {"holder": HolderKept(link, record.holder), "owner": OwnerKept(link, record.owner)}
    other = record.operation(2)

    told = store.write(Unit(records=(learnt[kept],)), Unit((Progress(other, 0),)))

    assert [type(error) for error in told] == [Conflict, type(None)]
    assert store.read(lambda queries: queries.operation(other.id)) == other


@pytest.mark.parametrize(
    ("state", "told"), [(LinkState.REMOVED, Conflict), (LinkState.ACTIVE, type(None))]
)
def test_no_pin_is_set_through_a_link_that_was_removed_meanwhile(store, record, state, told):
    """Its sessions end with it, so that whoever read it before is refused, on any node."""
    session = record.session(1)
    store.keep(*record.linked(1).records, session)
    store.keep(LinkChanged(record.link_id(1), state, record.now))

    (error,) = store.write(Unit((Progress(record.operation(), 0),), (SessionUsed(session.id),)))

    assert type(error) is told
