"""A listener's port: taken before anything else is done, opened once there is who answers."""

from typing import Any, Protocol

from twisted.internet import protocol
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.endpoints import wrapServerTLS

from gateway.wire.addresses import server_endpoint
from gateway.wire.connection import MessageConnection
from gateway.wire.tls import Certificates, DemandingTls


class Host(Protocol):
    """Whoever answers at the door."""

    def accept(self, peer: str) -> MessageConnection | None:
        """Make the protocol for a far side that connects; None for one that may not."""

    def refuse_subject(self, subject: str) -> None:
        """Hear of a good certificate whose subject may not connect."""


class Doorway:
    """A port that is nobody else's from `take` on; who connects waits in the kernel until `open`.

    With `tls` each far side must show a certificate. Raises `ValueError` for a bad address or
    certificate.
    """

    def __init__(self, reactor: Any, address: str, tls: Certificates | None = None) -> None:  # noqa: ANN401 - Twisted's
        self._endpoint = server_endpoint(reactor, address)
        if tls is not None:
            demanding = DemandingTls(tls, self._refuse_subject)
            self._endpoint = wrapServerTLS(demanding, self._endpoint, reactor)
        self._accepting = _Accepting()
        self._port: Any = None
        self.number = 0  # of the port, once it is taken

    def take(self) -> "Deferred[None]":
        """Take the port; fails as Twisted's endpoint does."""
        taken: Deferred[Any] = self._endpoint.listen(self._accepting)
        return taken.addCallback(self._hold)

    def open(self, host: Host) -> None:
        """Let those in who connect, and who have waited."""
        self._accepting.host = host
        self._port.startReading()

    def close(self) -> "Deferred[None]":
        """Give the port back; connections that there are go on."""
        port, self._port = self._port, None
        closed: Deferred[None] = maybeDeferred(port.stopListening) if port else succeed(None)
        return closed

    def _hold(self, port: Any) -> None:  # noqa: ANN401 - Twisted's
        port.stopReading()  # before the reactor has accepted anybody
        self._port = port
        self.number = port.getHost().port

    def _refuse_subject(self, subject: str) -> None:
        assert self._accepting.host is not None  # nobody is shaken hands with before
        self._accepting.host.refuse_subject(subject)


class _Accepting(protocol.Factory[protocol.Protocol]):
    noisy = False
    host: Host | None = None

    def buildProtocol(self, addr: Any) -> protocol.Protocol:  # noqa: ANN401, N802 - Twisted's
        """Make the protocol of a new connection, or of one that is refused."""
        return (self.host and self.host.accept(addr.host)) or _TurnedAway()


class _TurnedAway(protocol.Protocol):
    """Ends its connection at once. No protocol at all would do, but not under Twisted's TLS."""

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Disconnect before a byte is read."""
        transport: Any = self.transport
        transport.abortConnection()
