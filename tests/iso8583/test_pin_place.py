"""The place of a PIN block: a data element, or a subfield of one."""

import pytest

from gateway.iso8583.codec import Codec
from gateway.iso8583.errors import UnencodableMessage
from gateway.iso8583.pin_place import PinPlace


@pytest.mark.parametrize(
    ("place", "dialect", "fits"),
    [
        (PinPlace(), "bureau", True),
        (PinPlace(), "mainframe-core", True),
        (PinPlace(63, "SM"), "bureau-sm4", True),
        (PinPlace(63, "SM"), "institution", True),
        (PinPlace(63, "TK"), "institution", False),  # text
        (PinPlace(63, "XX"), "institution", False),
        (PinPlace(63, "SM"), "bureau", False),  # not divided
        (PinPlace(63), "bureau", False),
        (PinPlace(64), "bureau", False),  # not there
    ],
)
def test_place_is_one_where_the_dialect_has_bytes(dialects, place, dialect, fits):
    """A data element or a subfield that exists, and is binary."""
    assert place.fits(dialects[dialect]) is fits


def test_block_is_held_whole_or_in_its_subfield(dialects):
    """DE 52 is the block; in a divided field it stands behind its usage and length."""
    codec = Codec(dialects["bureau-sm4"])

    assert PinPlace().holding(bytes(8), codec) == {52: bytes(8)}
    assert PinPlace(63, "SM").holding(bytes(16), codec) == {63: b"SM016" + bytes(16)}


def test_block_of_another_length_is_our_own_mistake(dialects):
    """A zone whose blocks are too short for the place is refused without the block."""
    with pytest.raises(UnencodableMessage, match="DE 63 SM"):
        PinPlace(63, "SM").holding(bytes(8), Codec(dialects["bureau-sm4"]))
