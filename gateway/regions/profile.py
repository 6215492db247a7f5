"""One region's profile: parsed from its file, and asked what holds on a day.

A profile changes on few days. What holds between two of them is drawn up once, when the file is
parsed, so that a request costs a look-up. Facts and phrases: ``reference/domain.md`` 1.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import product
from typing import Final, Protocol, TypeVar

from gateway.pinblock.policy import DATE_DIGITS, PinPolicy, PinRule
from gateway.regions.dated import Dated, in_force, must_ascend, must_begin
from gateway.regions.matrix import Granted, Matrix, NotGranted, NoticeRules, Reason
from gateway.regions.profile_file import Institution, ProfileFile
from gateway.regions.rules import (
    ActivationRules,
    EcardRules,
    LossRules,
    PinRules,
    ReplacementRules,
    Rules,
    VoucherRules,
)
from gateway.regions.vocabulary import (
    NEVER_GRANTED,
    PIN_IS_COMPARED,
    PIN_PROOFS,
    ActivationOrder,
    Area,
    Business,
    Channel,
    PinState,
    PinStore,
    Proof,
    RuleForce,
)
from gateway.terms.errors import SpecificationError
from gateway.terms.numbers import SsCardNumber
from gateway.terms.specification import parse_toml, structure

T = TypeVar("T")
K_co = TypeVar("K_co", covariant=True)
V_co = TypeVar("V_co", covariant=True)

_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RegionProfile:
    """A region; `spans` has the rules that begin on each of `days`, which ascend."""

    file: ProfileFile
    days: tuple[date, ...]
    spans: tuple[Rules, ...]

    @property
    def region(self) -> str:
        """The region's name in files and commands."""
        return self.file.region

    @property
    def institutions(self) -> tuple[Institution, ...]:
        """The institutions of the region."""
        return self.file.institutions

    def rules(self, on: date) -> Rules:
        """Give everything that holds on a day."""
        return self.spans[bisect_right(self.days, on) - 1]

    def decide(
        self, channel: Channel, business: Business, proofs: frozenset[Proof], on: date
    ) -> Granted | NotGranted:
        """Say whether the region grants a business here on these proofs, or what is needed."""
        return self.rules(on).matrix.decide(channel, business, proofs)

    def card_number_fits(self, card: SsCardNumber, on: date) -> bool:
        """Tell whether an SS card number has the region's form."""
        return self.rules(on).card_number.fullmatch(card.value) is not None


def parse_profile(text: str, file: str) -> RegionProfile:
    """Parse a region profile; raises `SpecificationError` naming file, key and rule."""
    parsed = structure(ProfileFile, parse_toml(text, file), file)
    for key, values in parsed.settings().items():
        must_begin(key, values, file)
        must_ascend(key, [value.since for value in values], file)
    for key, rules in parsed.keyed().items():
        must_ascend(key, [rule.since for rule in rules], file)
    _check_institutions(parsed, file)
    _check_grants(parsed, file)
    days = tuple(sorted(set(_turning_days(parsed))))
    spans = tuple(_rules(parsed, day) for day in days)
    for span in spans:
        _check_span(span, file)
        _check_activation(span.activation, file)
    return RegionProfile(parsed, days, spans)


def _turning_days(parsed: ProfileFile) -> Iterator[date]:
    """Give the days on which anything in the profile changes."""
    yield date.min
    for values in (*parsed.settings().values(), *parsed.keyed().values()):
        yield from (value.since for value in values)
    for grant in parsed.grants:
        yield grant.since
        if grant.until is not None:
            yield grant.until + _DAY


class _Keyed(Protocol[K_co, V_co]):
    """A dated value that is for one scene, item or business."""

    @property
    def key(self) -> K_co: ...
    @property
    def value(self) -> V_co: ...
    @property
    def since(self) -> date: ...


def _by_key(rules: Sequence[_Keyed[K_co, V_co]], on: date) -> dict[K_co, V_co]:
    """Give the value in force for each key: rules of a key ascend, so the last one begun wins."""
    return {rule.key: rule.value for rule in rules if rule.since <= on}


def _now(values: Sequence[Dated[T]], on: date) -> T:
    return in_force(values, on).value


def _rules(parsed: ProfileFile, on: date) -> Rules:
    working_days = _by_key(parsed.terms, on)
    pin = _pin_rules(parsed, on)
    withheld = {Business.SS_PIN_SET: Reason.CHIP_PIN} if pin.store is PinStore.CHIP else {}
    enquiries = _now(parsed.notice.enquiries, on)
    notices = NoticeRules(enquiries, working_days, _now(parsed.notice.otherwise, on))
    return Rules(
        card_number=re.compile(_now(parsed.card_number, on)),
        matrix=Matrix.of(parsed.grants, on, notices, withheld),
        mobile_equals_core=_now(parsed.linking.mobile_equals_core, on),
        pin=pin,
        activation=_activation_rules(parsed, on),
        loss=_loss_rules(parsed, on),
        replacement=_replacement_rules(parsed, on),
        vouchers=_voucher_rules(parsed, on),
        ecard=_ecard_rules(parsed, on),
        fees=_by_key(parsed.fees, on),
        working_days=working_days,
    )


def _pin_rules(parsed: ProfileFile, on: date) -> PinRules:
    pin = parsed.pin
    initial = _now(pin.initial, on)
    lock_after = _now(pin.lock_after, on)
    known = None if initial in {"none", "unknown"} else initial
    return PinRules(
        policy=PinPolicy(
            length=_now(pin.length, on),
            rules=_with_force(_now(pin.weak, on), RuleForce.REFUSE),
            listed=_now(pin.listed, on),
            advised=_with_force(_now(pin.weak, on), RuleForce.ADVISE),
            initial=known or "",
        ),
        starts=_now(pin.starts, on),
        initial=known,
        initial_is_asked=_now(pin.initial_is_asked, on),
        store=_now(pin.store, on),
        set_without_old_pin=_now(pin.set_without_old_pin, on),
        opt_out=_now(pin.opt_out, on),
        lock_after=None if lock_after == "bureau" else lock_after,
        demands=_by_key(pin.demands, on),
    )


