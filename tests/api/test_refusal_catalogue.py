"""``docs/refusals.md`` is what the tables say."""

import runpy
from pathlib import Path

import pytest

from gateway.api.refusal_catalogue import catalogue
from gateway.terms.refusals import Refusal

PAGE = Path(__file__).parents[2] / "docs" / "refusals.md"


def test_page_is_not_stale():
    """The page in the tree is the one the tables give now."""
    assert PAGE.read_text(encoding="utf-8") == catalogue(), (
        "stale: run `python -m gateway.api.refusal_catalogue > docs/refusals.md`"
    )


@pytest.mark.parametrize("refusal", list(Refusal))
def test_page_has_a_row_for_every_refusal(refusal):
    """Code and both messages stand in one row of six columns."""
    [row] = [line for line in catalogue().splitlines() if line.startswith(f"| `{refusal.value}` ")]

    assert row.count("|") == 7
    assert refusal.user_message.zh in row
    assert refusal.user_message.en in row


@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
def test_module_writes_the_page(capsys):
    """Running the module prints the page, to be redirected into the file."""
    runpy.run_module("gateway.api.refusal_catalogue", run_name="__main__")

    assert capsys.readouterr().out == catalogue()
