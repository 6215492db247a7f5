"""The connection, against a fake host that behaves and one that does not."""

import ast
import asyncio
import struct
from pathlib import Path

import pytest

from gateway.hsm.mac import MacPadding
from gateway.hsm.payshield.diagnostics import Diagnose, Echo, HsmIdentity
from gateway.hsm.payshield.errors import HostError, HostUnavailable
from gateway.hsm.payshield.framing import BrokenMessage, Envelope
from gateway.hsm.payshield.host import HostConnection
from gateway.hsm.payshield.key_commands import CheckKey
from gateway.hsm.payshield.keys import HostKey, KeyRole
from gateway.hsm.payshield.mac_commands import GenerateMac
from gateway.terms.errors import Unavailable

# What is published of the fake host's identity.
IDENTITY = HsmIdentity("268604CC5C3E2B5A", "1500-0023")


@pytest.fixture
def ask(host, speaking):
    """Ask the host some things one after the other; errors are answers as well."""

    def ask_all(*commands, **options):
        async def scenario():
            async with speaking(host, **options) as connection:
                return [await outcome(connection, command) for command in commands]

        return asyncio.run(scenario())

    return ask_all


async def outcome(connection, command):
    """Give the answer, or the error."""
    try:
        return await connection.ask(command)
    except Exception as error:  # noqa: BLE001 - the test looks at it
        return error


@pytest.mark.parametrize(
    ("header_characters", "lmk", "trailer"),
    [(4, "", b""), (8, "01", b""), (12, "", b"\x19end"), (3, "00", b"\x19" + b"x" * 32)],
)
def test_hsm_is_spoken_to_as_it_is_set(host, ask, header_characters, lmk, trailer):
    """Any header length, LMK identifier and trailer are served."""
    host.header_characters, host.lmk, host.trailer = header_characters, lmk, trailer

    answers = ask(Diagnose(), Echo(bytes(range(256))))

    assert answers == [IDENTITY, bytes(range(256))]
    assert all(message.endswith(trailer) for _, message in host.seen)


def test_many_calls_are_in_flight_and_get_their_own_answers_out_of_order(host, speaking):
    """Fifty answers in the reverse order of the requests each reach their caller."""
    host.held = 50

    async def scenario():
        async with speaking(host) as connection:
            return await asyncio.gather(
                *(connection.ask(Echo(f"{number:03d}".encode())) for number in range(50))
            )

    assert asyncio.run(scenario()) == [f"{number:03d}".encode() for number in range(50)]
    assert host.connections == 1


def test_answers_may_come_in_any_pieces(host, ask):
    """A message is put together by its length, not by what one read gives."""
    host.bytewise = True

    assert ask(Diagnose(), Echo(b"x" * 300)) == [IDENTITY, b"x" * 300]


def test_requests_and_answers_larger_than_one_read_come_whole(ask):
    """Thirty thousand bytes go to and fro."""
    assert ask(Echo(b"\x19%x" * 10_000)) == [b"\x19%x" * 10_000]


def test_headers_are_used_again_only_when_they_are_free(host, speaking):
    """A header whose answer is still to come is passed over when the numbers begin anew."""
    host.header_characters = 3
    host.silent = {"NC"}

    async def scenario():
        async with speaking(host, call_seconds_max=0.2) as connection:
            waiting = asyncio.create_task(outcome(connection, Diagnose()))
            await asyncio.sleep(0)
            for _ in range(1_005):
                connection._call_seconds_max = 5.0
                await connection.ask(Echo(b"x"))
            return await waiting

    assert isinstance(asyncio.run(scenario()), Unavailable)
    headers = [message[:3] for _, message in host.seen]
    assert headers.count(b"001") == 1
    assert headers.count(b"002") == 2


def test_hsm_that_says_nothing_is_left_and_connected_to_anew(host, ask):
    """After a whole deadline without a word the connection is taken for dead."""
    host.silent = {"NC"}

    silent, echo = ask(Diagnose(), Echo(b"x"), call_seconds_max=0.05)

    assert str(silent) == "payment HSM: no answer in time"
    assert isinstance(silent, Unavailable)
    assert echo == b"x"
    assert host.connections == 2


def test_late_answer_is_dropped_and_the_connection_goes_on(host, speaking):
    """An answer that comes after its caller left is given to nobody else."""

    async def scenario():
        host.late = {"NC": asyncio.Event()}
        async with speaking(host, call_seconds_max=0.1) as connection:
            late = asyncio.create_task(outcome(connection, Diagnose()))
            await asyncio.sleep(0)
            before = await connection.ask(Echo(b"before"))
            given_up = await late
            host.late["NC"].set()
            return given_up, before, await connection.ask(Echo(b"after"))

    given_up, before, after = asyncio.run(scenario())

    assert str(given_up) == "payment HSM: no answer in time"
    assert (before, after) == (b"before", b"after")
    assert host.connections == 1


def test_answers_that_never_come_do_not_use_the_connection_up(host, speaking):
    """When all places are taken by calls that were given up, the connection is made anew."""
    host.silent = {"NC"}

    async def scenario():
        async with speaking(host, call_seconds_max=0.1, in_flight_max=2) as connection:
            lost = asyncio.create_task(outcome(connection, Diagnose()))
            await asyncio.sleep(0)
            await connection.ask(Echo(b"x"))
            also_lost = asyncio.create_task(outcome(connection, Diagnose()))
            await asyncio.sleep(0)
            connection._connection.heard += 1  # as if another call had been answered just now
            await asyncio.gather(lost, also_lost)
            full = await outcome(connection, Echo(b"x"))
            return full, await connection.ask(Echo(b"y"))

    full, answer = asyncio.run(scenario())

    assert str(full) == "payment HSM: too many calls are waiting"
    assert answer == b"y"
    assert host.connections == 2


