"""A far side's keys: offered under the KEK, in use when the gateway has shown that it has them."""

import pytest

from gateway.iso8583.errors import MacMismatch
from gateway.iso8583.mac import MacRule
from gateway.simulators.cipher import ZoneKeys, encipher_key, key_check_value, retail_mac
from gateway.simulators.zone_ring import ZoneRing

PIN, MAC, KEK = (bytes.fromhex(digits * 2) for digits in ("0123456789ABCDEF", "1F" * 8, "2A" * 8))
DRAWN = bytes.fromhex("F039121BEC83D26B169BDCD5B22AAF8F")  # TR-31:2018 A.7.2.1
PAYLOAD = b"a message"
RULE = MacRule("iso-9797-1-algorithm-3", 2, (128,))


class Codec:
    """Compares a MAC as the codec does, over one payload."""

    def __init__(self, mac):
        self.found = mac(PAYLOAD)

    def verify_mac(self, data, mac):
        if mac(data) != self.found:
            raise MacMismatch("does not belong to this message")


@pytest.fixture(name="ring")
def _ring():
    return ZoneRing(ZoneKeys(PIN, MAC, KEK), RULE, lambda _: DRAWN)


def odd(key):
    """Set odd parity."""
    return bytes(byte ^ (byte.bit_count() + 1) % 2 for byte in key)


def test_offered_key_is_enciphered_and_has_its_check_value(ring):
    """TDES in ECB mode under the KEK; CB9DEA is the published check value of this key."""
    private = ring.offer("mac", "000001")

    assert private == {"NK": encipher_key(KEK, odd(DRAWN)).hex().upper(), "KV": "CB9DEA"}
    assert key_check_value(DRAWN) == "CB9DEA"
    assert "F039" not in repr(ring.offered).upper()


def test_new_mac_key_is_in_use_when_the_answer_has_its_mac(ring):
    """Then the one before still verifies what was in flight."""
    before, new = retail_mac(MAC, 2), retail_mac(odd(DRAWN), 2)
    ring.offer("mac", "000001")

    assert ring.accepted(Codec(new), PAYLOAD)

    assert ring(PAYLOAD) == new(PAYLOAD)
    ring.verify(Codec(before), PAYLOAD)
    ring.verify(Codec(new), PAYLOAD)


def test_answer_under_the_old_key_confirms_nothing(ring):
    """The key stays what it was, and the offer is over."""
    before = retail_mac(MAC, 2)
    ring.offer("mac", "000001")

    with pytest.raises(MacMismatch):
        ring.accepted(Codec(before), PAYLOAD)

    assert (ring(PAYLOAD), ring.offered) == (before(PAYLOAD), None)
    assert not ring.accepted(Codec(before), PAYLOAD)


def test_new_pin_key_is_what_the_reader_reads_with(ring):
    """The rules of bureau and core need not know that the key changed."""
    read = ring.reader(lambda key: lambda block: (key, block))
    before = read(b"block")
    ring.offer("pin", "000001")

    ring.accepted(Codec(retail_mac(MAC, 2)), PAYLOAD)

    assert (before, read(b"block")) == ((PIN, b"block"), (odd(DRAWN), b"block"))


def test_far_side_without_a_kek_offers_nothing():
    """Its keys file may lack one."""
    assert not ZoneRing(ZoneKeys(PIN, MAC), RULE).can_offer


def test_far_side_under_sm4_offers_nothing():
    """How an SM4 key is sent is not agreed; TDES with parity bits would be another key."""
    rule = MacRule("sm4-cbc-mac", 2, (128,))

    assert not ZoneRing(ZoneKeys(PIN, MAC, KEK), rule).can_offer


def test_other_mac_is_refused(ring):
    """Before any change there is one key."""
    with pytest.raises(MacMismatch):
        ring.verify(Codec(retail_mac(KEK, 2)), PAYLOAD)
