"""Links over TLS on real sockets: who is believed, who may connect, what the rest is told."""

import re
import socket
from dataclasses import replace
from ipaddress import ip_network
from time import monotonic

import pytest
from structlog.testing import capture_logs
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure

from gateway.iso8583.session import State
from gateway.wire.addresses import client_endpoint
from gateway.wire.connection import HANG_UP_SECONDS_MAX, USER_TIMEOUT_MS
from gateway.wire.doorway import Doorway
from gateway.wire.exchange_link import ExchangeLink
from gateway.wire.inbound_link import InboundLink, InboundPlan
from gateway.wire.outbound_link import Address, LinkPlan, OutboundLink
from gateway.wire.tls import Certificates, why_lost

STRIDE_SECONDS = 0.01
DEADLINE_SECONDS = 8.0

# Twisted's endpoint strings still hand pyOpenSSL objects of its own to it.
pytestmark = pytest.mark.filterwarnings("ignore:Passing pyOpenSSL .* deprecated")


class Pki:
    """Our authority and a stranger, ours and theirs."""

    def __init__(self, authority):
        self.ours, self.stranger = authority("ours"), authority("stranger")
        self.listener = self.ours.sign("listener")
        self.elsewhere = self.ours.sign("elsewhere", host="127.0.0.9")
        self.core = self.ours.sign("core-1")
        self.other = self.ours.sign("core-2")
        self.pretender = self.stranger.sign("core-1")

    def demand(self, own=None, subjects=()):
        """Demand certificates of our authority."""
        own = own or self.listener
        return Certificates(own.certificate_file, own.key_file, self.ours.file, subjects)


class Ends:
    """A listener and what dials it, on one reactor."""

    def __init__(self, words, mac):
        self.words, self._mac = words, mac
        self.reactor = EPollReactor()
        self.answers, self._links, self.port = [], [], 0

    def listen(self, address="127.0.0.1:0", tls=None, peers="127.0.0.0/8"):
        """Have a listener of ours, whose handler approves."""
        plan = InboundPlan(
            name="in",
            peers=[ip_network(peers)],
            codec=self.words.codec,
            message_set=self.words.messages,
            mac=self._mac,
            network_message=self.words.request,
            handler=lambda request, reply: reply(self.words.answer(request)),
            connections_max=8,
            connections_per_peer_max=8,
        )
        self.link = InboundLink(plan, self.reactor)
        door = Doorway(self.reactor, address, tls)
        door.take()
        self.link.start(door)
        self.port = door.number
        self._links.append(self.link)

    def dial(self, place, kind=OutboundLink):
        """Have a link of ours that goes there."""
        plan = LinkPlan(
            name="out",
            addresses=[Address(place)],
            codec=self.words.codec,
            message_set=self.words.messages,
            mac=self._mac,
            network_message=self.words.request,
            answered=lambda token, message: self.answers.append((token, message.text(39))),
            became=lambda _state: None,
            answer_seconds_max=60.0,
            in_flight_max=64,
        )
        link = kind(plan, self.reactor)
        self._links.append(link)
        link.start()
        return link

    def tls(self, authority, client=""):
        """Write the endpoint string of a TLS client.

        Without `endpoint` Twisted asks its resolver, which needs a running reactor.
        """
        over = rf"endpoint=tcp\:127.0.0.1\:{self.port}"
        return f"tls:127.0.0.1:{self.port}:{over}:trustRoots={authority.trusted}{client}"

    def until(self, probe):
        """Run the reactor until something is so."""
        deadline = monotonic() + DEADLINE_SECONDS
        while not probe():
            assert monotonic() < deadline, "it did not come about"
            self.reactor.iterate(STRIDE_SECONDS)

    def close(self):
        """Stop every link."""
        for link in reversed(self._links):
            stopped = link.stop()
            self.until(lambda stopped=stopped: stopped.called)
        self.reactor.disconnectAll()
        self.reactor.iterate(0)
        for own in tuple(self.reactor._internalReaders):
            own.connectionLost(None)
        self.reactor._poller.close()


