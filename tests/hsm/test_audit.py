"""Lines are only ever added, and none can be changed, moved or taken out unseen."""

import json
from datetime import UTC, datetime

import pytest

from gateway.hsm.audit import Actor, Audit, create_audit, read_audit
from gateway.terms.errors import SpecificationError

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


@pytest.fixture(name="directory")
def _directory(tmp_path):
    create_audit(tmp_path)
    audit = Audit.after(tmp_path, Actor("gateway", "测试甲"), ())
    for number in range(4):
        audit.add(NOW, "rotate", "done", number, {"key": "bureau/mac"})
    return tmp_path


def spoil(directory, change):
    """Change the lines of an audit by a function."""
    file = directory / "audit.log"
    file.write_text("".join(change(file.read_text().splitlines(keepends=True))))


def test_line_says_who_did_what_and_when(directory):
    """A line has the system's user, the operator, the action and the store's generation."""
    line = read_audit(directory)[1]

    assert (line.user, line.operator, line.at) == ("gateway", "测试甲", "2026-11-21T08:00:00+00:00")
    assert (line.action, line.outcome, line.generation) == ("rotate", "done", 1)


@pytest.mark.parametrize(
    ("change", "number"),
    [
        (lambda lines: [lines[0], lines[1].replace("rotate", "retire"), *lines[2:]], 3),
        (lambda lines: [lines[0], *lines[2:]], 2),
        (lambda lines: [lines[0], lines[2], lines[1], lines[3]], 2),
        (lambda lines: lines[1:], 1),
        (lambda lines: [lines[0], "no line\n", *lines[2:]], 2),
        (lambda lines: [lines[0], json.dumps({"before": ""}) + "\n", *lines[2:]], 2),
        (lambda lines: ["[" * 100_000 + "\n", *lines], 1),
    ],
)
def test_changed_audit_is_refused_where_it_was_changed(directory, change, number):
    """The first line that does not follow from the one before is named."""
    spoil(directory, change)

    with pytest.raises(SpecificationError, match=rf"audit\.log: line {number}: "):
        read_audit(directory)


def test_line_torn_by_a_crash_is_left_out_and_mended(directory):
    """Half a line at the end never counted; the next action writes over it."""
    with (directory / "audit.log").open("a") as file:
        file.write('{"at": "2026')
    lines = read_audit(directory)

    Audit.after(directory, Actor("u", "o"), lines).add(NOW, "retire", "begun", 4, {})

    assert [line.action for line in read_audit(directory)] == ["rotate"] * 4 + ["retire"]


def test_audit_is_for_its_owner_only_and_never_made_anew(directory):
    """It has mode 0600, and an existing one is not overwritten."""
    assert (directory / "audit.log").stat().st_mode & 0o777 == 0o600
    with pytest.raises(SpecificationError, match="cannot be made"):
        create_audit(directory)
