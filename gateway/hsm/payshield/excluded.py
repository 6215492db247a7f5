"""The PINs that a probe excludes: of a policy, what fits into 99 entries.

The rules of a region refuse about a tenth of all PINs; a table of 99 cannot. What goes in first
is what a thief tries first: what is published, then what stands in the holder's papers.
"""

from collections.abc import Iterable, Iterator
from itertools import islice

from gateway.hsm.payshield.pin_commands import EXCLUDED_MAX
from gateway.pinblock.policy import PinHolder, PinPolicy, PinRule, birth_date_forms

_DIGITS = "0123456789"


def excluded_pins(policy: PinPolicy, holder: PinHolder) -> tuple[str, ...]:
    """Give at most 99 PINs of the policy's length, the likeliest first, none twice.

    Only rules of the policy that refuse count. Repeated groups, keypad patterns, dates of nobody
    in particular and the operator's list are left out altogether: there are too many of them.
    """
    candidates = (
        pin
        for rule, pins in _by_likelihood(policy, holder)
        if rule in policy.rules
        for pin in pins
        if len(pin) == policy.length
    )
    return tuple(islice(dict.fromkeys(candidates), EXCLUDED_MAX))


def _by_likelihood(policy: PinPolicy, holder: PinHolder) -> Iterator[tuple[PinRule, Iterable[str]]]:
    length = policy.length
    forms = birth_date_forms(holder.birth_date) if holder.birth_date else ()
    numbers = [part for number in holder.numbers for part in _digit_runs(number)]
    yield PinRule.INITIAL, (policy.initial,)
    yield PinRule.LISTED, policy.listed
    yield PinRule.BIRTH_DATE, (form for form in forms if len(form) == length)
    yield PinRule.HOLDER_NUMBERS, (number[-length:] for number in numbers)
    yield PinRule.HOLDER_NUMBERS, (number[:length] for number in numbers)
    yield PinRule.SAME_DIGIT, (digit * length for digit in _DIGITS)
    yield PinRule.RUN, _runs(length)
    yield PinRule.BIRTH_DATE, (part for form in forms for part in _parts(form, length))
    yield PinRule.HOLDER_NUMBERS, (part for one in numbers for part in _parts(one, length))


def _runs(length: int) -> Iterator[str]:
    """Give the runs up and down, which are the ones that people choose."""
    up = _DIGITS * 3
    for run in (up[start : start + length] for start in range(len(_DIGITS))):
        yield run
        yield run[::-1]


def _digit_runs(number: str) -> list[str]:
    """Part a number at its letters."""
    return "".join(sign if sign in _DIGITS else " " for sign in number).split()


def _parts(number: str, length: int) -> Iterator[str]:
    return (number[at : at + length] for at in range(len(number) - length + 1))