def _with_force(forces: Mapping[PinRule, RuleForce], wanted: RuleForce) -> frozenset[PinRule]:
    """Give the rules of a force; one that the profile does not name is off."""
    return frozenset(rule for rule, force in forces.items() if force is wanted)


def _activation_rules(parsed: ProfileFile, on: date) -> ActivationRules:
    activation = parsed.activation
    return ActivationRules(
        _now(activation.order, on),
        timedelta(seconds=_now(activation.ss_follows_after_seconds, on)),
    )


def _loss_rules(parsed: ProfileFile, on: date) -> LossRules:
    loss = parsed.loss
    days = _now(loss.temporary_lasts_days, on)
    return LossRules(
        None if days == "until-cancelled" else timedelta(days=days),
        _now(loss.cancel_before_replacement_only, on),
        _now(loss.formal_can_be_cancelled, on),
        _now(loss.allowed_meanwhile, on),
    )


def _replacement_rules(parsed: ProfileFile, on: date) -> ReplacementRules:
    replacement = parsed.replacement
    return ReplacementRules(
        _now(replacement.ss_pin, on), _now(replacement.links, on), _now(replacement.mobile, on)
    )


def _voucher_rules(parsed: ProfileFile, on: date) -> VoucherRules:
    vouchers = parsed.vouchers
    return VoucherRules(
        _now(vouchers.every_business, on),
        _now(vouchers.collection_receipt, on),
    )


def _ecard_rules(parsed: ProfileFile, on: date) -> EcardRules | None:
    ecard = parsed.ecard
    if ecard is None:
        return None
    forces = _now(ecard.pin_weak, on)
    return EcardRules(
        PinPolicy(
            length=_now(ecard.pin_length, on),
            rules=_with_force(forces, RuleForce.REFUSE),
            listed=(),
            advised=_with_force(forces, RuleForce.ADVISE),
        ),
        _now(ecard.pin_equals_card_pins, on),
        _now(ecard.code_modes, on),
        timedelta(seconds=_now(ecard.code_life_seconds, on)),
        _now(ecard.payment_needs_active_account, on),
        _now(ecard.unusable_in, on),
    )


# ---------------------------------------------------------------- what a file is refused for


def _check_institutions(parsed: ProfileFile, file: str) -> None:
    """Refuse a repeated code."""
    codes = [institution.code for institution in parsed.institutions]
    if len(set(codes)) != len(codes):
        raise SpecificationError(file, "institutions", "each code must occur once")


def _check_grants(parsed: ProfileFile, file: str) -> None:
    """Refuse a grant that ends before it begins, and one that no region can give."""
    for at, grant in enumerate(parsed.grants):
        key = f"grants.{at}"
        if grant.until is not None and grant.until < grant.since:
            raise SpecificationError(file, f"{key}.until", "must not be before `from`")
        if not NEVER_GRANTED.isdisjoint(grant.business):
            rule = "the two accounts are separate, and nothing moves money between them"
            raise SpecificationError(file, f"{key}.business", rule)
        for business, proof in product(grant.business, sorted(grant.proofs & PIN_PROOFS)):
            if business not in PIN_IS_COMPARED[proof]:
                rule = (
                    f"{proof.value} is compared by nobody in {business.value}: name another proof"
                )
                raise SpecificationError(file, f"{key}.proofs", rule)
        if parsed.ecard is None and any(each.area is Area.ECARD for each in grant.business):
            rule = "the e-card is granted, so the table `ecard` must say its rules"
            raise SpecificationError(file, f"{key}.business", rule)


def _check_span(rules: Rules, file: str) -> None:
    """Refuse rules that contradict each other on the same day."""
    pin = rules.pin
    policies = {"pin.weak": pin.policy}
    if rules.ecard is not None:
        policies["ecard.pin_weak"] = rules.ecard.pin_policy
    for key, policy in policies.items():
        if PinRule.DATE in policy.rules | policy.advised and policy.length != DATE_DIGITS:
            rule = f"rule date is for PINs of {DATE_DIGITS} digits"
            raise SpecificationError(file, key, rule)
    is_granted = bool(rules.matrix.places(Business.SS_PIN_SET))
    if is_granted and pin.store is PinStore.CHIP:
        rule = "chip: no PIN in a chip can be set without the old one, yet ss-pin-set is granted"
        raise SpecificationError(file, "pin.store", rule)
    if is_granted and not pin.set_without_old_pin:
        rule = "false: yet ss-pin-set is granted"
        raise SpecificationError(file, "pin.set_without_old_pin", rule)
    if rules.matrix.places(Business.SS_PIN_OPT_OUT) and not pin.opt_out:
        raise SpecificationError(file, "pin.opt_out", "false: yet ss-pin-opt-out is granted")
    if pin.initial is not None and pin.starts is not PinState.INITIAL:
        rule = "must be initial where cards are issued with an initial PIN"
        raise SpecificationError(file, "pin.starts", rule)


def _check_activation(rules: ActivationRules, file: str) -> None:
    """Refuse a delay where the SS account does not follow, or both are active at once."""
    if rules.order is not ActivationOrder.FINANCIAL_FIRST and rules.ss_follows_after:
        rule = "the SS account follows after a while only where the financial one is first"
        raise SpecificationError(file, "activation.ss_follows_after_seconds", rule)
