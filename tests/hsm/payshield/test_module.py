"""What the gateway asks of a payment HSM, against a fake host with real ciphers."""

import asyncio
import logging
import secrets
from datetime import date

import pytest

from gateway.hsm.payshield.diagnostics import HsmIdentity
from gateway.hsm.payshield.errors import HostError
from gateway.hsm.payshield.keys import HostKey, KeyRole
from gateway.hsm.payshield.module import (
    PROBE_SECONDS,
    ChannelKey,
    HsmKeys,
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
    assert bench.pin_of(answer.block) == bench.good_pin
    assert answer.security_control[0] == ("1" if target == "iso-1" else "2")
    assert bench.commands() == ["FW", "CA" if role is KeyRole.TPK else "CC"]


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
    assert bench.commands() == ["FW"]


def test_global_table_of_the_hsm_refuses_too(bench, run):
    """What the HSM's operator loaded counts as well as what the request carries."""
    bench = bench()
    bench.host.excluded = {bench.good_pin}

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
    other = PinHolder(date(1990, 3, 6), bench.holder.numbers)

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
def test_error_of_the_hsm_is_no_refusal_of_the_pin(bench, run, command, code, kind, outcome):
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

    assert bench.commands() == ["FW"]


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


def test_offset_is_a_probe_as_well(bench, speaking, outcome):
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


def test_no_clear_pin_is_said_anywhere(bench, run, caplog, outcome):
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
    for spelling in (bench.good_pin, bench.good_pin.encode().hex(), "16" + bench.good_pin):
        assert spelling not in "\n".join(said) + caplog.text
        assert spelling.encode() not in sent
