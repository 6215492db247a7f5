"""The gateway's end of the security module: asks over a Unix socket, pipelined.

The connection is made when it is needed and made anew after it was lost. A call that was not
answered changed nothing that the caller relies on: its PIN session is used up, and no more.
"""

import asyncio
from pathlib import Path
from typing import NamedTuple, cast

from gateway.hsm import pin_protocol, protocol
from gateway.hsm.frames import REQUEST_ID_MAX, BrokenFrame, Frame, FrameReader, write_frame
from gateway.hsm.key_purpose import KeyPurpose
from gateway.hsm.pin_protocol import EncipheredPin, PinRefusal, SetPin, TranslatePin
from gateway.hsm.protocol import Command, Diagnostics, KeyTaken, PublicKey, SessionMacKey, TakeKey
from gateway.terms.errors import Unavailable

CALL_SECONDS_MAX = 2.0  # a call takes a tenth of a millisecond; this is a module in trouble
_NO_ANSWER = "security module: no answer in time"
_SAID_TOGETHER_MAX = 8  # calls: a millisecond of the module's work, which begins meanwhile
IN_FLIGHT_MAX = 512  # some 50 ms of the module's work: beyond it, callers had better hear so


class SecurityModule:
    """One side's security module; every call raises `Unavailable` when it is down or slow."""

    def __init__(
        self,
        socket_path: Path,
        call_seconds_max: float = CALL_SECONDS_MAX,
        in_flight_max: int = IN_FLIGHT_MAX,
    ) -> None:
        self._path = socket_path
        self._call_seconds_max = call_seconds_max
        self._in_flight_max = in_flight_max
        self._connection: _Connection | None = None
        self._connecting = asyncio.Lock()

    async def set_pin(self, request: SetPin) -> EncipheredPin | PinRefusal:
        """Have a PIN opened, judged and enciphered; raises also `BadRequest` for misuse."""
        payload = await self._ask(Command.SET_PIN, pin_protocol.write_set_pin(request))
        return pin_protocol.read_pin_answer(payload)

    async def translate_pin(self, request: TranslatePin) -> EncipheredPin | PinRefusal:
        """Have a PIN pad's block judged and translated; raises also `BadRequest` for misuse."""
        payload = await self._ask(Command.TRANSLATE_PIN, pin_protocol.write_translate_pin(request))
        return pin_protocol.read_pin_answer(payload)

    async def session_mac_key(self, zone: str) -> SessionMacKey:
        """Get a zone's MAC key for a link; raises also `BadRequest` for an unknown zone."""
        payload = await self._ask(Command.SESSION_MAC_KEY, protocol.write_session_mac_key(zone))
        return protocol.read_session_mac_key_answer(payload)

    async def take_key(self, request: TakeKey) -> KeyTaken:
        """Have a far side's new key taken in, pending; raises also `BadRequest`."""
        payload = await self._ask(Command.TAKE_KEY, protocol.write_take_key(request))
        return protocol.read_take_key_answer(payload)

    async def activate_key(self, zone: str, purpose: KeyPurpose) -> None:
        """Have the pending key of a zone made current; raises also `BadRequest`."""
        request = protocol.write_activate_key(zone, purpose)
        protocol.read_activate_key_answer(await self._ask(Command.ACTIVATE_KEY, request))

    async def reopen_store(self) -> None:
        """Have the module open its store anew; raises also `BadRequest` when it is not right."""
        protocol.read_reopen_store_answer(await self._ask(Command.REOPEN_STORE, b"{}"))

    async def public_keys(self) -> tuple[PublicKey, ...]:
        """Get the current envelope keys, public halves."""
        return protocol.read_public_keys_answer(await self._ask(Command.PUBLIC_KEYS, b"{}"))

    async def diagnostics(self) -> Diagnostics:
        """Ask the module what it is; also the probe of its health."""
        return protocol.read_diagnostics_answer(await self._ask(Command.DIAGNOSTICS, b"{}"))

    async def pads(self) -> tuple[str, ...]:
        """Give the zones from whose channels' PIN pads it takes blocks."""
        return (await self.diagnostics()).pads

    def close(self) -> None:
        """Close the connection; calls that wait fail."""
        if self._connection is not None:
            self._connection.abort()

    async def _ask(self, command: Command, payload: bytes) -> bytes:
        connection = self._connection
        if connection is None or connection.is_lost:
            connection = await self._reached()
        if connection.in_flight >= self._in_flight_max:
            raise Unavailable("security module: too many calls are waiting")
        return await connection.ask(command, payload)

    async def _reached(self) -> "_Connection":
        try:
            async with asyncio.timeout(self._call_seconds_max):
                return await self._connected()
        except TimeoutError:
            raise Unavailable(_NO_ANSWER) from None
        except OSError:
            raise Unavailable(f"security module: cannot be reached at {self._path}") from None

    async def _connected(self) -> "_Connection":
        if self._connection is None or self._connection.is_lost:
            async with self._connecting:
                if self._connection is None or self._connection.is_lost:
                    self._connection = await self._connect()
        return self._connection

    async def _connect(self) -> "_Connection":
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_unix_connection(
            lambda: _Connection(loop, self._call_seconds_max), str(self._path)
        )
        return connection


