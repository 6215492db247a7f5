"""Which PINs are refused as too easily guessed.

The rules are structural, or made of what a thief knows of the holder; there is no list of
popular PINs of unclear licence (``reference/pin-and-keys.md`` 7). Every rule is evaluated for
every PIN, and only then a verdict given, so that the time taken does not tell which rule hit.
"""

import re
from collections.abc import Callable, Iterable, Iterator
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
    return _is_among(pin, policy.listed)


def _is_birth_date(pin: Octets, holder: PinHolder) -> bool:
    return holder.birth_date is not None and _is_among(
        pin, birth_date_forms(holder.birth_date, len(pin))
    )


def _is_of_holder_numbers(pin: Octets, holder: PinHolder) -> bool:
    """Tell whether the PIN occurs anywhere in a number; letters in a number are skipped over."""
    windows = (window for number in holder.numbers for window in _windows(number, len(pin)))
    return _is_among(pin, windows)


def birth_date_forms(born: date, length: int) -> frozenset[str]:
    """All that people make of a date in so many digits.

    Two- and four-digit year, in Chinese, American and European order, with and without leading
    zeros, and any part of the eight digits.
    """
    year, month, day = f"{born:%Y}", f"{born:%m}", f"{born:%d}"
    short_month, short_day = str(born.month), str(born.day)
    forms = [
        first + second + third
        for y in (year, year[2:])
        for m in (month, short_month)
        for d in (day, short_day)
        for first, second, third in ((y, m, d), (m, d, y), (d, m, y), (y, d, m))
    ]
    forms += [year + month, month + year, year + day, day + year]
    return frozenset(part for form in forms for part in _windows(form, length))


def _windows(number: str, length: int) -> Iterator[str]:
    """Every part of a number of so many consecutive digits, in order."""
    for digits in re.findall(r"[0-9]+", number):
        for at in range(len(digits) - length + 1):
            yield digits[at : at + length]


def _is_among(pin: Octets, listed: Iterable[str]) -> bool:
    # The PIN is compared as it is: looking it up in a set would need an immutable copy of it,
    # `any` would stop at the first hit.
    return sum(pin == entry.encode() for entry in listed) > 0


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
