"""Drafts and PIN blocks print nothing of what they hold."""

from gateway.operations.draft import Draft, EncipheredPin


def test_a_draft_prints_its_name_and_none_of_its_fields():
    """Card numbers and PIN blocks stay out of logs and tracebacks."""
    pin = EncipheredPin(b"CRYPTOGRAM", "1600000000000000")
    draft = Draft("pin-set", {102: "T00000019"}, {"MB": "15400000001"}, pin=pin)

    printed = repr(draft)

    assert "pin-set" in printed
    assert not any(part in printed for part in ("T00000019", "CRYPTOGRAM", "15400000001"))


def test_an_enciphered_pin_prints_no_block():
    """Not even the cryptogram is printed."""
    printed = repr(EncipheredPin(b"CRYPTOGRAM", "1600000000000000"))

    assert "CRYPTOGRAM" not in printed
    assert "1600000000000000" in printed
