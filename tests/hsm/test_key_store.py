"""A store gives out its keys for their purposes, and refuses every key that is out of place."""

import re
from datetime import date

import pytest
from joserfc.jwk import ECKey

from gateway.hsm.key_block import Header, KeyBlockError, KeyUse, unwrap, wrap
from gateway.hsm.key_store import Labels, Stage, open_store, pin_key_use, read_master_key
from gateway.pinblock.zone import Algorithm
from gateway.terms.errors import LocalError, SpecificationError
from gateway.terms.sides import PinPurpose, Side


def edit(store, pattern, replacement):
    """Change a store's key file by regular expression; something must change."""
    file = store / "keys.toml"
    before = file.read_text()
    after = re.sub(pattern, replacement, before)
    assert after != before
    file.write_text(after)


def block_of(store, name):
    """Read one key block from a store's key file."""
    return re.search(rf'^{name} = "(.*)"$', (store / "keys.toml").read_text(), re.MULTILINE)[1]


def rewrap(store, name, **changes):
    """Give a store's key with a changed header, under the store's own master key."""
    master = read_master_key(store / "master.key")
    header, key = unwrap(master, block_of(store, name))
    values = {
        "use": header.use,
        "exportability": header.exportability,
        "optional": header.optional,
    }
    return wrap(master, Header(**(values | changes)), key)


def test_store_gives_each_key_for_its_purpose(stores):
    """A store has its side's zones and envelope keys, and knows that they are test keys."""
    store = open_store(stores[Side.SOCIAL], Side.SOCIAL)
    zone, cipher = store.pin_cipher("bureau")

    assert (store.side, store.stage, store.zone_names) == (Side.SOCIAL, Stage.TEST, ("bureau",))
    assert (zone.name, cipher.block_bytes) == ("bureau", 8)
    assert len(store.mac_key("bureau")) == 16
    assert [key.purpose for key in store.envelope_keys] == [PinPurpose.SS_PIN]


def test_envelope_key_is_named_by_its_thumbprint_and_shows_its_public_half(stores):
    """The JWK has no private member, and neither it nor the store prints a private one."""
    key = open_store(stores[Side.SOCIAL], Side.SOCIAL).envelope_key(PinPurpose.SS_PIN)

    assert key.not_after == date(2099, 12, 31)
    assert set(key.public_jwk) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    assert key.public_jwk["kid"] == key.kid == ECKey.import_key(key.public_jwk).thumbprint()
    assert "private" not in repr(key)


def test_store_has_no_envelope_key_for_the_other_sides_pin(stores):
    """The financial PIN cannot be opened by the social side, nor the SS PIN by the financial."""
    social = open_store(stores[Side.SOCIAL], Side.SOCIAL)
    financial = open_store(stores[Side.FINANCIAL], Side.FINANCIAL)

    assert social.envelope_key(PinPurpose.FINANCIAL_PIN) is None
    assert financial.envelope_key(PinPurpose.SS_PIN) is None


def test_unknown_zone_is_refused(stores):
    """The social store has no key of the core's zone."""
    store = open_store(stores[Side.SOCIAL], Side.SOCIAL)

    for get in (store.pin_cipher, store.mac_key):
        with pytest.raises(LocalError, match="no such zone"):
            get("core")


def test_attributes_are_checked_at_every_use(stores):
    """A key whose header does not say what it should is not given out even when it is loaded."""
    store = open_store(stores[Side.SOCIAL], Side.SOCIAL)
    store._labels = Labels(Side.FINANCIAL, Stage.TEST)

    for get in (store.pin_cipher, store.mac_key):
        with pytest.raises(KeyBlockError, match="label"):
            get("bureau")


def test_store_of_the_other_side_is_refused(stores):
    """A social module does not start on the financial store."""
    with pytest.raises(SpecificationError, match="must be social"):
        open_store(stores[Side.FINANCIAL], Side.SOCIAL)


def test_key_of_the_other_side_is_refused_even_under_the_same_master_key(new_store):
    """A financial key moved into the social store is refused by its label, which the MAC covers."""
    store = new_store(Side.SOCIAL)
    label = (("LB", "financial/test/pin/bureau/iso-1/none"),)
    block = rewrap(store, "pin_key", optional=label)
    edit(store, r'pin_key = ".*"', f'pin_key = "{block}"')

    with pytest.raises(SpecificationError, match=r"zones\.bureau\.pin_key: .*label"):
        open_store(store, Side.SOCIAL)


def test_key_of_another_store_is_refused(new_store):
    """A key block under the other side's master key fails its MAC."""
    social, financial = new_store(Side.SOCIAL), new_store(Side.FINANCIAL)
    edit(social, r'pin_key = ".*"', f'pin_key = "{block_of(financial, "pin_key")}"')

    with pytest.raises(SpecificationError, match=r"zones\.bureau\.pin_key: .*MAC differs"):
        open_store(social, Side.SOCIAL)


def test_mac_key_is_refused_as_pin_key(new_store):
    """One key, one purpose: a MAC key in the place of a PIN key is refused by its usage."""
    store = new_store(Side.SOCIAL)
    edit(store, r'pin_key = ".*"', f'pin_key = "{block_of(store, "mac_key")}"')

    with pytest.raises(SpecificationError, match=r"zones\.bureau\.pin_key: .*usage"):
        open_store(store, Side.SOCIAL)