@pytest.fixture(scope="module")
def pki(new_authority):
    return Pki(new_authority)


@pytest.fixture
def ends(bureau_words, mac, monkeypatch):
    ends = Ends(bureau_words, mac)
    # Endpoint strings take the clock of Twisted's TLS from here.
    monkeypatch.setattr("twisted.internet.reactor", ends.reactor, raising=False)
    yield ends
    ends.close()


def socket_of(line):
    """Give the socket beneath a line."""
    return line._connection.transport.transport.getHandle()


def test_both_ends_speak_tls_by_their_endpoint_strings(ends, pki):
    """Sign-on, a burst of requests, their answers and the sign-off pass; the options are set."""
    key, certificate = pki.listener.key_file, pki.listener.certificate_file
    ends.listen(f"ssl:0:privateKey={key}:certKey={certificate}:interface=127.0.0.1")
    link = ends.dial(ends.tls(pki.ours))
    ends.until(lambda: link.is_ready)
    sockets = [socket_of(line) for line in (*link._lines, *ends.link._lines)]

    options = [
        [
            each.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY),
            each.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
            each.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
        ]
        for each in sockets
    ]
    for number in range(50):
        link.send(ends.words.request(), number)
    ends.until(lambda: len(ends.answers) == 50)
    stopped = link.stop()
    ends.until(lambda: stopped.called and not ends.link.states)

    assert options == [[1, 1, USER_TIMEOUT_MS]] * 2
    assert ends.answers == [(number, "00") for number in range(50)]
    assert (link.reason, link.tally.reconnects) == ("sign-off-answered", 1)


def test_one_exchange_per_connection_over_tls(ends, pki):
    """Each request has a handshake of its own; the answer comes before the connection ends."""
    ends.listen(tls=pki.demand())
    link = ends.dial(ends.tls(pki.ours, pki.core.as_client), ExchangeLink)

    for number in range(3):
        link.send(ends.words.request(), number)
    ends.until(lambda: len(ends.answers) == 3)

    assert sorted(ends.answers) == [(0, "91"), (1, "91"), (2, "91")]  # for want of a sign-on


@pytest.mark.parametrize(
    "subjects", [(), [{"CN": "core-0"}, {"CN": "core-1", "O": "Test Bank"}], [{"O": "Test Bank"}]]
)
def test_far_side_with_an_allowed_certificate_signs_on(ends, pki, subjects):
    """Its authority is ours and its subject one of those allowed, or any where none is named."""
    ends.listen(tls=pki.demand(subjects=subjects))

    link = ends.dial(ends.tls(pki.ours, pki.core.as_client))

    ends.until(lambda: link.is_ready)
    assert ends.link.states == {State.SIGNED_ON: 1}


@pytest.mark.parametrize(
    ("shown", "why", "turned_away"),
    [
        ("", "TLS: .*certificate required", 0),
        ("pretender", "TLS: .*(unknown ca|decrypt error)", 0),
        ("other", "TLS: .*internal error", 1),
    ],
)
def test_far_side_without_an_allowed_certificate_does_not(ends, pki, shown, why, turned_away):
    """No certificate, one of another authority, one of another subject: the handshake fails."""
    ends.listen(tls=pki.demand(subjects=[{"CN": "core-1"}]))
    client = getattr(pki, shown).as_client if shown else ""

    with capture_logs() as lines:
        link = ends.dial(ends.tls(pki.ours, client))
        ends.until(lambda: link.tally.reconnects and link.state is State.CLOSED)
        ends.until(lambda: not ends.link.states)

    assert ends.link.tally.received == 0
    refused = [line for line in lines if line["event"] == "connection-refused"]
    assert len(refused) == ends.link.turned_away == turned_away
    assert [line["subject"] for line in refused] == ["O=Test Bank,CN=core-2"] * turned_away
    assert re.match(why, link.reason)


