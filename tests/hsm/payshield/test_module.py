"""What the gateway asks of a payment HSM, against a fake host with real ciphers."""

import asyncio
import logging
import secrets
from datetime import date

import pytest

from gateway.hsm.attempts import AttemptFile
from gateway.hsm.mac import MacPadding
from gateway.hsm.payshield.diagnostics import HsmIdentity
from gateway.hsm.payshield.errors import HostError
from gateway.hsm.payshield.framing import Envelope
from gateway.hsm.payshield.host import HostConnection
from gateway.hsm.payshield.key_commands import ExportUnder, GenerateKey, ImportKey, KeyBlockUse
from gateway.hsm.payshield.keys import HostKey, KeyRole, KeyScheme
from gateway.hsm.payshield.module import (
    PROBE_SECONDS,
    ChannelKey,
    HsmKeys,
    PayShieldModule,
    PinFromPad,
    ZoneKeys,
)
from gateway.hsm.payshield.pin_commands import (
    EncipheredBlock,
    ExcludedPins,
    ProbeByOffset,
)
from gateway.hsm.pin_protocol import EncipheredPin, PinRefusal
from gateway.pinblock.policy import PinHolder, PinPolicy
from gateway.pinblock.translation import ForbiddenTranslation
from gateway.pinblock.zone import parse_zone
from gateway.terms.errors import LocalError, Unavailable

PAN = "6200001234567890123"
TWELVE = PAN[-13:-1]
GOOD_PIN = "738291"
HOLDER = PinHolder(date(1990, 3, 5), ("350299199003050012", "15400863271", "T00470019"))
CODES = {"iso-0": "01", "iso-1": "05", "iso-3": "47", "iso-4": "48"}


def zone(name, format_):
    """Declare a zone."""
    table = {"name": name, "format": format_, "algorithm": "tdes", "account": "pan"}
    if format_ == "iso-1":
        table["account"] = "none"
    if format_ == "iso-4":
        table |= {"algorithm": "aes", "security_control": "2" + "0" * 15}
    return parse_zone(table, "test")


class Bench:
    """One channel and one zone in one HSM, and the keys on the outside of it."""

    def __init__(self, fake, host, source, target, *, role=KeyRole.ZPK, scheme="S"):
        self.fake, self.host, self.now = fake, host, 1_000.0
        self.source, self.target = CODES[source], CODES[target]
        self.channel_key, self.zone_key = (
            secrets.token_bytes(32) if format_ == "iso-4" else fake.odd(secrets.token_bytes(16))
            for format_ in (source, target)
        )
        self.mac_key = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
        pvk = host.add("PVK", fake.odd(secrets.token_bytes(16)), scheme)
        self.keys = HsmKeys(
            channels={
                "branch": ChannelKey(
                    zone("branch", source),
                    HostKey(host.add(role.name, self.channel_key, scheme)),
                    role,
                )
            },
            zones={
                "bureau": ZoneKeys(
                    zone("bureau", target),
                    HostKey(host.add("ZPK", self.zone_key, scheme)),
                    HostKey(host.add("ZAK", self.mac_key, scheme)),
                    KeyRole.ZAK,
                    MacPadding.ZEROS,
                )
            },
            probe_key=HostKey(pvk),
        )
        self.binds = source != "iso-1" or target != "iso-1"

    def account_of(self, code):
        """Give the account as the fake's PIN blocks want it."""
        return {"05": "", "48": PAN}.get(code, TWELVE)

    def block(self, pin=GOOD_PIN):
        """Make a block as the channel's PIN pad does."""
        return self.fake.block_of(self.channel_key, pin, self.source, self.account_of(self.source))

    def pin_of(self, block):
        """Read a block as the bureau does."""
        return self.fake.pin_of(self.zone_key, block, self.target, self.account_of(self.target))

    def request(self, pin=GOOD_PIN, **changes):
        """Ask for a translation, right in everything that a test does not change."""
        values = {
            "channel": "branch",
            "block": changes.pop("block", None) or self.block(pin),
            "zone": "bureau",
            "account": PAN if self.binds else "",
            "card": "lnk_1",
            "policy": PinPolicy(),
            "holder": HOLDER,
        }
        return PinFromPad(**(values | changes))

    def module(self, connection, attempts=None):
        """Give the driver."""
        return PayShieldModule(connection, self.keys, lambda: self.now, attempts)


@pytest.fixture
def bench(fake, host):
    """Make a bench for a pair of formats."""
    return lambda source="iso-1", target="iso-1", **options: Bench(
        fake, host, source, target, **options
    )


