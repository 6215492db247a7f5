"""Requests and answers survive the way, and anything else is refused without being quoted."""

import json
from datetime import date

import pytest

from gateway.hsm import pin_protocol, protocol
from gateway.hsm.key_purpose import KeyPurpose
from gateway.hsm.pin_protocol import EncipheredPin, PinRefusal
from gateway.hsm.protocol import MISUSE, BadRequest, Diagnostics, PublicKey, SessionMacKey
from gateway.pinblock.policy import PinAdvice, PinHolder, PinPolicy, PinRule
from gateway.pinblock.zone import Algorithm
from gateway.terms.sides import PinPurpose, Side

PIN = EncipheredPin(bytes.fromhex("1B9C1845EB993A7A"), "1600000000000000")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"holder": PinHolder()},
        {"policy": PinPolicy(8, frozenset({PinRule.RUN}), ())},
        {"policy": PinPolicy(advised=frozenset({PinRule.DATE}), initial="123456")},
        {"account": "6200000000000000005"},
    ],
)
def test_request_survives_the_way(request_for, changes):
    """A request is read as it was written."""
    request = request_for(**changes)

    assert pin_protocol.read_set_pin(pin_protocol.write_set_pin(request)) == request


@pytest.mark.parametrize("answer", [PIN, PIN._replace(advice=PinAdvice.PERSONAL), *PinRefusal])
def test_answer_survives_the_way(answer):
    """A PIN block and every refusal are read as they were written."""
    assert pin_protocol.read_pin_answer(pin_protocol.write_pin_answer(answer)) == answer


def test_other_answers_survive_the_way():
    """MAC key, public keys and diagnostics are read as they were written."""
    keys = (PublicKey(PinPurpose.SS_PIN, "kid", date(2099, 12, 31), {"kty": "EC"}),)
    controls = {"bureau": "1600000000000000"}
    diagnostics = Diagnostics(Side.SOCIAL, "test", ("bureau",), controls=controls)

    assert protocol.read_session_mac_key(protocol.write_session_mac_key("bureau")) == "bureau"
    for session in (
        SessionMacKey(bytes(16), Algorithm.TDES),
        SessionMacKey(bytes(32), Algorithm.AES, b"the key before .", 30.5),
    ):
        written = protocol.write_session_mac_key_answer(session)
        assert protocol.read_session_mac_key_answer(written) == session
    assert protocol.read_public_keys_answer(protocol.write_public_keys_answer(keys)) == keys
    assert (
        protocol.read_diagnostics_answer(protocol.write_diagnostics_answer(diagnostics))
        == diagnostics
    )


PLACES = {
    "purpose": 0,
    "nonce": 1,
    "kid": 2,
    "envelope": 3,
    "session": 4,
    "expires_at": 5,
    "zone": 6,
    "account": 7,
    "card": 8,
    "policy": 9,
    "birth_date": 10,
    "numbers": 11,
}


def lines_of(request):
    """Write a request and part it into its members."""
    return pin_protocol.write_set_pin(request).split(b"\n")


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("purpose", b"any-pin"),
        ("purpose", b""),
        ("session", b""),
        ("session", b"a b"),
        ("nonce", b"x" * 129),
        ("expires_at", b"soon"),
        ("expires_at", b"1.5"),
        ("expires_at", b"1" * 21),
        ("expires_at", "\uff11".encode()),
        ("kid", b"x" * 65),
        ("envelope", b"x" * 2049),
        ("envelope", b"\xff"),
        ("zone", b"x" * 65),
        ("account", b"62000x"),
        ("account", b"0" * 20),
        ("card", b"canary canary"),
        ("policy", b"canary"),
        ("policy", b"[5]"),
        ("policy", b"5"),
        ("policy", b"[" * 4_000),
        ("policy", b" " * 4_097),
        ("birth_date", b"canary"),
        ("birth_date", b"1990-13-05"),
        ("numbers", b" ".join([b"1"] * 17)),
        ("numbers", b"1" * 65),
        ("numbers", b" 1"),
        ("numbers", b"1\ncanary"),
    ],
)
def test_request_with_a_wrong_member_is_refused(request_for, member, value):
    """Every member of a request is checked, for form and size; none is quoted."""
    lines = lines_of(request_for())
    lines[PLACES[member]] = value

    with pytest.raises(BadRequest) as caught:
        pin_protocol.read_set_pin(b"\n".join(lines))

    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("member", sorted(set(PLACES) - {"numbers"}))
