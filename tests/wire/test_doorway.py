"""A listener's port: nobody else's once it is taken; nobody is let in before there is a host."""

import socket

import pytest
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Protocol

from gateway.wire.doorway import Doorway

TURNS = 10  # of the reactor, in which whoever waits would be let in


class Host:
    """Lets everybody in, or nobody."""

    def __init__(self, lets_in=Protocol):
        self.came, self._lets_in = [], lets_in

    def accept(self, peer):
        self.came.append(peer)
        return self._lets_in()


@pytest.fixture
def reactor():
    reactor = EPollReactor()
    yield reactor
    reactor.disconnectAll()
    for own in tuple(reactor._internalReaders):
        own.connectionLost(None)
    reactor._poller.close()


@pytest.fixture
def door_at(reactor):
    """Give what takes a port."""
    doors = []

    def take(address):
        doors.append(Doorway(reactor, address))
        doors[-1].take()
        return doors[-1]

    yield take
    for door in doors:
        door.close()
    reactor.iterate(0)


@pytest.fixture
def door(door_at):
    return door_at("127.0.0.1:0")


def turn(reactor):
    for _ in range(TURNS):
        reactor.iterate(0)


@pytest.mark.parametrize(
    ("address", "interface"),
    [("127.0.0.2:0", "127.0.0.2"), ("tcp:0:interface=127.0.0.3", "127.0.0.3")],
)
def test_it_is_where_it_is_told(door_at, address, interface):
    """At one interface alone, in either form of the configuration."""
    door = door_at(address)

    with socket.create_connection((interface, door.number)), pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", door.number))


def test_whoever_comes_early_waits_and_is_let_in_when_it_opens(reactor, door):
    """Connected to the kernel, unknown to us; what is said meanwhile is not lost."""
    host = Host()
    with socket.create_connection(("127.0.0.1", door.number)):
        turn(reactor)
        early = list(host.came)
        door.open(host)
        turn(reactor)

    assert (early, host.came) == ([], ["127.0.0.1"])


def test_port_that_is_taken_is_nobody_elses(reactor, door):
    """Another process hears so before it has done anything, open or not."""
    second = []

    Doorway(reactor, f"127.0.0.1:{door.number}").take().addErrback(second.append)

    assert [failure.type for failure in second] == [CannotListenError]


def test_whoever_may_not_come_in_is_turned_away(reactor, door):
    """The connection ends without a word."""
    door.open(Host(lambda: None))
    with socket.create_connection(("127.0.0.1", door.number)) as guest:
        guest.settimeout(5)
        turn(reactor)
        with pytest.raises(ConnectionResetError):
            guest.recv(1)


def test_closed_it_gives_the_port_back(reactor, door):
    """Once for all; it may be closed again, or without having been taken."""
    door.close()
    reactor.iterate(0)

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", door.number))
    assert door.close().called
    assert Doorway(reactor, "127.0.0.1:0").close().called
