"""The module as a process: how it starts, what it lets in, and when it ends."""

import signal
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from gateway.hsm import module, pin_protocol, protocol
from gateway.hsm.frames import Frame, FrameReader, write_frame
from gateway.hsm.private_files import held_alone
from gateway.hsm.protocol import MISUSE, Command
from gateway.terms.errors import SpecificationError
from gateway.terms.sides import Side

WAIT_SECONDS_MAX = 10


def connect(running):
    """Open a plain socket to a module."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(WAIT_SECONDS_MAX)
    connection.connect(str(running.socket))
    return connection


def exchange(connection, *frames):
    """Send frames and read as many answers."""
    connection.sendall(b"".join(map(write_frame, frames)))
    reader, answers = FrameReader(), []
    while len(answers) < len(frames):
        received = connection.recv(65536)
        assert received, "the module closed the connection"
        answers += reader.feed(received)
    return answers


DIAGNOSTICS = Frame(7, Command.DIAGNOSTICS, b"{}")


def test_socket_is_for_its_owner_only(social):
    """The socket has mode 0600 from the start."""
    assert social.socket.stat().st_mode & 0o777 == 0o600


def test_process_leaves_no_core_file(social):
    """The limit for core files is nothing, soft and hard."""
    limits = Path(f"/proc/{social.process.pid}/limits").read_text(encoding="ascii")
    (line,) = (line for line in limits.splitlines() if line.startswith("Max core file size"))

    assert line.split()[4:6] == ["0", "0"]


def test_process_is_made_undumpable():
    """After sealing, the kernel calls the process undumpable."""
    code = (
        "import ctypes; from gateway.hsm.module import _seal_process; libc = ctypes.CDLL(None);"
        "before = libc.prctl(3); _seal_process(); print(before, libc.prctl(3))"
    )

    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)

    assert printed.stdout.split() == [b"1", b"0"]


def test_requests_are_answered_in_order_with_their_ids(social):
    """Pipelined requests get their answers, each with its id and command."""
    requests = [Frame(at, Command.DIAGNOSTICS, b"{}") for at in (3, 1, 2)]

    with connect(social) as connection:
        answers = exchange(connection, *requests)

    assert [answer.request_id for answer in answers] == [3, 1, 2]
    assert {answer.command for answer in answers} == {Command.DIAGNOSTICS}


@pytest.mark.parametrize("command", [0, 77, 99, 255])
def test_unknown_command_is_misuse(social, command):
    """There is no other command: none that takes, gives or only deciphers a PIN."""
    with connect(social) as connection:
        (answer,) = exchange(connection, Frame(9, command, b"{}"))

    assert answer == Frame(9, command, MISUSE)
    assert len(Command) == 8


@pytest.mark.parametrize(
    "command", [Command.SET_PIN, Command.SESSION_MAC_KEY, Command.TRANSLATE_PIN]
)
@pytest.mark.parametrize("payload", [b"", b"{}", b'{"zone":"core"}', b'{"zone":5}', b"\xff"])
def test_malformed_request_is_misuse_and_the_connection_goes_on(social, command, payload):
    """A request that cannot be read, or for the other side's zone, is answered as misuse."""
    with connect(social) as connection:
        answers = exchange(connection, Frame(9, command, payload), DIAGNOSTICS)

    assert answers[0] == Frame(9, command, MISUSE)
    assert protocol.read_diagnostics_answer(answers[1].payload).side == Side.SOCIAL


def test_broken_frame_ends_its_connection_only(social):
    """Bytes that are no frame close their connection; another one goes on."""
    with connect(social) as good, connect(social) as bad:
        exchange(good, DIAGNOSTICS)
        bad.sendall(b"GET / HTTP/1.1\r\n\r\n")

        assert ended(bad)
        assert exchange(good, DIAGNOSTICS)


