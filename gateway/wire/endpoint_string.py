"""What tells a Twisted endpoint string from host and port; whoever reads settings needs no more."""

import re


def is_endpoint_string(address: str) -> bool:
    """Tell an endpoint string, such as ``tls:host=…:port=…``, from ``host:port``."""
    return re.match(r"(tcp|tcp6|tls|ssl):[^:]*[=:/]", address) is not None
