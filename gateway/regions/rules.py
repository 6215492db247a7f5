"""What holds in a region on one day, as values that are asked.

Drawn up by ``gateway.regions.profile`` from a profile's file; the keys there have the same names.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from gateway.pinblock.policy import PinPolicy
from gateway.regions.matrix import Matrix
from gateway.regions.profile_file import Fee
from gateway.regions.vocabulary import (
    ActivationOrder,
    Area,
    Business,
    CardState,
    CarryOver,
    CodeMode,
    FeeItem,
    PinDemand,
    PinState,
    PinStore,
    RuleForce,
    Scene,
)


class PinEntry(Enum):
    """What a terminal does about the SS PIN of a card."""

    NOT_ASKED = "not-asked"
    SIGNATURE = "signature"
    ASKED = "asked"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class PinRules:
    """The SS PIN; `policy` says which PINs are too simple.

    `initial` is nothing where none is issued or none is published; `lock_after` counts wrong tries
    in a row and is nothing where only the bureau knows.
    """

    policy: PinPolicy
    starts: PinState
    initial: str | None
    initial_is_asked: bool
    store: PinStore
    set_without_old_pin: bool
    opt_out: bool
    lock_after: int | None
    demands: Mapping[Scene, PinDemand]

    def demand(self, scene: Scene) -> PinDemand:
        """Tell whether a scene asks for the PIN; one without a rule does not."""
        return self.demands.get(scene, PinDemand.NOT_ASKED)

    def entry(self, scene: Scene, state: PinState) -> PinEntry:
        """Tell what a terminal does for a card whose PIN is in this state."""
        match self.demand(scene):
            case PinDemand.NOT_ASKED:
                return PinEntry.NOT_ASKED
            case PinDemand.SIGNATURE:
                return PinEntry.SIGNATURE
            case demand:
                return self._entry(demand, state)

    def _entry(self, demand: PinDemand, state: PinState) -> PinEntry:
        if state is PinState.LOCKED:
            return PinEntry.REFUSED
        unchanged = state is PinState.INITIAL and self.initial_is_asked
        if state is PinState.ENABLED or unchanged:
            return PinEntry.ASKED
        return PinEntry.REFUSED if demand is PinDemand.MANDATORY else PinEntry.NOT_ASKED


@dataclass(frozen=True, slots=True)
class ActivationRules:
    """Which account is activated first, and when the SS account follows the financial one."""

    order: ActivationOrder
    ss_follows_after: timedelta

    @property
    def ss_follows(self) -> bool:
        """Tell whether the bureau hears of the activation, and the SS account follows it."""
        return self.order is not ActivationOrder.INDEPENDENT


@dataclass(frozen=True, slots=True)
class LossRules:
    """The loss of the SS account; `temporary_lasts` is nothing when it never ends by itself."""

    temporary_lasts: timedelta | None
    cancel_before_replacement_only: bool
    formal_can_be_cancelled: bool
    allowed_meanwhile: Mapping[CardState, frozenset[Business]]

    def allows(self, state: CardState, business: Business) -> bool:
        """Tell whether a business may be done while the card is in this state of loss.

        The financial account is the bank's: the loss of the SS account stops none of its business
        but the activation, which the SS account would follow.
        """
        allowed = self.allowed_meanwhile.get(state)
        is_the_banks = business.area is Area.FINANCIAL and business is not Business.ACTIVATE
        return allowed is None or business in allowed or is_the_banks


@dataclass(frozen=True, slots=True)
class ReplacementRules:
    """What a new card takes over."""

    ss_pin: CarryOver
    links: CarryOver
    mobile: CarryOver


@dataclass(frozen=True, slots=True)
class EcardRules:
    """The electronic card; `pin_equals_card_pins` is for where that can be compared."""

    pin_policy: PinPolicy
    pin_equals_card_pins: RuleForce
    code_modes: frozenset[CodeMode]
    code_life: timedelta
    payment_needs_active_account: bool
    unusable_in: frozenset[CardState]


@dataclass(frozen=True, slots=True)
class VoucherRules:
    """Which papers the region makes a duty."""

    every_business: bool
    collection_receipt: bool


@dataclass(frozen=True, slots=True, repr=False)
class Rules:
    """Everything that a region's profile says, as it is on one day."""

    card_number: re.Pattern[str]
    matrix: Matrix
    mobile_equals_core: bool
    pin: PinRules
    activation: ActivationRules
    loss: LossRules
    replacement: ReplacementRules
    vouchers: VoucherRules
    ecard: EcardRules | None
    fees: Mapping[FeeItem, Fee]
    working_days: Mapping[Business, int]

    def fee(self, item: FeeItem) -> Fee:
        """Give a fee; what the profile does not name is as the authority's tariff says."""
        return self.fees.get(item, "tariff")
