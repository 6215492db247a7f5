"""The store's process: started with the gateway, sealed, and gone with it."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from gateway.app import store_process
from gateway.app.settings import NodeSettings, StoreSettings
from gateway.app.store_process import StoreProcess
from gateway.hsm.data_key import DATA_KEY_FILE, create_data_key
from gateway.terms.errors import LocalError
from gateway.terms.sides import Side

WAIT_S = 20.0  # a start on a busy machine
PARENT = """
import time
from gateway.app.store_process import launch
store = launch()
print(store.child.pid, flush=True)
time.sleep(60)
"""
SEALED = """
import ctypes, resource
from gateway.app.store_main import seal
process = ctypes.CDLL(None)
seal()
print(process.prctl(3, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE))
"""


@pytest.fixture
def settings(tmp_path):
    """Give as much of the settings as the store asks for."""
    for side in Side:
        (tmp_path / side.value).mkdir()
        create_data_key(tmp_path / side.value / DATA_KEY_FILE, side)
    return SimpleNamespace(
        store=StoreSettings(path=tmp_path / "gateway.db"),
        node=NodeSettings(),
        station=SimpleNamespace(terminal="TERM0001"),
        module=lambda side: SimpleNamespace(key_store=tmp_path / side.value),
    )


def is_gone(pid):
    """Tell whether a process has ended, be it waited for or not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:  # noqa: PTH123 - the kernel's
            return stat.read().rpartition(") ")[2].startswith("Z")
    except OSError:
        return True


def test_it_opens_the_database_and_ends_when_its_gateway_hangs_up(settings):
    """No gateway without a word: it dies at once, and lets go of the file."""
    store = store_process.launch()

    keys = asyncio.run(store.greet(settings))
    store.line.close()

    assert store.child.wait(WAIT_S) == 0
    assert {side: len(key) for side, key in keys.items()} == dict.fromkeys(Side, 32)
    assert settings.store.path.exists()


def test_it_does_not_outlive_a_gateway_that_is_killed():
    """The kernel tells it, whatever it is doing, be it loading still."""
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        pid = int(parent.stdout.readline())
        os.kill(parent.pid, signal.SIGKILL)

    ends = time.monotonic() + WAIT_S
    while not is_gone(pid):
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_it_leaves_no_core_file_and_is_not_read_by_others():
    """The data keys are in its memory."""
    done = subprocess.run(
        [sys.executable, "-c", SEALED], capture_output=True, text=True, check=True
    )

    assert done.stdout.split(maxsplit=1) == ["0", f"{(0, 0)}\n"]


def test_one_that_ends_before_it_is_ready_says_so(settings):
    """The gateway does not wait for what will not come."""
    ours, theirs = socket.socketpair()
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    theirs.shutdown(socket.SHUT_WR)

    with theirs, ours, pytest.raises(LocalError, match="ended before it was ready"):
        asyncio.run(StoreProcess(child, ours).greet(settings))


def test_one_that_does_not_come_to_its_end_is_killed(monkeypatch):
    """A gateway that stops does not wait for ever."""
    monkeypatch.setattr(store_process, "_STOP_S", 0.01)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    ours, theirs = socket.socketpair()

    with ours, theirs:
        asyncio.run(StoreProcess(child, ours).end())

    assert child.returncode == -signal.SIGKILL
