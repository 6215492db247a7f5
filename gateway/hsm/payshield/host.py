"""The connection to the HSM: many requests in flight, each matched by its message header.

The order of answers is not relied on. A call that was not answered may have been carried out;
no command that is sent changes anything in the HSM, so that it can be asked again.
"""

import asyncio
from typing import NamedTuple, TypeVar, cast

from gateway.hsm.payshield.command import HostCommand
from gateway.hsm.payshield.errors import error_of, is_carried_out
from gateway.hsm.payshield.framing import (
    Answer,
    BrokenMessage,
    Envelope,
    FrameReader,
    response_code_of,
)
from gateway.terms.errors import Unavailable

CALL_SECONDS_MAX = 2.0  # a command takes some milliseconds; this is an HSM in trouble
# An HSM works on a few requests at a time and queues the rest; beyond this callers had better
# hear so. Smallest header: a thousand numbers.
IN_FLIGHT_MAX = 64

A = TypeVar("A")


class HostConnection:
    """One HSM; every call raises `Unavailable` when it is down, slow or in trouble."""

    def __init__(
        self,
        address: tuple[str, int],
        envelope: Envelope,
        call_seconds_max: float = CALL_SECONDS_MAX,
        in_flight_max: int = IN_FLIGHT_MAX,
    ) -> None:
        self._address = address
        self._envelope = envelope
        self._call_seconds_max = call_seconds_max
        self._in_flight_max = in_flight_max
        self._connection: _Connection | None = None
        self._connecting = asyncio.Lock()

    async def ask(self, command: HostCommand[A]) -> A:
        """Have a command carried out; raises also `HostError` when the HSM refuses it.

        Raises `BrokenMessage` when the answer has not the fields of the command, and then ends
        the connection: what does not speak as documented is not spoken to on.
        """
        connection, answer = await self._answer(command)
        if not is_carried_out(command.code, answer.error_code):
            raise error_of(command.code, answer.error_code)
        try:
            return command.unpack(answer.error_code, answer.fields)
        except BrokenMessage:
            connection.abort()
            raise

    async def reach(self) -> None:
        """See that a command could be sent now; raises `Unavailable`."""
        try:
            async with asyncio.timeout(self._call_seconds_max):
                self._refuse_beyond_bound(await self._connected())
        except TimeoutError:
            raise Unavailable("payment HSM: no answer in time") from None
        except OSError:
            raise Unavailable("payment HSM: cannot be reached") from None

    def close(self) -> None:
        """Close the connection; calls that wait fail."""
        if self._connection is not None:
            self._connection.abort()

    async def _answer(self, command: HostCommand[A]) -> "tuple[_Connection, Answer]":
        connection, heard = None, 0
        try:
            async with asyncio.timeout(self._call_seconds_max):
                connection = await self._connected()
                heard = connection.heard
                self._refuse_beyond_bound(connection)
                return connection, await connection.ask(command)
        except TimeoutError:
            # Nothing came in all this time, neither to this call nor to another: a firewall may
            # have forgotten the connection, and TCP would take a quarter of an hour to notice.
            if connection is not None and connection.heard == heard:
                connection.abort()
            raise Unavailable("payment HSM: no answer in time") from None
        except OSError:
            raise Unavailable("payment HSM: cannot be reached") from None

    def _refuse_beyond_bound(self, connection: "_Connection") -> None:
        if connection.in_flight < self._in_flight_max:
            return
        if connection.is_given_up:
            connection.abort()
        raise Unavailable("payment HSM: too many calls are waiting")

    async def _connected(self) -> "_Connection":
        if self._connection is None or self._connection.is_lost:
            async with self._connecting:
                if self._connection is None or self._connection.is_lost:
                    self._connection = await self._connect()
        return self._connection

    async def _connect(self) -> "_Connection":
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: _Connection(self._envelope), *self._address
        )
        return connection


class _Waiting(NamedTuple):
    response_code: str
    answer: asyncio.Future[Answer]


class _Connection(asyncio.Protocol):
    """One connection: matches answers to requests, and trusts nothing that does not match."""

    _transport: asyncio.Transport

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope
        self._reader = FrameReader()
        # A call that its caller gave up stays here until its answer comes or the connection ends:
        # its header is not used again while an answer to it may come.
        self._waiting: dict[int, _Waiting] = {}
        self._last_header = 0
        self.heard = 0  # number of answers that have come
        self.is_lost = False

    @property
    def in_flight(self) -> int:
        """Number of requests that the HSM has not answered."""
        return len(self._waiting)

    @property
    def is_given_up(self) -> bool:
        """Tell whether nobody waits any more for what the HSM has not answered."""
        return all(waiting.answer.done() for waiting in self._waiting.values())

    def ask(self, command: HostCommand[A]) -> asyncio.Future[Answer]:
        """Send a request; the future gives its answer."""
        fields, after_lmk = command.pack(), command.pack_after_lmk()
        header = self._next_header()
        request = self._envelope.write(header, command.code, fields, after_lmk)
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[header] = _Waiting(response_code_of(command.code), future)
        self._transport.write(request)
        return future

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes, though they behave as they do.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            for message in self._reader.feed(data):
                self._complete(self._envelope.read(message))
        except BrokenMessage:
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.is_lost = True
        for waiting in self._waiting.values():
            if not waiting.answer.done():
                waiting.answer.set_exception(Unavailable("payment HSM: connection lost"))
        self._waiting.clear()

    def abort(self) -> None:
        """End the connection at once."""
        self.is_lost = True
        self._transport.abort()

    def _next_header(self) -> int:
        """Give a number that no request in flight has; there are more than may be in flight."""
        while True:
            self._last_header = self._last_header % self._envelope.header_max + 1
            if self._last_header not in self._waiting:
                return self._last_header

    def _complete(self, answer: Answer) -> None:
        waiting = self._waiting.get(answer.header)
        if waiting is None or waiting.response_code != answer.response_code:
            raise BrokenMessage("payment HSM: answer to nothing that was asked")
        del self._waiting[answer.header]
        self.heard += 1
        if not waiting.answer.done():
            waiting.answer.set_result(answer)
