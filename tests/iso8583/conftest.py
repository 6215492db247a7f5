"""The two dialects and message sets as they are shipped."""

from pathlib import Path

import pytest

from gateway.iso8583.codec import Codec
from gateway.iso8583.dialect import Dialect, parse_dialect
from gateway.iso8583.message_set import MessageSet, parse_message_set

SPECS = Path(__file__).parents[2] / "specs"


@pytest.fixture(scope="session")
def dialects() -> dict[str, Dialect]:
    """Both dialects by name."""
    files = {name: f"dialects/{name}.toml" for name in ("bureau", "core")}
    return {name: parse_dialect((SPECS / f).read_text(), f) for name, f in files.items()}


@pytest.fixture(scope="session")
def codecs(dialects: dict[str, Dialect]) -> dict[str, Codec]:
    """One codec per dialect, kept for the whole run so that its plans are used again."""
    return {name: Codec(dialect) for name, dialect in dialects.items()}


@pytest.fixture(scope="session")
def message_sets() -> dict[str, MessageSet]:
    """Both message sets by name."""
    files = {name: f"messages/{name}.toml" for name in ("bureau", "core")}
    return {name: parse_message_set((SPECS / f).read_text(), f) for name, f in files.items()}
