"""Many fields at once: a plan says None where a field alone would say what is wrong."""

import pytest

from gateway.iso8583.field_form import Writing, form_of
from gateway.iso8583.field_specification import FieldSpecification
from gateway.iso8583.plans import DecodePlan, EncodePlan

ELEMENTS = (11, 48, 37)


@pytest.fixture(scope="module")
def forms(dialects):
    """STAN, private data and retrieval reference: a run, a step, a run."""
    every = dialects["bureau"].field_forms()
    return [every[de] for de in ELEMENTS]


@pytest.mark.parametrize(
    "text", ["12345x002ab000000000123", "123456002ab00000000012-", "123456002ab0000000001234"]
)
def test_decode_plan_gives_none_for_anything_wrong(forms, text):
    """A bad run before a step, one after it and bytes behind the last are left to the codec."""
    assert DecodePlan(forms, ELEMENTS).decode(text, 0) is None


def test_decode_plan_reads_runs_and_steps(forms):
    """Fields of one run, a field by itself, and the run behind it."""
    fields = DecodePlan(forms, ELEMENTS).decode("..123456002ab000000000123", 2)

    assert fields == {11: "123456", 48: "ab", 37: "000000000123"}


@pytest.mark.parametrize("stan", ["12345", "12345\n", b"123456"])
def test_encode_plan_gives_none_for_anything_wrong(forms, stan):
    """Short, unclean and wrongly typed values are left to the codec."""
    plan = EncodePlan("BITMAP", forms, ELEMENTS)

    assert plan.encode({11: stan, 48: "ab", 37: "000000000123"}) is None


def test_encode_plan_writes_behind_the_bitmap(forms):
    """Fields follow the bitmap in the order of the plan."""
    text = EncodePlan("BITMAP", forms, ELEMENTS).encode(
        {11: "123456", 48: "ab", 37: "000000000123"}
    )

    assert text == "BITMAP123456002ab000000000123"


def test_encode_plan_suits_two_text_fields_or_more(forms):
    """With fewer there is nothing to check at once."""
    assert EncodePlan.suits(forms)
    assert not EncodePlan.suits(forms[:2])


@pytest.mark.parametrize("pad_left", [False, True])
def test_packed_neighbours_are_read_and_written_as_one(pad_left):
    """Odd numbers of digits keep their pads inside a block, and the field behind it its place."""
    writing = Writing(numeric="bcd", pad_left=pad_left)
    forms = [
        form_of(f"DE {de}", FieldSpecification("Digits", notation), writing)
        for de, notation in enumerate(("n 3", "n 4", "n 1", "an 2"), 2)
    ]
    raw = "\x01\x23\x45\x67\x08ab" if pad_left else "\x12\x30\x45\x67\x80ab"
    fields = {2: "123", 3: "4567", 4: "8", 5: "ab"}

    assert DecodePlan(forms, fields).decode(raw, 0) == fields
    assert EncodePlan("", forms, fields).encode(fields) == raw
    assert (
        DecodePlan(forms, fields).decode(raw.replace("\x01", "\x11").replace("\x30", "\x31"), 0)
        is None
    )
