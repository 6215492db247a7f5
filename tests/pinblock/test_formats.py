"""Clear and enciphered PIN blocks against published answers, psec and themselves."""

import pytest
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES, SM4
from cryptography.hazmat.primitives.ciphers.modes import ECB
from hypothesis import given
from hypothesis import strategies as st
from psec import pinblock as oracle

from gateway.pinblock.formats import (
    FILL_BYTES,
    MalformedPinBlock,
    PinBlockFormat,
    account_field,
    build,
    decipher,
    encipher,
    format_4_account_field,
    format_4_pin_field,
    parse,
    parse_format_4_pin_field,
    wipe,
)
from gateway.terms.response_codes import ResponseCode

CLEAR_FORMATS = [format_ for format_ in PinBlockFormat if format_ is not PinBlockFormat.ISO_4]
PINS = st.text("0123456789", min_size=4, max_size=12).map(str.encode)
PANS = st.text("0123456789", min_size=13, max_size=19)
FILLS = st.binary(min_size=FILL_BYTES, max_size=FILL_BYTES)


class EcbCipher:
    """The port, in the plainest way that the cipher library offers."""

    def __init__(self, algorithm):
        self._algorithm = algorithm
        self.block_bytes = algorithm.block_size // 8

    def encrypt(self, block):
        return Cipher(self._algorithm, ECB()).encryptor().update(bytes(block))  # noqa: S305

    def decrypt(self, block):
        return bytearray(Cipher(self._algorithm, ECB()).decryptor().update(bytes(block)))  # noqa: S305


def cipher_for(format_, key=bytes(range(16))):
    """Give a cipher whose block size suits the format."""
    if format_.block_bytes == 8:
        return EcbCipher(TripleDES(key + key[:8]))
    return EcbCipher(SM4(key) if format_.value.startswith("sm4") else AES(key))


def account_for(format_, account):
    """Give the account where the format binds one."""
    return account if format_.binds_account else ""


@pytest.mark.parametrize(
    ("format_", "pin", "account", "fill", "block"),
    [
        ("iso-0", b"1234", "4012345678909", "", "041274EDCBA9876F"),  # X9.24-1:2009 A.4
        ("iso-0", b"1234", "43219876543210987", "", "0412AC89ABCDEF67"),
        ("iso-0", b"1234", "5432101234567891", "", "041215FEDCBA9876"),
        ("iso-0", b"123456", "123456789012345678", "", "061253DFFEDCBA98"),
        ("iso-0", b"123456", "1234567890123456", "", "0612713176FEDCBA"),
        ("iso-0", b"123456789012", "5555555551234567", "", "0C1261032D8226A9"),
        ("iso-1", b"12345", "", "0000000EDCBA9876", "1512345EDCBA9876"),  # openemv/pinblock
        (
            "sm4-pan",
            b"123654",
            "6230606601007726888",
            "",
            "06123654FFFFFFFFFFFF99FEFF88D977",
        ),
        ("sm4-no-pan", b"123456", "", "", "06123456FFFFFFFFFFFFFFFFFFFFFFFF"),
    ],
)
def test_clear_block_has_the_published_value(format_, pin, account, fill, block):
    """A PIN in each format gives the block that is published for it, and comes out of it again."""
    clear = build(PinBlockFormat(format_), pin, account, bytes.fromhex(fill))

    assert clear.hex().upper() == block
    assert parse(PinBlockFormat(format_), clear, account) == pin


def test_format_3_block_of_the_cca_documentation_gives_its_pin():
    """The published format 3 block, whose fill is random A to F, deciphers to its PIN."""
    account = "9992223334445559"  # account field 0000222333444555
    clear = bytearray.fromhex("361216759CFA8889")

    assert account_field("222333444555" + "9").hex() == "0000222333444555"
    assert parse(PinBlockFormat.ISO_3, clear, account[3:]) == b"123456"


def test_format_0_enciphers_to_the_published_cryptogram():
    """The block of X9.24-1:2009 A.4.2 under the PIN key of its first transaction."""
    variant = int.from_bytes(bytes.fromhex("00000000000000FF" * 2))
    key = (int("042666B49184CFA368DE9628D0397BC9", 16) ^ variant).to_bytes(16)
    cipher = cipher_for(PinBlockFormat.ISO_0, key)

    block = encipher(PinBlockFormat.ISO_0, cipher, b"1234", "4012345678909", b"")

    assert block.hex().upper() == "1B9C1845EB993A7A"


def test_sm4_form_enciphers_to_the_published_cryptogram():
    """The SM4 form under the working key of the published example."""
    cipher = EcbCipher(SM4(bytes.fromhex("F351D490994603795C6EBEE8FAEBB481")))

    block = encipher(PinBlockFormat.SM4_PAN, cipher, b"123654", "6230606601007726888", b"")

    assert block.hex().upper() == "CD01D6AD8F0A484C52A9364A0595AD60"


