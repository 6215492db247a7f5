"""Bodies that break a rule: each is refused with place and rule, and never repeated."""

import json

import pytest

from gateway.api.bodies import (
    ENCRYPTED_PIN_CHARACTERS_MAX,
    ActivateBody,
    LinkBody,
    PinSessionBody,
    SetPinBody,
    validate,
)
from gateway.api.problems import InvalidRequest
from gateway.terms.numbers import Pan

LINK = "lnk_" + "0" * 26
SESSION = "pse_" + "2" * 26
RIGHT = {
    LinkBody: {
        "institution": "99350201",
        "ss_card_number": "T00000019",
        "account": "6200000000000005",
        "mobile": "15400000001",
        "contact_address": "测试路1号",
    },
    PinSessionBody: {"purpose": "ss-pin"},
    SetPinBody: {"pin_session": SESSION, "encrypted_pin": "e30..aXY.Y3Q.dGFn"},
    ActivateBody: {
        "link": LINK,
        "pin_session": SESSION,
        "encrypted_pin": "e30..aXY.Y3Q.dGFn",
        "added_services": ["sms"],
    },
}
PAN_RULE = Pan.rule
PURPOSE_RULE = "one of 'ss-pin', 'financial-pin', 'ss-pin-proof', 'ecard-pin' or 'ecard-pin-proof'"
CARD_RULE = "8 to 12 digits or capital letters"
SERVICES_RULE = "one of 'sms', 'online-banking' or 'wealth-account'"
CANARY = "483920"

# body, member, value, pointer, rule
BROKEN = [
    (LinkBody, "account", "6200000000000006", "/account", PAN_RULE),
    (LinkBody, "account", "620000000000000", "/account", PAN_RULE),
    (LinkBody, "account", "6200000000000005\n", "/account", PAN_RULE),
    (LinkBody, "account", "\uff16\uff12\uff10\uff10" + "0" * 11 + "5", "/account", PAN_RULE),
    (LinkBody, "account", 6200000000000005, "/account", "a string"),
    (LinkBody, "account", True, "/account", "a string"),
    (LinkBody, "account", None, "/account", "a string"),
    (LinkBody, "account", ["6200000000000005"], "/account", "a string"),
    (LinkBody, "account", {"value": "6200000000000005"}, "/account", "a string"),
    (LinkBody, "ss_card_number", "", "/ss_card_number", CARD_RULE),
    (LinkBody, "ss_card_number", "t00000019", "/ss_card_number", CARD_RULE),
    (LinkBody, "ss_card_number", "T0000001\uff19", "/ss_card_number", CARD_RULE),
    (LinkBody, "ss_card_number", "T00000019\x00", "/ss_card_number", CARD_RULE),
    (LinkBody, "mobile", "1540000000\u0661", "/mobile", "11 digits beginning 13 to 19"),
    (LinkBody, "mobile", "+8615400000001", "/mobile", "11 digits beginning 13 to 19"),
    (LinkBody, "institution", "9935020", "/institution", "8 digits"),
    (LinkBody, "contact_address", 1, "/contact_address", "a string"),
    (PinSessionBody, "purpose", "pin", "/purpose", PURPOSE_RULE),
    (PinSessionBody, "purpose", 1, "/purpose", PURPOSE_RULE),
    (SetPinBody, "pin_session", SESSION.upper(), "/pin_session", None),
    (SetPinBody, "encrypted_pin", "", "/encrypted_pin", "not empty"),
    (SetPinBody, "encrypted_pin", None, "", "either encrypted_pin or pin_block"),
    (SetPinBody, "pin_block", "1B9C1845EB993A7A", "", "either encrypted_pin or pin_block"),
    (SetPinBody, "pin_block", "1b9c1845eb993a7a", "/pin_block", None),
    (ActivateBody, "pin_block", "1B9C1845EB993A", "/pin_block", None),
    (SetPinBody, "encrypted_pin", {"pin": CANARY}, "/encrypted_pin", "a string"),
    (SetPinBody, "encrypted_pin", "x" * 2049, "/encrypted_pin", "at most 2048 long"),
    (ActivateBody, "link", LINK + "0", "/link", None),
    (ActivateBody, "added_services", "sms", "/added_services", "an array"),
    (ActivateBody, "added_services", None, "/added_services", "an array"),
    (ActivateBody, "added_services", ["sms", "sms"], "/added_services", "no service twice"),
    (ActivateBody, "added_services", ["sms"] * 4, "/added_services", "at most 3 long"),
    (ActivateBody, "added_services", ["gift"], "/added_services/0", SERVICES_RULE),
    (ActivateBody, "added_services", ["sms", 1], "/added_services/1", SERVICES_RULE),
]
ADDRESSES = ["", "a\nb", "a\x00b", "a\u202eb", "a\u2028b", "\u6d4b" * 51]


