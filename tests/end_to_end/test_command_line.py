"""What a new user types: demo, run, simulate."""

import json
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

SECONDS_MAX = 60


@contextmanager
def gateway(*arguments, directory):
    """Run a command of its own process group, as a terminal does; its files go to a directory."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "TMPDIR": str(directory)},
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def left_behind(directory):
    """List the processes whose command line names the directory."""
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = each.read_bytes().decode("utf-8", "replace")
        except OSError:
            continue
        if str(directory) in command:
            found.append(command.replace("\0", " "))
    return found


@pytest.fixture
def short_path():
    """Give a directory whose name leaves room for a Unix socket's."""
    with tempfile.TemporaryDirectory(prefix="e2e-") as directory:
        yield Path(directory)


def test_demo_prints_every_step_and_succeeds(short_path):
    """Exit 0, every claim ticked, both sides' messages decoded, nothing in full but test texts."""
    with gateway("demo", "--region", "xiamen", directory=short_path) as process:
        out, err = process.communicate(timeout=SECONDS_MAX)

    assert (process.returncode, err) == (0, "")
    assert len(re.findall(r"^\d\. ", out, re.MULTILINE)) == 8
    assert "✗" not in out
    for message in ("0300 link-register", "0100 pin-set", "0100 account-activation", "0320 acc"):
        assert message in out
    for number in ("T00000001", "6200000000000000013", "15400000001", "738291", "804613"):
        assert number not in out
    assert list(short_path.iterdir()) == []
    assert left_behind(short_path) == []


def test_run_stays_up_until_it_is_told(short_path):
    """The guide is printed, the gateway answers, and Ctrl-C stops all of it cleanly."""
    with gateway("run", directory=short_path) as process:
        guide = _read_until(process, "Ctrl-C stops all of it.")
        url = re.search(r"gateway +(http://\S+)", guide)[1]
        with urllib.request.urlopen(f"{url}/livez", timeout=10) as answer:  # noqa: S310 - http
            alive = json.loads(answer.read())
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=SECONDS_MAX)

    assert "Customer-Number: C000000001" in guide
    assert alive == {"alive": True}
    assert (process.returncode, out.strip(), err) == (0, "Stopping.", "")
    assert list(short_path.iterdir()) == []
    assert left_behind(short_path) == []


def _read_until(process, last):
    """Read what a process prints, as it comes, until it has printed something."""
    text = ""
    while last not in text:
        readable, _, _ = select.select([process.stdout], [], [], SECONDS_MAX)
        assert readable, "nothing was printed in time"
        piece = os.read(process.stdout.fileno(), 65_536)
        assert piece, "it ended before that"
        text += piece.decode()
    return text


@pytest.mark.parametrize("side", ["bureau", "core"])
def test_simulator_starts_alone(town, short_path, side):
    """One far side on ports of its own, with its control port, until it is told to stop."""
    keys = town.directory / "keys" / f"simulated-{side}.toml"
    with gateway("simulate", side, "--keys", str(keys), directory=short_path) as process:
        said = json.loads(_read_until(process, "iso8583"))
        url = f"{said['control']}/_sim/health"
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - http
            health = json.loads(answer.read())
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=SECONDS_MAX)

    assert health == {"status": "ok", "simulates": side, "connections": 0}
    assert process.returncode == 0