@pytest.mark.parametrize(
    ("key", "block"),
    [
        ("AF8CB133A78F8DC2D1359F18527593FB", "A912150391AB65A67E52883D81CE2D15"),
        ("D30BDC73EC9714B000BEC66BDB7B6D09", "52A00503BD34BA1383F6A7EE9FE2547F"),
        ("7D69F01F3B45449F62C7816ECE723268", "A5A27E82B43A9A866A93D7ABE89CEF93"),
    ],
)
def test_format_4_gives_the_blocks_of_the_dukpt_supplement(key, block):
    """Each published format 4 block is built from PIN 1234, and deciphers to it."""
    cipher = cipher_for(PinBlockFormat.ISO_4, bytes.fromhex(key))
    fill = bytes.fromhex("2F69ADDE2E9E7ACE")

    pin = decipher(PinBlockFormat.ISO_4, cipher, bytes.fromhex(block), "4111111111111111")
    built = encipher(PinBlockFormat.ISO_4, cipher, b"1234", "4111111111111111", fill)

    assert pin == b"1234"
    assert built.hex().upper() == block


@pytest.mark.parametrize(
    ("account", "field"),
    [
        ("4111111111111111", "44111111111111111000000000000000"),
        ("112233445566778899", "61122334455667788990000000000000"),
        ("411111111111111", "34111111111111110000000000000000"),
        ("123456789", "00001234567890000000000000000000"),
    ],
)
def test_format_4_account_field_has_the_published_value(account, field):
    """The account field of format 4 tells how many digits beyond twelve there are."""
    assert format_4_account_field(account).hex() == field


def test_format_4_pin_field_has_the_published_value():
    """The PIN field of format 4 is filled with A, then with chance."""
    field = format_4_pin_field(b"1234", bytes.fromhex("2F69ADDE2E9E7ACE"))

    assert field.hex().upper() == "441234AAAAAAAAAA2F69ADDE2E9E7ACE"


@given(st.sampled_from(list(PinBlockFormat)), PINS, PANS, FILLS)
def test_every_format_gives_back_the_pin_that_it_enciphered(format_, pin, pan, fill):
    """Deciphering undoes enciphering, for any PIN, account and fill."""
    cipher, account = cipher_for(format_), account_for(format_, pan)

    block = encipher(format_, cipher, pin, account, fill)

    assert len(block) == format_.block_bytes
    assert decipher(format_, cipher, block, account) == pin


@given(PINS, PANS, FILLS)
def test_psec_reads_and_writes_the_same_blocks(pin, pan, fill):
    """The oracle agrees on format 0 both ways, and reads formats 3 and 4 as we write them."""
    key, text = bytes(range(16)), pin.decode()
    block_4 = encipher(PinBlockFormat.ISO_4, cipher_for(PinBlockFormat.ISO_4), pin, pan, fill)

    assert build(PinBlockFormat.ISO_0, pin, pan, fill) == oracle.encode_pinblock_iso_0(text, pan)
    block_3 = bytes(build(PinBlockFormat.ISO_3, pin, pan, fill))
    assert oracle.decode_pinblock_iso_3(block_3, pan) == text
    assert oracle.decipher_pinblock_iso_4(key, block_4, pan) == text


@given(PINS, PANS)
def test_blocks_of_psec_give_their_pin(pin, pan):
    """Formats 3 and 4 as the oracle builds them give the PIN that it put in."""
    cipher = cipher_for(PinBlockFormat.ISO_4)

    block_3 = bytearray(oracle.encode_pinblock_iso_3(pin.decode(), pan))
    block_4 = oracle.encipher_pinblock_iso_4(bytes(range(16)), pin.decode(), pan)

    assert parse(PinBlockFormat.ISO_3, block_3, pan) == pin
    assert decipher(PinBlockFormat.ISO_4, cipher, block_4, pan) == pin


def test_format_1_blocks_of_one_pin_differ_by_their_fill():
    """Equal PINs give different blocks, which is what format 1 has its random fill for."""
    one = build(PinBlockFormat.ISO_1, b"738291", "", b"\x01" * 8)
    other = build(PinBlockFormat.ISO_1, b"738291", "", b"\x02" * 8)

    assert one != other


@given(FILLS)
def test_format_3_fill_is_of_letters_only(fill):
    """Whatever the chance, format 3 is filled with A to F (ISO 9564-1, 9.3.5.2)."""
    clear = build(PinBlockFormat.ISO_3, b"1234", "0" * 13, fill)

    assert set(clear.hex()[6:]) <= set("abcdef")


def test_format_3_fill_uses_all_six_letters_alike():
    """Over many fills each letter has its sixth of the places."""
    fills = [(at * 0x9E3779B97F4A7C15 % 2**64).to_bytes(8) for at in range(1, 1001)]

    letters = "".join(build(PinBlockFormat.ISO_3, b"1234", "0" * 13, f).hex()[6:] for f in fills)

    assert all(abs(letters.count(letter) / len(letters) - 1 / 6) < 0.02 for letter in "abcdef")