class _Waiting(NamedTuple):
    command: Command
    answer: asyncio.Future[bytes]
    ends: float


class _Connection(asyncio.Protocol):
    """One connection: matches answers to requests by id, and trusts nothing that does not match.

    All calls have the same time, so they run out of it in the order in which they were made and
    wait here: one timer serves them all.
    """

    _transport: asyncio.Transport

    def __init__(self, loop: asyncio.AbstractEventLoop, call_seconds_max: float) -> None:
        self._loop = loop
        self._call_seconds_max = call_seconds_max
        self._reader = FrameReader()
        # A call that its caller gave up stays here until its answer comes or the connection ends.
        self._waiting: dict[int, _Waiting] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._last_id = 0
        self._to_say: list[bytes] = []
        self.is_lost = False

    @property
    def in_flight(self) -> int:
        """Number of requests that the module has not answered."""
        return len(self._waiting)

    def ask(self, command: Command, payload: bytes) -> asyncio.Future[bytes]:
        """Send a request; the future gives the payload of its answer, or raises `Unavailable`."""
        self._last_id = self._last_id % REQUEST_ID_MAX + 1
        request = write_frame(Frame(self._last_id, command, payload))
        answer: asyncio.Future[bytes] = self._loop.create_future()
        ends = self._loop.time() + self._call_seconds_max
        self._waiting[self._last_id] = _Waiting(command, answer, ends)
        if not self._to_say:
            self._loop.call_soon(self._speak)
        self._to_say.append(request)
        if len(self._to_say) >= _SAID_TOGETHER_MAX:
            self._speak()
        if self._timer is None:
            self._timer = self._loop.call_at(ends, self._give_up)
        return answer

    def _speak(self) -> None:
        """Write what a turn of the loop asks for with few system calls."""
        said, self._to_say = self._to_say, []
        if said and not self.is_lost:
            self._transport.write(b"".join(said))

    def _give_up(self) -> None:
        """End the calls that have waited too long, and look again when the next one has."""
        self._timer, now = None, self._loop.time()
        for waiting in self._waiting.values():
            if waiting.ends > now:
                self._timer = self._loop.call_at(waiting.ends, self._give_up)
                break
            _fail(waiting.answer, _NO_ANSWER)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes, though they behave as they do.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._reader.feed(data):
                self._complete(frame)
        except BrokenFrame:
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.is_lost = True
        for waiting in self._waiting.values():
            _fail(waiting.answer, "security module: connection lost")
        self._waiting.clear()
        self._to_say.clear()
        if self._timer is not None:
            self._timer.cancel()

    def abort(self) -> None:
        """End the connection at once."""
        self.is_lost = True
        self._transport.abort()

    def _complete(self, frame: Frame) -> None:
        waiting = self._waiting.pop(frame.request_id, None)
        if waiting is None or waiting.command != frame.command:
            if waiting is not None:
                self._waiting[frame.request_id] = waiting  # fails with the connection
            raise BrokenFrame("answer to nothing that was asked")
        if not waiting.answer.done():
            waiting.answer.set_result(frame.payload)


def _fail(answer: asyncio.Future[bytes], reason: str) -> None:
    if not answer.done():
        answer.set_exception(Unavailable(reason))