@pytest.fixture
def run(speaking):
    """Run a scenario with the driver of a bench."""

    def run_it(bench, scenario, **options):
        async def main():
            async with speaking(bench.host, **options) as connection:
                return await scenario(bench.module(connection))

        return asyncio.run(main())

    return run_it


async def outcome(call):
    """Give the answer, or the error."""
    try:
        return await call
    except Exception as error:  # noqa: BLE001 - the test looks at it
        return error


def commands(host):
    """Give the codes of the commands that the host has seen."""
    return [code for code, _ in host.seen]


@pytest.mark.parametrize("role", [KeyRole.ZPK, KeyRole.TPK])
@pytest.mark.parametrize(
    ("source", "target", "scheme"),
    [
        ("iso-1", "iso-1", "U"),
        ("iso-1", "iso-0", "U"),
        ("iso-0", "iso-3", "U"),
        ("iso-1", "iso-1", "S"),
        ("iso-1", "iso-0", "S"),
        ("iso-1", "iso-3", "S"),
        ("iso-1", "iso-4", "S"),
        ("iso-0", "iso-0", "S"),
        ("iso-0", "iso-4", "S"),
        ("iso-3", "iso-0", "S"),
        ("iso-4", "iso-3", "S"),
        ("iso-4", "iso-4", "S"),
    ],
)
def test_pin_of_a_pad_reaches_the_zone(bench, run, source, target, role, scheme):
    """The PIN under the channel's key comes out under the zone's, judged first."""
    bench = bench(source, target, role=role, scheme=scheme)

    answer = run(bench, lambda module: module.translate_pin(bench.request()))

    assert isinstance(answer, EncipheredPin)
    assert bench.pin_of(answer.block) == GOOD_PIN
    assert answer.security_control[0] == ("1" if target == "iso-1" else "2")
    assert commands(bench.host) == ["FW", "CA" if role is KeyRole.TPK else "CC"]


@pytest.mark.parametrize("target", ["iso-1"])
@pytest.mark.parametrize("source", ["iso-0", "iso-3", "iso-4"])
def test_bound_block_never_becomes_format_1(bench, run, source, target):
    """What is bound to an account stays so: nothing is sent to the HSM."""
    bench = bench(source, target)

    with pytest.raises(ForbiddenTranslation):
        run(bench, lambda module: module.translate_pin(bench.request()))

    assert bench.host.seen == []


@pytest.mark.parametrize(
    ("pin", "refusal"),
    [
        ("123456", PinRefusal.TRIVIAL),
        ("888888", PinRefusal.TRIVIAL),
        ("900305", PinRefusal.TRIVIAL),
        ("863271", PinRefusal.TRIVIAL),
        ("73829", PinRefusal.FORMAT),
        ("7382914", PinRefusal.FORMAT),
    ],
)
def test_weak_or_malformed_pin_is_refused_and_not_translated(bench, run, pin, refusal):
    """Error 86 and error 81 of the probe end the matter."""
    bench = bench()

    answer = run(bench, lambda module: module.translate_pin(bench.request(pin)))

    assert answer is refusal
    assert commands(bench.host) == ["FW"]


def test_global_table_of_the_hsm_refuses_too(bench, run):
    """What the HSM's operator loaded counts as well as what the request carries."""
    bench = bench()
    bench.host.excluded = {GOOD_PIN}

    assert run(bench, lambda module: module.translate_pin(bench.request())) is PinRefusal.TRIVIAL


def test_pin_of_another_length_is_refused_even_without_a_table(bench, run):
    """With nothing to exclude, the length that the translation tells is looked at."""
    bench = bench()
    policy = PinPolicy(rules=frozenset())
    request = bench.request("73829", policy=policy)

    assert run(bench, lambda module: module.translate_pin(request)) is PinRefusal.FORMAT


@pytest.mark.parametrize(("source", "target"), [("iso-1", "iso-0"), ("iso-0", "iso-0")])
def test_block_that_holds_no_pin_is_refused_as_malformed(bench, run, source, target):
    """Garbage under the channel's key is error 20, and says nothing else."""
    bench = bench(source, target)

    answer = run(bench, lambda module: module.translate_pin(bench.request(block=b"\x07" * 8)))

    assert answer is PinRefusal.FORMAT


def test_block_for_another_account_is_refused_as_malformed(bench, run):
    """A block that is bound to one card does not serve another."""
    bench = bench("iso-0", "iso-0")
    request = bench.request(account="6200009876543210987")

    assert run(bench, lambda module: module.translate_pin(request)) is PinRefusal.FORMAT