def _errors(body_type, value):
    with pytest.raises(InvalidRequest) as refused:
        validate(body_type, value)
    return [(error.pointer, error.rule) for error in refused.value.errors]


@pytest.mark.parametrize("body_type", RIGHT)
def test_right_body_is_accepted(body_type):
    """Each of the right bodies that the rows below break is right."""
    assert validate(body_type, RIGHT[body_type]) is not None


@pytest.mark.parametrize(("body_type", "member", "value", "pointer", "rule"), BROKEN)
def test_broken_member_is_named_with_its_rule(body_type, member, value, pointer, rule):
    """One broken member gives one error: its pointer and the rule."""
    [(found_pointer, found_rule)] = _errors(body_type, RIGHT[body_type] | {member: value})

    assert found_pointer == pointer
    assert rule is None or found_rule == rule


@pytest.mark.parametrize("address", ADDRESSES)
def test_address_must_be_one_line_of_text(address):
    """Control, bidirectional and line characters, nothing, and too much are refused."""
    [(pointer, _)] = _errors(LinkBody, RIGHT[LinkBody] | {"contact_address": address})

    assert pointer == "/contact_address"


@pytest.mark.parametrize(
    ("body_type", "member"), [(body, name) for body, right in RIGHT.items() for name in right]
)
def test_only_described_members_may_be_missing(body_type, member):
    """A missing member is an error unless the schema has a default for it."""
    rest = {name: value for name, value in RIGHT[body_type].items() if name != member}

    if member in {"contact_address", "added_services"}:
        assert validate(body_type, rest) is not None
    elif member == "encrypted_pin":
        assert _errors(body_type, rest) == [("", "either encrypted_pin or pin_block")]
        assert validate(body_type, rest | {"pin_block": "1B9C1845EB993A7A"}) is not None
    else:
        assert _errors(body_type, rest) == [(f"/{member}", "required")]


@pytest.mark.parametrize("body_type", RIGHT)
def test_unknown_members_are_refused_without_their_names(body_type):
    """A member's name is the caller's text too, even the PIN itself: those there are are named."""
    value = RIGHT[body_type] | {CANARY: CANARY, "value": 1}

    assert _errors(body_type, value) == [
        ("", f"no members but {', '.join(body_type.model_fields)}")
    ]


@pytest.mark.parametrize("value", [None, [], "text", 1, [RIGHT[LinkBody]]])
@pytest.mark.parametrize("body_type", RIGHT)
def test_body_must_be_an_object(body_type, value):
    """Any other JSON value is refused as a whole."""
    assert _errors(body_type, value) == [("", "a JSON object")]


def test_every_broken_member_is_listed():
    """A caller learns of all mistakes at once."""
    value = RIGHT[LinkBody] | {"account": "1", "mobile": "2"}

    assert _errors(LinkBody, value) == [
        ("/account", PAN_RULE),
        ("/mobile", "11 digits beginning 13 to 19"),
    ]


def test_largest_envelope_is_accepted():
    """The bound on the envelope includes its last character."""
    envelope = "x" * ENCRYPTED_PIN_CHARACTERS_MAX

    body = validate(SetPinBody, RIGHT[SetPinBody] | {"encrypted_pin": envelope})

    assert body.command().encrypted_pin == envelope


@pytest.mark.parametrize("body_type", [SetPinBody, ActivateBody])
def test_envelope_is_not_in_any_repr(body_type):
    """Neither body nor command repeats the envelope when printed."""
    body = validate(body_type, RIGHT[body_type])

    assert "e30" not in repr(body) + repr(body.command())


@pytest.mark.parametrize(("body_type", "member", "value", "pointer"), [row[:4] for row in BROKEN])
def test_answer_to_a_broken_member_never_repeats_it(
    client, gateway, body_type, member, value, pointer
):
    """The problem on the wire holds place and rule but not the value; nobody else is asked."""
    method, path = {
        LinkBody: ("POST", "/v1/links"),
        PinSessionBody: ("POST", f"/v1/links/{LINK}/pin-sessions"),
        SetPinBody: ("PUT", f"/v1/links/{LINK}/ss-pin"),
        ActivateBody: ("POST", "/v1/activations"),
    }[body_type]
    content = json.dumps(RIGHT[body_type] | {member: value})

    response = client.send(
        method, path, {"Content-Type": "application/json"}, content=content.encode()
    )

    assert response.status_code == 400
    problem = response.json()
    assert problem["code"] == "INVALID_REQUEST"
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert not (isinstance(value, str) and len(value) > 4 and value in response.text)
    assert CANARY not in response.text
    assert gateway.calls == []
