"""The error tree: whose fault, and nothing else."""

import pytest

from gateway.terms.errors import (
    GatewayError,
    LocalError,
    PeerError,
    RequestRefused,
    SpecificationError,
    Unavailable,
)
from gateway.terms.refusals import Refusal
from gateway.terms.response_codes import ResponseCode


def test_peer_error_carries_what_to_answer():
    """A broken protocol is a format error unless the place knows better."""
    assert PeerError("DE 11: 6 digits").response_code is ResponseCode.FORMAT_ERROR
    assert PeerError("DE 64", ResponseCode.MAC_FAILURE).response_code is ResponseCode.MAC_FAILURE


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "NOT_CONFIRMED"),
        (("/account",), "NOT_CONFIRMED /account"),
        (("", "a usable account"), "NOT_CONFIRMED a usable account"),
        (("/account", "a usable account"), "NOT_CONFIRMED /account a usable account"),
    ],
)
def test_refusal_prints_code_place_and_rule(arguments, text):
    """The text has what the error carries, and no more."""
    error = RequestRefused(Refusal.NOT_CONFIRMED, *arguments)

    assert str(error) == text
    assert error.refusal is Refusal.NOT_CONFIRMED
    assert (error.pointer, error.rule) == (*arguments, "", "")[:2]


@pytest.mark.parametrize(
    ("key", "text"), [("pin.length", "x.toml: pin.length: 6"), ("", "x.toml: 6")]
)
def test_specification_error_names_file_key_and_rule(key, text):
    """A key is named where there is one."""
    error = SpecificationError("x.toml", key, "6")

    assert str(error) == text
    assert (error.file, error.key, error.rule) == ("x.toml", key, "6")


@pytest.mark.parametrize(
    "kind", [PeerError, RequestRefused, SpecificationError, Unavailable, LocalError]
)
def test_every_kind_belongs_to_the_tree(kind):
    """One base catches all that is raised on purpose."""
    assert issubclass(kind, GatewayError)
