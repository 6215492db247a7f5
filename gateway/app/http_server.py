"""Uvicorn inside our loop, on a socket that is open before the gateway says that it is ready."""

import socket
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from gateway.app.http_connection import HttpConnection
from gateway.terms.errors import SpecificationError

DRAIN_SECONDS_MAX = 35  # a caller is waited for as long as it may wait, and a little longer
_BACKLOG = 1024  # Twisted's and uvicorn's defaults of 50 and 2048 are too few and too many


class HttpServer(uvicorn.Server):
    """Serves one application; whoever starts it takes the signals."""

    def __init__(self, application: ASGIApp) -> None:
        super().__init__(
            uvicorn.Config(
                application,
                loop="none",
                http=HttpConnection,
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                log_level="error",  # what callers do wrong is logged by `HttpConnection`
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=DRAIN_SECONDS_MAX,
                backlog=_BACKLOG,
            )
        )

    def capture_signals(self) -> Any:  # noqa: ANN401 - a context manager, as uvicorn types it
        """Leave the signals alone."""
        return _NoSignals()


class _NoSignals:
    def __enter__(self) -> None:
        pass

    def __exit__(self, *_exception: object) -> None:
        pass


def listen(address: str, file: str = "") -> socket.socket:
    """Open ``host:port``, where port 0 takes a free one.

    Raises `SpecificationError` that names `file`, where the address was read.
    """
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, int(port)))
        listening.listen(_BACKLOG)  # from now on a caller waits instead of being refused
    except OSError as error:
        listening.close()
        raise SpecificationError(
            file, "http.listen", f"{address} cannot be used: {error.strerror}; name another"
        ) from None
    listening.setblocking(False)
    return listening


def url_of(listening: socket.socket) -> str:
    """Give where an open socket answers HTTP."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
