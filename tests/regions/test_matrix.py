"""What a region grants: who may do what, where, on which proofs, and what is said otherwise."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.regions.matrix import Grant, Granted, Matrix, NotGranted, NoticeRules, Reason
from gateway.regions.notice import Text
from gateway.regions.vocabulary import Business, Channel, Proof

DAY = date(2026, 11, 21)
HOLDER = frozenset({Proof.CITIZEN_ID, Proof.CARD_PRESENT})
AGENT = HOLDER | {Proof.AGENT_ID, Proof.POWER_OF_ATTORNEY}
RESET, UNLOCK, REPLACE = Business.SS_PIN_RESET, Business.SS_PIN_UNLOCK, Business.CARD_REPLACE
WINDOW, COUNTER, KIOSK = Channel.BUREAU_WINDOW, Channel.COUNTER, Channel.KIOSK
SOURCE = "default: test"
GRANTS = (
    Grant((RESET, UNLOCK), (WINDOW,), AGENT, SOURCE),
    Grant((RESET, UNLOCK), (WINDOW, COUNTER), HOLDER, SOURCE),
    Grant((RESET,), (KIOSK,), frozenset({Proof.FACE}), SOURCE, since=date(2027, 1, 1)),
    Grant((UNLOCK,), (KIOSK,), frozenset({Proof.FACE}), SOURCE, until=date(2026, 1, 1)),
    Grant((REPLACE,), (COUNTER,), frozenset({Proof.CITIZEN_ID}), SOURCE),
)
NOTICES = NoticeRules(Text("12345", "12345"), {REPLACE: 7}, Text("当场", "On the spot"))


@pytest.fixture(scope="module")
def matrix():
    """Give the matrix of a day, of a region that keeps PINs in the chip."""
    return Matrix.of(GRANTS, DAY, NOTICES, {Business.SS_PIN_SET: Reason.CHIP_PIN})


@pytest.mark.parametrize(
    ("channel", "business", "proofs"),
    [
        (WINDOW, RESET, HOLDER),
        (WINDOW, RESET, HOLDER | {Proof.FACE}),
        (WINDOW, UNLOCK, AGENT),
        (COUNTER, REPLACE, frozenset({Proof.CITIZEN_ID})),
    ],
)
def test_what_is_proved_is_granted(matrix, channel, business, proofs):
    """All proofs of one way suffice, and more than them."""
    decision = matrix.decide(channel, business, proofs)

    assert isinstance(decision, Granted)
    assert (decision.business, decision.place.channel) == (business, channel)
    assert decision.place.proofs <= proofs


@pytest.mark.parametrize(
    ("channel", "business", "proofs", "reason"),
    [
        (WINDOW, RESET, {Proof.CITIZEN_ID}, Reason.PROOF_MISSING),
        (WINDOW, RESET, HOLDER | {Proof.AGENT_ID}, Reason.PROOF_MISSING),
        (COUNTER, RESET, AGENT, Reason.NO_AGENT),
        (KIOSK, RESET, {Proof.FACE}, Reason.NOT_YET),
        (KIOSK, UNLOCK, {Proof.FACE}, Reason.OTHER_CHANNEL),
        (Channel.ATM, RESET, HOLDER, Reason.OTHER_CHANNEL),
        (COUNTER, Business.LINK, HOLDER, Reason.NOT_OFFERED),
        (COUNTER, Business.SS_PIN_SET, HOLDER, Reason.CHIP_PIN),
        (COUNTER, Business.ACCOUNT_TRANSFER, HOLDER, Reason.NEVER),
    ],
)
def test_what_is_not_granted_is_refused_by_reason(matrix, channel, business, proofs, reason):
    """An agent's papers do not pass for the holder's, nor one channel's grant for another's."""
    decision = matrix.decide(channel, business, frozenset(proofs))

    assert decision.reason is reason
    assert business.zh in decision.notice.reason.zh
    assert channel.en in decision.notice.reason.en


def test_refusal_says_what_each_way_still_needs(matrix):
    """The holder alone lacks the card; nobody is told to bring an agent as well."""
    decision = matrix.decide(WINDOW, RESET, frozenset({Proof.CITIZEN_ID}))

    assert decision.missing == (frozenset({Proof.CARD_PRESENT}),)
    assert decision.notice.missing == ((Text("社会保障卡", "The card itself"),),)


def test_agent_is_told_what_an_agent_needs(matrix):
    """Who stands there for somebody else is asked for the power of attorney."""
    decision = matrix.decide(WINDOW, UNLOCK, HOLDER | {Proof.AGENT_ID})

    assert decision.missing == (frozenset({Proof.POWER_OF_ATTORNEY}),)


def test_refusal_says_where_else(matrix):
    """Every other channel that grants the business is named with its proofs."""
    decision = matrix.decide(COUNTER, RESET, frozenset())

    assert {(place.channel, place.proofs) for place in decision.elsewhere} == {
        (WINDOW, HOLDER),
        (WINDOW, AGENT),
    }
    assert len(decision.notice.procedure) == 3


@pytest.mark.parametrize(
    ("business", "limit"), [(REPLACE, "自受理之日起7个工作日内"), (RESET, "当场")]
)
def test_notice_says_how_long_it_takes_and_whom_to_ask(matrix, business, limit):
    """A business without a term of its own takes what the region says of all others."""
    notice = matrix.decide(Channel.PHONE, business, frozenset()).notice

    assert notice.time_limit.zh == limit
    assert notice.enquiries.zh == "12345"


def test_notice_of_what_begins_later_names_the_day(matrix):
    """Who comes too early is told from when on it is offered."""
    notice = matrix.decide(KIOSK, RESET, frozenset({Proof.FACE})).notice

    assert "自2027-01-01起办理" in notice.reason.zh
    assert "from 2027-01-01" in notice.reason.en


@given(
    region=st.sampled_from(["fangchenggang", "kunming", "qingdao", "shijiazhuang", "xiamen"]),
    channel=st.sampled_from(list(Channel)),
    business=st.sampled_from(list(Business)),
    proofs=st.frozensets(st.sampled_from(list(Proof)), max_size=4),
)
def test_who_follows_the_notice_is_granted(profiles, region, channel, business, proofs):
    """Bring what one way says is missing, or go elsewhere with what is asked for there."""
    shipped = profiles[region].rules(DAY).matrix

    decision = shipped.decide(channel, business, proofs)

    if isinstance(decision, NotGranted):
        for missing in decision.missing:
            assert missing
            assert isinstance(shipped.decide(channel, business, proofs | missing), Granted)
        for place in decision.elsewhere:
            assert isinstance(shipped.decide(place.channel, business, place.proofs), Granted)
        assert decision.missing or decision.reason is not Reason.PROOF_MISSING


def test_grants_hold_from_their_first_to_their_last_day():
    """Both days are included."""
    grant = Grant((RESET,), (KIOSK,), HOLDER, SOURCE, date(2020, 1, 1), date(2020, 1, 2))

    days = [date(2019, 12, 31), date(2020, 1, 1), date(2020, 1, 2), date(2020, 1, 3)]

    assert [grant.holds(day) for day in days] == [False, True, True, False]
