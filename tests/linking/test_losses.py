"""What a loss lets nobody do, on each side by itself."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.financial.account import FinancialAccount
from gateway.linking.losses import why_blocked
from gateway.regions.profile import parse_profile
from gateway.regions.vocabulary import Business
from gateway.social.card import SocialCard
from gateway.terms.losses import Loss, LossKind
from gateway.terms.numbers import (
    AgencyCode,
    CustomerNumber,
    LinkId,
    Mobile,
    OperationId,
    Pan,
    SsCardNumber,
)
from gateway.terms.refusals import Refusal

B, R = Business, Refusal
NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
XIAMEN = Path(__file__).parents[2] / "specs/regions/xiamen.toml"
RULES = parse_profile(XIAMEN.read_text("utf-8"), "xiamen.toml").rules(NOW.date()).loss
LINK = LinkId("lnk_" + "1" * 26)
CARD = SocialCard(LINK, SsCardNumber("T00000019"), AgencyCode("99350201"), Mobile("15400000001"))
ACCOUNT = FinancialAccount(LINK, Pan("6200000000000005"), CustomerNumber("C00000001"))


def lost(what, kind):
    return replace(what, loss=Loss(kind, OperationId("op_" + "1" * 26), NOW))


def known(what):
    return replace(what, loss=replace(what.loss, confirmed_at=NOW))


@pytest.mark.parametrize("business", Business)
def test_without_a_loss_nothing_is_in_the_way(business):
    """Whatever is asked for, only a loss blocks it here."""
    assert why_blocked(business, CARD, ACCOUNT, RULES, NOW) is None


@pytest.mark.parametrize("kind", LossKind)
@pytest.mark.parametrize(
    "business", [B.SS_PIN_SET, B.SS_PIN_RESET, B.SS_PIN_UNLOCK, B.CHANGE_MOBILE, B.ECARD_ISSUE]
)
def test_a_lost_card_is_good_for_nothing_that_the_region_does_not_allow(business, kind):
    """PIN, mobile and e-card of a lost card stay as they are."""
    assert why_blocked(business, lost(CARD, kind), ACCOUNT, RULES, NOW) is R.CARD_LOST


@pytest.mark.parametrize("kind", LossKind)
@pytest.mark.parametrize("business", [B.UNLINK, B.SS_PIN_STATE, B.CARD_REPLACE, B.CARD_PROGRESS])
def test_what_the_region_allows_goes_on_during_a_loss(business, kind):
    """Asking, unlinking and having the card replaced are what a holder now needs."""
    assert why_blocked(business, known(lost(CARD, kind)), ACCOUNT, RULES, NOW) is None


def test_a_link_is_kept_until_the_far_side_has_every_loss_reported_over_it():
    """Each side for itself: until then the link is what the far side hears over."""
    card, account = lost(CARD, LossKind.TEMPORARY), lost(ACCOUNT, LossKind.FORMAL)
    reasons = [
        why_blocked(B.UNLINK, *each, RULES, NOW)
        for each in (
            (card, ACCOUNT),
            (CARD, account),
            (known(card), account),
            (known(card), known(account)),
        )
    ]

    assert reasons == [*[R.LOSS_UNCONFIRMED] * 3, None]


def test_a_formal_loss_is_not_cancelled():
    """A temporary one may be; the formal one ends in a new card."""
    reasons = [
        why_blocked(B.SS_LOSS_CANCEL, lost(CARD, kind), ACCOUNT, RULES, NOW) for kind in LossKind
    ]

    assert reasons == [None, R.LOSS_FORMAL]


@pytest.mark.parametrize("kind", LossKind)
def test_nothing_is_activated_while_the_ss_account_is_lost(kind):
    """The SS account would follow the activation."""
    assert why_blocked(B.ACTIVATE, lost(CARD, kind), ACCOUNT, RULES, NOW) is R.CARD_LOST


@pytest.mark.parametrize("business", [B.FINANCIAL_PIN_RESET, B.FINANCIAL_LOSS_FORMAL])
def test_the_loss_of_one_account_is_not_that_of_the_other(business):
    """A lost SS account leaves the financial one alone, and the other way round."""
    card, account = lost(CARD, LossKind.FORMAL), lost(ACCOUNT, LossKind.FORMAL)

    assert why_blocked(business, card, ACCOUNT, RULES, NOW) is None
    assert why_blocked(B.SS_PIN_SET, CARD, account, RULES, NOW) is None


@pytest.mark.parametrize(
    ("business", "kind", "reason"),
    [
        (B.ACTIVATE, LossKind.TEMPORARY, R.ACCOUNT_LOST),
        (B.FINANCIAL_PIN_RESET, LossKind.FORMAL, R.ACCOUNT_LOST),
        (B.ECARD_PAYMENT_ENABLE, LossKind.TEMPORARY, R.ACCOUNT_LOST),
        (B.FINANCIAL_LOSS_FORMAL, LossKind.TEMPORARY, None),
        (B.FINANCIAL_LOSS_TEMPORARY, LossKind.FORMAL, R.ACCOUNT_LOST),
        (B.FINANCIAL_LOSS_FORMAL, LossKind.FORMAL, None),
        (B.FINANCIAL_LOSS_CANCEL, LossKind.FORMAL, None),
    ],
)
def test_a_lost_account_is_good_for_its_own_loss_only(business, kind, reason):
    """It may become formal or be cancelled; nothing else is done with it."""
    assert why_blocked(business, CARD, lost(ACCOUNT, kind), RULES, NOW) is reason


def test_no_loss_is_cancelled_once_another_card_is_ordered():
    """The old card does not come back beside its successor."""
    card = replace(lost(CARD, LossKind.TEMPORARY), replacing=True)

    assert why_blocked(B.SS_LOSS_CANCEL, card, ACCOUNT, RULES, NOW) is R.REPLACEMENT_BEGUN


@pytest.mark.parametrize(("hours", "reason"), [(23, R.CARD_LOST), (24, None)])
def test_a_temporary_loss_ends_by_itself_where_the_region_says_so(hours, reason):
    """A formal one never does."""
    rules, now = replace(RULES, temporary_lasts=timedelta(days=1)), NOW + timedelta(hours=hours)
    temporary, formal = (lost(CARD, kind) for kind in LossKind)

    assert why_blocked(B.SS_PIN_SET, temporary, ACCOUNT, rules, now) is reason
    assert why_blocked(B.SS_PIN_SET, formal, ACCOUNT, rules, now) is R.CARD_LOST
