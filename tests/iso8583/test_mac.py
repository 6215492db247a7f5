"""Where the MAC stands and whether it is right."""

import hmac

import pytest

from gateway.iso8583.errors import MacMismatch
from gateway.iso8583.mac import MacRule, mac_of, verify
from gateway.terms.errors import LocalError


@pytest.mark.parametrize(
    ("places", "others", "expected"),
    [((64, 128), (11,), 64), ((64, 128), (11, 70), 128), ((128,), (11,), 128), ((64, 128), (), 64)],
)
def test_mac_is_the_last_element_of_the_last_bitmap(places, others, expected):
    """A secondary bitmap moves the MAC to its end."""
    rule = MacRule("iso-9797-1-algorithm-3", 1, places)

    assert rule.data_element_for(others) == expected


def test_mac_is_compared_in_constant_time(monkeypatch):
    """The comparison is that of hmac, so that its time tells nothing."""
    compared = []
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append((a, b)) or a == b)

    verify(b"message" + b"m" * 8, lambda _: b"m" * 8)

    assert compared == [(b"m" * 8, b"m" * 8)]


def test_wrong_mac_is_refused():
    """A MAC of other bytes does not belong to the message."""
    with pytest.raises(MacMismatch, match="does not belong"):
        verify(b"message" + b"m" * 8, lambda _: b"n" * 8)


def test_mac_has_eight_bytes():
    """Any other size is our own mistake."""
    with pytest.raises(LocalError, match="8 bytes"):
        mac_of(b"message", lambda _: b"m" * 16)
