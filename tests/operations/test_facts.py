"""Facts in the journal: what is written is read back, and nothing else is believed."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.operations.exchange import ExchangeEvent, Move, Trace
from gateway.operations.facts import (
    AnswerSetAside,
    Moved,
    Opened,
    OperationKind,
    OperationState,
    ResolutionApproved,
    ResolutionProposed,
    Settled,
    Withdrawn,
    from_json,
    to_json,
)
from gateway.terms.errors import LocalError
from gateway.terms.numbers import LinkId, OperationId, Rrn, Stan
from gateway.terms.refusals import Refusal
from gateway.terms.response_codes import ResponseCode

instants = st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - bounds of the strategy
crockford = st.text("0123456789abcdefghjkmnpqrstvwxyz", min_size=26, max_size=26)
operation_ids = crockford.map(lambda text: OperationId(f"op_{text}"))
traces = st.builds(
    Trace,
    st.integers(0, 10**7).map(Stan.of),
    st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=12, max_size=12).map(Rrn),
    instants,
    st.sampled_from(["", "GATEWAY1"]),  # the first release recorded none
)
words = st.text(max_size=20)
moves = st.builds(
    Move,
    st.sampled_from(ExchangeEvent),
    instants,
    st.none() | traces,
    st.none() | st.sampled_from(ResponseCode),
    st.none() | words,
)
facts = st.one_of(
    st.builds(
        Opened,
        st.sampled_from(OperationKind),
        crockford.map(lambda text: LinkId(f"lnk_{text}")),
        instants,
        st.none() | instants,
        st.none() | operation_ids,
        st.none() | st.dictionaries(words, words),
    ),
    st.builds(Moved, words, moves),
    st.builds(AnswerSetAside, words, instants, st.sampled_from(ResponseCode)),
    st.builds(
        Settled,
        st.sampled_from(OperationState),
        instants,
        st.none() | st.sampled_from(Refusal),
        st.none() | st.sampled_from(ResponseCode),
        st.none() | operation_ids,
        st.none() | st.dictionaries(words, words, min_size=1),
    ),
    st.builds(ResolutionProposed, st.sampled_from(OperationState), words, words, instants),
    st.builds(ResolutionApproved, words, instants),
    st.builds(Withdrawn, instants),
)


@given(st.lists(facts, max_size=3))
def test_facts_survive_the_journal(written):
    """What is read from their JSON text is what was written, to the microsecond."""
    assert [*map(from_json, json.loads(to_json(written)))] == written


@given(facts)
def test_a_fact_takes_no_room_that_it_does_not_need(fact):
    """Its text is ASCII without white space and without empty members, as the library writes it."""
    (read,) = json.loads(to_json([fact]))
    assert None not in read.values()
    assert to_json([fact]) == json.dumps([read], separators=(",", ":"))


def test_a_fact_is_written_as_the_first_release_wrote_it():
    """Other releases read the same journal."""
    at = datetime(2026, 11, 21, 4, tzinfo=UTC)
    trace = Trace(Stan("000001"), Rrn("632504000001"), at, "GATEWAY1")
    said = Moved("leg", Move(ExchangeEvent.SEND, at, trace, ResponseCode.MALFUNCTION, "R1"))
    assert to_json([said]) == (
        '[{"fact":"moved","exchange":"leg","event":"send","response_code":"96","reason":"R1",'
        '"trace":["000001","632504000001","2026-11-21T04:00:00+00:00","GATEWAY1"],'
        '"at":"2026-11-21T04:00:00+00:00"}]'
    )


GOOD = {"fact": "moved", "exchange": "leg", "event": "send", "at": "2026-11-21T04:00:00+00:00"}


@pytest.mark.parametrize(
    "change",
    [
        {"fact": "forgotten"},
        {"event": "teleport"},
        {"at": "yesterday"},
        {"response_code": "Z9"},
        {"trace": ["1", "2", "3"]},
        {"trace": 7},
        {"fact": "settled", "state": "done"},
        {"fact": "opened", "kind": "link"},
        {"fact": "answer-set-aside"},
    ],
)
def test_a_fact_that_cannot_be_read_is_our_own_fault_and_is_not_repeated(change):
    """A journal of another version stops us, in words that hold nothing of the row."""
    with pytest.raises(LocalError) as raised:
        from_json(GOOD | change)

    assert str(raised.value) == "the journal holds a fact that this version cannot read"
    assert from_json(GOOD)


@pytest.mark.parametrize("state", sorted(OperationState))
def test_what_is_told_to_be_over_never_changes(state):
    """A caller that was told a final state is never told another; a person may settle the rest."""
    over = {OperationState.SUCCEEDED, OperationState.FAILED}

    assert state.is_final == (state in over)
    assert state.is_left_alone == (state in over | {OperationState.MANUAL})
