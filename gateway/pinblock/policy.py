"""Which PINs are too easily guessed, and whether a region refuses them or advises against them.

The rules are structural, or made of what a thief knows of the holder; there is no list of
popular PINs of unclear licence (``reference/pin-and-keys.md`` 7). Every rule is evaluated for
every PIN, and only then a judgement given, so that the time taken does not tell which rule hit.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum, StrEnum
from functools import cache, lru_cache

from gateway.pinblock.formats import PIN_DIGITS_MAX, Octets

DATE_DIGITS = 6
STROKE_DIGITS = 3  # keys of a line on the keypad

_BIRTH_DATES_MAX = 10_000  # days on which the holders of a quarter of a century were born
_ZERO = ord("0")


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


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True, repr=False)
class PinHolder:
    """What is known of the holder: date of birth, and numbers (id, mobile, card) with letters."""

    birth_date: date | None = None
    numbers: tuple[str, ...] = ()


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
    trivial = [rule for rule, applies in _TRIVIAL.items() if applies(pin, policy)]
    personal = [rule for rule, applies in _PERSONAL.items() if applies(pin, holder)]
    is_listed = pin in operators
    if is_listed or not policy.rules.isdisjoint(trivial):
        return Judgement(PinVerdict.TRIVIAL)
    if not policy.rules.isdisjoint(personal):
        return Judgement(PinVerdict.PERSONAL)
    if not policy.advised.isdisjoint(personal):
        return Judgement(PinVerdict.ACCEPTED, PinAdvice.PERSONAL)
    if not policy.advised.isdisjoint(trivial):
        return Judgement(PinVerdict.ACCEPTED, PinAdvice.TRIVIAL)
    return _ACCEPTED


def _is_same_digit(pin: Octets, _policy: PinPolicy) -> bool:
    return pin.count(pin[0]) == len(pin)


def _is_run(pin: Octets, _policy: PinPolicy) -> bool:
    """Tell whether each digit differs from the last by the same step, modulo ten.

    That holds 123456, 987654, 890123 and also 135791.
    """
    return _RUNS.count(pin) > 0


def _is_repeated_group(pin: Octets, _policy: PinPolicy) -> bool:
    """Tell whether a shorter group is repeated (ABABAB, ABCABC) or each digit is (AABBCC, AAABBB).

    Groups of two and three, for a PIN of six digits.
    """
    return any(_all_equal(pin, pairs) for pairs in _equal_in_groups(len(pin)))


def _all_equal(pin: Octets, pairs: Iterable[tuple[int, int]]) -> bool:
    return all(pin[one] == pin[other] for one, other in pairs)


@cache
def _equal_in_groups(length: int) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Give, for each way to repeat a group, the places that then hold equal digits."""
    sizes = [size for size in range(2, length // 2 + 1) if length % size == 0]
    repeated = [tuple((at, at - size) for at in range(size, length)) for size in sizes]
    stuttered = [tuple((at, at - at % size) for at in range(length)) for size in sizes]
    return (*repeated, *stuttered)


def _is_keypad_pattern(pin: Octets, _policy: PinPolicy) -> bool:
    """Tell whether a PIN is strokes over three keys in a line: 147258, 159357, 789456.

    Rows, columns and diagonals of the keypad, either way; PINs that are no whole number of
    strokes have no pattern.
    """
    strokes = zip(*[iter(pin)] * STROKE_DIGITS, strict=False)
    return len(pin) % STROKE_DIGITS == 0 and all(map(_STROKES.__contains__, strokes))


def _is_date(pin: Octets, policy: PinPolicy) -> bool:
    """Tell whether a PIN may be somebody's date: YYMMDD, DDMMYY, MMDDYY or YYYYMM.

    Any two digits are a year, and 29 February is a day of any of them: which century is meant
    is not said.
    """
    if policy.length != DATE_DIGITS:
        return False
    first, middle, last = (10 * pin[at] + pin[at + 1] - 11 * _ZERO for at in (0, 2, 4))
    orders = (
        0 < last <= _DAYS_MAX[middle],
        0 < first <= _DAYS_MAX[middle],
        0 < middle <= _DAYS_MAX[first],
        first in _CENTURIES and _DAYS_MAX[last] > 0,
    )
    return any(orders)


def _is_listed(pin: Octets, policy: PinPolicy) -> bool:
    listed: Sequence[Octets] = [entry.encode() for entry in policy.listed]
    return listed.count(pin) > 0


def _is_initial(pin: Octets, policy: PinPolicy) -> bool:
    return pin == policy.initial.encode()


def _is_birth_date(pin: Octets, holder: PinHolder) -> bool:
    forms = birth_date_forms(holder.birth_date) if holder.birth_date else ()
    return _is_part(pin, forms)


def _is_of_holder_numbers(pin: Octets, holder: PinHolder) -> bool:
    return _is_part(pin, holder.numbers)


@lru_cache(_BIRTH_DATES_MAX)
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
    return _spaced(numbers).count(pin) > 0


def _spaced(entries: Iterable[str]) -> bytes:
    """Write entries so that counting finds a PIN in one of them, never across two."""
    return " ".join(entries).encode()


_ACCEPTED = Judgement(PinVerdict.ACCEPTED)
_RUNS = _spaced(
    "".join(str((first + at * step) % 10) for at in range(PIN_DIGITS_MAX))
    for first in range(10)
    for step in range(1, 10)
)
_LINES = (b"123", b"456", b"789", b"147", b"258", b"369", b"159", b"357")
_STROKES = frozenset(tuple(stroke) for line in _LINES for stroke in (line, line[::-1]))
# By two digits: how many days the month has, and none for what is no month.
_DAYS_MAX = (0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, *(0,) * 87)
_CENTURIES = frozenset((19, 20))

_TRIVIAL: dict[PinRule, Callable[[Octets, PinPolicy], bool]] = {
    PinRule.SAME_DIGIT: _is_same_digit,
    PinRule.RUN: _is_run,
    PinRule.REPEATED_GROUP: _is_repeated_group,
    PinRule.KEYPAD: _is_keypad_pattern,
    PinRule.DATE: _is_date,
    PinRule.LISTED: _is_listed,
    PinRule.INITIAL: _is_initial,
}
_PERSONAL: dict[PinRule, Callable[[Octets, PinHolder], bool]] = {
    PinRule.BIRTH_DATE: _is_birth_date,
    PinRule.HOLDER_NUMBERS: _is_of_holder_numbers,
}
