"""The operator's guide says what the gateway has: commands, metrics, events, limits, copies."""

import re
import shlex
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from typer.main import get_command

from gateway.api.request_reading import BODY_BYTES_MAX, BODY_SECONDS_MAX
from gateway.app.bench import drill
from gateway.app.command_line import app
from gateway.app.commands.bench import BenchName
from gateway.app.conductor import RUNNING_MAX
from gateway.app.http_connection import (
    CONNECTIONS_MAX,
    HEADER_BYTES_MAX,
    HEADER_SECONDS_MAX,
    UNREAD_SECONDS_MAX,
)
from gateway.store.engine import Database

GUIDE = Path(__file__).parents[2] / "docs" / "operations.md"
TEXT = GUIDE.read_text(encoding="utf-8")
SOURCES = sorted(Path(drill.__file__).parents[2].rglob("*.py"))
CODE = "\n".join(source.read_text(encoding="utf-8") for source in SOURCES)
EXAMPLES = re.findall(r"^```(?:sh|console)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
COMMANDS = [line for block in EXAMPLES for line in block.splitlines()]
MENTIONED = sorted(set(re.findall(r"`(gateway [a-z -]+)`", TEXT)))
EVENTS = ["certificates-renewed", "certificates-not-renewed", "operation-manual"]
EVENTS += ["store-refuses", "store-takes-again"]


def found(line):
    """Follow the names of a command as far as they lead; gives it and the words behind them."""
    command, words = get_command(app), shlex.split(line)[1:]
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        context = command.make_context("gateway", [], resilient_parsing=True)
        _, command, words = command.resolve_command(context, words)
    return command, words


@pytest.mark.parametrize("line", COMMANDS)
def test_command_of_the_guide_is_one_of_the_gateways(line):
    """Its words, arguments and options are taken as they stand there."""
    command, words = found(line)

    command.make_context("gateway", words)  # parses, and raises for what it does not know


@pytest.mark.parametrize("line", MENTIONED)
def test_command_that_is_mentioned_exists(line):
    """Its names lead to a command; an option that is named is one of it or of those below it."""
    command, options = found(line)

    below = [command, *getattr(command, "commands", {}).values()]
    known = {option for each in below for parameter in each.params for option in parameter.opts}

    is_measure = "gateway bench" in line and set(options) <= set(BenchName)
    assert is_measure or set(options) <= known


@pytest.mark.parametrize("metric", sorted(set(re.findall(r"`ssgw_([a-z_]+)", TEXT))))
def test_metric_that_is_watched_is_exposed(metric):
    """Each metric that the guide tells to watch is one that the gateway gives."""
    assert re.search(rf"\b(ssgw_)?{metric.removesuffix('_total')}\b", CODE)


@pytest.mark.parametrize("event", EVENTS)
def test_event_that_is_looked_for_is_logged(event):
    """Each event that the guide names is in the guide, and a line of the log."""
    assert f"`{event}`" in TEXT
    assert f'"{event}"' in CODE


def test_limits_are_the_codes():
    """What floods and slow senders come to is what the code has."""
    assert f"an HTTP connection beyond {CONNECTIONS_MAX} takes the place" in TEXT
    header = f"A header has {HEADER_SECONDS_MAX:g} s and {HEADER_BYTES_MAX >> 10} KiB"
    assert f"{header}, a body {BODY_SECONDS_MAX} s and {BODY_BYTES_MAX >> 10} KiB" in TEXT
    assert f"when answers are not read for {UNREAD_SECONDS_MAX:g} s" in TEXT
    assert f"operations under way ({RUNNING_MAX:,} at most" in TEXT


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="needs the command of SQLite")
def test_copy_is_made_and_its_counters_are_raised(tmp_path):
    """The commands for backup and restore work on a database as the gateway makes it."""
    path = tmp_path / "gateway.db"
    copy = re.search(r'`sqlite3 gateway\.db "(.*?)"`', TEXT)[1]
    raise_counters = re.search(r"`(UPDATE operations_counters [^`]+)`", TEXT)[1]
    store = Database(path)
    with closing(sqlite3.connect(path)) as running:
        running.execute("INSERT INTO operations_counters VALUES ('bureau', 41)")
        running.commit()
        subprocess.run(["sqlite3", path, copy], cwd=tmp_path, check=True)
    store.close()

    with closing(sqlite3.connect(tmp_path / "copy.db")) as restored:
        restored.execute(raise_counters)
        [[raised]] = restored.execute("SELECT next FROM operations_counters")

    assert raised == 1_000_041
