"""A known PIN goes through a real module; then it is looked for wherever it could have stayed."""

import asyncio
import os
import resource
import signal
import subprocess
import sys
import time

import pytest

from gateway.hsm.client import SecurityModule
from gateway.hsm.key_store import open_store
from gateway.hsm.pin_protocol import EncipheredPin, PinRefusal, TranslatePin
from gateway.terms.sides import Side

PIN = "738291"
FORMS = [PIN.encode(), PIN.encode("utf-16-le"), b"\x06\x73\x82\x91", b"\x16\x73\x82\x91"]
WAIT_SECONDS_MAX = 10


async def relay(upstream, path, carried):
    """Stand between one client and a module, and keep every byte of both ways.

    Gives the server and an event that comes when the client has gone and all is closed.
    """
    over = asyncio.Event()

    async def pump(reader, writer):
        while data := await reader.read(65_536):
            carried.append(data)
            writer.write(data)
        writer.close()
        await writer.wait_closed()

    async def connected(reader, writer):
        far_reader, far_writer = await asyncio.open_unix_connection(str(upstream))
        ways = (pump(reader, far_writer), pump(far_reader, writer))
        await asyncio.gather(*ways, return_exceptions=True)
        over.set()

    return await asyncio.start_unix_server(connected, str(path)), over


def test_no_clear_pin_crosses_the_socket(zone_module, many_zones, request_for, tmp_path):
    """Neither way in, neither accepted nor refused, does a PIN stand between the processes."""
    store = open_store(many_zones, Side.SOCIAL)
    (key,) = store.envelope_keys
    pads, cipher = store.channel_cipher("pads-iso-1")
    carried = []

    async def scenario():
        server, over = await relay(zone_module.socket, tmp_path / "r", carried)
        client = SecurityModule(tmp_path / "r", WAIT_SECONDS_MAX)
        right = request_for(PIN, key=key, zone="iso-1")
        other = request_for(PIN, key=key, zone="iso-1", card="card")
        answers = [await client.set_pin(each) for each in (right, other)]
        answers.append(
            await client.translate_pin(
                TranslatePin(
                    session="pse_canary",
                    expires_at=int(time.time()) + 300,  # noqa: TID251 - the process's own clock
                    channel="pads-iso-1",
                    block=pads.encipher(cipher, PIN.encode(), "", bytes(range(8))),
                    zone="iso-1",
                    account="",
                    card="card",
                    policy=right.policy,
                    holder=right.holder,
                )
            )
        )
        answers.append(await client.set_pin(right))
        client.close()
        await over.wait()
        server.close()
        await server.wait_closed()
        return answers

    answers = asyncio.run(scenario())

    assert [type(answer) for answer in answers[:3]] == [EncipheredPin] * 3
    assert answers[3] is PinRefusal.SESSION
    everything = b"".join(carried)
    assert len(everything) > 2_000
    assert [form for form in FORMS if form in everything] == []


CRASH = [signal.SIGABRT, signal.SIGSEGV]


def dumps_core(process, number):
    """End a process by a signal that asks for a core file; tell whether there is one."""
    process.send_signal(number)
    ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    process.wait(WAIT_SECONDS_MAX)
    return ended.si_code == os.CLD_DUMPED


@pytest.fixture
def cores_allowed(tmp_path, monkeypatch):
    """Let the children of this process leave core files of any size, in an empty directory."""
    before = resource.getrlimit(resource.RLIMIT_CORE)
    (tmp_path / "cores").mkdir()
    monkeypatch.chdir(tmp_path / "cores")
    resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
    yield tmp_path / "cores"
    resource.setrlimit(resource.RLIMIT_CORE, before)


@pytest.mark.parametrize("number", CRASH)
def test_module_that_crashes_leaves_no_core_file(cores_allowed, start, request_for, number):
    """Where another process would leave one, the module does not: it may have held a PIN."""
    other = subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with other:
        other.stdout.readline()
        if not dumps_core(other, number):
            pytest.skip("this machine lets nobody leave a core file")
        for left in cores_allowed.iterdir():
            left.unlink()

    with start() as running:

        async def set_pin():
            client = SecurityModule(running.socket, WAIT_SECONDS_MAX)
            await client.set_pin(request_for(PIN))
            client.close()

        asyncio.run(set_pin())
        assert not dumps_core(running.process, number)

    assert list(cores_allowed.iterdir()) == []


def test_module_says_nothing(start, request_for):
    """Accepted and refused PINs leave not a word on standard output or error."""
    with start() as running:

        async def set_pins():
            client = SecurityModule(running.socket, WAIT_SECONDS_MAX)
            for pin in (PIN, "123456", "12", PIN):
                await client.set_pin(request_for(pin))
            await client.set_pin(request_for(PIN, envelope="a.b.c.d.e"))
            client.close()

        asyncio.run(set_pins())
        running.process.stdin.close()
        running.process.stdin = None
        running.process.wait(WAIT_SECONDS_MAX)

        assert running.process.stdout.read() == b""
        assert running.process.stderr.read() == b""
