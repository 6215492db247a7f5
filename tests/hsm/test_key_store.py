"""A store gives out its keys for their purposes, and refuses every key that is out of place."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from joserfc.jwk import ECKey

from gateway.hsm import key_ledger
from gateway.hsm.audit import Actor
from gateway.hsm.key_block import KeyBlockError, KeyUse, unwrap, wrap
from gateway.hsm.key_custody import custody
from gateway.hsm.key_ledger import KeyState, read_ledger, write_ledger
from gateway.hsm.key_purpose import KeyPurpose, Slot, Stage
from gateway.hsm.key_store import KeyStore, open_store
from gateway.hsm.master_key import read_master_key
from gateway.terms.errors import LocalError, SpecificationError
from gateway.terms.sides import PinPurpose, Side

MADE = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
SLOTS = {
    "pin": Slot("bureau", KeyPurpose.PIN),
    "mac": Slot("bureau", KeyPurpose.MAC),
    "ss-pin": Slot("ss-pin", KeyPurpose.ENVELOPE),
}


def edit(store, pattern, replacement, *, sealed=True):
    """Change a store's key file by regular expression, and seal it anew as only its owner can."""
    file = store / "keys.toml"
    before = file.read_text()
    after = re.sub(pattern, replacement, before)
    assert after != before
    if sealed:
        body = after.split("\n[sealed]\n")[0]
        seal = key_ledger._seal(read_master_key(store, Side.SOCIAL), body)
        after = f'{body}\n[sealed]\nseal = "{seal}"\n'
    file.write_text(after)


def ledger_of(store, side=Side.SOCIAL):
    """Read a store's ledger."""
    text = (store / "keys.toml").read_text()
    return read_ledger(text, read_master_key(store, side), "keys.toml")


def current(store, name, side=Side.SOCIAL):
    """Read one record of a store."""
    slot = SLOTS[name] if side is Side.SOCIAL else Slot("core", KeyPurpose(name))
    return ledger_of(store, side).find(slot, KeyState.CURRENT)


def put(store, name, **changes):
    """Change one record of a store, and seal it anew as only its owner can."""
    ledger, record = ledger_of(store), current(store, name)
    ledger = ledger.replaced(record, replace(record, **changes))
    (store / "keys.toml").write_text(write_ledger(ledger, read_master_key(store, Side.SOCIAL)))


def rewrap(store, name, **changes):
    """Give a store's key with a changed header, under the store's own master key."""
    master = read_master_key(store, Side.SOCIAL)
    header, key = unwrap(master, current(store, name).block)
    return wrap(master, replace(header, **changes), key)


def test_store_gives_each_key_for_its_purpose(stores):
    """A store has its side's zones and envelope keys, and knows that they are test keys."""
    store = open_store(stores[Side.SOCIAL], Side.SOCIAL)
    zone, cipher = store.pin_cipher("bureau")

    assert (store.side, store.stage, store.zone_names) == (Side.SOCIAL, Stage.TEST, ("bureau",))
    assert (zone.name, cipher.block_bytes) == ("bureau", 8)
    assert len(store.mac_key("bureau").key) == 16
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
    opened = open_store(stores[Side.SOCIAL], Side.SOCIAL)
    other = (("LB", "financial/test/pin/bureau/iso-1/none"),)
    spoilt = [
        replace(held, header=replace(held.header, optional=other)) for held in opened._held.values()
    ]
    store = KeyStore(opened.ledger, tuple(spoilt))

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
    put(store, "pin", block=rewrap(store, "pin", optional=label))

    with pytest.raises(SpecificationError, match=r"bureau/pin version 1\): .*label"):
        open_store(store, Side.SOCIAL)


def test_social_key_is_refused_in_the_financial_store(new_store):
    """An SS key that was brought into the financial store fails its MAC there."""
    social, financial = new_store(Side.SOCIAL), new_store(Side.FINANCIAL)
    master = read_master_key(financial, Side.FINANCIAL)
    ledger, record = ledger_of(financial, Side.FINANCIAL), current(financial, "pin", Side.FINANCIAL)
    stolen = replace(record, block=current(social, "pin").block)
    (financial / "keys.toml").write_text(write_ledger(ledger.replaced(record, stolen), master))

    with pytest.raises(SpecificationError, match=r"core/pin version 1\): .*MAC differs"):
        open_store(financial, Side.FINANCIAL)


def test_mac_key_is_refused_as_pin_key(new_store):
    """One key, one purpose: a MAC key in the place of a PIN key is refused by its usage."""
    store = new_store(Side.SOCIAL)
    put(store, "pin", block=current(store, "mac").block)

    with pytest.raises(SpecificationError, match=r"bureau/pin version 1\): .*usage"):
        open_store(store, Side.SOCIAL)


