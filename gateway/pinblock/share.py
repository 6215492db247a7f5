"""How many of all PINs a policy refuses and advises against.

Research finds that refusing about a tenth of them is the best balance: much less leaves the PINs
that people like, much more drives them to write one down (``reference/pin-and-keys.md`` 7.1).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.pinblock.policy import PinHolder, PinList, PinPolicy, PinVerdict, judge


@dataclass(frozen=True, slots=True)
class PinShare:
    """Numbers of PINs: all of the policy's length, refused ones, those only advised against."""

    all: int
    refused: int
    advised: int


def share(policy: PinPolicy, holder: PinHolder, operators: PinList) -> PinShare:
    """Judge every PIN of the policy's length, which takes seconds for six digits."""
    judged = [judge(pin, policy, holder, operators) for pin in _pins(policy.length)]
    refused = sum(each.verdict is not PinVerdict.ACCEPTED for each in judged)
    advised = sum(each.advice is not None for each in judged)
    return PinShare(len(judged), refused, advised)


def _pins(length: int) -> Iterator[bytes]:
    return (b"%0*d" % (length, number) for number in range(10**length))
