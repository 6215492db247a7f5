"""Which channel is calling: a bearer token today, this one module when it becomes stronger.

Nothing outside asks how a channel proved itself; everything else sees its name.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Self

from gateway.regions.vocabulary import Channel
from gateway.terms.errors import RequestRefused
from gateway.terms.refusals import Refusal

_RULE = "the header Authorization is Bearer, a space and the token of a channel of this gateway"


@dataclass(frozen=True, slots=True)
class KnownChannel:
    """A channel: the SHA-256 digest, 32 bytes, of its bearer token, and where customers use it."""

    digest: bytes
    kind: Channel = Channel.ONLINE_BANK


class Channels:
    """The channels that may call, by name."""

    def __init__(self, channels: Mapping[str, KnownChannel]) -> None:
        self._channels = tuple(channels.items())

    @classmethod
    def from_tokens(cls, tokens: Mapping[str, str]) -> Self:
        """Build channels of online banking from tokens in clear, by channel name."""
        return cls({name: KnownChannel(token_digest(token)) for name, token in tokens.items()})

    def authenticate(self, authorization: str | None) -> tuple[str, Channel]:
        """Give name and kind of the channel of an Authorization header (RFC 6750, 2.1).

        Raises `RequestRefused` (`UNAUTHENTICATED`), alike for every cause.
        """
        scheme, _, token = (authorization or "").partition(" ")
        presented = token_digest(token)
        channel = None
        # All are compared, and each in constant time: neither which channel nor how much of a
        # token fitted can be timed.
        for name, known in self._channels:
            if hmac.compare_digest(known.digest, presented):
                channel = name, known.kind
        if channel is None or scheme.lower() != "bearer":
            raise RequestRefused(Refusal.UNAUTHENTICATED, rule=_RULE)
        return channel


def token_digest(token: str) -> bytes:
    """Give the SHA-256 digest, 32 bytes, under which a token is known."""
    return sha256(token.encode()).digest()
