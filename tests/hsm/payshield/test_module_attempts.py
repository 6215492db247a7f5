"""How often a card's PIN may be tried against a payment HSM, over parallel calls and restarts."""

import asyncio

from gateway.hsm.attempts import AttemptFile
from gateway.hsm.payshield.framing import Envelope
from gateway.hsm.payshield.host import HostConnection
from gateway.hsm.pin_protocol import EncipheredPin, PinRefusal
from gateway.terms.errors import Unavailable


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
    assert bench.commands().count("FW") == 10


def test_accepted_pins_do_not_use_a_card_up(bench, run):
    """Twenty good PINs one after the other are no attempts against the card."""
    bench = bench()

    async def scenario(module):
        return [await module.translate_pin(bench.request()) for _ in range(20)]

    assert {type(answer) for answer in run(bench, scenario)} == {EncipheredPin}


def test_attempts_outlive_the_process_that_asked(bench, run, tmp_path, outcome):
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


def test_hsm_that_is_away_costs_no_attempts(bench, outcome):
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
