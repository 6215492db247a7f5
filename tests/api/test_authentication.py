"""Which channel a bearer token names."""

import pytest

from gateway.api.authentication import Channels, KnownChannel, token_digest
from gateway.regions.vocabulary import Channel
from gateway.terms.errors import RequestRefused
from gateway.terms.refusals import Refusal

CHANNELS = Channels.from_tokens({"online-banking": "token-one", "counter": "token-two"})


@pytest.mark.parametrize(
    ("authorization", "channel"),
    [
        ("Bearer token-one", "online-banking"),
        ("Bearer token-two", "counter"),
        ("bearer token-two", "counter"),
    ],
)
def test_token_names_its_channel(authorization, channel):
    """The scheme is read without case, the token exactly."""
    assert CHANNELS.authenticate(authorization) == (channel, Channel.ONLINE_BANK)


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer token-one ",
        "Bearer  token-one",
        "Bearer TOKEN-ONE",
        "Bearer token-on",
        "Bearer token-one,token-two",
        "Basic token-one",
        "token-one",
    ],
)
def test_anything_else_is_refused_alike(authorization):
    """No cause of a refused token can be told from another."""
    with pytest.raises(RequestRefused) as refused:
        CHANNELS.authenticate(authorization)

    assert refused.value.refusal is Refusal.UNAUTHENTICATED
    assert str(refused.value) == (
        "UNAUTHENTICATED the header Authorization is Bearer, a space and the token of a channel "
        "of this gateway"
    )


def test_channels_can_be_built_from_digests_alone():
    """A configuration need not hold a token in clear, and says where a channel's customers are."""
    digest = token_digest("token-two")
    channels = Channels({"branch": KnownChannel(digest, Channel.COUNTER)})

    assert channels.authenticate("Bearer token-two") == ("branch", Channel.COUNTER)


def test_no_channels_means_no_access():
    """Without a configured channel every token is refused."""
    with pytest.raises(RequestRefused):
        Channels({}).authenticate("Bearer ")
