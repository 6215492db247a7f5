"""Where a far side is, or where we listen: host and port, or a Twisted endpoint string."""

import re
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    TCP6ClientEndpoint,
    clientFromString,
    serverFromString,
)

from gateway.wire.endpoint_string import is_endpoint_string
from gateway.wire.renewal import RenewedEndpoint
from gateway.wire.tls import UNUSABLE_FILES

_BACKLOG = 1024  # a flood is turned away in time, and keeps nobody waiting; Twisted's are 50
CONNECT_SECONDS_MAX = 5.0  # domain.md 4.9; within a bank's network a connection takes a millisecond


def client_endpoint(reactor: Any, address: str) -> Any:  # noqa: ANN401 - Twisted's are untyped
    """Give the endpoint that dials an address; raises `ValueError` for a bad endpoint string."""
    if is_endpoint_string(address):
        timeout = "" if ":timeout=" in address else f":timeout={CONNECT_SECONDS_MAX:g}"
        make = partial(clientFromString, reactor, address + timeout)
        try:
            return RenewedEndpoint(_files_of(address), make)
        except UNUSABLE_FILES as error:
            # Twisted's errors of directories have no text of their own.
            raise ValueError(f"its files cannot be used: {_why(error)}") from None
    host, port = host_and_port(address)
    kind = TCP6ClientEndpoint if ":" in host else TCP4ClientEndpoint
    return kind(reactor, host, port, CONNECT_SECONDS_MAX)


def _why(error: Exception) -> str:
    cause = error.__context__ or error
    return str(getattr(cause, "strerror", None) or type(cause).__name__)


def server_endpoint(reactor: Any, address: str) -> Any:  # noqa: ANN401 - Twisted's are untyped
    """Give the endpoint that listens; raises `ValueError` for a bad endpoint string."""
    if is_endpoint_string(address):
        return serverFromString(reactor, address)
    host, port = host_and_port(address)
    kind, host = ("tcp6", host.replace(":", "\\:")) if ":" in host else ("tcp", host)
    return serverFromString(reactor, f"{kind}:{port}:interface={host}:backlog={_BACKLOG}")


def _files_of(address: str) -> list[Path]:
    """Name the files and directories that an endpoint string names."""
    values = (part.partition("=")[2] for part in re.split(r"(?<!\\):", address))
    paths = (Path(value.replace("\\:", ":")) for value in values if "/" in value)
    return [path for path in paths if path.exists()]


def host_and_port(address: str) -> tuple[str, int]:
    """Take ``host:port`` or ``[host]:port`` apart."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)
