"""The security module's process: one side's keys, behind a Unix socket.

It keeps no log of what it is asked, leaves no core file and cannot be read by another process of
the same user. Its standard input is its parent's hand: when that closes, an embedded module ends.
"""

import asyncio
import ctypes
import gc
import os
import pwd
import resource
import signal
import socket
import stat
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.hsm import pin_protocol, protocol
from gateway.hsm.attempts import ATTEMPTS_FILE, AttemptFile
from gateway.hsm.frames import BrokenFrame, Frame, FrameReader, write_frame
from gateway.hsm.pin_list import read_pin_list
from gateway.hsm.pin_protocol import SetPin
from gateway.hsm.private_files import held_alone
from gateway.hsm.protocol import MISUSE, Command
from gateway.hsm.soft_module import PinAttempt, SoftModule
from gateway.hsm.store_keeper import StoreKeeper
from gateway.pinblock.policy import PinList
from gateway.terms.errors import GatewayError, LocalError, SpecificationError
from gateway.terms.sides import Side

CONNECTIONS_MAX = 32  # a gateway keeps one; a few nodes and a probe may share a module
ANSWERS_AT_ONCE = 32  # some four milliseconds of work: more gain nothing, and wait longer
WAITING_MAX = 512  # requests of one connection, some 600 kB: no client of ours has more in flight
LOCK_FILE = "module.lock"  # in the store's directory; empty
_ONE_MODULE = (
    "is held by another security module: a store serves one, which several gateways may ask "
    "through its socket; stop the other, or give this one a copy of the store"
)
_PR_SET_DUMPABLE = 4  # prctl(2)


def run(
    store_directory: Path,
    socket_path: Path,
    side: Side,
    *,
    embedded: bool,
    pin_list: Path | None = None,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> None:
    """Run a side's security module until it is told to stop.

    Prints one line when it is ready. An embedded module ends when its standard input does, and
    leaves Ctrl-C to its parent. `pin_list` is the operator's own list of refused PINs,
    `loop_factory` makes another event loop than asyncio's. Raises `SpecificationError` when store,
    list or socket cannot be used, and when another module has the store: each would count the
    refused attempts of a card by itself.
    """
    _seal_process()
    with held_alone(store_directory / LOCK_FILE, _ONE_MODULE):
        _run(store_directory, socket_path, side, embedded, pin_list, loop_factory)


def _run(
    store_directory: Path,
    socket_path: Path,
    side: Side,
    embedded: bool,  # noqa: FBT001 - as `run`
    pin_list: Path | None,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None,
) -> None:
    # An action's instant in the audit is the wall clock's, as every instant here.
    keeper = StoreKeeper(store_directory, side, time.time)  # noqa: TID251 - see the line above
    operators = read_pin_list(pin_list) if pin_list else PinList()
    # Whether a session is over is not left to the clock of the process that asks.
    attempts = AttemptFile(store_directory / ATTEMPTS_FILE)
    module = SoftModule(keeper.store, time.time, operators, attempts)  # noqa: TID251 - see above
    module.keeper = keeper
    gc.freeze()  # what is here now stays: no collection need look at it again
    listening = _listening_socket(socket_path)
    ours = socket_path.stat().st_ino
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(_serve(module, listening, side, embedded=embedded))
    with suppress(FileNotFoundError):
        # A successor may have put its own socket there since our parent died.
        if socket_path.stat().st_ino == ours:
            socket_path.unlink()


def become(user: str) -> None:
    """Give up root for good, before anything is read; raises `SpecificationError`.

    No group is kept, so that nothing of the other side's user can be read.
    """
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        raise SpecificationError("user", user, "is no user of this machine") from None
    if os.geteuid() != 0:
        raise SpecificationError("user", user, "can be taken on by root only: leave it out")
    os.setgroups([])
    os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
    os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)


def answers(module: SoftModule, frames: Sequence[Frame]) -> list[Frame]:
    """Carry out requests in order; one that cannot be carried out is answered as misuse.

    Those to set a PIN take each of their steps together (`SoftModule.begin`).
    """
    read = [_read(frame) for frame in frames]
    begun = [_begun(module, each) if isinstance(each, SetPin) else each for each in read]
    agreed = [module.agree(step) if isinstance(step, PinAttempt) else None for step in begun]
    return [
        Frame(frame.request_id, frame.command, _payload(module, step, content))
        for frame, step, content in zip(frames, begun, agreed, strict=True)
    ]


def _read(frame: Frame) -> SetPin | Frame | bytes:
    if frame.command != Command.SET_PIN:
        return frame
    try:
        return pin_protocol.read_set_pin(frame.payload)
    except (GatewayError, ValueError):
        return MISUSE


def _begun(module: SoftModule, request: SetPin) -> PinAttempt | bytes:
    try:
        return module.begin(request)
    except Exception as error:  # noqa: BLE001 - as in `_payload`
        return _unforeseen(error)


def _payload(module: SoftModule, step: PinAttempt | Frame | bytes, content: AESGCM | None) -> bytes:
    try:
        if isinstance(step, PinAttempt):
            return pin_protocol.write_pin_answer(module.finish(step, content))
        if isinstance(step, Frame):
            return _carry_out(module, Command(step.command), step.payload)
    except (GatewayError, ValueError):
        return MISUSE
    except Exception as error:  # noqa: BLE001 - its text may quote the request: only the kind
        return _unforeseen(error)
    return step


def _unforeseen(error: Exception) -> bytes:
    sys.stderr.write(f"security module: {type(error).__name__}\n")
    return MISUSE


