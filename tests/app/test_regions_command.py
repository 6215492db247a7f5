"""`gateway regions`: profiles checked, explained and compared by file or by name."""

import pytest
from typer.testing import CliRunner

from gateway.app.command_line import app
from gateway.app.specifications import shipped_directory
from gateway.pinblock import share as counting

REGIONS = shipped_directory() / "regions"
FIVE = ["fangchenggang", "kunming", "qingdao", "shijiazhuang", "xiamen"]


def run(*arguments):
    """Run one command and give its result."""
    return CliRunner().invoke(app, ["regions", *map(str, arguments)])


@pytest.mark.parametrize("region", FIVE)
def test_shipped_profile_is_checked(region):
    """A profile that holds is summed up in one line."""
    result = run("check", REGIONS / f"{region}.toml")

    assert result.exit_code == 0
    assert result.output.startswith(f"{region}: ")
    assert result.output.count("\n") == 1


def test_days_of_change_are_told():
    """The days on which rules change are those of the seed."""
    result = run("check", REGIONS / "xiamen.toml")

    assert result.output.endswith("rules change on 2014-07-01, 2015-07-01\n")


@pytest.mark.parametrize("command", ["check", "explain"])
def test_wrong_profile_is_refused_by_file_key_and_rule(tmp_path, command):
    """The error is one line, and the exit status 2."""
    file = tmp_path / "broken.toml"
    text = (REGIONS / "qingdao.toml").read_text("utf-8")
    file.write_text(text.replace("value = 30", "value = 300"), "utf-8")

    result = run(command, file)

    assert result.exit_code == 2
    assert result.stderr == f"gateway: {file}: terms.0.value: must be less than or equal to 120\n"


@pytest.mark.parametrize(
    ("day", "demand"), [("2015-06-30", "when-set"), ("2015-07-01", "mandatory")]
)
def test_profile_is_explained_as_of_a_day(day, demand):
    """The row of the pharmacy says what holds then, since when, and from which phrase."""
    result = run("explain", "xiamen", "--on", day)

    (row,) = [line for line in result.output.splitlines() if "pin.demands.pharmacy" in line]
    assert demand in row
    assert "seeds/000" in row
    assert f"厦门 Xiamen (350200), {day}" in result.output


def test_explanation_says_what_is_granted_and_what_is_not():
    """Each way is a row with its proofs; what no channel grants is listed at the end."""
    result = run("explain", "qingdao", "--on", "2026-11-21")

    assert "unit-letter + " in result.output
    assert "ecard-issue" in result.output.rpartition("Not granted anywhere:")[2]


def test_unknown_region_is_named_with_those_there_are():
    """A slip of the pen is answered with the names to choose from."""
    result = run("explain", "atlantis")

    assert result.exit_code == 2
    assert "atlantis.toml: is not there; regions there are: fangchenggang, kunming" in result.stderr


def test_two_regions_are_compared():
    """Only what differs is shown, and the exit status says that something does."""
    result = run("diff", "xiamen", REGIONS / "fangchenggang.toml", "--on", "2026-11-21")

    assert result.exit_code == 1
    assert "activation.ss_follows_after_seconds" in result.output
    assert "86400" in result.output
    assert "pin.length" not in result.output


def test_region_does_not_differ_from_itself():
    """Nothing to tell is exit status 0."""
    assert run("diff", "kunming", "kunming").exit_code == 0


def test_share_of_refused_pins_is_told_by_region(monkeypatch, tmp_path):
    """Each region's policy of today is counted, with the operator's list."""
    file = tmp_path / "pins.txt"
    file.write_text("529407\n")
    asked = []

    def count(policy, holder, operators):
        asked.append((policy.length, holder.numbers, operators.pins))
        return counting.PinShare(1_000_000, 88_646, 12)

    monkeypatch.setattr(counting, "share", count)

    result = run("pins", "--pin-list", file)

    assert [line.partition(":")[0] for line in result.output.splitlines()] == FIVE
    assert "xiamen: refuses 88,646 of 1,000,000 PINs (8.86 %), advises" in result.output
    assert asked == [(6, (), (b"529407",))] * 5
    assert run("pins", "xiamen").output.startswith("xiamen: refuses")