@pytest.mark.parametrize(
    ("listener", "authority", "why"),
    [
        ("listener", "stranger", "TLS: certificate verify failed"),
        ("elsewhere", "ours", "TLS: the certificate is another host's"),
    ],
)
def test_far_side_that_is_not_who_it_says_is_told_nothing(ends, pki, listener, authority, why):
    """A certificate of another authority or for another host: not even the sign-on is sent."""
    ends.listen(tls=pki.demand(getattr(pki, listener)))

    link = ends.dial(ends.tls(getattr(pki, authority), pki.core.as_client))
    ends.until(lambda: link.tally.reconnects and link.state is State.CLOSED)

    assert link.reason == why
    assert ends.link.tally.received == 0


def test_far_side_that_reads_nothing_is_cut_off(ends, pki):
    """What waits for it is bounded under TLS as without."""
    ends.listen(tls=pki.demand())
    link = ends.dial(ends.tls(pki.ours, pki.core.as_client))
    ends.until(lambda: link.is_ready)
    (far,) = ends.link._lines
    far._connection.transport.transport.pauseProducing()
    for line in (far, *link._lines):
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            socket_of(line).setsockopt(socket.SOL_SOCKET, option, 8192)
    repeat = ends.words.request().as_repeat()

    def pour():
        for _ in range(1000):
            link.send(repeat, "poured")
        return link.state is State.CLOSED

    ends.until(pour)

    # Cut off between two records, or within a write of several.
    assert link.reason in {"ConnectionAborted", "TLS: protocol is shutdown"}


def test_who_speaks_no_tls_ends_its_own_connection_only(ends, pki):
    """A plain sign-on at a TLS listener is noise; the neighbour goes on."""
    ends.listen(tls=pki.demand())
    link = ends.dial(ends.tls(pki.ours, pki.core.as_client))
    ends.until(lambda: link.is_ready)
    plain = socket.create_connection(("127.0.0.1", ends.port))
    plain.sendall(ends.words.framed(ends.words.request("sign-on")))
    ends.until(lambda: ends.link.states == {State.SIGNED_ON: 1})
    plain.close()

    link.send(ends.words.request(), "asked")
    ends.until(lambda: ends.answers)

    assert ends.answers == [("asked", "00")]


@pytest.mark.parametrize("is_string", [True, False])
def test_far_side_outside_the_allowed_networks_gets_no_handshake(ends, pki, is_string):
    """Its connection ends at once, with TLS as without."""
    key, certificate = pki.listener.key_file, pki.listener.certificate_file
    string = f"ssl:0:privateKey={key}:certKey={certificate}:interface=127.0.0.1"
    if is_string:
        ends.listen(string, peers="10.0.0.0/8")
    else:
        ends.listen(tls=pki.demand(), peers="10.0.0.0/8")
    stranger = socket.create_connection(("127.0.0.1", ends.port))
    stranger.setblocking(False)

    def is_closed():
        try:
            return stranger.recv(100) == b""
        except BlockingIOError:
            return False
        except ConnectionResetError:
            return True

    ends.until(is_closed)
    stranger.close()

    assert (ends.link.turned_away, ends.link.states) == (1, {})


def test_far_side_that_does_not_say_goodbye_is_left_nevertheless(ends, pki, monkeypatch):
    """TLS waits for the far side's part of the end; we do not wait for ever."""
    monkeypatch.setattr("gateway.wire.connection.HANG_UP_SECONDS_MAX", 0.05)
    ends.listen(tls=pki.demand())
    link = ends.dial(ends.tls(pki.ours, pki.core.as_client))
    ends.until(lambda: link.is_ready)
    (line,) = link._lines
    line._connection.transport.transport.pauseProducing()  # it reads nothing any more

    stopped = ends.link.stop()
    ends.until(lambda: stopped.called)

    assert HANG_UP_SECONDS_MAX == 5.0
    line._connection.transport.transport.resumeProducing()


