"""The operator's list: a PIN a line, and anything else is refused by file and line."""

import pytest

from gateway.hsm import pin_list
from gateway.hsm.pin_list import read_pin_list
from gateway.pinblock.policy import PinList
from gateway.terms.errors import SpecificationError


@pytest.fixture
def file(tmp_path):
    return tmp_path / "pins.txt"


def test_list_is_read_sorted_and_once(file):
    """Comments, blank lines, either line end and repetitions do not matter."""
    file.write_bytes(b"# popular here\r\n529407\n\n 147741 # a shape\n529407\r\n12345678\n")

    assert read_pin_list(file) == PinList((b"12345678", b"147741", b"529407"))


@pytest.mark.parametrize("line", ["123", "1234567890123", "12a456", "123 456", "\uff11" * 4])
def test_anything_but_a_pin_is_refused_by_its_line(file, line):
    """The line is named and not quoted."""
    file.write_text(f"529407\n{line}\n", encoding="utf-8")

    with pytest.raises(SpecificationError, match="line 2") as refused:
        read_pin_list(file)

    assert line not in str(refused.value)


def test_list_that_cannot_be_read_is_named(file):
    """A file that is not there is refused with its name."""
    with pytest.raises(SpecificationError, match=r"pins\.txt: cannot be read"):
        read_pin_list(file)


def test_list_has_a_bound(file, monkeypatch):
    """A file beyond the bound is not taken into memory."""
    monkeypatch.setattr(pin_list, "PIN_LIST_BYTES_MAX", 20)
    file.write_bytes(b"529407\n" * 3)

    with pytest.raises(SpecificationError, match="at most 20 bytes"):
        read_pin_list(file)
