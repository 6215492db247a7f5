"""Which PINs are refused as too easily guessed.

The rules are structural, or made of what a thief knows of the holder; there is no list of
popular PINs of unclear licence (``reference/pin-and-keys.md`` 7). Every rule is evaluated for
every PIN, and only then a verdict given, so that the time taken does not tell which rule hit.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum, StrEnum
from itertools import pairwise

from gateway.pinblock.formats import Octets


class PinRule(StrEnum):
    """A rule that a region profile may choose, by the name it has there."""

    SAME_DIGIT = "same-digit"
    RUN = "run"
    REPEATED_GROUP = "repeated-group"
    LISTED = "listed"
    BIRTH_DATE = "birth-date"
    HOLDER_NUMBERS = "holder-numbers"


class PinVerdict(Enum):
    """What the policy says of a PIN; coarse, so that it does not help to guess one."""

    ACCEPTED = "accepted"
    FORMAT = "format"
    TRIVIAL = "trivial"
    PERSONAL = "personal"


@dataclass(frozen=True, slots=True)
class PinPolicy:
    """The rules of a region: PIN length in digits, rules in force, and PINs that it lists.

    `listed` holds published PINs such as a region's initial PIN; the rule `listed` refuses them.
    """

    length: int = 6
    rules: frozenset[PinRule] = frozenset(PinRule)
    listed: tuple[str, ...] = ("123456",)


@dataclass(frozen=True, slots=True, repr=False)
class PinHolder:
    """What is known of the holder: date of birth, and numbers (id, mobile, card) with letters."""

    birth_date: date | None = None
    numbers: tuple[str, ...] = ()


def judge(pin: Octets, policy: PinPolicy, holder: PinHolder) -> PinVerdict:
    """Judge a PIN of ASCII digits: format first, then every rule of the policy."""
    if len(pin) != policy.length or not pin.isdigit():
        return PinVerdict.FORMAT
    trivial = [rule(pin, policy) for name, rule in _TRIVIAL.items() if name in policy.rules]
    personal = [rule(pin, holder) for name, rule in _PERSONAL.items() if name in policy.rules]
    if any(trivial):
        return PinVerdict.TRIVIAL
    return PinVerdict.PERSONAL if any(personal) else PinVerdict.ACCEPTED


def _is_same_digit(pin: Octets, _policy: PinPolicy) -> bool:
    return len(set(pin)) == 1


def _is_run(pin: Octets, _policy: PinPolicy) -> bool:
    """Tell whether each digit differs from the last by the same step, modulo ten.

    That holds 123456, 987654, 890123 and also 135791.
    """
    steps = {(after - before) % 10 for before, after in pairwise(pin)}
    return len(steps) == 1 and steps != {0}


def _is_repeated_group(pin: Octets, _policy: PinPolicy) -> bool:
    """Tell whether a shorter group is repeated (ABABAB, ABCABC) or each digit is (AABBCC, AAABBB).

    Groups of two and three, for a PIN of six digits.
    """
    sizes = [size for size in range(2, len(pin) // 2 + 1) if len(pin) % size == 0]
    return sum(_repeats(pin, size) + _stutters(pin, size) for size in sizes) > 0


def _repeats(pin: Octets, size: int) -> bool:
    """Tell whether every digit is the one a group before it."""
    return sum(pin[at] != pin[at - size] for at in range(size, len(pin))) == 0


def _stutters(pin: Octets, size: int) -> bool:
    """Tell whether every digit is the first of its group."""
    return sum(pin[at] != pin[at - at % size] for at in range(len(pin))) == 0


def _is_listed(pin: Octets, policy: PinPolicy) -> bool:
    listed: Sequence[Octets] = [entry.encode() for entry in policy.listed]
    return listed.count(pin) > 0


def _is_birth_date(pin: Octets, holder: PinHolder) -> bool:
    forms = birth_date_forms(holder.birth_date) if holder.birth_date else ()
    return _is_part(pin, forms)


def _is_of_holder_numbers(pin: Octets, holder: PinHolder) -> bool:
    return _is_part(pin, holder.numbers)


def birth_date_forms(born: date) -> tuple[str, ...]:
    """Write a date as people do, in digits only; a PIN may be any part of one of them.

    Year, month and day in Chinese, American, European and mixed order, with four digits of the
    year or two, with and without leading zeros.
    """
    year, month, day = born.isoformat().split("-")
    short_month, short_day = str(born.month), str(born.day)
    written = {
        (year, month, day),
        (year, short_month, day),
        (year, month, short_day),
        (year, short_month, short_day),
        (year[2:], month, day),
    }
    return tuple(
        form for y, m, d in written for form in (y + m + d, m + d + y, d + m + y, y + d + m)
    )


def _is_part(pin: Octets, numbers: Iterable[str]) -> bool:
    """Tell whether the PIN is anywhere in one of the numbers; letters in them part digits."""
    # `count` goes to the end whatever it finds, and takes the PIN as it is: a set would need an
    # immutable copy of it.
    return " ".join(numbers).encode().count(pin) > 0


_TRIVIAL: dict[PinRule, Callable[[Octets, PinPolicy], bool]] = {
    PinRule.SAME_DIGIT: _is_same_digit,
    PinRule.RUN: _is_run,
    PinRule.REPEATED_GROUP: _is_repeated_group,
    PinRule.LISTED: _is_listed,
}
_PERSONAL: dict[PinRule, Callable[[Octets, PinHolder], bool]] = {
    PinRule.BIRTH_DATE: _is_birth_date,
    PinRule.HOLDER_NUMBERS: _is_of_holder_numbers,
}
