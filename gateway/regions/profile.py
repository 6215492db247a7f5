"""One region's profile: parsed from a specification file and asked as of a date.

Every value names its source: a seed document and its phrase, or ``default: …`` where the
documents are silent. Facts and phrases: ``reference/domain.md`` 1.1 (Xiamen).
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Annotated, Final, Generic, TypeVar

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, with_config

from gateway.pinblock.policy import DATE_DIGITS, PinPolicy, PinRule
from gateway.regions.vocabulary import (
    Channel,
    Operation,
    PinDemand,
    PinStore,
    Proof,
    RuleForce,
    Scene,
)
from gateway.terms.errors import SpecificationError
from gateway.terms.numbers import SsCardNumber
from gateway.terms.specification import parse_toml, structure

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
K = TypeVar("K")

_STRICT: Final = ConfigDict(extra="forbid")
# A value without a traceable source is an invention (a seed's file number, or an open default).
_SOURCE: Final = r"^(seeds/00[0-9]: .+|default: .+)$"
_FOLLOW_DELAY_SECONDS_MAX: Final = 30 * 24 * 3600  # longer than any known rule by a factor of 30

Source = Annotated[str, StringConstraints(pattern=_SOURCE)]
_Digits = Annotated[str, StringConstraints(pattern=r"^[0-9]{4,12}$")]
Since = Annotated[date, Field(alias="from")]


def _compiles(pattern: str) -> str:
    """Accept a regular expression only."""
    try:
        re.compile(pattern)
    except re.error:
        raise ValueError("must be a regular expression") from None
    return pattern


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class Dated(Generic[T_co]):
    """A value that holds from a date on, until a later one replaces it."""

    value: T_co
    source: Source
    since: Since = date.min


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class Name:
    """A name in both languages."""

    zh: Annotated[str, Field(min_length=1)]
    en: Annotated[str, Field(min_length=1)]


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class Institution:
    """A social-security institution: its code, and the route (link) that leads to its bureau."""

    code: Annotated[str, StringConstraints(pattern=r"^[0-9]{8}$")]
    name: Name
    link: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
    source: Source


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class Demand:
    """Whether a scene asks for the PIN from a date on."""

    scene: Scene
    value: PinDemand
    source: Source
    since: Since = date.min


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class Grant:
    """One operation on one channel, and the proofs that are asked for together."""

    operation: Operation
    channel: Channel
    proofs: Annotated[frozenset[Proof], Field(min_length=1)]
    source: Source
    since: Since = date.min
    until: date | None = None

    def holds(self, on: date) -> bool:
        """Tell whether the grant is in force; the last day is included."""
        return self.since <= on and (self.until is None or on <= self.until)


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class _Pin:
    """The file's `pin` table."""

    length: tuple[Dated[Annotated[int, Field(ge=4, le=12)]], ...]  # ISO 9564-1, 8.1: 4 to 12
    initial: tuple[Dated[Annotated[str, StringConstraints(pattern=r"^(none|[0-9]{4,12})$")]], ...]
    store: tuple[Dated[PinStore], ...]
    set_without_old_pin: tuple[Dated[bool], ...]
    weak: tuple[Dated[dict[PinRule, RuleForce]], ...]
    listed: tuple[Dated[tuple[_Digits, ...]], ...]
    demands: tuple[Demand, ...]


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class _Activation:
    """The file's `activation` table."""

    ss_follows_after_seconds: tuple[
        Dated[Annotated[int, Field(ge=0, le=_FOLLOW_DELAY_SECONDS_MAX)]], ...
    ]
    added_services_opt_in: tuple[Dated[bool], ...]


@dataclass(frozen=True, slots=True)
class PinRules:
    """The SS PIN's rules on one day; `policy` says which PINs are too simple."""

    policy: PinPolicy
    initial: str | None
    store: PinStore
    set_without_old_pin: bool


