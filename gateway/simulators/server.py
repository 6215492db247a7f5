"""The two ports of a simulated far side: ISO 8583 over TCP, and HTTP for control."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IReactorTCP
from twisted.internet.protocol import Factory

from gateway.simulators.control import BureauSide, ControlSite, CoreSide
from gateway.simulators.core import Core
from gateway.simulators.host import Host
from gateway.simulators.protocol import ConnectionFactory
from gateway.terms.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the two ports are; a port of 0 is replaced by the one that was free."""

    interface: str
    iso8583: int
    control: int


@inlineCallbacks
def listen(host: Host[Any], reactor: IReactorTCP, wanted: Ports) -> Generator[Any, Any, Ports]:
    """Open both ports; the Deferred gives where they are, or fails with `Unavailable`."""
    connections = ConnectionFactory(host)
    side = CoreSide if isinstance(host.rules, Core) else BureauSide
    site = ControlSite(side(host, connections))
    iso8583 = yield _open(reactor, wanted.interface, wanted.iso8583, connections)
    control = yield _open(reactor, wanted.interface, wanted.control, site)
    return Ports(wanted.interface, iso8583, control)


@inlineCallbacks
def _open(
    reactor: IReactorTCP, interface: str, port: int, factory: Factory[Any]
) -> Generator[Any, Any, int]:
    """Open one port and give its number."""
    endpoint = TCP4ServerEndpoint(reactor, port, interface=interface)
    try:
        listening = yield endpoint.listen(factory)
    except CannotListenError as error:
        raise Unavailable(f"port {port} of {interface} cannot be opened: {error}") from None
    number: int = listening.getHost().port
    return number