def test_dropped_connection_fails_the_calls_that_wait_and_is_made_anew(host, speaking):
    """All calls on a connection that ends are unavailable; the next one connects again."""
    host.silent, host.dropped = {"NC"}, {"B2"}

    async def scenario():
        async with speaking(host) as connection:
            lost = await asyncio.gather(
                *(outcome(connection, command) for command in (Diagnose(), Echo(b"x")))
            )
            host.silent, host.dropped = set(), set()
            return lost, await connection.ask(Diagnose())

    lost, answer = asyncio.run(scenario())

    assert [str(error) for error in lost] == ["payment HSM: connection lost"] * 2
    assert answer == IDENTITY
    assert host.connections == 2


def framed(message):
    """Give a message its length."""
    return struct.pack(">H", len(message)) + message


@pytest.mark.parametrize(
    "garbage",
    [
        framed(b""),
        framed(b"garbage"),
        framed(b"HTTP/1.1 400 Bad Request"),
        framed(b"00000002ND00268604CC5C3E2B5A1500-0023"),  # another header
        framed(b"00000001CD00268604CC5C3E2B5A1500-0023"),  # another response code
        framed(b"00000001ND0"),
        framed(b"00000001NDzz"),
    ],
)
def test_broken_answer_ends_the_connection(host, ask, garbage):
    """What is no answer to what was asked ends the connection; calls on it are unavailable."""
    host.garbage = {"NC": garbage}

    broken, echo = ask(Diagnose(), Echo(b"x"))

    assert isinstance(broken, Unavailable)
    assert echo == b"x"
    assert host.connections == 2


@pytest.mark.parametrize("fields", [b"", b"268604CC5C3E2B5", b"268604CC5C3E2B5A\x00"])
def test_answer_with_other_fields_ends_the_connection(host, ask, fields):
    """An answer of the right header and code with fields of another form is not trusted."""
    host.garbage = {"NC": framed(b"00000001ND00" + fields)}

    broken, echo = ask(Diagnose(), Echo(b"x"))

    assert isinstance(broken, BrokenMessage)
    assert echo == b"x"
    assert host.connections == 2


@pytest.mark.parametrize(
    ("code", "kind"),
    [("15", HostError), ("17", HostError), ("68", HostError), ("41", HostUnavailable)],
)
def test_error_code_is_an_error_that_names_it(host, ask, code, kind):
    """The HSM's refusal keeps the connection, and says command, code and meaning."""
    host.errors = {"NC": code}

    error, echo = ask(Diagnose(), Echo(b"x"))

    assert type(error) is kind
    assert f"NC failed with {code}: " in str(error)
    assert echo == b"x"
    assert host.connections == 1


def test_command_that_the_hsm_does_not_know_is_refused(host, ask):
    """An HSM without a command answers 67 or 68."""
    key = HostKey("U" + "0" * 32)
    host.do_m6 = None

    (error,) = ask(GenerateMac(key, KeyRole.ZAK, MacPadding.ZEROS, b"x"))

    assert error.error_code == "67"


def test_key_that_the_hsm_does_not_have_is_refused(ask):
    """A key under another LMK has a wrong parity, or a wrong MAC as a key block."""
    answers = ask(
        CheckKey(KeyRole.ZPK, HostKey("U" + "0" * 32)),
        CheckKey(KeyRole.ZPK, HostKey("S10080P0TE00E0000" + "AB" * 32)),
    )

    assert [(type(error), error.error_code) for error in answers] == [
        (HostError, "10"),
        (HostError, "A4"),
    ]


def test_wrong_lmk_is_refused(host, speaking):
    """Error 13 names the LMK identifier."""
    host.lmk = "02"

    async def scenario():
        async with speaking(host) as connection:
            connection._envelope = Envelope(8, "01")
            return await outcome(connection, Diagnose())

    assert "13: LMK identifier" in str(asyncio.run(scenario()))


def test_calls_beyond_the_bound_are_refused_at_once(host, speaking):
    """More calls than an HSM works off are not queued here."""
    host.silent = {"NC"}

    async def scenario():
        async with speaking(host, call_seconds_max=0.1, in_flight_max=2) as connection:
            waiting = [asyncio.create_task(outcome(connection, Diagnose())) for _ in range(3)]
            return await asyncio.gather(*waiting)

    first, second, refused = asyncio.run(scenario())

    assert str(refused) == "payment HSM: too many calls are waiting"
    assert {type(first), type(second)} == {Unavailable}


def test_hsm_that_is_not_there_is_unavailable():
    """Without an HSM each call fails, as something to try again."""
    connection = HostConnection(("127.0.0.1", 1), Envelope())

    with pytest.raises(Unavailable, match="cannot be reached"):
        asyncio.run(connection.ask(Diagnose()))
    connection.close()


def test_fake_host_shares_nothing_with_the_driver():
    """A mistake of the driver is not mirrored: the fake imports none of the gateway."""
    tree = ast.parse(Path(__file__).with_name("fake_host.py").read_text("utf-8"))
    imported = {
        name.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in [*node.names, ast.alias(getattr(node, "module", ""))]
    }

    assert not any(name.startswith("gateway") for name in imported)


def test_closed_connection_fails_the_calls_that_wait(host, speaking):
    """Closing does not leave a caller waiting."""
    host.silent = {"NC"}

    async def scenario():
        async with speaking(host) as connection:
            await connection.ask(Echo(b"x"))
            waiting = asyncio.create_task(outcome(connection, Diagnose()))
            await asyncio.sleep(0)
            connection.close()
            return await waiting

    assert str(asyncio.run(scenario())) == "payment HSM: connection lost"
