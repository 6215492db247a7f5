"""TLS on a link: who may connect by certificate, why a handshake failed, the socket beneath.

The TLS itself is Twisted's and OpenSSL's. Outbound links, and listeners that demand no
certificates, have it by their endpoint strings.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.protocols.policies import ProtocolWrapper
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.wire.renewal import Renewed

# For TLS 1.2: forward secrecy and authenticated ciphers only; those of TLS 1.3 all are so.
_CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20"
_OPTIONS = SSL.OP_NO_TICKET | SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION
UNUSABLE_FILES = (OSError, SSL.Error)
"""What is raised for keys and certificates that cannot be read, or are none."""
_DEMAND = SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT


@dataclass(frozen=True, slots=True)
class Certificates:
    """A listener's own certificate, and whose certificates far sides must show; files in PEM.

    `certificate` is ours with the chain behind it; `trust` holds the authorities, each of which may
    sign a far side's. With `subjects`, attributes by their short names (RFC 4514, section 3), a
    certificate must have all attributes of one of them.
    """

    certificate: Path
    private_key: Path
    trust: Path
    subjects: Sequence[Mapping[str, str]] = ()

    def allows(self, subject: Sequence[tuple[str, str]]) -> bool:
        """Tell whether a subject, given by its attributes, may connect."""
        return not self.subjects or any(
            all(pair in subject for pair in wanted.items()) for wanted in self.subjects
        )


@implementer(IOpenSSLServerConnectionCreator)
class DemandingTls:
    """What the handshakes of a listener go by: TLS 1.2 or 1.3, and a certificate of the far side.

    Files that change are read anew before the next handshake; connections that there are stay.
    `refused` hears the subject of a certificate that is good and not one of those allowed. Raises
    `ValueError` naming the file that is not what it should be.
    """

    def __init__(self, certificates: Certificates, refused: Callable[[str], None]) -> None:
        self._certificates = certificates
        self._refused = refused
        files = (certificates.certificate, certificates.private_key, certificates.trust)
        self._context = Renewed(files, self._make_context)

    def _make_context(self) -> SSL.Context:
        certificates = self._certificates
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.set_min_proto_version(SSL.TLS1_2_VERSION)
        context.set_options(_OPTIONS)
        context.set_cipher_list(_CIPHERS)
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        trust = str(certificates.trust)
        _take(context.use_certificate_chain_file, str(certificates.certificate), "certificate")
        _take(context.use_privatekey_file, str(certificates.private_key), "private_key")
        _take(context.load_verify_locations, trust, "trust")
        context.load_client_ca(trust.encode())
        context.set_verify(_DEMAND, self._verify)
        return context

    def serverConnectionForTLS(self, tlsProtocol: object) -> SSL.Connection:  # noqa: N802, N803 - Twisted's names
        """Begin the handshake of a connection."""
        del tlsProtocol
        return SSL.Connection(self._context.get(), None)

    def _verify(self, _connection: object, shown: Any, _error: int, depth: int, good: int) -> bool:  # noqa: ANN401 - OpenSSL's
        if not good or depth > 0:
            return bool(good)
        subject = shown.to_cryptography().subject
        attributes = [(each.rfc4514_attribute_name, each.value) for each in subject]
        if self._certificates.allows(attributes):
            return True
        self._refused(subject.rfc4514_string())
        return False


def why_lost(failure: Failure) -> str:
    """Say why a connection ended; what TLS refused, in OpenSSL's words, which hold no data."""
    error = failure.value
    if isinstance(error, SSL.Error) and error.args:
        return "TLS: " + "; ".join(reason for _, _, reason in error.args[0])
    if isinstance(error, VerificationError):
        return "TLS: the certificate is another host's"
    if failure.type is None:
        return "unknown"
    return _ENDS.get(failure.type, failure.type.__name__)


def socket_transport(transport: Any) -> Any:  # noqa: ANN401 - Twisted's transports are untyped
    """Give the transport that has the socket: under TLS that is another one."""
    while isinstance(transport, ProtocolWrapper):
        transport = transport.transport
    return transport


_ENDS: dict[type[BaseException], str] = {
    ConnectionDone: "the connection was closed",
    ConnectionLost: "the connection broke off",
}
_RULES = {
    "certificate": "holds no certificate in PEM",
    "private_key": "is not the key of the certificate, in PEM",
    "trust": "holds no certificates in PEM",
}


def _take(load: Callable[[str], None], file: str, what: str) -> None:
    try:
        load(file)
    except SSL.Error:
        # OpenSSL's words would add nothing, and may quote the file.
        raise ValueError(f"{what} {file} {_RULES[what]}") from None