@dataclass(frozen=True, slots=True)
class ActivationRules:
    """What follows the activation of a financial account, on one day."""

    ss_follows_after: timedelta
    added_services_opt_in: bool


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class RegionProfile:
    """A region: its institutions, its PIN rules, what it grants and how activation goes."""

    region: Annotated[str, StringConstraints(pattern=r"^[a-z]{2,32}$")]
    code: Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]
    name: Name
    source: Source
    institutions: Annotated[tuple[Institution, ...], Field(min_length=1)]
    card_number: tuple[Dated[Annotated[str, AfterValidator(_compiles)]], ...]
    pin: _Pin
    activation: _Activation
    grants_: Annotated[tuple[Grant, ...], Field(alias="grants", min_length=1)]

    def grants(self, operation: Operation, channel: Channel, on: date) -> tuple[Grant, ...]:
        """Give the grants in force, each with its proofs; none means refused."""
        return tuple(
            grant
            for grant in self.grants_
            if grant.operation is operation and grant.channel is channel and grant.holds(on)
        )

    def offered(self, on: date) -> tuple[Grant, ...]:
        """Give every grant in force."""
        return tuple(grant for grant in self.grants_ if grant.holds(on))

    def card_number_fits(self, card: SsCardNumber, on: date) -> bool:
        """Tell whether an SS card number has the region's form."""
        return re.fullmatch(_in_force(self.card_number, on), card.value) is not None

    def pin_rules(self, on: date) -> PinRules:
        """Give the rules of the SS PIN."""
        initial = _in_force(self.pin.initial, on)
        forces = _in_force(self.pin.weak, on)
        return PinRules(
            policy=PinPolicy(
                length=_in_force(self.pin.length, on),
                rules=_with_force(forces, RuleForce.REFUSE),
                listed=_in_force(self.pin.listed, on),
                advised=_with_force(forces, RuleForce.ADVISE),
                initial="" if initial == "none" else initial,
            ),
            initial=None if initial == "none" else initial,
            store=_in_force(self.pin.store, on),
            set_without_old_pin=_in_force(self.pin.set_without_old_pin, on),
        )

    def pin_demand(self, scene: Scene, on: date) -> PinDemand:
        """Tell whether a scene asks for the SS PIN; one without a rule does not."""
        demands = [d for d in self.pin.demands if d.scene is scene and d.since <= on]
        return demands[-1].value if demands else PinDemand.NOT_ASKED

    def pin_required(self, scene: Scene, on: date) -> bool:
        """Tell whether a scene refuses a card that has no SS PIN."""
        return self.pin_demand(scene, on) is PinDemand.MANDATORY

    def activation_rules(self, on: date) -> ActivationRules:
        """Give what follows the activation of a financial account."""
        return ActivationRules(
            timedelta(seconds=_in_force(self.activation.ss_follows_after_seconds, on)),
            _in_force(self.activation.added_services_opt_in, on),
        )


def parse_profile(text: str, file: str) -> RegionProfile:
    """Parse a region profile; raises `SpecificationError` naming file, key and rule."""
    profile = structure(RegionProfile, parse_toml(text, file), file)
    for key, values in _dated_values(profile):
        _check_first_day(key, values, file)
        _check_order(key, [value.since for value in values], file)
    for scene in Scene:
        days = [demand.since for demand in profile.pin.demands if demand.scene is scene]
        _check_order(f"pin.demands ({scene})", days, file)
    _check_distinct("institutions", profile.institutions, lambda each: each.code, file)
    for grant in profile.grants_:
        _check_span(grant, file)
    _check_pin_policies(profile, file)
    return profile


def _in_force(values: Sequence[Dated[T]], on: date) -> T:
    """Give the latest value that has begun; parsing made sure that there is one."""
    return [dated.value for dated in values if dated.since <= on][-1]


def _with_force(forces: Mapping[PinRule, RuleForce], wanted: RuleForce) -> frozenset[PinRule]:
    """Give the rules of a force; one that the profile does not name is off."""
    return frozenset(rule for rule, force in forces.items() if force is wanted)


def _dated_values(profile: RegionProfile) -> list[tuple[str, Sequence[Dated[object]]]]:
    """List the dated values of a profile with their keys in the file."""
    pin, activation = profile.pin, profile.activation
    return [
        ("card_number", profile.card_number),
        ("pin.length", pin.length),
        ("pin.initial", pin.initial),
        ("pin.store", pin.store),
        ("pin.set_without_old_pin", pin.set_without_old_pin),
        ("pin.weak", pin.weak),
        ("pin.listed", pin.listed),
        ("activation.ss_follows_after_seconds", activation.ss_follows_after_seconds),
        ("activation.added_services_opt_in", activation.added_services_opt_in),
    ]


def _check_first_day(key: str, values: Sequence[Dated[object]], file: str) -> None:
    """Refuse values that leave a day without one."""
    if not values or values[0].since != date.min:
        raise SpecificationError(file, key, "the first value must have no `from`")


def _check_order(key: str, days: Sequence[date], file: str) -> None:
    """Refuse days that do not ascend: the later line must be the later rule."""
    if any(later <= earlier for earlier, later in pairwise(days)):
        raise SpecificationError(file, key, "`from` must ascend, each day once")


def _check_distinct(key: str, items: Iterable[T], of: Callable[[T], K], file: str) -> None:
    """Refuse a repeated value."""
    seen = [of(item) for item in items]
    if len(set(seen)) != len(seen):
        raise SpecificationError(file, key, "each code must occur once")


def _check_pin_policies(profile: RegionProfile, file: str) -> None:
    """Refuse a rule that would silently say nothing of PINs of the length in force."""
    for day in {dated.since for dated in (*profile.pin.weak, *profile.pin.length)}:
        policy = profile.pin_rules(day).policy
        if PinRule.DATE in policy.rules | policy.advised and policy.length != DATE_DIGITS:
            rule = f"rule date is for PINs of {DATE_DIGITS} digits"
            raise SpecificationError(file, "pin.weak", rule)


def _check_span(grant: Grant, file: str) -> None:
    """Refuse a grant that ends before it begins."""
    if grant.until is not None and grant.until < grant.since:
        key = f"grants ({grant.operation}, {grant.channel})"
        raise SpecificationError(file, key, "`until` must not be before `from`")