@pytest.mark.parametrize(
    ("name", "changes", "rule"),
    [
        ("pin_key", {"use": KeyUse("P0", "T", "D")}, "mode of use"),
        ("pin_key", {"use": KeyUse("P0", "A", "E")}, "algorithm"),
        ("pin_key", {"exportability": "N"}, "exportability"),
        ("pin_key", {"optional": ()}, "label"),
        ("mac_key", {"use": KeyUse("P0", "T", "E")}, "usage"),
        ("mac_key", {"optional": (("LB", "social/test/mac/another"),)}, "label"),
        ("ss-pin", {"use": KeyUse("K3", "E", "N")}, "mode of use"),
        ("ss-pin", {"optional": (("LB", "social/test/envelope/ss-pin"),)}, "end in a date"),
        (
            "ss-pin",
            {"optional": (("LB", "social/test/envelope/financial-pin/2099-12-31"),)},
            "label",
        ),
    ],
)
def test_key_with_a_wrong_attribute_is_refused(new_store, name, changes, rule):
    """Each attribute of each key of a store is checked when it is loaded."""
    store = new_store(Side.SOCIAL)
    edit(store, rf'{name} = ".*"', f'{name} = "{rewrap(store, name, **changes)}"')

    with pytest.raises(SpecificationError, match=rule):
        open_store(store, Side.SOCIAL)


@pytest.mark.parametrize(
    ("pattern", "replacement", "rule"),
    [
        ('stage = "test"', 'stage = "live"', "exportability"),
        ('stage = "test"', 'stage = "development"', "test or live"),
        ('side = "social"', 'side = "financial"', "must be social"),
        ('format = "iso-1"', 'format = "iso-0"', "binds an account"),
        ('format = "iso-1"\n', "", "format"),
        (
            'format = "iso-1"\nalgorithm = "tdes"\naccount = "none"',
            'format = "iso-0"\nalgorithm = "tdes"\naccount = "pan"',
            "label",
        ),
        (r'pin_key = ".*"', "pin_key = 5", "must be a key block"),
        (r'mac_key = ".*"', "", "must be a key block"),
        (r'ss-pin = "', 'financial-pin = "', "no PIN purpose of side social"),
        (r"\[zones\.bureau\]", "[zones.another]", "label"),
        (r"(?s)\[zones.*", "[zones]\nbureau = 5", "must be a table"),
        (r"(?s)\[envelopes\].*", "zones = 5", "must be a table"),
    ],
)
def test_edited_key_file_is_refused(new_store, pattern, replacement, rule):
    """Side, stage, zone and format cannot be edited apart from the keys that they go with."""
    store = new_store(Side.SOCIAL)
    edit(store, pattern, replacement)

    with pytest.raises(SpecificationError, match=rule):
        open_store(store, Side.SOCIAL)


def test_pin_key_and_mac_key_must_differ(new_store):
    """One key for two purposes is refused although each block is right."""
    store = new_store(Side.SOCIAL)
    changes = {"use": KeyUse("M3", "T", "C"), "optional": (("LB", "social/test/mac/bureau"),)}
    edit(store, r'mac_key = ".*"', f'mac_key = "{rewrap(store, "pin_key", **changes)}"')

    with pytest.raises(SpecificationError, match="must differ"):
        open_store(store, Side.SOCIAL)


@pytest.mark.parametrize("name", ["master.key", "keys.toml"])
def test_store_that_others_may_read_is_refused_with_the_remedy(new_store, name):
    """Wrong permissions keep the module from starting, and name file and remedy."""
    store = new_store(Side.SOCIAL)
    (store / name).chmod(0o640)

    with pytest.raises(SpecificationError, match=f"{name}: must be readable .*chmod 600"):
        open_store(store, Side.SOCIAL)


@pytest.mark.parametrize("name", ["master.key", "keys.toml"])
def test_lost_file_of_a_store_is_named(new_store, name):
    """A store that has lost a file says which one."""
    store = new_store(Side.SOCIAL)
    (store / name).unlink()

    with pytest.raises(SpecificationError, match=f"{name}: cannot be read"):
        open_store(store, Side.SOCIAL)


@pytest.mark.parametrize("text", ["", "00" * 31, "zz" * 32, "00" * 33])
def test_malformed_master_key_is_refused(new_store, text):
    """A master key has 64 hexadecimal digits."""
    store = new_store(Side.SOCIAL)
    (store / "master.key").write_text(text)

    with pytest.raises(SpecificationError, match="64 hexadecimal digits"):
        open_store(store, Side.SOCIAL)


@pytest.mark.parametrize(("algorithm", "letter"), [("tdes", "T"), ("aes", "A"), ("sm4", "4")])
def test_pin_key_of_a_zone_may_only_encipher(algorithm, letter):
    """An outgoing zone's PIN key has usage P0 and mode E, for each algorithm."""
    assert pin_key_use(Algorithm(algorithm)) == KeyUse("P0", letter, "E")


def test_live_keys_never_leave():
    """Live keys are not exportable, test keys are."""
    assert (Stage.LIVE.exportability, Stage.TEST.exportability) == ("N", "E")
