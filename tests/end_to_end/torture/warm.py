"""Starts gateways from a warm interpreter, and security modules that outlive them."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from select import select
from tempfile import TemporaryDirectory

from gateway.app.ensemble import Child, Ensemble
from gateway.app.settings import load_settings
from gateway.terms.errors import Unavailable
from gateway.terms.sides import Side

READY_SECONDS_MAX = 60.0


def start(log: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> Child:
    """Start Python with arguments and wait until it says that it is ready."""
    with log.open("ab") as errors:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
            env=environment,
        )
    assert process.stdout.readline(), f"{arguments[0]} did not start, see {log}"
    return Child(process, {})


def start_module(town: Ensemble, side: Side) -> Child:
    """Start a side's security module beside the gateway, as in production."""
    settings = load_settings(town.configuration).module(side)
    module = ("-m", "gateway", "security-module", "--embedded", "--side", side.value)
    store = ("--key-store", str(settings.key_store), "--socket", str(settings.socket))
    return start(town.directory / f"module-{side.value}.log", *module, *store)


class Warm:
    """A process that forks gateways, each killed and waited for as a child of ours would be."""

    def __init__(self, log: Path, environment: Mapping[str, str] | None = None) -> None:
        self._log = log
        self._directory = TemporaryDirectory(prefix="sscard-warm-")  # a socket's path is short
        self._socket = str(Path(self._directory.name) / "socket")
        script = str(Path(__file__).with_name("warm_gateway.py"))
        self._child = start(log, script, self._socket, environment=environment)

    def launch(self, *arguments: str, dying: Sequence[object] | None = None) -> Child:
        """Start a gateway and wait for its ready line; raises `Unavailable` when it ends first.

        Where it is to die it must have done so itself.
        """
        process = WarmProcess(self._socket, self._log, {"arguments": arguments, "dying": dying})
        readable, _, _ = select([process.stdout], [], [], READY_SECONDS_MAX)
        line = process.stdout.readline() if readable else b""
        if not line:
            status = Child(process, {}).kill()
            words = self._log.read_text("utf-8")[-2000:]
            assert dying is not None, words
            assert status == -signal.SIGKILL, words
            raise Unavailable("it died before it was ready")
        return Child(process, json.loads(line))

    def close(self) -> None:
        self._child.kill()
        self._directory.cleanup()


class WarmProcess:
    """One gateway, with as much of `subprocess.Popen` as a `Child` needs."""

    def __init__(self, path: str, log: Path, question: object) -> None:
        self.returncode: int | None = None
        stdin, given_stdin = os.pipe()
        taken_stdout, stdout = os.pipe()
        self.stdin, self.stdout = os.fdopen(given_stdin, "wb"), os.fdopen(taken_stdout, "rb")
        self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._connection.connect(path)
        with log.open("ab") as errors:
            streams = [stdin, stdout, errors.fileno()]
            socket.send_fds(self._connection, [json.dumps(question).encode()], streams)
        os.close(stdin)
        os.close(stdout)
        self._words = self._connection.makefile("rb")
        self.pid = int(self._words.readline())

    def poll(self) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            readable, _, _ = select([self._connection], [], [], timeout)
            if not readable:
                raise subprocess.TimeoutExpired("gateway", timeout)
            self.returncode = os.waitstatus_to_exitcode(int(self._words.readline()))
            self._words.close()
            self._connection.close()
        return self.returncode

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def send_signal(self, number: int) -> None:
        # Until it was waited for, its number is nobody else's.
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)
