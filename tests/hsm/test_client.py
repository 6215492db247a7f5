"""The gateway's end, against real modules and against ends that misbehave."""

import asyncio
import logging
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.hsm import protocol
from gateway.hsm.client import SecurityModule
from gateway.hsm.frames import Frame, FrameReader, write_frame
from gateway.hsm.key_store import open_store
from gateway.hsm.pin_protocol import EncipheredPin, PinRefusal
from gateway.hsm.protocol import BadRequest, Command, Diagnostics
from gateway.pinblock.policy import PinHolder
from gateway.terms.errors import Unavailable
from gateway.terms.sides import PinPurpose, Side

ANSWER = protocol.write_diagnostics_answer(Diagnostics("social", "test", ()))


def test_pin_is_set_through_the_socket(social, stores, request_for):
    """A PIN goes in enciphered to the module and comes out enciphered for the bureau."""
    zone, cipher = open_store(stores[Side.SOCIAL], Side.SOCIAL).pin_cipher("bureau")

    async def scenario():
        client = SecurityModule(social.socket)
        answer, refusal = await asyncio.gather(
            client.set_pin(request_for()), client.set_pin(request_for("123456"))
        )
        client.close()
        return answer, refusal

    answer, refusal = asyncio.run(scenario())

    assert zone.decipher(cipher, answer.block, "") == b"738291"
    assert refusal is PinRefusal.TRIVIAL


def test_many_calls_at_once_get_their_own_answers(social, request_for):
    """Pipelined calls of all kinds are answered each by its own answer."""

    async def scenario():
        client = SecurityModule(social.socket)
        pins = ["738291", "12345", "123456", "990030"] * 10
        answers = await asyncio.gather(*(client.set_pin(request_for(pin)) for pin in pins))
        keys, diagnostics = await asyncio.gather(client.public_keys(), client.diagnostics())
        client.close()
        return answers, keys, diagnostics

    answers, keys, diagnostics = asyncio.run(scenario())

    assert all(isinstance(answer, EncipheredPin) for answer in answers[::4])
    assert set(answers[1::4]) == {PinRefusal.FORMAT}
    assert set(answers[2::4]) == {PinRefusal.TRIVIAL}
    assert set(answers[3::4]) == {PinRefusal.PERSONAL}
    assert [key.purpose for key in keys] == [PinPurpose.SS_PIN]
    controls = {"bureau": "1600000000000000"}
    assert diagnostics == Diagnostics("social", "test", ("bureau",), controls=controls)


def test_link_gets_the_mac_key_of_its_zone_only(social, stores):
    """A MAC key is handed out for a zone of this side, and for no other."""

    async def scenario():
        client = SecurityModule(social.socket)
        key = await client.session_mac_key("bureau")
        with pytest.raises(BadRequest):
            await client.session_mac_key("core")
        client.close()
        return key

    key = asyncio.run(scenario())

    assert key.key == open_store(stores[Side.SOCIAL], Side.SOCIAL).mac_key("bureau").key


def test_client_finds_the_module_again_after_its_restart(start, new_store, tmp_path):
    """While the module is down calls fail as unavailable; afterwards they go on, keys unlost."""
    store = new_store(Side.SOCIAL)

    async def scenario():
        client = SecurityModule(tmp_path / "s")
        with start(store=store, socket=tmp_path / "s") as first:
            before = await client.public_keys()
            first.process.kill()
            first.process.wait()
            with pytest.raises(Unavailable):
                await until_lost(client)
        with start(store=store, socket=tmp_path / "s"):
            after = await client.public_keys()
            client.close()
        return before, after

    before, after = asyncio.run(scenario())

    assert before == after


async def until_lost(client):
    """Call until the loss of the connection has come through."""
    for _ in range(100):
        await client.diagnostics()


def test_module_that_is_not_there_is_unavailable(tmp_path):
    """Without a module each call fails at once, as something to try again."""
    client = SecurityModule(tmp_path / "none")

    with pytest.raises(Unavailable, match="cannot be reached"):
        asyncio.run(client.diagnostics())


@asynccontextmanager
async def far_end(tmp_path, behave):
    """Listen as a module would, and do with each frame what the test says."""
    serving = []

    async def serve(reader, writer):
        serving.append(asyncio.current_task())
        frames = FrameReader()
        try:
            while data := await reader.read(65536):
                for frame in frames.feed(data):
                    writer.write(behave(frame))
        finally:
            writer.close()

    path = Path(tmp_path) / "s"
    server = await asyncio.start_unix_server(serve, str(path))
    try:
        yield path
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


def test_silent_module_is_unavailable_after_the_deadline(tmp_path):
    """A module that does not answer is not waited for beyond the deadline."""

    async def scenario():
        async with far_end(tmp_path, lambda _: b"") as path:
            client = SecurityModule(path, call_seconds_max=0.05)
            with pytest.raises(Unavailable, match="no answer in time"):
                await client.diagnostics()
            client.close()

    asyncio.run(scenario())


