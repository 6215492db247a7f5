"""The retail MAC against published values and psec."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psec import mac as oracle

from gateway.hsm.mac import MacPadding, RetailMac

KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
M1 = b"Now is the time for all "
M2 = b"Now is the time for it"


@pytest.mark.parametrize(
    ("padding", "message", "expected"),
    [
        (MacPadding.ZEROS, M1, "A1C72E74EA3FA9B6"),  # ISO 9797-1:2011, B.4
        (MacPadding.ZEROS, M2, "2E2B1428CC78254F"),
        (MacPadding.ONE_THEN_ZEROS, M1, "E9086230CA3BE796"),
        (MacPadding.ONE_THEN_ZEROS, M2, "5A692CE64F404145"),
    ],
)
def test_mac_has_the_published_value(padding, message, expected):
    """Algorithm 3 with padding 1 and 2 over messages with and without a rest."""
    assert RetailMac(KEY, padding)(message).hex().upper() == expected


@given(
    st.sampled_from(list(MacPadding)),
    st.binary(min_size=16, max_size=16),
    st.lists(st.binary(max_size=300), min_size=1, max_size=4),
)
def test_mac_is_that_of_psec_whatever_was_computed_before(padding, key, messages):
    """One kept context gives the oracle's value for every message of a sequence."""
    mac = RetailMac(key, padding)

    for message in messages:
        assert mac(message) == oracle.generate_retail_mac(key[:8], key[8:], message, padding)


def test_mac_verifies_only_itself():
    """A bit more or less, a cut MAC and another message do not verify."""
    mac = RetailMac(KEY, MacPadding.ONE_THEN_ZEROS)
    good = mac(M1)

    assert mac.verify(M1, good)
    assert not mac.verify(M1, bytes([good[0] ^ 1]) + good[1:])
    assert not mac.verify(M1, good[:4])
    assert not mac.verify(M2, good)


@pytest.mark.parametrize("size", [0, 8, 24])
def test_key_of_another_length_is_refused(size):
    """The retail MAC takes a double-length key."""
    with pytest.raises(ValueError, match="16 bytes"):
        RetailMac(bytes(size), MacPadding.ZEROS)
