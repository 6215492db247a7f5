"""A far side's new key on a link: taken in, in use before the answer, nothing in flight lost."""

from hashlib import sha256

import pytest

from gateway.iso8583.key_change import PREVIOUS_MAC_KEY_SECONDS, ChangedKey
from gateway.iso8583.mac import Mac
from gateway.terms.errors import Unavailable
from gateway.terms.response_codes import ResponseCode
from gateway.wire.key_changes import KeyChanged

NEW_KEY = "0123456789ABCDEF" * 2


def new_mac(data):
    """Give the MAC under the new key."""
    return sha256(b"new" + data).digest()[:8]


class Module:
    """What takes a key in: it keeps the question until the test answers."""

    def __init__(self):
        self.asked, self._changed = [], None

    def __call__(self, change, changed):
        self.asked.append(change)
        self._changed = changed

    def answer(self, code=ResponseCode.APPROVED, value="CB9DEA", mac: Mac | None = None):
        self._changed(KeyChanged(code, value, mac))


@pytest.fixture(name="module")
def _module():
    return Module()


@pytest.fixture(name="up")
def _up(new_far_side, module):
    return new_far_side(change_key=module).up()


def brought(up, control=ChangedKey.MAC.security_control):
    """Word a key change."""
    return up.words.request("key-change", {53: control}, {"NK": NEW_KEY, "KV": "CB9DEA"})


def answers(up, mac):
    """Give what the link wrote, as messages whose MACs are right under a key."""
    data = up.transport.value()
    up.transport.clear()
    return up.words.read(data, mac)


def test_answer_to_a_new_mac_key_has_the_new_keys_mac(up, module):
    """Nothing is answered before the key is in use; then the 0810 shows that it is."""
    up.say(brought(up))
    before = up.heard()

    module.answer(mac=new_mac)

    (answer,) = answers(up, new_mac)
    assert before == []
    assert module.asked[0].key is ChangedKey.MAC
    assert (answer.mti, answer.text(39), answer.text(48)) == ("0810", "00", "KV006CB9DEA")


def test_no_message_in_flight_is_lost(up, module):
    """An answer under the old key still counts for a while, and one under the new key at once."""
    requests = [up.words.request() for _ in range(3)]
    for number, request in enumerate(requests):
        up.link.send(request, number)
    up.say(brought(up))
    module.answer(mac=new_mac)

    up.say_bytes(up.words.framed(up.words.answer(requests[0])))
    up.say_bytes(up.words.framed(up.words.answer(requests[1]), new_mac))
    up.reactor.advance(PREVIOUS_MAC_KEY_SECONDS)
    up.say_bytes(up.words.framed(up.words.answer(requests[2])))

    assert [token for token, _ in up.answers] == [0, 1]
    assert up.link.tally.mac_failures == 1


def test_new_pin_key_leaves_the_mac_as_it_is(up, module):
    """Only the module has the PIN key: the link goes on as it was."""
    up.say(brought(up, ChangedKey.PIN.security_control))

    module.answer()

    (answer,) = up.heard()
    assert answer.text(39) == "00"


def test_refused_key_is_answered_and_changes_nothing(up, module):
    """A key that the module does not take is answered A7 under the old key."""
    up.say(brought(up))

    module.answer(ResponseCode.SECURITY_FAILURE, "")

    (answer,) = up.heard()
    assert (answer.text(39), answer.text(48)) == ("A7", "")


def test_key_change_that_says_nothing_of_its_key_is_refused(up, module):
    """DE 53 must name PIN or MAC key; the module is not asked."""
    up.say(brought(up, "3600000000000000"))

    (answer,) = up.heard()

    assert (answer.text(39), module.asked, up.link.tally.refused) == ("30", [], 1)


def test_link_without_a_module_takes_no_key(far_side):
    """Where no key can be taken in, the far side hears so."""
    up = far_side.up()

    up.say(brought(up))

    assert [answer.text(39) for answer in up.heard()] == ["40"]


def test_answer_goes_nowhere_when_the_connection_is_another(up, module):
    """The far side that asked is gone: the key is in use, and the next one is not confused."""
    up.say(brought(up))
    up.cut()
    up.step(5)
    up.accept()
    (sign_on,) = up.heard()
    up.say(up.words.answer(sign_on))

    module.answer(mac=new_mac)

    assert up.transport.value() == b""


def test_far_side_that_asks_us_for_a_key_hears_that_we_make_none(up):
    """Keys are made at the other end."""
    up.say(up.words.request("key-request", {53: ChangedKey.MAC.security_control}))

    assert [answer.text(39) for answer in up.heard()] == ["40"]


def test_we_ask_for_a_key_and_hear_the_answer(up):
    """An 0820 with DE 53 goes out; DE 39 of its 0830 is what was asked for."""
    heard = []

    up.link.request_key(ChangedKey.PIN, heard.append)
    (request,) = up.heard()
    up.say(up.words.answer(request))

    assert (request.mti, request.text(53)) == ("0820", "1600000000000000")
    assert heard == ["00"]


def test_request_that_is_not_answered_is_told(up):
    """Silence and a lost connection both end the wait, once."""
    heard = []
    up.link.request_key(ChangedKey.MAC, heard.append)
    up.step(11)
    up.link.request_key(ChangedKey.MAC, heard.append)
    up.cut()

    assert heard == ["", ""]


def test_nothing_is_asked_of_a_link_that_is_down(far_side):
    """The caller may try again when the link is signed on."""
    with pytest.raises(Unavailable, match="closed"):
        far_side.link.request_key(ChangedKey.MAC, [].append)
