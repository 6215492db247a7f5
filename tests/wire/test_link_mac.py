"""A link sends under one key at a time, and for a while verifies under the one before."""

from gateway.iso8583.key_change import PREVIOUS_MAC_KEY_SECONDS
from gateway.wire.link_mac import LinkMac


def test_previous_key_verifies_for_its_time_and_is_never_sent_with():
    """After a change the new key is used at once; the old one is gone when its time is over."""
    now = [100.0]
    mac = LinkMac(lambda _: b"old", lambda: now[0])
    before = (mac(b""), mac.previous)

    mac.change(lambda _: b"new")
    during = (mac(b""), mac.previous(b""))
    now[0] += PREVIOUS_MAC_KEY_SECONDS

    assert before == (b"old", None)
    assert during == (b"new", b"old")
    assert mac.previous is None


def test_previous_key_may_have_less_time_left():
    """A link that begins anew gives the key before no more time than it had left."""
    now = [100.0]
    mac = LinkMac(lambda _: b"old", lambda: now[0])

    mac.change(lambda _: b"new", overlap_seconds=7.0)
    now[0] += 6.9
    assert mac.previous is not None
    now[0] += 0.2

    assert mac.previous is None


def test_second_change_leaves_one_key_before():
    """No more than two keys are ever accepted."""
    mac = LinkMac(lambda _: b"1", lambda: 0.0)

    mac.change(lambda _: b"2")
    mac.change(lambda _: b"3")

    assert (mac(b""), mac.previous(b"")) == (b"3", b"2")
