"""The bare relay, HTTP to ISO 8583 and back, and the peer that answers it.

There is no module, journal, MAC or check. It shares with the gateway what any gateway would need:
HTTP server, reactor, routing, framing and codec. A process of each is started by
``python -m gateway.app.bench.relay peer`` and ``… relay HOST:PORT``; both print a ready line and
end with their standard input.
"""

import asyncio
import json
import sys
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint, connectProtocol
from twisted.internet.protocol import Factory, Protocol

from gateway.app.http_server import HttpServer, listen, url_of
from gateway.app.reactor import run_in_reactor
from gateway.app.specifications import Specifications, shipped_directory
from gateway.iso8583 import private_data
from gateway.iso8583.codec import Codec
from gateway.iso8583.dialect import Dialect
from gateway.iso8583.frames import FrameReader
from gateway.iso8583.message import Message

_CONNECT_SECONDS_MAX = 5
_STANS = 1_000_000
_ECHOED = (3, 7, 11, 32, 33, 37, 41, 100)


class _Peer(Protocol):
    """Answers every request with approval, echoing what an answer echoes."""

    transport: Any

    def __init__(self, dialect: Dialect) -> None:
        self._codec = Codec(dialect)
        self._framing = dialect.framing
        self._reader = FrameReader(dialect.framing)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        for frame in self._reader.feed(data):
            fields = self._codec.decode(frame.payload).fields
            echoed = {de: fields[de] for de in _ECHOED}
            answer = self._codec.encode(Message("0110", {**echoed, 39: "00"}))
            self.transport.write(self._framing.frame(answer))


class _Link(Protocol):
    """The relay's connection: an answer belongs to the request with its STAN, and that is all."""

    transport: Any

    def __init__(self, dialect: Dialect) -> None:
        self._codec = Codec(dialect)
        self._framing = dialect.framing
        self._reader = FrameReader(dialect.framing)
        self._waiting: dict[object, asyncio.Future[Message]] = {}
        self._last = 0

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        self.transport.setTcpNoDelay(True)

    def ask(self, link: str) -> asyncio.Future[Message]:
        self._last = self._last % (_STANS - 1) + 1
        stan = f"{self._last:06d}"
        answer = self._waiting[stan] = asyncio.get_running_loop().create_future()
        private = private_data.pack({"IN": "99350201", "LK": link})
        fields = {**_FIELDS, 11: stan, 48: private}
        self.transport.write(self._framing.frame(self._codec.encode(Message("0100", fields))))
        return answer

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        for frame in self._reader.feed(data):
            answer = self._codec.decode(frame.payload)
            self._waiting.pop(answer.fields[11]).set_result(answer)


# Of a pin-set; only DE 11 and 48 change from one request to the next.
_FIELDS: dict[int, str | bytes] = {
    3: "920000",
    7: "1101093015",
    11: "",
    12: "173015",
    13: "1101",
    32: "99000001",
    33: "99000001",
    37: "530509000017",
    41: "GATEWAY1",
    48: "",
    52: bytes.fromhex("0123456789ABCDEF"),
    53: "1600000000000000",
    100: "99350201",
    102: "T00000019",
}


def _application(link: _Link) -> Router:
    async def relay(request: Request) -> Response:
        body = await request.json()
        answer = await link.ask(request.path_params["link"])
        said = {"session": body["pin_session"], "response_code": answer.fields[39]}
        return Response(json.dumps(said), media_type="application/json")

    return Router([Route("/v1/links/{link}/ss-pin", relay, methods=["PUT"])])


async def _serve_relay(reactor: Any, dialect: Dialect, peer: str) -> None:  # noqa: ANN401
    host, _, port = peer.rpartition(":")
    endpoint = TCP4ClientEndpoint(reactor, host, int(port), _CONNECT_SECONDS_MAX)
    loop = asyncio.get_running_loop()
    link = await connectProtocol(endpoint, _Link(dialect)).asFuture(loop)
    listening = listen("127.0.0.1:0")
    server = HttpServer(_application(link))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    _say({"http": url_of(listening)})
    await _end_of_input()
    server.should_exit = True
    await serving


async def _serve_peer(reactor: Any, dialect: Dialect) -> None:  # noqa: ANN401 - Twisted's
    endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
    factory: Any = Factory.forProtocol(lambda: _Peer(dialect))
    listening = await endpoint.listen(factory).asFuture(asyncio.get_running_loop())
    _say({"iso8583": f"127.0.0.1:{listening.getHost().port}"})
    await _end_of_input()


def _say(ready: dict[str, str]) -> None:
    sys.stdout.write(json.dumps(ready) + "\n")
    sys.stdout.flush()


async def _end_of_input() -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()


def main(arguments: list[str]) -> int:
    """Run ``peer`` or ``relay HOST:PORT`` until standard input ends."""
    dialect = Specifications(shipped_directory()).dialect("bureau")

    async def run(reactor: Any) -> int:  # noqa: ANN401 - Twisted's
        if arguments[0] == "peer":
            await _serve_peer(reactor, dialect)
        else:
            await _serve_relay(reactor, dialect, arguments[1])
        return 0

    return run_in_reactor(run)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
