"""The translator of a pair of zones against deciphering and enciphering through digits."""

from contextlib import suppress
from itertools import product

import pytest
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from hypothesis import given
from hypothesis import strategies as st

from gateway.pinblock.formats import MalformedPinBlock, PinBlockFormat
from gateway.pinblock.translation import ForbiddenTranslation
from gateway.pinblock.translator import translator
from gateway.pinblock.zone import AccountRule, Algorithm, Zone

PAN = "6200000000000000018"
EIGHT_BYTES = ("iso-0", "iso-1", "iso-3")
PAIRS = [
    pair
    for pair in product((*EIGHT_BYTES, "iso-4"), repeat=2)
    if pair[1] != "iso-1" or pair[0] == pair[1]
]
pairs = st.sampled_from(PAIRS)
pins = st.text("0123456789", min_size=4, max_size=12).map(str.encode)
pans = st.text("0123456789", min_size=13, max_size=19)
fills = st.binary(min_size=8, max_size=8)


class EcbCipher:
    """The port, which also keeps the buffers that blocks were deciphered into."""

    def __init__(self, algorithm):
        self._cipher = Cipher(algorithm, ECB())  # noqa: S305
        self.block_bytes = algorithm.block_size // 8
        self.encrypt_block = self.encrypt
        self.rooms = []

    def encrypt(self, block):
        return self._cipher.encryptor().update(bytes(block))

    def decrypt(self, block):
        return bytearray(self._cipher.decryptor().update(bytes(block)))

    def decrypt_block_into(self, block, room):
        self.rooms.append(room)
        return self._cipher.decryptor().update_into(block, room)


def zone_and_cipher(name, key=bytes(range(16))):
    """Declare a zone of a format, and make its cipher."""
    format_ = PinBlockFormat(name)
    rule = AccountRule.PAN if format_.binds_account else AccountRule.NONE
    if format_ is PinBlockFormat.ISO_4:
        return Zone("zone", format_, Algorithm.AES, rule, "0" * 16), EcbCipher(AES(key))
    return Zone("zone", format_, Algorithm.TDES, rule), EcbCipher(TripleDES(key + key[:8]))


def account_for(zone, account):
    """Give the account where the zone binds one."""
    return account if zone.format.binds_account else ""


class Way:
    """A translator between two formats, and both of its ends."""

    def __init__(self, source, target):
        self.source, self.deciphering = zone_and_cipher(source)
        self.target, self.enciphering = zone_and_cipher(target, bytes(range(16, 32)))
        self.binds = self.source.format.binds_account or self.target.format.binds_account
        self._translate = translator(self.source, self.deciphering, self.target, self.enciphering)

    def block(self, pin, account, fill):
        """Make a block of the source zone."""
        return self.source.encipher(self.deciphering, pin, account_for(self.source, account), fill)

    def pin(self, block, account):
        """Open a block of the target zone."""
        return self.target.decipher(self.enciphering, block, account_for(self.target, account))

    def translate(self, block, account, fill=b"\x9d" * 8, accepts=None):
        """Translate a block."""
        return self._translate(block, account if self.binds else "", fill, accepts)


WAYS = {pair: Way(*pair) for pair in PAIRS}


@given(pair=pairs, pin=pins, account=pans, fill=fills, refill=fills)
def test_block_becomes_just_what_its_pin_enciphered_anew_would_be(pair, pin, account, fill, refill):
    """For every permitted pair, length, account and fill: the same bytes as through digits."""
    way = WAYS[pair]
    heard = []

    def accepts(clear):
        heard.append(bytes(clear))
        return True

    made = way.translate(way.block(pin, account, fill), account, refill, accepts)

    assert made == way.target.encipher(
        way.enciphering, pin, account_for(way.target, account), refill
    )
    assert heard == [pin]


@given(pair=pairs, clear=st.binary(min_size=8, max_size=8), head=st.integers(0, 255) | st.none())
def test_what_is_no_pin_block_is_malformed_exactly_when_it_is_through_digits(pair, clear, head):
    """Control, length, digits and fill are looked at as strictly as `Zone.decipher` does."""
    way = WAYS[pair]
    clear = clear * (way.deciphering.block_bytes // 8)
    clear = clear if head is None else bytes((head, *clear[1:]))
    _agree_on(way, way.deciphering.encrypt(clear))


@pytest.mark.parametrize("pair", [(source, "iso-0") for source in EIGHT_BYTES])
@pytest.mark.parametrize("pin", [b"1234", b"12345", b"123456789012"])
def test_every_value_of_every_byte_is_judged_as_through_digits(pair, pin):
    """A good block with any one byte changed to any value is taken or refused alike."""
    way = WAYS[pair]
    clear = way.deciphering.decrypt(way.block(pin, PAN, bytes(range(0xA0, 0xA8))))

    for at, value in product(range(8), range(256)):
        changed = bytes((*clear[:at], value, *clear[at + 1 :]))
        _agree_on(way, way.deciphering.encrypt(changed))


def _agree_on(way, block):
    try:
        pin = way.source.decipher(way.deciphering, block, account_for(way.source, PAN))
    except MalformedPinBlock:
        with pytest.raises(MalformedPinBlock):
            way.translate(block, PAN)
    else:
        assert way.pin(way.translate(block, PAN), PAN) == pin


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("size", [0, 7, 9, 15, 24])
def test_block_of_another_size_is_malformed(pair, size):
    """What is not one block never reaches a kept context."""
    with pytest.raises(MalformedPinBlock):
        WAYS[pair].translate(bytes(size), PAN)


@pytest.mark.parametrize("pair", PAIRS)
def test_pin_that_is_not_accepted_is_enciphered_for_nobody(pair):
    """The answer is nothing."""
    way = WAYS[pair]

    assert way.translate(way.block(b"738291", PAN, bytes(8)), PAN, accepts=lambda _: False) is None


@pytest.mark.parametrize("pair", [(source, "iso-0") for source in EIGHT_BYTES])
@pytest.mark.parametrize("outcome", [True, False, LookupError])
def test_clear_block_and_pin_are_overwritten_whatever_came_of_it(pair, outcome):
    """Accepted, refused or broken off: the buffers hold zeros afterwards."""
    way = Way(*pair)
    digits, during = [], []

    def accepts(pin):
        digits.append(pin)
        during.append(bytes(way.deciphering.rooms[-1]))
        if isinstance(outcome, bool):
            return outcome
        raise outcome

    with suppress(LookupError):
        way.translate(way.block(b"738291", PAN, bytes(8)), PAN, accepts=accepts)

    assert any(during[0])
    assert [bytes(room) for room in way.deciphering.rooms] == [bytes(15)]
    assert digits == [bytes(6)]


@pytest.mark.parametrize("account", ["", "123456789012", "62000000000000000X8", "6" * 20])
def test_account_that_cannot_be_bound_is_our_own_fault(account):
    """The text is the rule and has no digit of the account in it."""
    way = WAYS["iso-1", "iso-0"]

    with pytest.raises(ValueError, match="13 to 19 decimal digits"):
        way.translate(way.block(b"738291", "", bytes(8)), account)


@pytest.mark.parametrize("pair", [("iso-0", "iso-1"), ("iso-3", "iso-1"), ("iso-4", "iso-1")])
def test_pair_that_requirement_3_3_forbids_has_no_translator(pair):
    """Nothing that binds an account becomes format 1."""
    with pytest.raises(ForbiddenTranslation):
        Way(*pair)
