"""What can be wrong, said without any value."""

import pytest

from gateway.iso8583.errors import (
    MacMismatch,
    MalformedFrame,
    MalformedMessage,
    RefusedMessage,
    UnencodableMessage,
)
from gateway.terms.errors import LocalError, PeerError


@pytest.mark.parametrize(
    ("error", "text", "fault"),
    [
        (MalformedMessage("DE 3", 12, "digits"), "DE 3 at byte 12: digits", PeerError),
        (
            MalformedMessage("bitmap", 4, "no", "hex text"),
            "bitmap at byte 4: no (hex text)",
            PeerError,
        ),
        (MalformedFrame(0, "length", "HTTP"), "frame at byte 0: length (HTTP)", PeerError),
        (MalformedFrame(0, "length"), "frame at byte 0: length", PeerError),
        (MacMismatch("missing"), "MAC: missing", PeerError),
        (RefusedMessage("DE 39", "missing"), "DE 39: missing", PeerError),
        (UnencodableMessage("DE 39", "missing"), "DE 39: missing", LocalError),
    ],
)
def test_error_says_place_and_rule(error, text, fault):
    """Texts are made of place, rule and hint; the type says whose fault it is."""
    assert str(error) == text
    assert isinstance(error, fault)