def test_block_is_probed_with_one_table_only(bench, run):
    """The same block with another person's data is refused before the HSM is asked."""
    bench = bench()
    request = bench.request()
    other = PinHolder(date(1990, 3, 6), HOLDER.numbers)

    async def scenario(module):
        first = await module.translate_pin(request)
        again = await module.translate_pin(bench.request(block=request.block, holder=other))
        same = await module.translate_pin(bench.request(block=request.block))
        bench.now += 2 * PROBE_SECONDS
        later = await module.translate_pin(bench.request(block=request.block, holder=other))
        return first, again, same, later

    first, again, same, later = run(bench, scenario)

    assert again is PinRefusal.SESSION
    assert all(isinstance(answer, EncipheredPin) for answer in (first, same, later))


def test_card_may_be_refused_ten_times_an_hour(bench, run):
    """After ten weak PINs a card is not asked about any more, and other cards are."""
    bench = bench()

    async def scenario(module):
        refused = [await module.translate_pin(bench.request("123456")) for _ in range(11)]
        return refused, await module.translate_pin(bench.request(card="lnk_2"))

    refused, other = run(bench, scenario)

    assert refused == [PinRefusal.TRIVIAL] * 10 + [PinRefusal.RATE_LIMITED]
    assert isinstance(other, EncipheredPin)


def test_many_attempts_at_once_are_no_more_than_ten(bench, run):
    """An attempt counts before the HSM hears of it: no card has more by asking in parallel."""
    bench = bench()

    async def scenario(module):
        requests = [bench.request("123456") for _ in range(30)]
        return await asyncio.gather(*map(module.translate_pin, requests))

    answers = run(bench, scenario)

    assert sorted(set(answers)) == [PinRefusal.RATE_LIMITED, PinRefusal.TRIVIAL]
    assert answers.count(PinRefusal.TRIVIAL) == 10
    assert commands(bench.host).count("FW") == 10


def test_accepted_pins_do_not_use_a_card_up(bench, run):
    """Twenty good PINs one after the other are no attempts against the card."""
    bench = bench()

    async def scenario(module):
        return [await module.translate_pin(bench.request()) for _ in range(20)]

    assert {type(answer) for answer in run(bench, scenario)} == {EncipheredPin}


def test_attempts_outlive_the_process_that_asked(bench, run, tmp_path):
    """One whose answer never came counts like one that was refused; accepted ones do not."""
    bench, file = bench(), tmp_path / "attempts"

    async def scenario(module):
        connection = module._host
        first = bench.module(connection, AttemptFile(file))
        await first.translate_pin(bench.request())
        refused = [await first.translate_pin(bench.request("123456")) for _ in range(9)]
        bench.host.silent = {"FW"}
        lost = await outcome(first.translate_pin(bench.request()))
        bench.host.silent = set()
        again = bench.module(connection, AttemptFile(file))
        return refused, lost, await again.translate_pin(bench.request())

    refused, lost, after = run(bench, scenario, call_seconds_max=0.2)

    assert set(refused) == {PinRefusal.TRIVIAL}
    assert isinstance(lost, Unavailable)
    assert after is PinRefusal.RATE_LIMITED


def test_hsm_that_is_away_costs_no_attempts(bench):
    """A card may still try when the HSM is back."""
    bench = bench()

    async def scenario():
        await bench.host.serve()
        away = HostConnection(("127.0.0.1", 1), Envelope(8, "", ""))
        module = bench.module(away)
        failed = [await outcome(module.translate_pin(bench.request())) for _ in range(11)]
        here = HostConnection(bench.host.address, Envelope(8, "", ""))
        module._host = here
        answer = await module.translate_pin(bench.request())
        here.close()
        await bench.host.stop()
        return failed, answer

    failed, answer = asyncio.run(scenario())

    assert {type(each) for each in failed} == {Unavailable}
    assert isinstance(answer, EncipheredPin)


@pytest.mark.parametrize(
    ("command", "code", "kind"),
    [
        ("FW", "15", HostError),
        ("FW", "68", HostError),
        ("CC", "23", HostError),
        ("CC", "86", HostError),
        ("FW", "41", Unavailable),
        ("CC", "41", Unavailable),
    ],
)
def test_error_of_the_hsm_is_no_refusal_of_the_pin(bench, run, command, code, kind):
    """Misuse and trouble are errors, after which the customer may try again at once."""
    bench = bench()
    bench.host.errors = {command: code}
    request = bench.request()

    async def scenario(module):
        failed = await outcome(module.translate_pin(request))
        bench.host.errors = {}
        return failed, await module.translate_pin(request)

    failed, answer = run(bench, scenario)

    assert isinstance(failed, kind)
    assert isinstance(answer, EncipheredPin)