def test_member_that_brings_a_line_feed_is_refused(request_for, member):
    """What a caller writes into one member never becomes another member."""
    request = request_for()
    lines = lines_of(request)
    lines[PLACES[member]] += b"\n" + lines[PLACES[member] + 1]

    with pytest.raises(BadRequest):
        pin_protocol.read_set_pin(b"\n".join(lines))


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("length", "6"),
        ("rules", ["canary"]),
        ("rules", 5),
        ("advised", ["canary"]),
        ("listed", ["12"]),
        ("listed", 5),
        ("listed", ["123456"] * 129),
        ("initial", "12"),
        ("initial", None),
    ],
)
def test_policy_with_a_wrong_member_is_refused(request_for, member, value):
    """The rules themselves are checked as everything else, and none of them has a default."""
    lines = lines_of(request_for())
    policy = json.loads(lines[PLACES["policy"]])
    without = {name: held for name, held in policy.items() if name != member}

    for wrong in (without | {member: value}, without):
        lines[PLACES["policy"]] = json.dumps(wrong).encode()
        with pytest.raises(BadRequest) as caught:
            pin_protocol.read_set_pin(b"\n".join(lines))
        assert "canary" not in str(caught.value)


def test_request_without_a_member_is_refused(request_for):
    """No member of a request has a default."""
    lines = lines_of(request_for())

    for at in range(len(lines)):
        with pytest.raises(BadRequest):
            pin_protocol.read_set_pin(b"\n".join(lines[:at] + lines[at + 1 :]))


@pytest.mark.parametrize("payload", [b"", b"null", b"5", b"[]", b'"x"', b"{", b"\xff", b"[" * 9000])
def test_payload_that_is_no_object_is_refused(payload):
    """Any bytes at all are refused by one error."""
    readers = [
        pin_protocol.read_set_pin,
        pin_protocol.read_pin_answer,
        protocol.read_session_mac_key,
        protocol.read_session_mac_key_answer,
        protocol.read_public_keys_answer,
        protocol.read_diagnostics_answer,
    ]

    for read in readers:
        with pytest.raises(BadRequest):
            read(payload)


def test_misuse_is_told_from_a_broken_answer():
    """A request that the module does not take is answered so."""
    with pytest.raises(BadRequest, match="not one that it takes"):
        pin_protocol.read_pin_answer(MISUSE)


def test_nothing_prints_what_is_in_it(request_for):
    """Neither request nor answers show a number, a key or a block."""
    request = request_for(account="6200000000000000005")
    printed = repr(request) + repr(PIN) + repr(SessionMacKey(b"key of sixteen b", Algorithm.TDES))

    assert request.envelope not in printed
    for secret in ("620000", "863271", "1990", "1B9C", "x1b", "key of"):
        assert secret not in printed


def test_key_change_is_read_as_it_was_written():
    """The enciphered key and its check value go over; what came of it comes back."""
    request = protocol.TakeKey("bureau", KeyPurpose.MAC, bytes(range(16)), "CB9DEA")

    assert protocol.read_take_key(protocol.write_take_key(request)) == request
    for answer in (protocol.KeyTaken("CB9DEA"), protocol.KeyTaken(None)):
        assert protocol.read_take_key_answer(protocol.write_take_key_answer(answer)) == answer
    asked = protocol.write_activate_key("bureau", KeyPurpose.PIN)
    assert protocol.read_activate_key(asked) == ("bureau", KeyPurpose.PIN)
    protocol.read_activate_key_answer(protocol.write_activate_key_answer())


@pytest.mark.parametrize("purpose", ["kek", "kbpk", "envelope", "pin-in", ""])
def test_no_other_key_is_changed_over_the_socket(purpose):
    """Keys over keys come by ceremony: the module does not even read such a request."""
    values = {"zone": "bureau", "purpose": purpose, "enciphered": "00" * 16, "check_value": ""}

    for read in (protocol.read_take_key, protocol.read_activate_key):
        with pytest.raises(BadRequest):
            read(json.dumps(values).encode())
