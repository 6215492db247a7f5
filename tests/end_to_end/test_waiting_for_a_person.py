"""What no far side would tell is left to two persons of the bank, on the running gateway."""

import re
import urllib.request

import pytest
from typer.testing import CliRunner

from gateway.app.commands.operations import app


@pytest.fixture(scope="module", name="hasty_town")
def _hasty_town(fresh_town):
    """Give a town whose gateway gives up after a second and a half."""
    brief = {"answer_timeout_s": 0.5, "repeats_max": 1, "retry_first_s": 0.1, "retry_max_s": 0.1}
    return fresh_town(limits={**brief, "horizon_s": 1.5}, http={"answer_wait_s": 0.5})


@pytest.fixture
def run(hasty_town):
    """Run `gateway operations` on the town's gateway; gives status and output."""

    def ran(command, *arguments):
        result = CliRunner().invoke(
            app, [command, *arguments, "--config", str(hasty_town.configuration)]
        )
        return result.exit_code, result.output

    return ran


def alarm(town):
    """Read how many operations wait for a person, as the metrics tell it."""
    with urllib.request.urlopen(f"{town.url}/metrics") as answer:  # noqa: S310 - on loopback
        text = answer.read().decode()
    return float(re.search(r"^ssgw_operations_manual (\S+)$", text, re.MULTILINE)[1])


def test_half_a_link_is_settled_by_two_persons(hasty_town, newcomer, run):
    """Manual with an alarm, proposed, kept over a restart, approved, and taken back at the core."""
    bureau, core = hasty_town.bureau_peer, hasty_town.core_peer
    for message in ("link-register", "reversal"):
        bureau.fault(message, "drop_request", times=None)
    citizen = newcomer(of=hasty_town)
    answer = citizen.ask_link()
    view = citizen.settled(answer)
    operation = view["operation"]

    listed = run("list")
    proposed = run(
        *("resolve", operation, "--as", "failed", "--by", "Wang", "--reason", "letter 2026-114")
    )
    alone = run("approve", operation, "--as", "failed", "--by", "Wang")
    hasty_town.gateway.kill()
    hasty_town.restart_gateway()
    alarmed, linked_before = alarm(hasty_town), core.links(citizen.who)
    approved = run("approve", operation, "--as", "failed", "--by", "Li")
    hasty_town.bureau_peer.heal()
    settled = citizen.settled_as(answer, "failed")

    assert (answer.status, view["state"]) == (202, "manual")
    assert f"{operation} link manual" in listed[1]
    assert (proposed[0], alone[0], approved[0]) == (0, 2, 0)
    assert "another person must" in alone[1]
    assert "by=Wang reason=letter 2026-114" in approved[1]
    assert (alarmed, alarm(hasty_town)) == (1, 0)
    assert (len(linked_before), core.links(citizen.who)) == (1, [])
    words = [entry["what"] for entry in settled["timeline"]]
    assert words[-6:-3] == ["resolution-proposed", "resolution-approved", "find-not-done"]
    assert '"operation-manual"' in hasty_town.log()