@pytest.mark.parametrize(
    ("name", "changes", "rule"),
    [
        ("pin", {"use": KeyUse("P0", "T", "D")}, "mode of use"),
        ("pin", {"use": KeyUse("P0", "A", "E")}, "algorithm"),
        ("pin", {"exportability": "N"}, "exportability"),
        ("pin", {"optional": ()}, "label"),
        ("pin", {"key_version": "00"}, "another version"),
        ("mac", {"use": KeyUse("P0", "T", "E")}, "usage"),
        ("mac", {"optional": (("LB", "social/test/mac/another"),)}, "label"),
        ("ss-pin", {"use": KeyUse("K3", "E", "N")}, "mode of use"),
        ("ss-pin", {"optional": (("LB", "social/test/envelope/ss-pin"),)}, "label"),
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
    put(store, name, block=rewrap(store, name, **changes))

    with pytest.raises(SpecificationError, match=rule):
        open_store(store, Side.SOCIAL)


@pytest.mark.parametrize(
    ("pattern", "replacement", "rule"),
    [
        ('stage = "test"', 'stage = "live"', "exportability"),
        ('stage = "test"', 'stage = "development"', "stage"),
        ('side = "social"', 'side = "financial"', "is no PIN purpose of side financial"),
        ('format = "iso-1"', 'format = "iso-0"', "binds an account"),
        ('format = "iso-1"\n', "", "format"),
        (
            'format = "iso-1"\nalgorithm = "tdes"\naccount = "none"',
            'format = "iso-0"\nalgorithm = "tdes"\naccount = "pan"',
            "label",
        ),
        (r'(purpose = "pin"(\n.*)*?\n)block = ".*"', r"\1block = 5", "block"),
        (r'(purpose = "mac"(\n.*)*?\n)block = ".*"\n', r"\1", "key block is there exactly"),
        (r'zone = "ss-pin"', 'zone = "financial-pin"', "no PIN purpose of side social"),
        (r'name = "bureau"', 'name = "another"', "no zone of side social"),
        (r"(?s)\[\[zones.*", "zones = 5", "zones"),
        (r"version = 1\n", "version = 2\n", "another version"),
        (
            r'(purpose = "mac"(\n.*)*?)check_value = ".*"',
            r'\1check_value = "000000"',
            "check value",
        ),
        (r'state = "current"', 'state = "previous"', "ends is given exactly"),
        (r"change_due = 2099-12-31", "change_due = 2199-12-31", "label"),
        (r'algorithm = "p-256"\n', 'algorithm = "p-256"\nunknown = 1\n', "unknown"),
    ],
)
def test_edited_key_file_is_refused(new_store, pattern, replacement, rule):
    """Side, stage, zone, format and state cannot be edited apart from the keys they go with."""
    store = new_store(Side.SOCIAL)
    edit(store, pattern, replacement)

    with pytest.raises(SpecificationError, match=rule):
        open_store(store, Side.SOCIAL)


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        (r"change_due = 2099-12-31", "change_due = 2199-12-31"),
        (r'state = "current"', 'state = "pending"'),
        ("generation = ", "generation = 1"),
        (r"(?s)\n\[sealed\].*", "\n"),
        (r'seal = "(.)', 'seal = "'),
    ],
)
def test_key_file_edited_without_the_master_key_is_refused(new_store, pattern, replacement):
    """The whole file is sealed: nothing in it can be changed, not even what no key block says."""
    store = new_store(Side.SOCIAL)
    edit(store, pattern, replacement, sealed=False)

    with pytest.raises(SpecificationError, match=r"keys\.toml: sealed\.seal: does not fit"):
        open_store(store, Side.SOCIAL)


def test_pin_key_and_mac_key_must_differ(new_store):
    """One key for two purposes is refused although each block is right."""
    store = new_store(Side.SOCIAL)
    use, label = KeyUse("M3", "T", "C"), (("LB", "social/test/mac/bureau"),)
    block = rewrap(store, "pin", use=use, optional=label)
    put(store, "mac", block=block, check_value=current(store, "pin").check_value)

    with pytest.raises(SpecificationError, match="must differ"):
        open_store(store, Side.SOCIAL)


@pytest.mark.parametrize("name", ["master.key", "keys.toml", "audit.log"])
def test_store_that_others_may_read_is_refused_with_the_remedy(new_store, name):
    """Wrong permissions keep the module from starting, and name file and remedy."""
    store = new_store(Side.SOCIAL)
    (store / name).chmod(0o640)

    with pytest.raises(SpecificationError, match=f"{name}: must be readable .*chmod 600"):
        open_store(store, Side.SOCIAL)


def test_directory_that_others_may_enter_is_refused_with_the_remedy(new_store):
    """Who may write the directory may put other files in the place of these."""
    store = new_store(Side.SOCIAL)
    store.chmod(0o750)

    with pytest.raises(SpecificationError, match=r"must be readable .*chmod 700"):
        open_store(store, Side.SOCIAL)


