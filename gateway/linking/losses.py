"""What a reported loss lets nobody do: told from what is recorded here, before anything is sent.

The two losses have nothing to do with each other: that of the SS account stops what concerns card,
SS account and e-card, that of the financial account what concerns the financial account. Only an
activation waits for both, for the SS account follows it.
"""

from datetime import datetime

from gateway.financial.account import FinancialAccount
from gateway.regions.rules import LossRules
from gateway.regions.vocabulary import Area, Business, CardState
from gateway.social.card import SocialCard
from gateway.terms.losses import LossKind
from gateway.terms.refusals import Refusal

STATES = {
    LossKind.TEMPORARY: CardState.TEMPORARY_LOSS,
    LossKind.FORMAL: CardState.FORMAL_LOSS,
}
_WITH_ACCOUNT = frozenset({Business.ECARD_PAYMENT_ENABLE})
# No region speaks of the bank's own loss: a temporary one may become formal, or be cancelled. A
# formal one may be reported anew: a core that an older report reached last knows it under that.
_ACCOUNT_ALLOWS = {
    LossKind.TEMPORARY: {Business.FINANCIAL_LOSS_FORMAL, Business.FINANCIAL_LOSS_CANCEL},
    LossKind.FORMAL: {Business.FINANCIAL_LOSS_FORMAL, Business.FINANCIAL_LOSS_CANCEL},
}


def why_blocked(
    business: Business,
    card: SocialCard,
    account: FinancialAccount,
    rules: LossRules,
    now: datetime,
) -> Refusal | None:
    """Tell why a business is not done during a loss; None when nothing is in the way."""
    if business is Business.UNLINK and _is_open(card, account):
        return Refusal.LOSS_UNCONFIRMED
    concerns_account = business.area is Area.FINANCIAL or business in _WITH_ACCOUNT
    loss = account.loss
    if concerns_account and loss and business not in _ACCOUNT_ALLOWS[loss.kind]:
        return Refusal.ACCOUNT_LOST
    if business is _CANCEL and card.replacing and rules.cancel_before_replacement_only:
        return Refusal.REPLACEMENT_BEGUN
    return _why_not(business, card, rules) if _is_lost(card, rules, now) else None


def _is_open(card: SocialCard, account: FinancialAccount) -> bool:
    """Tell whether a far side has still to hear of a loss: it hears over this link.

    A far side takes a report through a link that it has, and once it has the loss it guards the
    card or the account itself, whoever links it next.
    """
    reported = [loss for loss in (card.loss, account.loss) if loss is not None]
    return any(loss.confirmed_at is None for loss in reported)


def _is_lost(card: SocialCard, rules: LossRules, now: datetime) -> bool:
    """Tell whether a loss is in force; a temporary one may end by itself."""
    if card.loss is None:
        return False
    lasts = rules.temporary_lasts if card.loss.kind is LossKind.TEMPORARY else None
    return lasts is None or now < card.loss.reported_at + lasts


def _why_not(business: Business, card: SocialCard, rules: LossRules) -> Refusal | None:
    if card.loss is None or rules.allows(STATES[card.loss.kind], business):
        return None
    is_formal = card.loss.kind is LossKind.FORMAL
    return Refusal.LOSS_FORMAL if is_formal and business is _CANCEL else Refusal.CARD_LOST


_CANCEL = Business.SS_LOSS_CANCEL
