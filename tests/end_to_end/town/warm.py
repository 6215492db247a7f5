"""Starts gateways and far sides from a warm interpreter, which has loaded what they need."""

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
from threading import Lock

from gateway.app.ensemble import Child
from gateway.terms.errors import Unavailable

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
            env={**(environment or os.environ), "PYTHONUNBUFFERED": "1"},
        )
    assert process.stdout.readline(), f"{arguments[0]} did not start, see {log}"
    return Child(process, {})


class Warm:
    """A process that forks gateways and far sides, each stopped as a child of ours would be.

    It begins when the first of them is started, with an environment of its own where that is given.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = environment
        self._child: Child | None = None
        self._beginning = Lock()
        self._directory = TemporaryDirectory(prefix="sscard-warm-")  # a socket's path is short
        self._socket = str(Path(self._directory.name) / "socket")

    def launch(self, log: Path, *arguments: str, dying: Sequence[object] | None = None) -> Child:
        """Start a command of `gateway`, of that log, and wait for its ready line.

        Raises `Unavailable` when it ends first; where it is to die it must have done so itself.
        """
        with self._beginning:
            if self._child is None:
                self._child = self._begun()
        process = WarmProcess(self._socket, log, {"arguments": arguments, "dying": dying})
        readable, _, _ = select([process.stdout], [], [], READY_SECONDS_MAX)
        line = process.stdout.readline() if readable else b""
        if not line:
            status = Child(process, {}).kill()
            words = log.read_text("utf-8")[-2000:]
            assert dying is not None, words
            assert status == -signal.SIGKILL, words
            raise Unavailable("it died before it was ready")
        return Child(process, json.loads(line))

    def run(self, log: Path, *arguments: str) -> tuple[int, str, str]:
        """Run a command of `gateway` without input; gives status, output and what the log holds."""
        process = self._process(log, arguments, None)
        process.stdin.close()
        with process.stdout:
            output = process.stdout.read().decode()
        return process.wait(READY_SECONDS_MAX), output, log.read_text("utf-8")

    def _process(
        self, log: Path, arguments: Sequence[str], dying: Sequence[object] | None
    ) -> "WarmProcess":
        with self._beginning:
            if self._child is None:
                self._child = self._begun()
        return WarmProcess(self._socket, log, {"arguments": arguments, "dying": dying})

    def _begun(self) -> Child:
        script = str(Path(__file__).parents[1] / "warm_interpreter.py")
        log = Path(self._directory.name) / "log"
        return start(log, script, self._socket, environment=self._environment)

    def close(self) -> None:
        if self._child is not None:
            self._child.kill()
        self._directory.cleanup()


class WarmProcess:
    """One process, with as much of `subprocess.Popen` as a `Child` needs."""

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
