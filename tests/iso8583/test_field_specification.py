"""What a dialect file says of one data element."""

import pytest

from gateway.iso8583.field_specification import parse_format


@pytest.mark.parametrize(
    ("notation", "parts"),
    [
        ("n 6", ("n", 0, 6)),
        ("an12", ("an", 0, 12)),
        ("ans..28", ("ans", 2, 28)),
        ("ans...512", ("ans", 3, 512)),
        ("z..37", ("z", 2, 37)),
        ("b 8", ("b", 0, 8)),
        ("b...255", ("b", 3, 255)),
        ("x+n 8", ("x+n", 0, 8)),
    ],
)
def test_format_is_the_standards_notation(notation, parts):
    """Kind, digits of the length and longest value come from the notation."""
    assert parse_format(notation) == parts


@pytest.mark.parametrize("notation", ["", "n", "n 0", "n...", "n.6", "N 6", "n 6\n", "n 1000"])
def test_other_notations_are_refused(notation):
    """Nothing is guessed of a format that is not of the standard's notation."""
    with pytest.raises(ValueError, match="a format is"):
        parse_format(notation)
