"""Each fault as a gateway meets it, over real TCP."""

import socket
import time

import pytest

from gateway.iso8583.errors import MacMismatch
from gateway.simulators.population import person

CARD = person(1).card
LINK = f"lnk_{1:026d}"
BUREAU = {100: "99350201", 102: CARD}


def _register(gateway):
    return gateway.request("link-register", BUREAU, IN="99350201", LK=LINK, MB="15400000001")


def _linked(simulator):
    links = simulator.control("GET", f"state?card={CARD}")[1]["links"]
    return [link["active"] for link in links] == [True]


def test_dropped_request_is_neither_carried_out_nor_answered(bureau_simulator):
    """Nothing happens, and the repeat is carried out as if it were the first."""
    bureau_simulator.fault("link-register", "drop_request")
    gateway = bureau_simulator.gateway()
    request = _register(gateway)
    gateway.send(request)

    assert gateway.silent()
    assert not _linked(bureau_simulator)
    assert gateway.ask(request.as_repeat()).text(39) == "00"


def test_dropped_answer_is_carried_out(bureau_simulator):
    """The link exists, and the repeat gets the stored answer."""
    bureau_simulator.fault("link-register", "drop_answer")
    gateway = bureau_simulator.gateway()
    request = _register(gateway)
    gateway.send(request)

    assert gateway.silent()
    assert _linked(bureau_simulator)
    assert gateway.ask(request.as_repeat()).text(39) == "00"


@pytest.mark.parametrize(("fault", "done"), [("delay", False), ("late_answer", True)])
def test_delay_and_late_answer_differ_in_when_it_is_done(bureau_simulator, fault, done):
    """A delayed request is not carried out yet; a late answer is of one that is."""
    bureau_simulator.fault("link-register", fault, seconds=0.3)
    gateway = bureau_simulator.gateway()
    began = time.monotonic()
    gateway.send(_register(gateway))
    time_to_look = gateway.silent(0.1)

    assert time_to_look
    assert _linked(bureau_simulator) is done
    assert gateway.receive().text(39) == "00"
    assert time.monotonic() - began >= 0.3
    assert _linked(bureau_simulator)


@pytest.mark.parametrize(("when", "done"), [("before", False), ("after", True)])
def test_decline_says_the_code_asked_for(bureau_simulator, when, done):
    """Whether the request was carried out is the fault's choice; the code is the same."""
    bureau_simulator.fault("link-register", "decline", response_code="96", when=when)
    gateway = bureau_simulator.gateway()

    assert gateway.ask(_register(gateway)).text(39) == "96"
    assert _linked(bureau_simulator) is done


@pytest.mark.parametrize(("when", "done"), [("before", False), ("after", True)])
def test_disconnect_ends_the_connection(bureau_simulator, when, done):
    """The connection is gone instead of an answer, before or after the request's effect."""
    bureau_simulator.fault("link-register", "disconnect", when=when)
    gateway = bureau_simulator.gateway()
    gateway.send(_register(gateway))

    assert gateway.closed()
    assert _linked(bureau_simulator) is done


def test_duplicate_answer_comes_twice(bureau_simulator):
    """Two equal answers, and then silence."""
    bureau_simulator.fault("link-register", "duplicate_answer")
    gateway = bureau_simulator.gateway()
    gateway.send(_register(gateway))

    assert gateway.receive() == gateway.receive()
    assert gateway.silent()


def test_connection_closes_in_the_middle_of_the_answer(bureau_simulator):
    """Some bytes of the answer come, never all of them."""
    bureau_simulator.fault("link-register", "close_mid_frame")
    gateway = bureau_simulator.gateway()
    gateway.send(_register(gateway))

    received = b""
    while data := gateway.socket.recv(4096):
        received += data
    assert 4 < len(received) < 4 + int(received[:4])
    assert _linked(bureau_simulator)


def test_garbled_mac_does_not_verify(bureau_simulator):
    """The answer comes with a MAC that is wrong, once."""
    bureau_simulator.fault("link-register", "garble_mac")
    gateway = bureau_simulator.gateway()
    request = _register(gateway)
    gateway.send(request)

    with pytest.raises(MacMismatch):
        gateway.receive()
    assert gateway.ask(request.as_repeat()).text(39) == "00"


def test_delayed_request_is_carried_out_though_its_connection_is_gone(bureau_simulator):
    """What a network holds back arrives even when nobody waits any more."""
    bureau_simulator.fault("link-register", "delay", seconds=0.2)
    gateway = bureau_simulator.gateway()
    gateway.send(_register(gateway))
    assert gateway.silent(0.05)
    gateway.socket.shutdown(socket.SHUT_RDWR)
    gateway.socket.close()

    deadline = time.monotonic() + 5
    while not _linked(bureau_simulator) and time.monotonic() < deadline:
        pass
    assert _linked(bureau_simulator)
    assert "answer not sent: the connection is gone" in bureau_simulator.notes()


def test_core_takes_faults_too(core_simulator):
    """A fault on any message strikes an inquiry and leaves sign-on alone."""
    core_simulator.fault("*", "decline", response_code="91")
    gateway = core_simulator.gateway()

    codes = [gateway.ask("account-inquiry", {2: person(1).pan}).text(39) for _ in range(2)]

    assert codes == ["91", "00"]
