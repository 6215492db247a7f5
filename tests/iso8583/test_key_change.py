"""What an 0800 that brings a key says, and what it must not."""

import pytest

from gateway.iso8583.errors import RefusedMessage
from gateway.iso8583.key_change import ChangedKey, read_changed_key, read_key_change
from gateway.iso8583.message import Message

NEW_KEY = "3D66234C49E4296FF9C78D8BACBD6A76"
FIELDS = {7: "1121080000", 11: "000001", 33: "99350201", 70: "101"}


def request(security_control="2600000000000000", private=f"NK032{NEW_KEY}KV006CB9DEA"):
    """Make a key change."""
    return Message("0800", FIELDS | {48: private, 53: security_control})


@pytest.mark.parametrize(
    ("security_control", "key"),
    [("1600000000000000", ChangedKey.PIN), ("2600000000000000", ChangedKey.MAC)],
)
def test_security_control_says_which_key_is_changed(security_control, key):
    """First digit 1 is the PIN key, 2 the MAC key (domain.md 4.3)."""
    change = read_key_change(request(security_control))

    assert (change.key, key.security_control) == (key, security_control)


def test_key_and_check_value_are_read_and_the_key_is_not_shown():
    """The enciphered key is bytes; it prints nowhere."""
    change = read_key_change(request())

    assert (change.enciphered, change.check_value) == (bytes.fromhex(NEW_KEY), "CB9DEA")
    assert NEW_KEY[:6] not in repr(change).upper()


def test_check_value_may_be_missing():
    """Some far sides send none: then the key's parity is what tells."""
    assert read_key_change(request(private=f"NK032{NEW_KEY}")).check_value == ""


@pytest.mark.parametrize(
    "security_control", ["", "3600000000000000", "2000000000000000", "2600000000000001"]
)
def test_other_security_control_is_refused(security_control):
    """No other key, no single-length one, nothing behind them."""
    with pytest.raises(RefusedMessage, match="DE 53"):
        read_changed_key(request(security_control))


@pytest.mark.parametrize("private", ["", "KV006CB9DEA", "NK002XY", "NK999", "N"])
def test_message_without_a_key_is_refused(private):
    """A missing, malformed or cut key is refused by its place."""
    with pytest.raises(RefusedMessage, match="DE 48 NK"):
        read_key_change(request(private=private))


@pytest.mark.parametrize("name", ["bureau", "core"])
@pytest.mark.parametrize("sender", ["gateway", "peer"])
def test_both_message_sets_take_it_from_either_end(message_sets, name, sender):
    """The end that makes the keys may be the one that dialled, or the one that listens."""
    message_set = message_sets[name]
    change, asked = message_set.kind("key-change"), message_set.kind("key-request")
    mac = {128: bytes(8)}
    sent = change.build(FIELDS | mac | {53: "2600000000000000"}, {"NK": NEW_KEY})
    wanted = asked.build(FIELDS | mac | {53: "2600000000000000"})

    assert message_set.check_request(sent, sender) is change
    assert message_set.check_request(wanted, sender) is asked