def test_slow_hsm_translates_nothing_unjudged(bench, run):
    """When the probe is not answered, no translation is asked for."""
    bench = bench()
    bench.host.silent = {"FW"}

    with pytest.raises(Unavailable):
        run(bench, lambda module: module.translate_pin(bench.request()), call_seconds_max=0.05)

    assert commands(bench.host) == ["FW"]


@pytest.mark.parametrize(
    "changes",
    [{"channel": "other"}, {"zone": "core"}, {"account": PAN}, {"block": bytes(16)}],
)
def test_misuse_does_not_reach_the_hsm(bench, run, changes):
    """Unknown names, an account that nothing binds and blocks of a wrong size are our fault."""
    bench = bench()

    with pytest.raises(LocalError):
        run(bench, lambda module: module.translate_pin(bench.request(**changes)))

    assert bench.host.seen == []


@pytest.mark.parametrize(
    "table",
    [
        {"format": "sm4-pan", "algorithm": "sm4", "account": "pan"},
        {"format": "iso-4", "algorithm": "aes", "account": "pan-rightmost-12"},
    ],
)
def test_zone_that_an_hsm_cannot_serve_is_refused_at_once(table):
    """SM4 and the short account of format 4 have no host command."""
    wrong = parse_zone({"name": "x", "security_control": "0" * 16} | table, "test")
    key = HostKey("U" + "0" * 32)

    with pytest.raises(LocalError):
        HsmKeys({"x": ChannelKey(wrong, key, KeyRole.TPK)}, {}, key)


# ---------------------------------------------------------------- known answers


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


# ---------------------------------------------------------------- keys


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


def test_key_is_used_for_nothing_else(bench, run):
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


def test_offset_is_a_probe_as_well(bench, speaking):
    """BK refuses what is in the table and gives nothing out for the rest."""
    bench = bench()
    channel = bench.keys.channels["branch"]

    def probe(pin):
        block = EncipheredBlock(channel.pin_key, channel.role, channel.zone.format, pin, "")
        excluded = ExcludedPins(("123456",))
        pvk = bench.keys.probe_key
        return ProbeByOffset(block, pvk, excluded, 6, "0123456789012345", "62000012345N")

    async def scenario():
        async with speaking(bench.host) as connection:
            weak = await outcome(connection.ask(probe(bench.block("123456"))))
            return weak, await connection.ask(probe(bench.block()))

    weak, good = asyncio.run(scenario())

    assert (weak.command, weak.error_code) == ("BK", "86")
    assert good is None


def test_diagnostics_tell_what_the_hsm_is(bench, run):
    """NC is the probe of its health."""
    bench = bench()

    identity = run(bench, lambda module: module.diagnostics())

    assert identity == HsmIdentity("268604CC5C3E2B5A", "1500-0023")


def test_many_translations_at_once_get_their_own_blocks(bench, run):
    """Twenty customers at once, answered out of order, each get their own PIN back."""
    bench = bench("iso-1", "iso-0")
    pins = [f"7{number:02d}829" for number in range(20)]
    bench.host.held = 20

    async def scenario(module):
        return await asyncio.gather(
            *(module.translate_pin(bench.request(pin, card=pin)) for pin in pins)
        )

    answers = run(bench, scenario)

    assert [bench.pin_of(answer.block) for answer in answers] == pins


def test_no_clear_pin_is_said_anywhere(bench, run, caplog):
    """The canary: no error, repr, answer or log, and no byte to the HSM, holds the PIN."""
    caplog.set_level(logging.DEBUG)
    bench = bench("iso-1", "iso-0")
    said = []

    async def scenario(module):
        for fault in ({}, {"FW": "86"}, {"FW": "15"}, {"CC": "41"}, {"CC": "20"}):
            bench.host.errors = fault
            request = bench.request(card=secrets.token_hex(4))
            answer = await outcome(module.translate_pin(request))
            said.append(repr(request) + repr(answer) + str(answer) + repr(vars(module)))
            said.append(getattr(answer, "block", b"").hex())

    run(bench, scenario)

    sent = b"".join(message for _, message in bench.host.seen)
    assert len(said) == 10
    for spelling in (GOOD_PIN, GOOD_PIN.encode().hex(), "16" + GOOD_PIN):
        assert spelling not in "\n".join(said) + caplog.text
        assert spelling.encode() not in sent
