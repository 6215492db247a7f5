"""Log lines: JSON, short, and without a value that somebody sent."""

import json
import logging
import subprocess
import sys

import pytest

from gateway.app.logs import _describe, _shorten
from gateway.terms.errors import SpecificationError

CANARY = "6200000000000000018"
CHILD = f"""
import asyncio, logging, structlog
from gateway.app.logs import configure
from gateway.terms.errors import LocalError
configure("warning")
log = structlog.get_logger()
log.info("not shown")
log.warning("long", text="x" * 2000)

def fail(pan):
    raise ValueError(f"bad {{pan}}")

try:
    fail("{CANARY}")
except ValueError:
    log.exception("structured")
    logging.getLogger("uvicorn.error").exception("plain %s", "words")
try:
    try:
        fail("{CANARY}")
    except ValueError as error:
        error.add_note("{CANARY}")
        raise LocalError("ours is safe") from error
except LocalError:
    log.exception("chained")
try:
    raise ExceptionGroup("several", [ValueError("{CANARY}")])
except ExceptionGroup:
    log.exception("grouped")
logging.getLogger("other").info("not shown")
"""


@pytest.fixture(scope="module")
def lines():
    """Give what a process that logs everything wrong has on its standard error."""
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_each_line_is_one_json_object(lines):
    """Structured and plain loggers share one form; what is below the level is left out."""
    events = [line["event"] for line in lines]

    assert events == ["long", "structured", "plain words", "chained", "grouped"]
    assert all({"level", "timestamp"} <= line.keys() for line in lines)
    assert [line["level"] for line in lines] == ["warning"] + ["error"] * 4


def test_long_text_is_cut(lines):
    """A partner's text cannot fill the disk."""
    assert lines[0]["text"] == "x" * 512 + "…"


def test_no_line_holds_what_was_sent(lines):
    """Neither local variables nor texts, notes or groups of foreign exceptions are shown."""
    assert CANARY not in json.dumps(lines)
    assert "locals" not in json.dumps(lines)


def test_exception_is_told_by_kind_and_place(lines):
    """Kind and frames are enough to find a defect; our own errors keep their text."""
    (structured,) = lines[1]["exception"]
    ours, foreign = lines[3]["exception"]

    assert (structured["exc_type"], structured["exc_value"]) == ("ValueError", "(not shown)")
    assert [frame["name"] for frame in structured["frames"]] == ["<module>", "fail"]
    assert (ours["exc_type"], ours["exc_value"]) == ("LocalError", "ours is safe")
    assert foreign["exc_value"] == "(not shown)"


def test_errors_below_ours_keep_their_text_too():
    """Every class of the tree was written to be printed."""
    error = SpecificationError("file", "key", "rule")

    (described,) = _describe((type(error), error, None))

    assert described["exc_value"] == "file: key: rule"


def test_what_is_no_text_or_short_stays():
    """Only long text is cut."""
    event = {"event": "short", "count": 10**600, "exact": "x" * 512}

    assert _shorten(None, "", dict(event)) == event
    assert logging.getLogger("uvicorn.error").handlers == []