def test_every_call_of_a_silent_module_is_given_up(tmp_path):
    """Those made together, and one made when the others had been given up."""

    async def scenario():
        async with far_end(tmp_path, lambda _: b"") as path:
            client = SecurityModule(path, call_seconds_max=0.05)
            calls = [client.diagnostics(), client.diagnostics()]
            first = await asyncio.gather(*calls, return_exceptions=True)
            with pytest.raises(Unavailable, match="no answer in time"):
                await client.diagnostics()
            client.close()
            return first

    told = [str(error) for error in asyncio.run(scenario())]
    assert told == ["security module: no answer in time"] * 2


def test_late_answer_is_dropped_and_the_connection_goes_on(tmp_path):
    """The answer to a call that was given up is not given to another call."""
    seen = []

    def late(frame):
        seen.append(frame)
        if len(seen) == 1:
            return b""
        answers = [Frame(frame.request_id, frame.command, ANSWER)]
        if len(seen) == 2:
            answers.insert(0, Frame(seen[0].request_id, frame.command, b"late"))
        return b"".join(map(write_frame, answers))

    async def scenario():
        async with far_end(tmp_path, late) as path:
            client = SecurityModule(path, call_seconds_max=0.05)
            with pytest.raises(Unavailable):
                await client.diagnostics()
            connection = client._connection
            answers = [await client.diagnostics(), await client.diagnostics()]
            assert client._connection is connection
            client.close()
            return answers

    assert asyncio.run(scenario()) == [Diagnostics("social", "test", ())] * 2


@pytest.mark.parametrize(
    "behave",
    [
        lambda frame: write_frame(Frame(frame.request_id + 1, frame.command, ANSWER)),
        lambda frame: write_frame(Frame(frame.request_id, Command.SET_PIN, ANSWER)),
        lambda _: b"\xff" * 16,
        lambda _: b"\x00" * 16,
    ],
)
def test_answer_to_nothing_that_was_asked_ends_the_connection(tmp_path, behave):
    """A wrong id, a wrong command or a broken frame: nothing more from there is believed."""

    async def scenario():
        async with far_end(tmp_path, behave) as path:
            client = SecurityModule(path)
            with pytest.raises(Unavailable, match="connection lost"):
                await client.diagnostics()
            assert client._connection.is_lost

    asyncio.run(scenario())


@pytest.mark.parametrize("payload", [b"", b"[]", b'{"side":5,"stage":"test","zones":[]}'])
def test_answer_of_another_form_is_refused(tmp_path, payload):
    """An answer that cannot be read is our own fault, not something to try again."""

    async def scenario():
        async with far_end(
            tmp_path, lambda frame: write_frame(Frame(frame.request_id, frame.command, payload))
        ) as path:
            client = SecurityModule(path)
            with pytest.raises(BadRequest):
                await client.diagnostics()
            client.close()

    asyncio.run(scenario())


def test_calls_beyond_the_bound_are_refused_at_once(tmp_path):
    """Only so many calls wait for the module; one more hears so immediately."""

    async def scenario():
        arrived = asyncio.Semaphore(0)

        def keep_waiting(_):
            arrived.release()
            return b""

        async with far_end(tmp_path, keep_waiting) as path:
            client = SecurityModule(path, in_flight_max=2)
            waiting = [asyncio.ensure_future(client.diagnostics()) for _ in range(2)]
            for _ in waiting:
                await arrived.acquire()
            with pytest.raises(Unavailable, match="too many"):
                await client.diagnostics()
            client.close()
            return await asyncio.gather(*waiting, return_exceptions=True)

    lost = asyncio.run(scenario())

    assert {type(error) for error in lost} == {Unavailable}


def test_no_clear_pin_leaves_the_module(start, request_for, caplog):
    """The canary: no answer, error, repr or log of either end holds the PIN, in any spelling."""
    caplog.set_level(logging.DEBUG)
    pin = "738291"
    said = []

    async def ask(client, request):
        try:
            answer = await client.set_pin(request)
            said.append(repr(answer) + str(answer))
            said.append(getattr(answer, "block", b"").hex())
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not tell
            said.append(repr(error) + str(error) + repr(error.__context__))

    async def scenario(path):
        client = SecurityModule(path)
        requests = [
            request_for(pin),
            request_for(pin, zone="core"),
            request_for(pin, account="6200000000000000005"),
            request_for(pin, kid="another"),
            request_for(pin, expires_at=0),
            request_for(pin, holder=PinHolder(None, ("1738291",))),
            request_for(pin + "1"),
        ]
        for request in requests:
            said.append(repr(request))
            await ask(client, request)
        said.append(repr(client) + repr(await client.diagnostics()))
        client.close()

    with start() as running:
        asyncio.run(scenario(running.socket))
        running.process.terminate()
        output, errors = running.process.communicate()

    everything = "\n".join([*said, output.decode(), errors.decode(), caplog.text])
    assert len(said) == 1 + 2 * 7 + 5  # each request, its answer, and a block where there is one
    for spelling in (pin, pin.encode().hex(), "16738291", "7, 3, 8, 2, 9, 1", "55, 51, 56, 50"):
        assert spelling not in everything
