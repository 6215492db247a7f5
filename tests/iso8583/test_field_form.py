"""A field on the wire: every good form is in its expression, and no other."""

import re

import pytest

from gateway.iso8583.errors import MalformedMessage

FORMS = ("bureau", "core")


@pytest.mark.parametrize("name", FORMS)
def test_expression_finds_the_length_of_every_variable_field(dialects, name):
    """The alternation of lengths reads exactly as many bytes as each length says."""
    for form in dialects[name].field_forms().values():
        if not form.piece or not form.indicators:
            continue
        for count in form.indicators:
            field = form.write("1" * count)

            found = re.match(form.piece, field + "1")

            assert found
            assert found[0] == field
            assert form.lift(field) == "1" * count


@pytest.mark.parametrize("name", FORMS)
def test_long_fields_are_read_by_themselves(dialects, name):
    """LLL fields have no expression; the step between two runs reads them."""
    forms = dialects[name].field_forms()

    alone = {de for de, form in forms.items() if form.piece is None}

    assert alone == {48, 54, 60, 61, 62, 63, 120, 121, 122, 123}


def test_field_is_read_where_it_begins(dialects):
    """A field is read from the middle of a message, and gives where the next begins."""
    form = dialects["bureau"].field_forms()[32]

    assert form.read("xx0899350201yy", 2) == ("99350201", 12)


def test_ascii_length_before_bcd_is_hinted_at(dialects):
    """Where BCD lengths are expected, ASCII digits are named as the likely mistake."""
    form = dialects["core"].field_forms()[32]

    with pytest.raises(MalformedMessage, match="looks like ASCII digits"):
        form.read("0899350201", 0)