@pytest.mark.parametrize("name", ["master.key", "keys.toml", "audit.log"])
def test_lost_file_of_a_store_is_named(new_store, name):
    """A store that has lost a file says which one."""
    store = new_store(Side.SOCIAL)
    (store / name).unlink()

    with pytest.raises(SpecificationError, match=f"{name}: cannot be read"):
        open_store(store, Side.SOCIAL)


def test_lost_store_is_named(tmp_path):
    """A store that is not there at all is named by its directory."""
    with pytest.raises(SpecificationError, match="store: cannot be read: No such file"):
        open_store(tmp_path / "store", Side.SOCIAL)


def test_audit_that_lost_its_end_is_named(new_store):
    """A store knows its own last action: an audit without it was cut off."""
    store = new_store(Side.SOCIAL)
    lines = (store / "audit.log").read_text().splitlines(keepends=True)
    (store / "audit.log").write_text("".join(lines[:-2]))

    with pytest.raises(SpecificationError, match=r"audit\.log: .*was cut off"):
        open_store(store, Side.SOCIAL)


def test_store_that_was_put_back_is_named(new_store):
    """A key file from before an action that the audit calls done is refused."""
    store = new_store(Side.SOCIAL)
    older = (store / "keys.toml").read_text()
    with custody(store, Side.SOCIAL, Actor("u", "o"), MADE) as held:
        held.generate(SLOTS["mac"], date(2099, 1, 1))
    (store / "keys.toml").write_text(older)

    with pytest.raises(SpecificationError, match=r"keys\.toml: generation: .*was put back"):
        open_store(store, Side.SOCIAL)


@pytest.mark.parametrize("text", ["", "00" * 31, "zz" * 32, "00" * 33])
def test_malformed_master_key_is_refused(new_store, text):
    """A master key has 64 hexadecimal digits."""
    store = new_store(Side.SOCIAL)
    (store / "master.key").write_text(text)

    with pytest.raises(SpecificationError, match="64 hexadecimal digits"):
        open_store(store, Side.SOCIAL)


def test_previous_mac_key_verifies_for_a_while_and_is_never_the_one_to_send_with(new_store):
    """After a rotation both keys are there; the older one is gone after its time."""
    store = new_store(Side.SOCIAL)
    before = open_store(store, Side.SOCIAL).mac_key("bureau").key
    with custody(store, Side.SOCIAL, Actor("u", "o"), MADE) as held:
        held.generate(SLOTS["mac"], date(2099, 1, 1))
        held.activate(SLOTS["mac"])

    after = open_store(store, Side.SOCIAL)

    assert after.mac_key("bureau").key != before
    assert after.previous_mac_key("bureau", MADE + timedelta(seconds=119)).key == before
    assert after.previous_mac_key("bureau", MADE + timedelta(seconds=120)) is None


def test_previous_envelope_key_still_opens_but_is_not_offered(new_store):
    """After a rotation browsers get the new key; what they enciphered before still opens."""
    store = new_store(Side.SOCIAL)
    old = open_store(store, Side.SOCIAL).envelope_key(PinPurpose.SS_PIN)
    with custody(store, Side.SOCIAL, Actor("u", "o"), MADE) as held:
        held.generate(SLOTS["ss-pin"], date(2099, 12, 30))
        pending = open_public(held.ledger)
        held.activate(SLOTS["ss-pin"])

    after = open_store(store, Side.SOCIAL)

    assert pending == {"pending", "current"}
    assert [key.not_after for key in after.envelope_keys] == [date(2099, 12, 30)]
    assert after.envelope_key(PinPurpose.SS_PIN, old.kid).not_after == old.not_after


def open_public(ledger):
    """List the states of the envelope keys."""
    return {record.state.value for record in ledger.of(SLOTS["ss-pin"])}


def test_pending_envelope_key_opens_nothing(new_store):
    """A key that was not activated is not there for envelopes, by its kid neither."""
    store = new_store(Side.SOCIAL)
    with custody(store, Side.SOCIAL, Actor("u", "o"), MADE) as held:
        held.generate(SLOTS["ss-pin"], date(2099, 12, 30))
    opened = open_store(store, Side.SOCIAL)

    assert [key.not_after for key in opened.envelope_keys] == [date(2099, 12, 31)]
    assert len(opened._envelopes) == 1


def test_revoked_key_is_given_out_no_more(new_store):
    """A zone whose key was revoked takes no PIN until it has another one."""
    store = new_store(Side.SOCIAL)
    with custody(store, Side.SOCIAL, Actor("u", "o"), MADE) as held:
        for slot in SLOTS.values():
            held.end(slot, 1, KeyState.REVOKED, "drill")
    opened = open_store(store, Side.SOCIAL)

    for get in (opened.pin_cipher, opened.mac_key):
        with pytest.raises(LocalError, match="has no current key"):
            get("bureau")
    assert opened.envelope_key(PinPurpose.SS_PIN) is None


def test_live_keys_never_leave():
    """Live keys are not exportable, test keys are."""
    assert (Stage.LIVE.exportability, Stage.TEST.exportability) == ("N", "E")
