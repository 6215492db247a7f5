"""Every form of PIN block comes out of the real module as its zone declares it, and no other."""

import asyncio

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from cryptography.hazmat.primitives.ciphers.modes import ECB
from psec import des, pinblock

from gateway.hsm.client import SecurityModule
from gateway.hsm.key_purpose import KeyPurpose, Slot
from gateway.hsm.key_store import open_store
from gateway.hsm.protocol import BadRequest
from gateway.terms.sides import Side

PIN = "738291"
PAN = "6200000000000000018"
CARD = "T00470019"


def iso_0(key, block, account):
    return pinblock.decode_pinblock_iso_0(des.decrypt_tdes_ecb(key, block), account)


def iso_1(key, block, account):
    clear = des.decrypt_tdes_ecb(key, block).hex()
    assert (clear[:2], account) == ("16", "")
    return clear[2:8]


def iso_3(key, block, account):
    return pinblock.decode_pinblock_iso_3(des.decrypt_tdes_ecb(key, block), account)


def iso_4(key, block, account):
    return pinblock.decipher_pinblock_iso_4(key, block, account)


def iso_4_rightmost_12(key, block, account):
    return pinblock.decipher_pinblock_iso_4(key, block, account[-13:-1])


def iso_4_card(key, block, account):
    return pinblock.decipher_pinblock_iso_4(key, block, account.removeprefix("T"))


def decrypt_sm4(key, block):
    return Cipher(SM4(key), ECB()).decryptor().update(block)  # noqa: S305 - as SM4 blocks are


def xor(left, right):
    return bytes(one ^ other for one, other in zip(left, right, strict=True))


def iso_4_sm4(key, block, account):
    first = xor(decrypt_sm4(key, block), pinblock.encode_pan_field_iso_4(account))
    return pinblock.decode_pin_field_iso_4(decrypt_sm4(key, first))


def sm4_pan(key, block, account):
    account_field = bytes(10) + bytes.fromhex(account[-13:-1])
    return sm4_clear(xor(decrypt_sm4(key, block), account_field))


def sm4_no_pan(key, block, account):
    assert account == ""
    return sm4_clear(decrypt_sm4(key, block))


def sm4_clear(field):
    clear = field.hex()
    assert (clear[:2], clear[8:]) == ("06", "f" * 24)
    return clear[2:8]


# The far side's reading of each form, none of it ours.
READERS = {
    "iso-0": (iso_0, PAN),
    "iso-1": (iso_1, ""),
    "iso-3": (iso_3, PAN),
    "iso-4": (iso_4, PAN),
    "iso-4-rightmost-12": (iso_4_rightmost_12, PAN),
    "iso-4-card": (iso_4_card, CARD),
    "iso-4-sm4": (iso_4_sm4, PAN),
    "sm4-pan": (sm4_pan, PAN),
    "sm4-no-pan": (sm4_no_pan, ""),
}


def ask(module, request):
    """Ask a running module once."""

    async def scenario():
        client = SecurityModule(module.socket)
        try:
            return await client.set_pin(request)
        finally:
            client.close()

    return asyncio.run(scenario())


@pytest.fixture
def order(request_for, many_zones):
    """Make a request for one of the many zones."""
    (key,) = open_store(many_zones, Side.SOCIAL).envelope_keys
    return lambda zone, account, **more: request_for(
        PIN, zone=zone, account=account, key=key, **more
    )


@pytest.mark.parametrize("zone", READERS)
def test_pin_comes_out_as_the_zone_declares(zone_module, many_zones, order, zone):
    """Another implementation reads the PIN under the zone's key and account; DE 53 goes with it."""
    read, account = READERS[zone]
    store = open_store(many_zones, Side.SOCIAL)
    key = store.key(Slot(zone, KeyPurpose.PIN)).key

    answer = ask(zone_module, order(zone, account))

    assert read(key, answer.block, account) == PIN
    assert answer.security_control == store.pin_cipher(zone)[0].security_control_information


@pytest.mark.parametrize("zone", READERS)
def test_pin_is_not_bound_to_what_the_zone_does_not_name(zone_module, order, zone):
    """A zone that binds an account gets one, and one that binds none gets none."""
    _, account = READERS[zone]

    with pytest.raises(BadRequest):
        ask(zone_module, order(zone, "" if account else PAN))


@pytest.mark.parametrize("zone", ["pads-iso-0", "pads-iso-4"])
def test_key_of_a_channel_enciphers_nothing(zone_module, order, zone):
    """A channel's key only deciphers: no PIN goes out under it."""
    with pytest.raises(BadRequest):
        ask(zone_module, order(zone, PAN))


@pytest.mark.parametrize("account", ["6200000000000000018", "T00470019", "0470019"])
def test_digits_of_a_card_number_with_letters_are_bound(zone_module, many_zones, order, account):
    """Rule card-digits leaves letters out, since format 4 cannot encode them."""
    zone, cipher = open_store(many_zones, Side.SOCIAL).pin_cipher("iso-4-card")

    answer = ask(zone_module, order("iso-4-card", account))

    digits = "".join(sign for sign in account if sign.isdigit())
    assert zone.decipher(cipher, answer.block, digits) == PIN.encode()
