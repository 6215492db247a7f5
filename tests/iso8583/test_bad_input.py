"""The catalogue of bad input: whatever is wrong is refused with place, offset, rule and hint.

Each row names where it comes from: a class of ``reliability-security.md`` 5.2, a behaviour of a
peer that ``peers.md`` measured, or the issue of another codec in which it was a bug.
"""

import hashlib
import re
import tomllib
from pathlib import Path

import pytest

from gateway.iso8583.errors import MacMismatch, MalformedFrame, MalformedMessage
from gateway.iso8583.frames import FrameReader

FILES = sorted((Path(__file__).parent / "bad_input").glob("*.toml"))
ROWS_MIN = 300
TOKEN = re.compile(r"(e?)'([^']*)'(?:\*([0-9]+))?|([0-9a-f]+)(?:\*([0-9]+))?| +")


def rows():
    """Give every row with the dialect that its file is named for."""
    for file in FILES:
        for row in tomllib.loads(file.read_text("utf-8"))["rows"]:
            yield {"dialect": file.stem, "hint": "", **row}


ROWS = list(rows())


def bytes_of(recipe):
    """Write the bytes of a recipe: 'text', e'EBCDIC text' or hex, each with *n to repeat it."""
    assert "".join(found[0] for found in TOKEN.finditer(recipe)) == recipe
    pieces = []
    for is_ebcdic, text, times, digits, hex_times in TOKEN.findall(recipe):
        raw = text.encode("cp037" if is_ebcdic else "ascii") or bytes.fromhex(digits)
        pieces.append(raw * int(times or hex_times or 1))
    return b"".join(pieces)


def toy_mac(data):
    """Stand in for a cipher."""
    return hashlib.sha256(data).digest()[:8]


def refusal(codec, target, data):
    """Give place, offset, rule and hint of the refusal of `data`."""
    try:
        if target == "message":
            codec.decode(data)
        elif target == "mac":
            codec.verify_mac(data, toy_mac)
        else:
            FrameReader(codec.dialect.framing).feed(data)
    except MalformedMessage as error:
        return error.place, error.offset, error.rule, error.hint
    except MalformedFrame as error:
        return "frame", error.offset, error.rule, error.hint
    except MacMismatch as error:
        return "MAC", 0, error.rule, ""
    return None


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_bad_input_is_refused(codecs, row):
    """Place, offset, rule and hint are those of the catalogue, at the first try and the next."""
    codec, data = codecs[row["dialect"]], bytes_of(row["bytes"])
    expected = (row["place"], row["offset"], row["rule"], row["hint"])

    for _ in range(2):
        assert refusal(codec, row["target"], data) == expected


def test_catalogue_is_large_and_every_row_has_an_id_and_a_source():
    """Ids are unique over all files and begin with their dialect; no dialect is left out."""
    ids = [row["id"] for row in ROWS]

    assert len(ROWS) >= ROWS_MIN
    assert len(set(ids)) == len(ids)
    assert all(row["id"].startswith(f"{row['dialect']}-") and row["source"] for row in ROWS)
    assert len({(row["dialect"], row["target"], row["bytes"]) for row in ROWS}) == len(ROWS)


def test_every_dialect_has_its_catalogue(dialects):
    """A new dialect brings its bad input with it."""
    assert {file.stem for file in FILES} == set(dialects)
