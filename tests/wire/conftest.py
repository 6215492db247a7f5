"""A far side without sockets: it sees what a link dials and writes, and steps the link's clock."""

from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count

import pytest
from twisted.internet import error
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure

from gateway.app.specifications import Specifications, shipped_directory
from gateway.iso8583.codec import Codec
from gateway.iso8583.frames import FrameReader
from gateway.terms.errors import Unavailable
from gateway.wire.outbound_link import Address, LinkPlan, OutboundLink

HERE = Address("127.0.0.1:8583")
DIALECTS = ("bureau", "core")
ACCOUNTS = {"bureau": {100: "99350201", 102: "T00000019"}, "core": {2: "6200000000000000195"}}
PRIVATE = {"bureau": {"IN": "99350201"}, "core": {}}
INQUIRY = {"bureau": "card-inquiry", "core": "account-inquiry"}


def check_code(data):
    """Give 8 bytes that depend on every byte: the links do not know which algorithm it is."""
    return sha256(data).digest()[:8]


@dataclass
class Words:
    """One dialect and its messages, with trace numbers that count up."""

    side: str
    codec: Codec
    messages: object
    stans: object = field(default_factory=lambda: count(1))

    @classmethod
    def of(cls, side):
        """Load what is shipped."""
        specifications = Specifications(shipped_directory())
        dialect = specifications.dialect(side)
        messages = specifications.message_set(side, dialect)
        return cls(side, Codec(dialect), messages)

    @property
    def framing(self):
        """Give the dialect's framing."""
        return self.codec.dialect.framing

    def request(self, name=None, fields=None, private=None):
        """Word a request with a trace of its own; an inquiry unless another is named."""
        if name is None:
            name = INQUIRY[self.side]
            fields = ACCOUNTS[self.side] | (fields or {})
            private = PRIVATE[self.side]
        kind = self.messages.kind(name)
        stan = f"{next(self.stans):06d}"
        trace = {7: "1121040000", 11: stan, 12: "120000", 13: "1121", 32: "99000001"}
        trace |= {33: "99000001", 37: f"632504{stan}", 41: "GATEWAY1"}
        return kind.build({de: trace[de] for de in kind.trace_fields} | (fields or {}), private)

    def answer(self, request, code="00"):
        """Word the answer to a request."""
        return self.messages.identify(request).answer(request, code)

    def framed(self, message, mac=check_code):
        """Give a message as its bytes on the wire."""
        return self.framing.frame(self.codec.encode(message, mac))

    def read(self, data, mac=check_code):
        """Give the messages in bytes from the wire, their MACs checked."""
        frames = FrameReader(self.framing).feed(data)
        for frame in frames:
            self.codec.verify_mac(frame.payload, mac)
        return [self.codec.decode(frame.payload) for frame in frames]


class Transport(StringTransport):
    """A TCP transport in memory that tells its protocol when it is gone."""

    bufferSize = 65536  # noqa: N815 - Twisted's name

    def __init__(self, clock=None):
        super().__init__()
        self.options = []
        self.is_aborted = False
        self._clock = clock

    def attach(self, protocol):
        """Connect a protocol."""
        self.protocol = protocol
        protocol.makeConnection(self)

    def setTcpNoDelay(self, enabled):  # noqa: N802 - Twisted's name
        self.options.append(("no-delay", enabled))

    def setTcpKeepAlive(self, enabled):  # noqa: N802 - Twisted's name
        self.options.append(("keep-alive", enabled))

    def getHandle(self):  # noqa: N802 - Twisted's name
        return self

    def setsockopt(self, *option):
        self.options.append(option)

    def abortConnection(self):  # noqa: N802 - Twisted's name
        self.is_aborted = True
        self.close()

    def loseConnection(self):  # noqa: N802 - Twisted's name
        self.close()

    def close(self):
        """End the connection, once, and not before the present call is over."""
        if self._clock is not None and self.connected:
            self.connected = False
            self._clock.callLater(0, self.protocol.connectionLost, Failure(error.ConnectionDone()))


class FarSide:
    """What is at the other end of a link under test, and the link itself."""

    def __init__(self, words, in_flight_max=512, addresses=(HERE,), change_key=None, **more):
        self.words = words
        self.reactor = MemoryReactorClock()
        self.answers, self.states = [], []
        self.has_traces = True
        self.transport = None
        plan = LinkPlan(
            name="bureau",
            addresses=addresses,
            codec=words.codec,
            message_set=words.messages,
            mac=check_code,
            network_message=self._network_message,
            answered=lambda token, message: self.answers.append((token, message.text(39))),
            became=self.states.append,
            answer_seconds_max=20.0,
            in_flight_max=in_flight_max,
            change_key=change_key,
            **more,
        )
        self.link = OutboundLink(plan, self.reactor)

    def _network_message(self, name):
        if not self.has_traces:
            raise Unavailable("no trace number")
        return self.words.request(name)

    # ------------------------------------------------------------ connections

    @property
    def dials(self):
        """How often the link tried to connect."""
        return len(self.reactor.tcpClients)

    def accept(self):
        """Accept the connection that is being dialled."""
        self.transport = Transport(self.reactor)
        self.transport.attach(self.reactor.tcpClients[-1][2].buildProtocol(None))
        return self

    def refuse(self):
        """Refuse the connection that is being dialled."""
        self.reactor.tcpClients[-1][2].clientConnectionFailed(
            None, Failure(error.ConnectionRefusedError())
        )

    def up(self):
        """Have the link connected and signed on."""
        self.link.start()
        return self.sign_on()

    def sign_on(self):
        """Accept the connection and the sign-on."""
        self.accept()
        (request,) = self.heard()
        self.say(self.words.answer(request))
        return self

    def cut(self):
        """Close the connection from here."""
        self.transport.close()
        self.step(0)

    # ------------------------------------------------------------ messages and time

    def heard(self):
        """Give the messages that came since the last look."""
        data = self.transport.value()
        self.transport.clear()
        return self.words.read(data)

    def say(self, *messages):
        """Send messages, all in one piece."""
        self.say_bytes(b"".join(self.words.framed(message) for message in messages))

    def say_bytes(self, data):
        """Send bytes."""
        self.transport.protocol.dataReceived(data)

    def step(self, seconds, stride=0.5):
        """Let time pass, event by event as nearly as half-seconds tell."""
        self.reactor.advance(0)
        for _ in range(round(seconds / stride)):
            self.reactor.advance(stride)


@pytest.fixture(params=DIALECTS)
def words(request):
    """Give both dialects in turn."""
    return Words.of(request.param)


@pytest.fixture
def bureau_words():
    """Give the bureau's dialect."""
    return Words.of("bureau")


@pytest.fixture
def words_of():
    """Give the maker of words, for tests that are no functions."""
    return Words.of


@pytest.fixture
def far_side(bureau_words):
    """Give a far side whose link has not started."""
    return FarSide(bureau_words)


@pytest.fixture
def up(far_side):
    """Give a far side whose link is signed on."""
    return far_side.up()


@pytest.fixture
def new_far_side():
    """Give a maker of far sides."""
    return lambda **options: FarSide(Words.of("bureau"), **options)


@pytest.fixture
def transport():
    """Give a transport that nobody closes."""
    return Transport()


@pytest.fixture
def mac():
    """Give the MAC of these tests."""
    return check_code


@pytest.fixture
def new_transport():
    """Give a maker of transports that close on a clock."""
    return Transport
