"""Which PINs are too easily guessed, and whether a region refuses them or advises against them.

The rules are structural, or made of what a thief knows of the holder; there is no list of
popular PINs of unclear licence (``reference/pin-and-keys.md`` 7). All that may refuse a PIN or
advise against it is looked at before a judgement is given, so that the time taken tells no more
than the judgement does.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import Enum, StrEnum
from functools import cached_property, lru_cache
from typing import NamedTuple, Self

from gateway.pinblock.formats import Octets

DATE_DIGITS = 6

_BIRTH_DATES_MAX = 10_000  # days on which the holders of a quarter of a century were born
_POLICIES_MAX = 256  # one for each region and day on which its rules change, and more


class PinRule(StrEnum):
    """A rule that a region profile may choose, by the name it has there."""

    SAME_DIGIT = "same-digit"
    RUN = "run"
    REPEATED_GROUP = "repeated-group"
    KEYPAD = "keypad"
    DATE = "date"
    LISTED = "listed"
    INITIAL = "initial"
    BIRTH_DATE = "birth-date"
    HOLDER_NUMBERS = "holder-numbers"


class PinVerdict(Enum):
    """What the policy says of a PIN; coarse, so that it does not help to guess one."""

    ACCEPTED = "accepted"
    FORMAT = "format"
    TRIVIAL = "trivial"
    PERSONAL = "personal"


class PinAdvice(StrEnum):
    """Why an accepted PIN had better be another one; as coarse as a verdict."""

    TRIVIAL = "trivial"
    PERSONAL = "personal"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict, and beside `ACCEPTED` perhaps an advice."""

    verdict: PinVerdict
    advice: PinAdvice | None = None


@dataclass(frozen=True)  # without slots, for what is worked out once
class PinPolicy:
    """The rules of a region: PIN length in digits, rules that refuse, rules that only advise.

    `listed` holds published PINs, `initial` the one that a region issues cards with; each has a
    rule of its name. The rule `date` knows PINs of six digits only.
    """

    length: int = 6
    rules: frozenset[PinRule] = frozenset(PinRule)
    listed: tuple[str, ...] = ("123456",)
    advised: frozenset[PinRule] = frozenset()
    initial: str = ""

    @cached_property
    def _judges(self) -> "tuple[_Judge, _Judge]":
        """What refuses and what advises."""
        return _judges(self)


class PinHolder(NamedTuple):
    """What is known of the holder: date of birth, and numbers (id, mobile, card) with letters."""

    birth_date: date | None = None
    numbers: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "PinHolder(…)"


@dataclass(frozen=True, slots=True)
class PinList:
    """PINs that an operator refuses in every region; ascending, each once."""

    pins: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        assert list(self.pins) == sorted(set(self.pins))

    def __contains__(self, pin: Octets) -> bool:
        # A search by order compares the PIN as it is, where a set would need a hashable copy.
        at = bisect_left(self.pins, pin)
        return at < len(self.pins) and self.pins[at] == pin


_NO_LIST = PinList()


def judge(
    pin: Octets, policy: PinPolicy, holder: PinHolder, operators: PinList = _NO_LIST
) -> Judgement:
    """Judge a PIN of ASCII digits: format first, then every rule, the refusing ones before all."""
    if len(pin) != policy.length or not pin.isdigit():
        return Judgement(PinVerdict.FORMAT)
    refused, advised = policy._judges  # noqa: SLF001 - one thing, in two classes
    refuses_trivial, refuses_personal = refused(pin, holder)
    refuses_listed = bool(operators.pins) and pin in operators
    advises_trivial, advises_personal = advised(pin, holder) if policy.advised else _SILENT
    if refuses_trivial or refuses_listed:
        return Judgement(PinVerdict.TRIVIAL)
    if refuses_personal:
        return Judgement(PinVerdict.PERSONAL)
    if advises_personal:
        return Judgement(PinVerdict.ACCEPTED, PinAdvice.PERSONAL)
    if advises_trivial:
        return Judgement(PinVerdict.ACCEPTED, PinAdvice.TRIVIAL)
    return _ACCEPTED


@dataclass(frozen=True, slots=True)
class _Judge:
    """What a set of rules says of a PIN; a pattern looks at the buffer and copies none of it."""

    trivial: Callable[[Octets], object]
    knows_birth_date: bool
    knows_numbers: bool

    @classmethod
    def of(cls, rules: frozenset[PinRule], policy: PinPolicy) -> Self:
        patterns = [pattern for rule, pattern in _patterns(policy) if rule in rules]
        trivial = re.compile(b"|".join(patterns) or _NOTHING).fullmatch
        return cls(trivial, PinRule.BIRTH_DATE in rules, PinRule.HOLDER_NUMBERS in rules)

    def __call__(self, pin: Octets, holder: PinHolder) -> tuple[bool, bool]:
        """Tell whether a PIN is trivial, and whether it is a part of what a thief knows.

        `count` goes to the end whatever it finds, and takes the PIN as it is: a set would need an
        immutable copy of it.
        """
        is_trivial = self.trivial(pin) is not None
        born, numbers = holder
        found = 0
        if self.knows_birth_date and born:
            found = _birth_date_text(born).count(pin)
        if self.knows_numbers:
            found += _spaced(numbers).count(pin)
        return is_trivial, found > 0


