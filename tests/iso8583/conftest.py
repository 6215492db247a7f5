"""The dialects and message sets as they are shipped."""

import codecs as python_codecs
from pathlib import Path

import pytest

from gateway.iso8583.codec import Codec
from gateway.iso8583.dialect import Dialect, parse_dialect
from gateway.iso8583.ebcdic import table_of
from gateway.iso8583.message_set import MessageSet, parse_message_set

SPECS = Path(__file__).parents[2] / "specs"


def shipped_text(name: str) -> tuple[str, str]:
    """Text and file of a shipped dialect, as `parse_dialect` takes them."""
    file = SPECS / "dialects" / f"{name}.toml"
    return file.read_text("utf-8"), file.name


@pytest.fixture(scope="session")
def base_text():
    """Give what finds a dialect that another extends."""
    return shipped_text


@pytest.fixture(scope="session")
def dialects() -> dict[str, Dialect]:
    """Every shipped dialect by name."""
    names = sorted(file.stem for file in (SPECS / "dialects").glob("*.toml"))
    return {name: parse_dialect(*shipped_text(name), shipped_text) for name in names}


@pytest.fixture(scope="session")
def codecs(dialects: dict[str, Dialect]) -> dict[str, Codec]:
    """One codec per dialect, kept for the whole run so that its plans are used again."""
    return {name: Codec(dialect) for name, dialect in dialects.items()}


@pytest.fixture(scope="session")
def message_sets() -> dict[str, MessageSet]:
    """Both message sets by name."""
    files = {name: f"messages/{name}.toml" for name in ("bureau", "core")}
    return {name: parse_message_set((SPECS / f).read_text(), f) for name, f in files.items()}


def _ibm1047(name: str) -> python_codecs.CodecInfo | None:
    """Give pyiso8583 the code page that Python does not have."""
    if name != "ibm1047":
        return None
    table = table_of("ibm1047")
    return python_codecs.CodecInfo(
        lambda text, errors="strict": python_codecs.charmap_encode(
            text, errors, python_codecs.charmap_build(table)
        ),
        lambda raw, errors="strict": python_codecs.charmap_decode(raw, errors, table),
        name=name,
    )


python_codecs.register(_ibm1047)


_TEXT_SAMPLE = {
    3: "310000",
    7: "1121193658",
    11: "000123",
    32: "99350201",
    37: "000000000123",
    41: "TERM0001",
    48: "NM008测试甲乙",
    102: "T00000019",
}
_CORE_SAMPLE = {
    2: "6200000000000000005",
    3: "310000",
    7: "1121193658",
    11: "000123",
    22: "021",
    37: "000000000123",
    48: "NM008测试甲乙",
    52: b"\x01\x80\xff\x001234",
}
_PLAIN_SAMPLE = {**_CORE_SAMPLE, 28: "C00000150", 48: "free text", 102: "T00000019"}
SAMPLES = {
    "bureau": _TEXT_SAMPLE,
    "bureau-sm4": {**_TEXT_SAMPLE, 63: b"SM016" + bytes(range(16))},
    "institution": {**_TEXT_SAMPLE, 28: "D00000150", 61: "01350299199001010010  ".ljust(22)},
    "core": _CORE_SAMPLE,
    "mainframe-core": _CORE_SAMPLE,
    "iso8583-1987-ascii": _PLAIN_SAMPLE,
    "iso8583-1987-binary": _PLAIN_SAMPLE,
}  # fmt: skip


@pytest.fixture(scope="session")
def samples():
    """Give the fields of one message in each shipped dialect."""
    return SAMPLES
