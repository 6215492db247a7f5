"""A region profile as its file has it (``specs/regions/*.toml``): checked, every value dated.

What holds on one day is drawn from it by ``gateway.regions.profile``. Open questions of the seeds
are keys here too, so that a file says what was assumed: ``reference/domain.md`` 2 and 6.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import date
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, with_config

from gateway.pinblock.policy import PinRule
from gateway.regions.dated import Dated, Since, Source
from gateway.regions.matrix import Grant
from gateway.regions.notice import Text
from gateway.regions.vocabulary import (
    ActivationOrder,
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

_STRICT: Final = ConfigDict(extra="forbid")
_FOLLOW_DELAY_SECONDS_MAX: Final = 30 * 24 * 3600  # longer than any known rule by a factor of 30
_WORKING_DAYS_MAX: Final = 120  # half a year: four times the longest term in the seeds
_TRIES_MAX: Final = 15  # more wrong tries in a row than any region is known to grant
_TEMPORARY_LOSS_DAYS_MAX: Final = 3660
_CODE_LIFE_SECONDS_MAX: Final = 600  # a code shown on a screen is used at once
_FEE_FEN_MAX: Final = 100_000  # 1,000 yuan, far above any card fee

PinLength = Annotated[int, Field(ge=4, le=12)]  # ISO 9564-1, 8.1
_Digits = Annotated[str, StringConstraints(pattern=r"^[0-9]{4,12}$")]
_Forces = dict[PinRule, RuleForce]


def _compiles(pattern: str) -> str:
    """Accept a regular expression only."""
    try:
        re.compile(pattern)
    except re.error:
        raise ValueError("must be a regular expression") from None
    return pattern


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class Institution:
    """A social-security institution: its code, and the route (link) that leads to its bureau."""

    code: Annotated[str, StringConstraints(pattern=r"^[0-9]{8}$")]
    name: Text
    link: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
    source: Source


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class Demand:
    """Whether a scene asks for the SS PIN from a date on."""

    scene: Scene
    value: PinDemand
    source: Source
    since: Since = date.min

    @property
    def key(self) -> Scene:
        """What the value is for."""
        return self.scene


Fee = Literal["free", "tariff"] | Annotated[int, Field(gt=0, le=_FEE_FEN_MAX)]


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class FeeRule:
    """What something costs: nothing, an amount in fen, or what the authority's tariff says."""

    item: FeeItem
    value: Fee
    source: Source
    since: Since = date.min

    @property
    def key(self) -> FeeItem:
        """What the value is for."""
        return self.item


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class Term:
    """How many working days a business may take; 0 is at once."""

    business: Business
    value: Annotated[int, Field(ge=0, le=_WORKING_DAYS_MAX)]
    source: Source
    since: Since = date.min

    @property
    def key(self) -> Business:
        """What the value is for."""
        return self.business


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class PinTable:
    """The SS PIN. `initial` is `unknown` where a region issues one that no document gives."""

    length: tuple[Dated[PinLength], ...]
    starts: tuple[Dated[PinState], ...]
    initial: tuple[Dated[Literal["none", "unknown"] | _Digits], ...]
    initial_is_asked: tuple[Dated[bool], ...]
    store: tuple[Dated[PinStore], ...]
    set_without_old_pin: tuple[Dated[bool], ...]
    opt_out: tuple[Dated[bool], ...]
    lock_after: tuple[Dated[Literal["bureau"] | Annotated[int, Field(ge=1, le=_TRIES_MAX)]], ...]
    weak: tuple[Dated[_Forces], ...]
    listed: tuple[Dated[tuple[_Digits, ...]], ...]
    demands: tuple[Demand, ...] = ()


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class LinkingTable:
    """Linking; `mobile_equals_core`: the number given must be the one that the bank holds."""

    mobile_equals_core: tuple[Dated[bool], ...]


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class ActivationTable:
    """Activation of the two accounts."""

    order: tuple[Dated[ActivationOrder], ...]
    ss_follows_after_seconds: tuple[
        Dated[Annotated[int, Field(ge=0, le=_FOLLOW_DELAY_SECONDS_MAX)]], ...
    ]


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class LossTable:
    """Loss of the SS account: what it allows meanwhile, how long it lasts, how it ends."""

    temporary_lasts_days: tuple[
        Dated[
            Literal["until-cancelled"] | Annotated[int, Field(ge=1, le=_TEMPORARY_LOSS_DAYS_MAX)]
        ],
        ...,
    ]
    cancel_before_replacement_only: tuple[Dated[bool], ...]
    formal_can_be_cancelled: tuple[Dated[bool], ...]
    allowed_meanwhile: tuple[Dated[dict[CardState, frozenset[Business]]], ...]


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class ReplacementTable:
    """What a new card takes over from the old one."""

    ss_pin: tuple[Dated[CarryOver], ...]
    links: tuple[Dated[CarryOver], ...]
    mobile: tuple[Dated[CarryOver], ...]


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class EcardTable:
    """The electronic card and its own PIN."""

    pin_length: tuple[Dated[PinLength], ...]
    pin_weak: tuple[Dated[_Forces], ...]
    pin_equals_card_pins: tuple[Dated[RuleForce], ...]
    code_modes: tuple[Dated[frozenset[CodeMode]], ...]
    code_life_seconds: tuple[Dated[Annotated[int, Field(ge=5, le=_CODE_LIFE_SECONDS_MAX)]], ...]
    payment_needs_active_account: tuple[Dated[bool], ...]
    unusable_in: tuple[Dated[frozenset[CardState]], ...]


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class VoucherTable:
    """Which papers are a duty; `gateway` can give them everywhere."""

    every_business: tuple[Dated[bool], ...]
    collection_receipt: tuple[Dated[bool], ...]


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class NoticeTable:
    """Whom customers ask, and the time limit of a business that has no term of its own."""

    enquiries: tuple[Dated[Text], ...]
    otherwise: tuple[Dated[Text], ...]


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class ProfileFile:
    """The whole file."""

    region: Annotated[str, StringConstraints(pattern=r"^[a-z]{2,32}$")]
    code: Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]
    name: Text
    source: Source
    institutions: Annotated[tuple[Institution, ...], Field(min_length=1)]
    card_number: tuple[Dated[Annotated[str, AfterValidator(_compiles)]], ...]
    linking: LinkingTable
    pin: PinTable
    activation: ActivationTable
    loss: LossTable
    replacement: ReplacementTable
    vouchers: VoucherTable
    notice: NoticeTable
    grants: Annotated[tuple[Grant, ...], Field(min_length=1)]
    fees: tuple[FeeRule, ...] = ()
    terms: tuple[Term, ...] = ()
    ecard: EcardTable | None = None

    def settings(self) -> Mapping[str, tuple[Dated[object], ...]]:
        """List the dated values by their keys in the file, in its order."""
        return {"card_number": self.card_number, **dict(_settings(self))}

    def keyed(self) -> Mapping[str, tuple[Demand | FeeRule | Term, ...]]:
        """List the dated values that are for one scene, item or business, by their keys."""
        found: dict[str, tuple[Demand | FeeRule | Term, ...]] = {}
        named: list[tuple[str, tuple[Demand | FeeRule | Term, ...]]] = [
            ("pin.demands", self.pin.demands),
            ("fees", self.fees),
            ("terms", self.terms),
        ]
        for name, rules in named:
            for rule in rules:
                key = f"{name}.{rule.key}"
                found[key] = (*found.get(key, ()), rule)
        return found


_TABLES: Final = (
    "linking",
    "pin",
    "activation",
    "loss",
    "replacement",
    "ecard",
    "vouchers",
    "notice",
)


def _settings(file: ProfileFile) -> Iterator[tuple[str, tuple[Dated[object], ...]]]:
    for name in _TABLES:
        table = getattr(file, name)
        for each in fields(table) if table else ():
            if each.name != "demands":
                yield f"{name}.{each.name}", getattr(table, each.name)
