"""A reported loss, and which report lifts which."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from gateway.terms.losses import Loss, LossKind, confirmed, lifted, refused, reported
from gateway.terms.numbers import LinkId, OperationId

OLDER, NEWER = OperationId("op_" + "1" * 26), OperationId("op_" + "2" * 26)
LINK = LinkId("lnk_" + "1" * 26)
LOSS = Loss(LossKind.TEMPORARY, NEWER, datetime(2026, 11, 21, 4, 0, tzinfo=UTC))


def test_a_loss_is_lifted_by_its_own_reference_only():
    """What comes late about an older loss changes nothing of a newer one."""
    assert lifted(LOSS, NEWER) is None
    assert lifted(LOSS, OLDER) is LOSS
    assert lifted(None, NEWER) is None


def test_a_refused_report_brings_back_what_stood_before_it():
    """A card that is lost for now stays so when a formal report is refused."""
    before = Loss(LossKind.TEMPORARY, OLDER, LOSS.reported_at)
    formal = reported(Loss(LossKind.FORMAL, NEWER, LOSS.reported_at), before)

    assert refused(formal, NEWER) == before
    assert refused(refused(formal, OLDER), NEWER) is None
    assert lifted(formal, NEWER) is None
    assert refused(lifted(formal, OLDER), NEWER) is None
    assert refused(LOSS, OLDER) is LOSS
    assert refused(None, NEWER) is None


def test_a_loss_is_confirmed_by_its_own_reference():
    """The one that stood before it may be confirmed later, and is then so when it stands again."""
    at = LOSS.reported_at
    before = Loss(LossKind.TEMPORARY, OLDER, at)
    formal = reported(LOSS, before)

    assert confirmed(LOSS, NEWER, at) == replace(LOSS, confirmed_at=at)
    assert refused(confirmed(formal, OLDER, at), NEWER) == replace(before, confirmed_at=at)
    assert confirmed(None, NEWER, at) is None


def test_a_loss_concerns_every_link_that_was_asked_for_before_the_far_side_had_it():
    """A far side that has it and takes a new link has cancelled it by itself."""
    at, later = LOSS.reported_at, LOSS.reported_at + timedelta(seconds=1)
    known = confirmed(LOSS, NEWER, at)

    assert LOSS.concerns(LINK, later)
    assert known.concerns(LINK, at)
    assert not known.concerns(LINK, later)


def test_a_loss_concerns_the_link_that_it_was_reported_over():
    """Also where a clock was set back since the card was linked, or another node's is behind."""
    over_link = replace(confirmed(LOSS, NEWER, LOSS.reported_at), link=LINK)

    assert over_link.concerns(LINK, LOSS.reported_at + timedelta(days=1))


def test_a_report_names_kind_and_reference():
    """The far side is told which loss it is, so that it can be cancelled by name."""
    assert LOSS.words == {"LT": "T", "LN": NEWER.value}
