"""Both ports of a far side on one reactor."""

from twisted.internet.testing import MemoryReactorClock

from gateway.simulators.control import ControlSite
from gateway.simulators.protocol import ConnectionFactory
from gateway.simulators.server import Ports, listen


def test_both_ports_are_opened_on_the_interface_asked_for(clocked):
    """ISO 8583 and control listen on one interface, each on its own port."""
    for side in ("bureau", "core"):
        reactor = MemoryReactorClock()
        opened = []
        listen(clocked(side)[0], reactor, Ports("127.0.0.1", 8583, 8584)).addCallback(opened.append)

        listening = [(port, type(factory), where) for port, factory, _, where in reactor.tcpServers]
        assert listening == [
            (8583, ConnectionFactory, "127.0.0.1"),
            (8584, ControlSite, "127.0.0.1"),
        ]
        assert opened
