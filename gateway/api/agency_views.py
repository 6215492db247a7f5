"""Institutions as `GET /v1/agencies` shows them: everything that their region's profile says today.

The same facts as ``gateway regions explain`` prints, without their sources.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated

from pydantic import Field

from gateway.api.fields import AgencyCodeText
from gateway.api.notices import UserMessageView, ordered
from gateway.api.vocabulary import WEAK_PIN_RULES, explained
from gateway.pinblock.policy import PinPolicy
from gateway.regions.catalogue import Agency
from gateway.regions.matrix import Matrix
from gateway.regions.notice import Text
from gateway.regions.profile_file import Fee
from gateway.regions.rules import EcardRules, LossRules, PinRules, Rules
from gateway.regions.vocabulary import (
    ActivationOrder,
    Business,
    CardState,
    CarryOver,
    Channel,
    CodeMode,
    FeeItem,
    PinDemand,
    PinState,
    PinStore,
    Proof,
    RuleForce,
    Scene,
)
from gateway.terms.numbers import AgencyCode


@dataclass(frozen=True, slots=True)
class NameView:
    """A name in both languages."""

    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class RegionView:
    """A region by its six-digit division code (GB/T 2260)."""

    code: str
    name: NameView


@dataclass(frozen=True, slots=True)
class PinRulesView:
    """The region's rules for the SS PIN."""

    digits: Annotated[int, Field(description="How many digits the PIN has.")]
    weak_pin_rules: Annotated[
        tuple[str, ...],
        Field(
            description=explained(
                "Names of the rules a new PIN must not fall under, each refused with "
                "`PIN_TRIVIAL` or `PIN_PERSONAL`:",
                WEAK_PIN_RULES,
            )
        ),
    ]
    advised_pin_rules: Annotated[
        tuple[str, ...],
        Field(
            description="Names of the rules a new PIN had better not fall under; it is taken, "
            "and the answer has an `advice`."
        ),
    ]
    scenes: Annotated[
        Mapping[Scene, PinDemand],
        Field(description="Whether a scene asks for the PIN; one that is not named does not."),
    ]
    starts: Annotated[PinState, Field(description="The state of the PIN of a new card.")]
    initial_is_asked: Annotated[
        bool, Field(description="Whether an initial PIN that was never changed is asked for.")
    ]
    store: PinStore
    old_pin_required: Annotated[
        bool, Field(description="Whether the old PIN is needed to set a new one.")
    ]
    opt_out: Annotated[bool, Field(description="Whether the holder may choose to use none.")]
    lock_after: Annotated[
        int | None,
        Field(description="Wrong tries in a row that lock it; absent: only the bureau knows."),
    ] = None


@dataclass(frozen=True, slots=True)
class ActivationRulesView:
    """Which account is activated first, and when the SS account follows."""

    order: ActivationOrder
    follow_delay_seconds: Annotated[
        int, Field(description="How long after the financial account the SS account follows.")
    ]


@dataclass(frozen=True, slots=True)
class LossRulesView:
    """The loss of the SS account."""

    temporary_lasts_days: Annotated[
        int | None, Field(description="Absent: until it is cancelled or made formal.")
    ]
    cancel_before_replacement_only: bool
    formal_can_be_cancelled: bool
    allowed_meanwhile: Annotated[
        Mapping[CardState, tuple[Business, ...]],
        Field(description="What may be done in a state of loss, beside the bank's own business."),
    ]


@dataclass(frozen=True, slots=True)
class ReplacementRulesView:
    """What a new card takes over from the old one."""

    ss_pin: CarryOver
    links: CarryOver
    mobile: CarryOver


@dataclass(frozen=True, slots=True)
class EcardRulesView:
    """The electronic card and its own PIN."""

    pin_digits: int
    weak_pin_rules: tuple[str, ...]
    advised_pin_rules: tuple[str, ...]
    pin_equals_card_pins: Annotated[
        RuleForce, Field(description="About a PIN that is one of the card's, where it is compared.")
    ]
    code_modes: tuple[CodeMode, ...]
    code_life_seconds: int
    payment_needs_active_account: bool
    unusable_in: Annotated[
        tuple[CardState, ...], Field(description="States of the card in which it is unusable.")
    ]


@dataclass(frozen=True, slots=True)
class VoucherRulesView:
    """Which papers the region makes a duty."""

    every_business: bool
    collection_receipt: bool


Ways = tuple[tuple[Proof, ...], ...]


