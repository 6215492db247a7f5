"""What no far side would tell is left to two persons of the bank, on the running gateway."""

import grp
import json
import os
import pwd
import re
import subprocess
import sys
import urllib.request

import pytest
from typer.testing import CliRunner

from gateway.app.commands.operations import app


@pytest.fixture(scope="module", name="hasty_town")
def _hasty_town(fresh_town):
    """Give a town whose gateway gives up after a second and a half; others may be let in."""
    town = fresh_town(limits=BRIEF, http={"answer_wait_s": 0.5}, lines=_let_in())
    town.directory.chmod(0o711)  # the socket's own mode says who may use it
    return town


def _let_in():
    """Let in another user's group, where we may: only root can play two persons."""
    return f"control_group = {json.dumps(OTHER_GROUP)}" if os.geteuid() == 0 else ""


OTHER = pwd.getpwnam("nobody")
OTHER_GROUP = grp.getgrgid(OTHER.pw_gid).gr_name
BRIEF = {
    "answer_timeout_s": 0.5,
    "repeats_max": 1,
    "retry_first_s": 0.1,
    "retry_max_s": 0.1,
    "horizon_s": 1.5,
}
AS_ANOTHER = """
import json, os, sys
from pathlib import Path
from gateway.app.control import ask
from gateway.terms.errors import LocalError
os.setgroups([])
os.setegid(int(sys.argv[2]))
os.seteuid(int(sys.argv[1]))
answers = []
for desk, question in json.loads(sys.argv[3]):
    try:
        answers.append(ask(Path("gateway.db"), desk, question))
    except LocalError as refused:
        answers.append(str(refused))
print(json.dumps(answers))
"""


def by_another(town, *questions):
    """Ask the gateway as another user; gives its answers, or in which words it refused."""
    ids = (str(OTHER.pw_uid), str(OTHER.pw_gid))
    command = [sys.executable, "-c", AS_ANOTHER, *ids, json.dumps(questions)]
    run = subprocess.run(command, cwd=town.directory, stdout=subprocess.PIPE, check=True)
    return json.loads(run.stdout)


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
    proposed = run(*("resolve", operation, "--as", "failed", "--reason", "letter 2026-114"))
    alone = run("approve", operation, "--as", "failed")
    hasty_town.gateway.kill()
    hasty_town.restart_gateway()
    alarmed, linked_before = alarm(hasty_town), core.links(citizen.who)
    assert (proposed[0], alone[0]) == (0, 2)
    assert "another person must" in alone[1]
    if os.geteuid() != 0:
        return  # the other person would be another user
    refused, approved = by_another(
        hasty_town,
        ("key", {"link": "bureau", "key": "mac"}),
        ("manual", {"do": "approve", "operation": operation, "as": "failed", "by": "root"}),
    )
    hasty_town.bureau_peer.heal()
    settled = citizen.settled_as(answer, "failed")

    assert (answer.status, view["state"]) == (202, "manual")
    assert f"{operation} link manual" in listed[1]
    assert refused == "only the gateway's own user may ask this"
    said = {fact["fact"]: fact.get("by") for fact in approved["facts"]}
    assert said["resolution-proposed"] == pwd.getpwuid(os.getuid()).pw_name
    assert said["resolution-approved"] == OTHER.pw_name  # whatever it calls itself
    assert (alarmed, alarm(hasty_town)) == (1, 0)
    assert (len(linked_before), core.links(citizen.who)) == (1, [])
    words = [entry["what"] for entry in settled["timeline"]]
    assert words[-6:-3] == ["resolution-proposed", "resolution-approved", "find-not-done"]
    assert '"operation-manual"' in hasty_town.log()
