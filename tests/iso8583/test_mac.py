"""Where the MAC stands and whether it is right."""

import hmac
from dataclasses import replace

import pytest

from gateway.iso8583.errors import MacMismatch
from gateway.iso8583.mac import MacRule
from gateway.terms.errors import LocalError

RULE = MacRule("iso-9797-1-algorithm-3", 1, (64, 128))


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

    RULE.verify(b"message", lambda _: b"m" * 8, b"m" * 8)

    assert compared == [(b"m" * 8, b"m" * 8)]


def test_wrong_mac_is_refused():
    """A MAC of other bytes does not belong to the message."""
    with pytest.raises(MacMismatch, match="does not belong"):
        RULE.verify(b"message", lambda _: b"n" * 8, b"m" * 8)


def test_mac_has_eight_bytes():
    """Any other size is our own mistake."""
    with pytest.raises(LocalError, match="8 bytes"):
        RULE.code(b"message", lambda _: b"m" * 16)


@pytest.mark.parametrize(
    ("form", "field"),
    [("full", b"\x01\xabmmmmmm"), ("left-4", b"\x01\xabmm\0\0\0\0"), ("left-4-hex", b"01AB6D6D")],
)
def test_mac_may_be_truncated(form, field):
    """The field has 8 bytes; with half a MAC the rest is zeros, or the half is in hex digits."""
    rule = replace(RULE, form=form)

    assert rule.code(b"message", lambda _: b"\x01\xabmmmmmm") == field
    rule.verify(b"message", lambda _: b"\x01\xabmmmmmm", field)
    with pytest.raises(MacMismatch):
        rule.verify(b"message", lambda _: b"\x01\xabmmmmmm", field[:-1] + b"\x01")
