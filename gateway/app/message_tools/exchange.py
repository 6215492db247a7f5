"""Messages to a peer and their answers, over one connection."""

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from gateway.app.message_tools.fitting import Tongue
from gateway.app.message_tools.report import Account
from gateway.iso8583.errors import MacMismatch, MalformedMessage
from gateway.iso8583.frames import FrameReader
from gateway.iso8583.mac import Mac
from gateway.iso8583.message import Message, answer_mti
from gateway.terms.errors import Unavailable

_READ_BYTES = 4096
_PORT_MAX = 65535
_TRACE = 11  # DE 11 tells the answers on one connection apart


@dataclass(frozen=True, slots=True)
class Address:
    """Where a peer listens."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read ``HOST:PORT``, an IPv6 address in brackets; raises `ValueError`."""
        host, colon, port = text.rpartition(":")
        if not (colon and host and port.isascii() and port.isdigit() and int(port) <= _PORT_MAX):
            raise ValueError("an address is HOST:PORT")
        return cls(host.removeprefix("[").removesuffix("]"), int(port))


@dataclass(frozen=True, slots=True)
class Heard:
    """One message that came back; `mac_flaw` is empty where it is right or cannot be checked."""

    account: Account
    is_answer: bool
    mac_flaw: str = ""


class Peer:
    """A connection to a peer, over which messages go one after another.

    `timeout_seconds` is for everything together. Every method raises `Unavailable` when there is
    no connection, when it closes, when no answer has come in time.
    """

    def __init__(self, tongue: Tongue, address: Address, timeout_seconds: float) -> None:
        self._tongue = tongue
        self._deadline = time.monotonic() + timeout_seconds
        self._connection = _connected(address, self._deadline)
        reader = FrameReader(tongue.dialect.framing)
        self._payloads = _payloads(self._connection, reader, self._deadline)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def exchange(self, data: bytes, mac: Mac | None = None) -> Iterator[Heard]:
        """Send `data` and give what comes back, up to the answer; at once where none is expected.

        Raises `MalformedFrame` when what comes is not in frames.
        """
        request = self._tongue.codec.decode(data)
        _send(self._connection, self._tongue.dialect.framing.frame(data), self._deadline)
        if not request.is_request:
            return
        for payload in self._payloads:
            heard = _heard(self._tongue, payload, request, mac)
            yield heard
            if heard.is_answer:
                return


def _connected(address: Address, deadline: float) -> socket.socket:
    try:
        return socket.create_connection((address.host, address.port), _left(deadline))
    except OSError as error:
        raise Unavailable(f"no connection: {error.strerror or 'timed out'}") from None


def _send(connection: socket.socket, frame: bytes, deadline: float) -> None:
    connection.settimeout(_left(deadline))
    try:
        connection.sendall(frame)
    except OSError as error:
        raise Unavailable(f"not sent whole: {error.strerror or 'timed out'}") from None


def _payloads(connection: socket.socket, reader: FrameReader, deadline: float) -> Iterator[bytes]:
    while True:
        connection.settimeout(_left(deadline))
        try:
            data = connection.recv(_READ_BYTES)
        except TimeoutError:
            raise Unavailable("no answer in time; the peer may have acted all the same") from None
        except OSError as error:
            raise Unavailable(f"connection lost before the answer: {error.strerror}") from None
        if not data:
            raise Unavailable("the peer closed the connection before the answer")
        yield from (frame.payload for frame in reader.feed(data) if not frame.is_keep_alive)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise Unavailable("no answer in time; the peer may have acted all the same")
    return left


def _heard(tongue: Tongue, payload: bytes, request: Message, mac: Mac | None) -> Heard:
    account = Account.of(tongue, payload)
    try:
        message = tongue.codec.decode(payload)
        flaw = _mac_flaw(tongue, payload, mac)
    except MalformedMessage:
        return Heard(account, is_answer=False)
    same_trace = message.fields.get(_TRACE) == request.fields.get(_TRACE)
    is_answer = message.mti == answer_mti(request.mti) and same_trace
    return Heard(account, is_answer, flaw)


def _mac_flaw(tongue: Tongue, payload: bytes, mac: Mac | None) -> str:
    if mac is None:
        return ""
    try:
        tongue.codec.verify_mac(payload, mac)
    except MacMismatch as mismatch:
        return mismatch.rule
    return ""