@dataclass(frozen=True, slots=True)
class AgencyView:
    """A social-security institution, and what its region says today."""

    institution: AgencyCodeText
    name: NameView
    region: RegionView
    operations: Annotated[
        Mapping[Channel, Mapping[Business, Ways]],
        Field(
            description="What is granted, by channel and business: one list for each way, all of "
            "whose proofs are needed together."
        ),
    ]
    mobile_equals_core: Annotated[
        bool, Field(description="Whether a link's mobile must be the one that the bank holds.")
    ]
    ss_pin: PinRulesView
    activation: ActivationRulesView
    loss: LossRulesView
    replacement: ReplacementRulesView
    fees: Annotated[
        Mapping[FeeItem, Fee],
        Field(description="`free`, `tariff` (as the authority says), or an amount in fen."),
    ]
    working_days: Annotated[
        Mapping[Business, int],
        Field(description="Time limits in working days; 0 is at once, one not named is none."),
    ]
    vouchers: VoucherRulesView
    enquiries: UserMessageView
    ecard: EcardRulesView | None = None


def agency_view(agency: Agency, on: date) -> AgencyView:
    """Show an institution and its region's rules as they are on a day."""
    institution, file, rules = agency.institution, agency.profile.file, agency.profile.rules(on)
    return AgencyView(
        institution=AgencyCode(institution.code),
        name=_name(institution.name),
        region=RegionView(file.code, _name(file.name)),
        operations=_operations(rules.matrix),
        mobile_equals_core=rules.mobile_equals_core,
        ss_pin=_pin(rules.pin),
        activation=_activation(rules),
        loss=_loss(rules.loss),
        replacement=ReplacementRulesView(
            rules.replacement.ss_pin, rules.replacement.links, rules.replacement.mobile
        ),
        fees={item: rules.fee(item) for item in FeeItem},
        working_days=rules.working_days,
        vouchers=VoucherRulesView(
            rules.vouchers.every_business,
            rules.vouchers.collection_receipt,
        ),
        enquiries=UserMessageView(
            rules.matrix.notices.enquiries.zh, rules.matrix.notices.enquiries.en
        ),
        ecard=None if rules.ecard is None else _ecard(rules.ecard),
    )


def _name(text: Text) -> NameView:
    return NameView(text.zh, text.en)


def _operations(matrix: Matrix) -> Mapping[Channel, Mapping[Business, Ways]]:
    shown: dict[Channel, dict[Business, Ways]] = {}
    for channel in Channel:
        for business in Business:
            ways = matrix.cells.get((channel, business), ())
            if ways:
                proofs = tuple(ordered(way.place.proofs) for way in ways)
                shown.setdefault(channel, {})[business] = proofs
    return shown


def _pin(pin: PinRules) -> PinRulesView:
    weak, advised = _rule_names(pin.policy)
    return PinRulesView(
        digits=pin.policy.length,
        weak_pin_rules=weak,
        advised_pin_rules=advised,
        scenes=pin.demands,
        starts=pin.starts,
        initial_is_asked=pin.initial_is_asked,
        store=pin.store,
        old_pin_required=not pin.set_without_old_pin,
        opt_out=pin.opt_out,
        lock_after=pin.lock_after,
    )


def _rule_names(policy: PinPolicy) -> tuple[tuple[str, ...], tuple[str, ...]]:
    weak, advised = (sorted(rule.value for rule in each) for each in (policy.rules, policy.advised))
    return tuple(weak), tuple(advised)


def _activation(rules: Rules) -> ActivationRulesView:
    return ActivationRulesView(
        rules.activation.order,
        _seconds(rules.activation.ss_follows_after),
    )


def _loss(loss: LossRules) -> LossRulesView:
    lasts = loss.temporary_lasts
    return LossRulesView(
        None if lasts is None else lasts.days,
        loss.cancel_before_replacement_only,
        loss.formal_can_be_cancelled,
        {
            state: tuple(each for each in Business if each in allowed)
            for state, allowed in loss.allowed_meanwhile.items()
        },
    )


def _ecard(ecard: EcardRules) -> EcardRulesView:
    weak, advised = _rule_names(ecard.pin_policy)
    return EcardRulesView(
        pin_digits=ecard.pin_policy.length,
        weak_pin_rules=weak,
        advised_pin_rules=advised,
        pin_equals_card_pins=ecard.pin_equals_card_pins,
        code_modes=tuple(mode for mode in CodeMode if mode in ecard.code_modes),
        code_life_seconds=_seconds(ecard.code_life),
        payment_needs_active_account=ecard.payment_needs_active_account,
        unusable_in=tuple(state for state in CardState if state in ecard.unusable_in),
    )


def _seconds(delay: timedelta) -> int:
    return int(delay.total_seconds())