@pytest.mark.parametrize(
    ("format_", "block"),
    [
        ("iso-0", "141234FFFFFFFFFF"),  # another format's control nibble
        ("iso-0", "031234FFFFFFFFFF"),  # too short
        ("iso-0", "0D1234567890123F"),  # too long
        ("iso-0", "0F1234567890123F"),
        ("iso-0", "04123AFFFFFFFFFF"),  # not decimal
        ("iso-0", "041234FFFFFFFF0F"),  # filler
        ("iso-1", "041234FFFFFFFFFF"),
        ("iso-1", "1312345678901234"),
        ("iso-3", "341234ABCDEFAB9F"),
        ("iso-3", "341234ABCDEFAB"),  # seven bytes
        ("sm4-no-pan", "1C" + "12" * 15),
        ("sm4-no-pan", "0A123456FFFFFFFFFFFFFFFFFFFFFFFF"),
        ("sm4-no-pan", "06123456FFFFFFFFFFFFFFFFFFFFFFF0"),
        ("sm4-no-pan", "06123456FFFFFFFF"),
    ],
)
def test_malformed_blocks_all_get_the_same_answer(format_, block):
    """Whatever is wrong with a block, the error is one and says nothing of its content."""
    format_ = PinBlockFormat(format_)
    account = account_for(format_, "0000000000000")

    with pytest.raises(MalformedPinBlock) as caught:
        parse(format_, bytearray.fromhex(block), account)

    assert str(caught.value) == "PIN block is not valid"
    assert caught.value.response_code is ResponseCode.PIN_FORMAT


@pytest.mark.parametrize("field", ["441234AAAAAAAAAB", "341234AAAAAAAAAA", "431234AAAAAAAAAA"])
def test_malformed_format_4_field_is_refused(field):
    """Control nibble, length and the A fill of format 4 are checked; the chance is not."""
    assert parse_format_4_pin_field(bytearray.fromhex("441234AAAAAAAAAA" + "00" * 8)) == b"1234"

    with pytest.raises(MalformedPinBlock):
        parse_format_4_pin_field(bytearray.fromhex(field + "00" * 8))


@pytest.mark.parametrize("format_", list(PinBlockFormat))
def test_block_of_another_size_is_refused_before_it_is_deciphered(format_):
    """A block that is short or long by a byte never reaches the cipher."""
    for size in (format_.block_bytes - 1, format_.block_bytes + 1, 0):
        with pytest.raises(MalformedPinBlock):
            decipher(format_, cipher_for(format_), bytes(size), account_for(format_, "0" * 13))


@pytest.mark.parametrize("format_", [PinBlockFormat.ISO_4, PinBlockFormat.SM4_PAN])
def test_block_under_another_account_is_refused(format_):
    """A block that is bound to one account does not give its PIN for another."""
    cipher = cipher_for(format_)
    block = encipher(format_, cipher, b"738291", "6200000000000000005", bytes(8))

    with pytest.raises(MalformedPinBlock):
        decipher(format_, cipher, block, "6200000999999990004")


@pytest.mark.parametrize("format_", list(PinBlockFormat))
@pytest.mark.parametrize(
    "pin", [b"", b"123", b"1234567890123", b"12a4", b" 1234", "\uff11\uff12\uff13\uff14".encode()]
)
def test_pin_of_wrong_form_is_refused_without_being_named(format_, pin):
    """A PIN that is not 4 to 12 ASCII digits is refused, and the error does not hold it."""
    with pytest.raises(ValueError, match=r"ISO 9564-1, 8\.1") as caught:
        encipher(format_, cipher_for(format_), pin, account_for(format_, "0" * 13), bytes(8))

    assert not pin or pin.decode() not in str(caught.value)


@pytest.mark.parametrize("format_", [f for f in PinBlockFormat if f.binds_account])
@pytest.mark.parametrize("account", ["", "12345678901X9", "0" * 20, "\uff14" * 16])
def test_account_that_cannot_be_bound_is_refused(format_, account):
    """An account with letters, of no digits or of too many cannot go into a block."""
    with pytest.raises(ValueError, match="decimal digits"):
        encipher(format_, cipher_for(format_), b"1234", account, bytes(8))


def test_account_of_twelve_digits_is_too_short_for_format_0():
    """Format 0 takes twelve digits and leaves out the check digit, so thirteen are needed."""
    with pytest.raises(ValueError, match="13 to 19"):
        account_field("123456789012")


@pytest.mark.parametrize(
    "work",
    [lambda f: build(f, b"1234", "1" * 13, bytes(8)), lambda f: parse(f, bytearray(16), "1" * 13)],
)
def test_format_4_never_exists_in_clear(work):
    """There is no clear block of format 4 to build or to parse."""
    with pytest.raises(ValueError, match="no clear block"):
        work(PinBlockFormat.ISO_4)


def test_wiping_overwrites_in_place():
    """After wiping, everyone who holds the buffer sees zeros."""
    pin = bytearray(b"738291")
    same = pin

    wipe(pin)

    assert same == bytes(6)


@pytest.mark.parametrize("format_", CLEAR_FORMATS)
def test_building_leaves_the_callers_pin_alone(format_):
    """The PIN belongs to the caller, who wipes it when it is done with."""
    pin = bytearray(b"738291")

    build(format_, pin, account_for(format_, "6200000000000000005"), bytes(8))

    assert pin == b"738291"