@lru_cache(_POLICIES_MAX)
def _judges(policy: PinPolicy) -> tuple[_Judge, _Judge]:
    """Give what refuses and what advises, under a policy."""
    return _Judge.of(policy.rules, policy), _Judge.of(policy.advised, policy)


def _patterns(policy: PinPolicy) -> Iterator[tuple[PinRule, bytes]]:
    """Write the rules that look at nothing but the PIN, for PINs of the policy's length."""
    yield PinRule.SAME_DIGIT, rb"(?:%s)" % b"|".join(b"%d+" % digit for digit in range(10))
    yield PinRule.RUN, b"|".join(_runs(policy.length))
    yield PinRule.REPEATED_GROUP, _repeated_groups(policy.length)
    yield PinRule.KEYPAD, _STROKES + b"+"
    # Any two digits are a year, and 29 February is a day of any of them: which century is meant
    # is not said.
    if policy.length == DATE_DIGITS:
        dates = (rb"..", _MONTH_DAY), (_DAY_MONTH, rb".."), (_MONTH_DAY, rb".."), (_CENTURY, _MONTH)
        yield PinRule.DATE, b"|".join(map(b"".join, dates))
    yield PinRule.LISTED, b"|".join(re.escape(pin.encode()) for pin in policy.listed) or _NOTHING
    yield PinRule.INITIAL, re.escape(policy.initial.encode()) or _NOTHING


def _runs(length: int) -> Iterator[bytes]:
    """Write the PINs in which each digit differs from the last by the same step, modulo ten.

    Those are 123456, 987654, 890123 and also 135791.
    """
    for first in range(10):
        # Those with the same first digit together: a PIN that begins otherwise skips them all.
        rest = (
            "".join(str((first + at * step) % 10) for at in range(1, length))
            for step in range(1, 10)
        )
        yield f"{first}(?:{'|'.join(rest)})".encode()


def _repeated_groups(length: int) -> bytes:
    """Write that a shorter group is repeated (ABABAB, ABCABC) or each digit is (AABBCC, AAABBB).

    Groups of two and three, for a PIN of six digits; of a length that has no such part, nothing.
    """
    sizes = [size for size in range(2, length // 2 + 1) if length % size == 0]
    # The groups have names, since other patterns with groups stand beside this one.
    repeated = [b"(?P<g%d>.{%d})(?P=g%d)+" % (size, size, size) for size in sizes]
    stuttered = [
        b"".join(
            b"(?P<d%d_%d>.)(?P=d%d_%d){%d}" % (size, at, size, at, size - 1)
            for at in range(length // size)
        )
        for size in sizes
    ]
    return b"|".join((*repeated, *stuttered)) or _NOTHING


@lru_cache(_BIRTH_DATES_MAX)
def _birth_date_text(born: date) -> bytes:
    return _spaced(birth_date_forms(born))


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


def _spaced(entries: Iterable[str]) -> bytes:
    """Write entries so that counting finds a PIN in one of them, never across two."""
    return " ".join(entries).encode()


_ACCEPTED = Judgement(PinVerdict.ACCEPTED)
_SILENT = (False, False)
# Two strokes over three keys in a line, one way or the other: 147258, 159357, 789456. PINs that
# are no whole number of strokes have no pattern.
_LINES = (b"123", b"456", b"789", b"147", b"258", b"369", b"159", b"357")
_NOTHING = b"(?!)"  # a pattern that no PIN has
_STROKES = b"(?:%s)" % b"|".join(stroke for line in _LINES for stroke in (line, line[::-1]))
# Months of 31, 30 and 29 days, as two digits each, with their days on either side.
_DAYS = (
    (rb"(?:0[13578]|1[02])", rb"(?:0[1-9]|[12][0-9]|3[01])"),
    (rb"(?:0[469]|11)", rb"(?:0[1-9]|[12][0-9]|30)"),
    (rb"02", rb"(?:0[1-9]|[12][0-9])"),
)
_MONTH_DAY = b"(?:%s)" % b"|".join(month + day for month, day in _DAYS)
_DAY_MONTH = b"(?:%s)" % b"|".join(day + month for month, day in _DAYS)
_CENTURY, _MONTH = rb"(?:19|20)..", rb"(?:0[1-9]|1[0-2])"
