"""A warm interpreter that forks commands of ours: a start costs no imports, so many may be made.

Called as ``python warm_interpreter.py SOCKET``. Whoever connects sends one JSON line,
``{"arguments": […], "dying": [POINT, COUNT] or null}``, with three descriptors that become the
command's standard streams, and is told the process's number and, in the end, its wait status, a
line each.
"""

import gc
import json
import os
import selectors
import signal
import socket
import sys
from functools import partial

import uvloop  # noqa: F401 - what a gateway and a far side import, once for all
from torture.points import OF_THE_STORE, arm

import gateway.app.commands.serve
import gateway.app.commands.simulate
import gateway.app.serve  # noqa: F401 - as above
from gateway.app import store_main, store_process
from gateway.app.command_line import main

QUESTION_BYTES_MAX = 4_096


def serve(path: str) -> None:
    """Fork whatever is asked for until standard input ends."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(path)
    listening.listen()
    gc.freeze()
    print(json.dumps({"socket": path}), flush=True)  # noqa: T201 - says that it is ready
    waiting = selectors.DefaultSelector()
    waiting.register(0, selectors.EVENT_READ)
    waiting.register(listening, selectors.EVENT_READ)
    while True:
        for key, _ in waiting.select():
            if key.fd == 0:
                return
            if key.fd == listening.fileno():
                connection, _ = listening.accept()
                pid = fork(connection, [listening.fileno(), *map(_descriptor, _children(waiting))])
                connection.sendall(f"{pid}\n".encode())
                child = os.pidfd_open(pid)
                waiting.register(child, selectors.EVENT_READ, (pid, connection))
            else:
                waiting.unregister(key.fd)
                os.close(key.fd)
                pid, connection = key.data
                _, status = os.waitpid(pid, 0)
                connection.sendall(f"{status}\n".encode())
                connection.close()


def _children(waiting: selectors.DefaultSelector) -> list[selectors.SelectorKey]:
    return [key for key in waiting.get_map().values() if key.data]


def _descriptor(key: selectors.SelectorKey) -> int:
    return key.data[1].fileno()


def fork(connection: socket.socket, ours: list[int]) -> int:
    """Fork a command; `ours` are descriptors that it must not hold."""
    line, streams, _, _ = socket.recv_fds(connection, QUESTION_BYTES_MAX, 3)
    pid = os.fork()
    if pid:
        for stream in streams:
            os.close(stream)
        return pid
    try:
        connection.close()
        for descriptor in ours:
            os.close(descriptor)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        run(json.loads(line))
    finally:
        os.kill(os.getpid(), signal.SIGKILL)  # never back into the loop above


def run(question: dict) -> None:
    """Be the command."""
    os.setsid()
    point, times = question["dying"] or ("", 0)
    store_process.launch = partial(fork_store, point, times)
    if point and point not in OF_THE_STORE:
        arm(point, times)
    sys.argv[1:] = question["arguments"]
    try:
        main()
    except SystemExit as ended:
        sys.stdout.flush()
        os._exit(ended.code if isinstance(ended.code, int) else 1)


def fork_store(point: str, times: int) -> store_process.StoreProcess:
    """Fork the gateway's store, as `launch` starts one; it dies at a point of its own."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid:
        theirs.close()
        return store_process.StoreProcess(Forked(pid), ours)
    try:
        ours.close()
        with open(os.devnull, "r+b") as nothing:  # noqa: PTH123 - a name of the system's
            os.dup2(nothing.fileno(), 0)
            os.dup2(nothing.fileno(), 1)
        store_main.seal()
        if point in OF_THE_STORE:
            arm(point, times)
        store_main.main(theirs)
    finally:
        sys.stderr.flush()
        os._exit(0)


class Forked:
    """A child that was forked, with as much of `subprocess.Popen` as is needed of the store's."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def wait(self, _timeout: float | None = None) -> int:
        """Wait for its end, however long that takes: the test's patience is a limit itself."""
        _, status = os.waitpid(self._pid, 0)
        return os.waitstatus_to_exitcode(status)

    def kill(self) -> None:
        """End it."""
        os.kill(self._pid, signal.SIGKILL)


if __name__ == "__main__":
    serve(sys.argv[1])