def _carry_out(module: SoftModule, command: Command, payload: bytes) -> bytes:
    match command:
        case Command.SET_PIN:
            raise AssertionError("is begun before anything is carried out")
        case Command.TRANSLATE_PIN:
            request = pin_protocol.read_translate_pin(payload)
            return pin_protocol.write_pin_answer(module.translate_pin(request))
        case Command.SESSION_MAC_KEY:
            zone = protocol.read_session_mac_key(payload)
            return protocol.write_session_mac_key_answer(module.mac_key(zone))
        case Command.TAKE_KEY | Command.ACTIVATE_KEY | Command.REOPEN_STORE:
            return _change_key(module, command, payload)
        case Command.PUBLIC_KEYS:
            return protocol.write_public_keys_answer(module.public_keys())
        case Command.DIAGNOSTICS:
            return protocol.write_diagnostics_answer(module.diagnostics())


def _change_key(module: SoftModule, command: Command, payload: bytes) -> bytes:
    if command is Command.TAKE_KEY:
        return protocol.write_take_key_answer(module.take_key(protocol.read_take_key(payload)))
    if command is Command.REOPEN_STORE:
        _reopen(module)
        return protocol.write_reopen_store_answer()
    module.activate_key(*protocol.read_activate_key(payload))
    return protocol.write_activate_key_answer()


def _reopen(module: SoftModule) -> None:
    """Take up a store that `gateway keys` has changed; one that is not right changes nothing."""
    try:
        module.reopen()
    except GatewayError as error:
        sys.stderr.write(f"security module: goes on with the keys it has: {error}\n")
        raise


def _hear_hangup(module: SoftModule) -> None:
    with suppress(GatewayError):
        _reopen(module)


def _seal_process() -> None:
    """No core file, and no reading of this memory by other processes of the same user."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0):
        raise LocalError("security module: the process cannot be made undumpable")


async def _serve(
    module: SoftModule, listening: socket.socket, side: Side, *, embedded: bool
) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGHUP, _hear_hangup, module)
    if embedded:
        # Ctrl-C reaches the whole group; the parent finishes what runs, then closes our input.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        await loop.connect_read_pipe(lambda: _ParentsHand(stop), sys.stdin)
    else:
        loop.add_signal_handler(signal.SIGINT, stop.set)
    connections: set[_Connection] = set()
    server = await loop.create_unix_server(lambda: _Connection(module, connections), sock=listening)
    sys.stdout.write(f"security module {side.value} ready\n")
    sys.stdout.flush()
    await stop.wait()
    server.close()
    for connection in tuple(connections):
        connection.abort()


def _listening_socket(path: Path) -> socket.socket:
    """Bind a socket of mode 0600; raises `SpecificationError` when the path cannot be used."""
    _remove_abandoned(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # The mode must be right from the first moment, not after a chmod.
    mask = os.umask(0o177)
    try:
        listening.bind(str(path))
    except OSError as error:
        listening.close()
        raise SpecificationError(str(path), "", f"cannot be listened on: {error}") from None
    finally:
        os.umask(mask)
    return listening


def _remove_abandoned(path: Path) -> None:
    """Remove the socket of a module that died; one that lives is left alone."""
    if not path.exists():
        return
    if not stat.S_ISSOCK(path.lstat().st_mode):
        raise SpecificationError(str(path), "", "is not a socket: give another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
        else:
            raise SpecificationError(str(path), "", "another security module listens here")


class _ParentsHand(asyncio.Protocol):
    """Standard input: nothing is read from it, its end is the parent's end."""

    def __init__(self, stop: asyncio.Event) -> None:
        self._stop = stop

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._stop.set()


class _Connection(asyncio.Protocol):
    """One client: frames in, answers out in the same order, a few at a time.

    What came at once is not answered at once: the client takes its first answers, and asks on,
    while the module works at the next.
    """

    _transport: asyncio.Transport

    def __init__(self, module: SoftModule, connections: "set[_Connection]") -> None:
        self._module = module
        self._connections = connections
        self._reader = FrameReader()
        self._waiting: deque[Frame] = deque()
        self._is_working = False
        self._is_deaf = False  # the client does not read its answers

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes, though they behave as they do.
        self._transport = cast("asyncio.Transport", transport)
        if len(self._connections) >= CONNECTIONS_MAX:
            self._transport.abort()
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._connections.discard(self)
        self._waiting.clear()

    def data_received(self, data: bytes) -> None:
        try:
            self._waiting += self._reader.feed(data)
        except BrokenFrame:
            self.abort()
            return
        if len(self._waiting) >= WAITING_MAX:
            self._transport.pause_reading()
        if not self._is_working:
            self._work()

    def pause_writing(self) -> None:
        # A client that does not read its answers is not asked for more requests.
        self._is_deaf = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._is_deaf = False
        self._transport.resume_reading()
        if not self._is_working:
            self._work()

    def abort(self) -> None:
        self._waiting.clear()
        self._transport.abort()

    def _work(self) -> None:
        waiting = self._waiting
        taken = [waiting.popleft() for _ in range(min(len(waiting), ANSWERS_AT_ONCE))]
        if taken:
            self._transport.write(b"".join(map(write_frame, answers(self._module, taken))))
        self._is_working = bool(waiting) and not self._is_deaf
        if self._is_working:
            asyncio.get_running_loop().call_soon(self._work)
        elif not self._is_deaf:
            self._transport.resume_reading()
