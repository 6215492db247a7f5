"""Known answers of MACs, PIN blocks and key blocks through the driver, and what its keys may do."""

import asyncio
import secrets

import pytest

from gateway.hsm.mac import MacPadding
from gateway.hsm.payshield.errors import HostError
from gateway.hsm.payshield.key_commands import ExportUnder, GenerateKey, ImportKey, KeyBlockUse
from gateway.hsm.payshield.keys import HostKey, KeyRole, KeyScheme
from gateway.hsm.payshield.module import ZoneKeys
from gateway.pinblock.policy import PinPolicy
from gateway.terms.errors import LocalError


def test_format_0_known_answer(bench, run, fake):
    """X9.24-1:2009 A.4.2: PIN 1234 for that PAN under that key is that block."""
    bench = bench("iso-1", "iso-0")
    derived, variant = "042666B49184CFA368DE9628D0397BC9", "00000000000000FF" * 2
    pin_key = (int(derived, 16) ^ int(variant, 16)).to_bytes(16)
    bench.host.keys[bench.keys.zones["bureau"].pin_key.token].value = pin_key
    block = fake.block_of(bench.channel_key, "1234", "05", "")
    request = bench.request(
        block=block, account="4012345678909", policy=PinPolicy(length=4, rules=frozenset())
    )

    answer = run(bench, lambda module: module.translate_pin(request))

    assert answer.block.hex().upper() == "1B9C1845EB993A7A"


@pytest.mark.parametrize(
    ("padding", "data", "mac"),
    [
        (MacPadding.ZEROS, b"Now is the time for all ", "A1C72E74EA3FA9B6"),
        (MacPadding.ZEROS, b"Now is the time for it", "2E2B1428CC78254F"),
        (MacPadding.ONE_THEN_ZEROS, b"Now is the time for all ", "E9086230CA3BE796"),
        (MacPadding.ONE_THEN_ZEROS, b"Now is the time for it", "5A692CE64F404145"),
    ],
)
@pytest.mark.parametrize("scheme", ["U", "S"])
def test_retail_mac_known_answer(bench, run, scheme, padding, data, mac):
    """ISO 9797-1:2011 B.4 through M6, and verified through M8; another MAC is not."""
    bench = bench(scheme=scheme)
    keys = bench.keys.zones["bureau"]
    bench.keys.zones["bureau"] = ZoneKeys(
        keys.zone, keys.pin_key, keys.mac_key, KeyRole.ZAK, padding
    )

    async def scenario(module):
        made = await module.generate_mac("bureau", data)
        right = await module.verify_mac("bureau", data, made)
        wrong = await module.verify_mac("bureau", data + b"x", made)
        return made, right, wrong

    made, right, wrong = run(bench, scenario)

    assert made.hex().upper() == mac
    assert (right, wrong) == (True, False)


def test_verification_that_failed_otherwise_is_no_verdict(bench, run):
    """Only error 01 says that a MAC differs."""
    bench = bench()
    bench.host.errors = {"M8": "10"}

    with pytest.raises(HostError, match="parity of the MAC key"):
        run(bench, lambda module: module.verify_mac("bureau", b"x", bytes(8)))


@pytest.mark.parametrize(
    ("zmk", "block", "check_value"),
    [
        # TR-31:2018 A.7.2.2 and A.7.2.1
        (
            "DD7515F2BFC17F85CE48F3CA25CB21F6",
            "B0080P0TE00E000094B420079CC80BA3461F86FE26EFC4A3B8E4FA4C5F5341176EED7B727B8A248E",
            "57C409",
        ),
        (
            "89E88CF7931444F334BD7547FC3F380C",
            "A0072P0TE00E0000F5161ED902807AF26F1D62263644BD24192FDB3193C730301CEE8701",
            "CB9DEA",
        ),
    ],
)
def test_published_key_block_is_imported(bench, run, zmk, block, check_value):
    """A6 of a published key block gives the published check value, and BU again."""
    bench = bench()
    zmk = HostKey(bench.host.add("ZMK", bytes.fromhex(zmk)))
    command = ImportKey(KeyRole.ZPK, zmk, HostKey("R" + block), KeyScheme.KEY_BLOCK)

    async def scenario(module):
        imported = await module.import_key(command, check_value)
        return imported, await module.check_value(KeyRole.ZPK, imported.key)

    imported, checked = run(bench, scenario)

    assert imported.check_value == checked == check_value
    assert imported.key.is_key_block


def test_imported_key_with_another_check_value_is_refused(bench, run):
    """What the other party said of its key must be true."""
    bench = bench()
    zmk = HostKey(bench.host.add("ZMK", bytes.fromhex("DD7515F2BFC17F85CE48F3CA25CB21F6")))
    block = "B0080P0TE00E000094B420079CC80BA3461F86FE26EFC4A3B8E4FA4C5F5341176EED7B727B8A248E"
    command = ImportKey(KeyRole.ZPK, zmk, HostKey("R" + block), KeyScheme.KEY_BLOCK)

    with pytest.raises(LocalError, match="check value"):
        run(bench, lambda module: module.import_key(command, "57C408"))


@pytest.mark.parametrize(
    ("lmk_scheme", "zmk_scheme", "use"),
    [
        (KeyScheme.VARIANT_DOUBLE, KeyScheme.ANSI_DOUBLE, None),
        (KeyScheme.KEY_BLOCK, KeyScheme.TR31, KeyBlockUse("P0", "T2", "E", exportability="E")),
    ],
)
def test_generated_key_goes_out_under_a_zmk_and_comes_in_again(
    speaking, bench, lmk_scheme, zmk_scheme, use
):
    """A0, A8 and A6 agree about a key, and BU about its check value."""
    bench = bench()
    host = bench.host
    zmk = HostKey(host.add("ZMK", bench.fake.odd(secrets.token_bytes(16)), lmk_scheme.value))
    under = ExportUnder(zmk, zmk_scheme)
    host.lmk = "01"

    async def scenario():
        async with speaking(host) as connection:
            module = bench.module(connection)
            made = await connection.ask(GenerateKey(lmk_scheme, KeyRole.ZPK, use, under))
            exported = await module.export_key(KeyRole.ZPK, made.key, under)
            command = ImportKey(KeyRole.ZPK, zmk, exported.key, lmk_scheme)
            imported = await module.import_key(command, made.check_value.lower())
            return made, exported, imported, await module.check_value(KeyRole.ZPK, imported.key)

    made, exported, imported, check_value = asyncio.run(scenario())

    values = {host.keys[made.key.token].value, host.keys[imported.key.token].value}
    assert len(values) == 1
    assert {made.check_value, exported.check_value, imported.check_value} == {check_value}
    assert made.exported.token[0] == exported.key.token[0] == zmk_scheme.value
    assert imported.parity_is_right


def test_key_is_used_for_nothing_else(bench, run, outcome):
    """A PIN key is refused for MACs by the HSM itself, and so is a MAC key for PINs."""
    bench = bench()
    keys = bench.keys.zones["bureau"]
    bench.keys.zones["bureau"] = ZoneKeys(
        keys.zone, keys.mac_key, keys.pin_key, KeyRole.ZAK, MacPadding.ZEROS
    )

    async def scenario(module):
        mac = await outcome(module.generate_mac("bureau", b"x"))
        return mac, await outcome(module.translate_pin(bench.request()))

    mac, pin = run(bench, scenario)

    assert [(error.command, error.error_code) for error in (mac, pin)] == [
        ("M6", "A6"),
        ("CC", "A6"),
    ]
