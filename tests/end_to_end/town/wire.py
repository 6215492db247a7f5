"""A link of the town, relayed: what went over it, cuts, and words out of turn."""

import asyncio
from contextlib import suppress
from ssl import SSLContext
from threading import Thread
from typing import Any

SECONDS_MAX = 20.0  # for what a thread of ours does at once


class Wire:
    """Relays one link over a port of its own: records it, cuts it, speaks out of turn on it."""

    def __init__(self, upstream: str, tls: SSLContext | None = None) -> None:
        self.upstream = upstream
        self._tls = tls  # towards the gateway
        host, _, port = upstream.rpartition(":")
        self._far_side = (host, int(port))
        # What every connection carried, a record for each.
        self.to_peer: list[bytearray] = []
        self.to_gateway: list[bytearray] = []
        self.accepted = 0
        self._port = 0
        self._open: set[asyncio.StreamWriter] = set()
        self._gateways: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever)
        self._thread.start()
        self.restore()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    def restore(self) -> None:
        """Listen (again)."""
        if self._server is None:
            self._do(self._listen())

    def cut(self) -> None:
        """Cut what is connected, and refuse connections from now on."""
        self._do(self._cut())

    def inject(self, data: bytes, *, then_close: bool = False) -> None:
        """Send the gateway bytes that the far side did not send."""
        self._do(self._inject(data, then_close=then_close))

    def close(self) -> None:
        """Cut everything and end the thread."""
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(SECONDS_MAX)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(
            self._relay, "127.0.0.1", self._port, ssl=self._tls
        )
        self._port = self._server.sockets[0].getsockname()[1]

    async def _cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in tuple(self._open):
            writer.transport.abort()
        while self._open:  # noqa: ASYNC110 - a moment's clean-up
            await asyncio.sleep(0.005)

    async def _inject(self, data: bytes, *, then_close: bool) -> None:
        for writer in tuple(self._gateways):
            writer.write(data)
            await writer.drain()
            if then_close:
                writer.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = {writer}
        self._open.add(writer)
        self.accepted += 1
        with suppress(OSError):
            peer_reader, peer_writer = await asyncio.open_connection(*self._far_side)
            ends.add(peer_writer)
            self._open.add(peer_writer)
            self._gateways.add(writer)
            await asyncio.gather(
                self._pump(reader, peer_writer, _append(self.to_peer)),
                self._pump(peer_reader, writer, _append(self.to_gateway)),
            )
        self._gateways.discard(writer)
        for end in ends:
            end.close()
            with suppress(OSError):
                await end.wait_closed()
        self._open -= ends

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, record: bytearray
    ) -> None:
        with suppress(OSError):
            while data := await source.read(65_536):
                record += data
                sink.write(data)
                await sink.drain()
        sink.close()


def _append(records: list[bytearray]) -> bytearray:
    records.append(bytearray())
    return records[-1]
