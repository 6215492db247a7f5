"""Which channel is calling: a bearer token today, this one module when it becomes stronger.

Nothing outside asks how a channel proved itself; everything else sees its name.
"""

import hmac
from collections.abc import Mapping
from hashlib import sha256
from typing import Self

from gateway.terms.errors import RequestRefused
from gateway.terms.refusals import Refusal


class Channels:
    """The channels that may call, each known by the SHA-256 digest of its bearer token."""

    def __init__(self, digests: Mapping[str, bytes]) -> None:
        self._digests = tuple(digests.items())

    @classmethod
    def from_tokens(cls, tokens: Mapping[str, str]) -> Self:
        """Build from tokens in clear, by channel name."""
        return cls({name: token_digest(token) for name, token in tokens.items()})

    def authenticate(self, authorization: str | None) -> str:
        """Name the channel of an Authorization header (RFC 6750, 2.1).

        Raises `RequestRefused` (`UNAUTHENTICATED`), alike for every cause.
        """
        scheme, _, token = (authorization or "").partition(" ")
        presented = token_digest(token)
        channel = None
        # All are compared, and each in constant time: neither which channel nor how much of a
        # token fitted can be timed.
        for name, digest in self._digests:
            if hmac.compare_digest(digest, presented):
                channel = name
        if channel is None or scheme.lower() != "bearer":
            raise RequestRefused(Refusal.UNAUTHENTICATED)
        return channel


def token_digest(token: str) -> bytes:
    """Give the SHA-256 digest, 32 bytes, under which a token is known."""
    return sha256(token.encode()).digest()
