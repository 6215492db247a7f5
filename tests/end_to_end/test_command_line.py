"""What a new user types: demo, run, simulate."""

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from contextlib import ExitStack, contextmanager, suppress
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
    """The guide is printed, what a harness was told beforehand answers, Ctrl-C stops all of it."""
    port = three_free_ports()
    told = ("--region", "kunming", "--port", str(port), "--token", "a-token-of-the-harness")
    with gateway("run", *told, directory=short_path) as process:
        guide = _read_until(process, "Ctrl-C stops all of it.")
        agencies = ask(f"http://127.0.0.1:{port}/v1/agencies", token="a-token-of-the-harness")
        health = [ask(f"http://127.0.0.1:{port + n}/_sim/health")["simulates"] for n in (1, 2)]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=SECONDS_MAX)

    assert "Customer-Number: C000000001" in guide
    assert [each["institution"] for each in agencies["agencies"]] == ["99530101"]
    assert health == ["bureau", "core"]
    assert (process.returncode, out.strip(), err) == (0, "Stopping.", "")
    assert list(short_path.iterdir()) == []
    assert left_behind(short_path) == []


def test_run_names_a_port_that_is_taken(short_path):
    """Whoever says where it is to be hears why it cannot be there."""
    port = three_free_ports()
    with (
        socket.create_server(("127.0.0.1", port)),
        gateway("run", "--port", str(port), directory=short_path) as process,
    ):
        _, err = process.communicate(timeout=SECONDS_MAX)

    assert process.returncode != 0
    assert f"127.0.0.1:{port} cannot be used" in err
    assert "Traceback" not in err
    assert left_behind(short_path) == []


def three_free_ports():
    """Find a port that is free, with the two behind it: below those that systems give by chance."""
    for first in range(20_000 + 3 * (os.getpid() % 2_000), 32_000, 3):
        with ExitStack() as taken, suppress(OSError):
            for port in (first, first + 1, first + 2):
                taken.enter_context(socket.create_server(("127.0.0.1", port)))
            return first
    raise AssertionError("no three ports are free")


def ask(url, token=""):
    """Read JSON from an address."""
    request = urllib.request.Request(url)  # noqa: S310 - on loopback
    request.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - http
        return json.loads(answer.read())


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
        health = ask(f"{said['control']}/_sim/health")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=SECONDS_MAX)

    assert health == {"status": "ok", "simulates": side, "connections": 0}
    assert process.returncode == 0
