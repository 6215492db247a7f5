"""How many of all PINs a policy refuses."""

from gateway.pinblock.policy import PinHolder, PinList, PinPolicy, PinRule
from gateway.pinblock.share import PinShare, share

NOBODY = PinHolder()


def test_share_counts_every_pin_once():
    """Of 10,000 PINs of four digits, those of one digit are refused and the runs advised against.

    A list of two adds the one that no rule refuses.
    """
    policy = PinPolicy(
        4, frozenset({PinRule.SAME_DIGIT}), advised=frozenset({PinRule.RUN, PinRule.SAME_DIGIT})
    )

    assert share(policy, NOBODY, PinList()) == PinShare(10_000, 10, 90)
    assert share(policy, NOBODY, PinList((b"7291", b"7777"))) == PinShare(10_000, 11, 90)