def ended(connection):
    """Tell whether the other end has closed the connection."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_connections_beyond_the_bound_are_closed(start):
    """The module holds a bounded number of connections, and serves those it holds."""
    with start() as running:
        held = [connect(running) for _ in range(module.CONNECTIONS_MAX)]
        for connection in held:
            exchange(connection, DIAGNOSTICS)

        with connect(running) as one_more:
            assert ended(one_more)
        assert exchange(held[0], DIAGNOSTICS)
        for connection in held:
            connection.close()


def test_embedded_module_ends_with_its_parents_hand(start):
    """When its standard input closes, the module ends by itself and removes its socket."""
    with start() as running, connect(running) as connection:
        exchange(connection, DIAGNOSTICS)
        running.process.send_signal(signal.SIGINT)  # Ctrl-C is the parent's to handle
        exchange(connection, DIAGNOSTICS)

        running.process.stdin.close()
        running.process.stdin = None

        assert running.process.wait(WAIT_SECONDS_MAX) == 0
        assert not running.socket.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_module_of_its_own_ends_by_signal_only(start, number):
    """A module that is a unit of its own outlives its standard input and ends when told to."""
    with start(embedded=False) as running, connect(running) as connection:
        running.process.stdin.close()
        running.process.stdin = None
        exchange(connection, DIAGNOSTICS)

        running.process.send_signal(number)

        assert running.process.wait(WAIT_SECONDS_MAX) == 0


def test_module_does_not_start_on_a_store_that_others_may_read(new_store, tmp_path):
    """Wrong permissions end the process before it listens, with file and remedy."""
    store = new_store(Side.SOCIAL)
    (store / "master.key").chmod(0o644)
    code = (
        "import pathlib as p; from gateway.hsm.module import run; from gateway.terms.sides "
        f"import Side; run(p.Path({str(store)!r}), p.Path({str(tmp_path / 's')!r}), "
        "Side.SOCIAL, embedded=True)"
    )

    ended_ = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, input=b"", check=False
    )

    assert ended_.returncode != 0
    assert b"chmod 600" in ended_.stderr
    assert not (tmp_path / "s").exists()


def test_abandoned_socket_is_taken_over(tmp_path):
    """The socket of a module that died is replaced."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))

    with module._listening_socket(path) as listening:
        assert listening.getsockname() == str(path)


def test_store_of_a_living_module_is_left_alone(social, tmp_path, monkeypatch):
    """A second module on the same store refuses to start: each would count attempts by itself."""
    monkeypatch.setattr(module, "_seal_process", lambda: None)  # of the tests' own process
    monkeypatch.setattr(module, "held_alone", partial(held_alone, seconds_max=0))

    with pytest.raises(SpecificationError, match=r"module\.lock: is held by another"):
        module.run(social.store, tmp_path / "s", Side.SOCIAL, embedded=True)

    assert not (tmp_path / "s").exists()


def test_socket_of_a_living_module_is_left_alone(social):
    """A second module on the same path refuses to start."""
    with pytest.raises(SpecificationError, match="another security module"):
        module._listening_socket(social.socket)

    assert social.socket.exists()


def test_file_in_the_sockets_place_is_left_alone(tmp_path):
    """What is no socket is not removed."""
    (tmp_path / "s").write_text("precious")

    with pytest.raises(SpecificationError, match="not a socket"):
        module._listening_socket(tmp_path / "s")

    assert (tmp_path / "s").read_text() == "precious"


def test_path_that_cannot_be_bound_is_named(tmp_path):
    """A path in a directory that is not there is refused by name."""
    with pytest.raises(SpecificationError, match="cannot be listened on"):
        module._listening_socket(tmp_path / "none" / "s")


def test_own_fault_is_reported_by_its_kind_only(request_for, capsys):
    """An error that nobody foresaw is answered, and its text, which may quote, is dropped."""

    class Faulty:
        def begin(self, request):
            raise RuntimeError(f"738291 {request.envelope}")

    payload = pin_protocol.write_set_pin(request_for())

    (answer,) = module.answers(Faulty(), [Frame(1, Command.SET_PIN, payload)])

    assert answer == Frame(1, Command.SET_PIN, MISUSE)
    assert capsys.readouterr().err == "security module: RuntimeError\n"