class Files:
    """The files of one end's certificate, which somebody renews."""

    def __init__(self, directory, signed):
        self.certificate_file, self.key_file = directory / "own.pem", directory / "own.key"
        self.take(signed)

    def take(self, signed):
        """Put another certificate and its key in place, one after the other."""
        self.key_file.write_bytes(signed.key_file.read_bytes())
        self.certificate_file.write_bytes(signed.certificate_file.read_bytes())


def test_listener_shows_its_renewed_certificate_to_whoever_connects_next(ends, pki, tmp_path):
    """Who is connected stays; what cannot be used leaves the one before in force."""
    own = Files(tmp_path, pki.listener)
    ends.listen(tls=pki.demand(own))
    first = ends.dial(ends.tls(pki.ours, pki.core.as_client))
    ends.until(lambda: first.is_ready)

    own.certificate_file.write_text("half of it")
    second = ends.dial(ends.tls(pki.ours, pki.core.as_client))
    ends.until(lambda: second.is_ready)
    own.take(pki.stranger.sign("renewed"))
    third = ends.dial(ends.tls(pki.stranger, pki.core.as_client))
    ends.until(lambda: third.is_ready)

    assert first.is_ready
    assert ends.link.tally.reconnects >= 3


def test_link_shows_its_renewed_certificate_when_it_dials_next(ends, pki, tmp_path):
    """Turned away with the old one, signed on by itself once the new one is in place."""
    own = Files(tmp_path, pki.other)
    ends.listen(tls=pki.demand(subjects=[{"CN": "core-1"}]))
    client = f":certificate={own.certificate_file}:privateKey={own.key_file}"
    link = ends.dial(ends.tls(pki.ours, client))
    ends.until(lambda: ends.link.turned_away)

    own.take(pki.core)
    ends.until(lambda: link.is_ready)

    assert link.is_ready


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        ("certificate", "certificate .* holds no certificate in PEM"),
        ("private_key", "private_key .* is not the key of the certificate"),
        ("trust", "trust .* holds no certificates in PEM"),
        ("another key", "private_key .* is not the key of the certificate"),
    ],
)
def test_what_is_no_certificate_is_refused(ends, pki, tmp_path, broken, rule):
    """By its file and rule, without a byte of it in the error."""
    (tmp_path / "none.pem").write_text("no PEM")
    wrong = {broken: tmp_path / "none.pem"}
    if broken == "another key":
        wrong = {"private_key": pki.core.key_file}

    with pytest.raises(ValueError, match=rule):
        ends.listen(tls=replace(pki.demand(), **wrong))


def test_subject_may_be_in_any_characters(pki):
    """Every attribute asked for must be there, exactly; those of one entry belong together."""
    demand = pki.demand(subjects=[{"O": "测试银行", "OU": "core"}, {"CN": "core-9"}])

    assert demand.allows([("CN", "x"), ("OU", "other"), ("OU", "core"), ("O", "测试银行")])
    assert demand.allows([("CN", "core-9")])
    assert not demand.allows([("O", "测试银行"), ("CN", "core")])
    assert not demand.allows([])


def test_plain_end_of_a_connection_keeps_its_kind():
    """What is not TLS's is told by its class, and what has none is unknown."""
    assert why_lost(Failure(ConnectionDone())) == "the connection was closed"


def test_files_of_an_endpoint_string_that_cannot_be_used_are_a_bad_address(tmp_path):
    """Said at start like any other address that is wrong, and not by a traceback."""
    address = f"tls:host=127.0.0.1:port=9:trustRoots={tmp_path / 'none'}"

    with pytest.raises(ValueError, match="its files cannot be used: No such file or directory"):
        client_endpoint(MemoryReactorClock(), address)
