"""A security module as a process that is kept running."""

import asyncio
import errno
import os
import pwd
import signal
import subprocess
import sys
import tempfile
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from gateway.app import modules
from gateway.app.modules import ModuleProcess
from gateway.app.settings import ModuleSettings, PayShieldSettings
from gateway.hsm.client import SecurityModule
from gateway.hsm.payshield.port import PayShieldSecurityModule
from gateway.hsm.provision import create_test_store
from gateway.terms.errors import SpecificationError, Unavailable
from gateway.terms.sides import Side

LOOK_SECONDS = 0.02
LOOKS_MAX = 500


@pytest.fixture
def settings():
    """Give the settings of a module with fresh keys, on a path short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="hsm") as directory:
        store = Path(directory) / "keys"
        create_test_store(
            store, Side.SOCIAL, [], date(2099, 12, 31), datetime(2026, 1, 1, tzinfo=UTC)
        )
        yield ModuleSettings(key_store=store, socket=Path(directory) / "s")


async def answered(module):
    """Ask until the module answers."""
    for _ in range(LOOKS_MAX):
        try:
            return await module.diagnostics()
        except Unavailable:
            await asyncio.sleep(LOOK_SECONDS)
    raise AssertionError


def test_module_that_dies_is_started_again(settings):
    """Keys are at hand again a moment after a crash, and an ended gateway leaves no process."""

    async def story():
        process, module = ModuleProcess(Side.SOCIAL, settings), SecurityModule(settings.socket)
        await process.start()
        first = process._process.pid
        before = await module.diagnostics()
        os.kill(first, signal.SIGKILL)
        await process._process.wait()
        after = await answered(module)
        second = process._process
        module.close()
        await process.stop()
        return before, after, first, second

    before, after, first, second = asyncio.run(story())

    assert before.side == after.side == "social"
    assert second.pid != first
    assert second.returncode == 0


def test_module_is_started_again_once_the_machine_has_room_for_it(settings, monkeypatch):
    """No descriptor is left for a process, such as during a flood: it is tried again and again."""
    monkeypatch.setattr(modules, "RESTART_SECONDS", 0.01)
    launch, refused = asyncio.create_subprocess_exec, []

    async def full_at_first(*words, **more):
        if len(refused) < 2:
            refused.append(words)
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return await launch(*words, **more)

    async def story():
        process, module = ModuleProcess(Side.SOCIAL, settings), SecurityModule(settings.socket)
        await process.start()
        monkeypatch.setattr(asyncio, "create_subprocess_exec", full_at_first)
        os.kill(process._process.pid, signal.SIGKILL)
        await process._process.wait()
        said = await answered(module)
        module.close()
        await process.stop()
        return said

    assert asyncio.run(story()).side == "social"
    assert len(refused) == 2


def test_module_that_refuses_to_start_names_its_store(settings, capfd):
    """A missing store is told by the module itself and by what waits for it."""

    async def story():
        empty = settings.model_copy(update={"key_store": settings.key_store / "nowhere"})
        process = ModuleProcess(Side.SOCIAL, empty)
        try:
            await process.start()
        finally:
            await process.stop()

    with pytest.raises(SpecificationError, match=r"nowhere: the social security module does not"):
        asyncio.run(story())
    assert "nowhere" in capfd.readouterr().err


def test_module_that_stays_mute_is_ended(settings, monkeypatch):
    """A module that says nothing in time is killed and counts as refused."""
    monkeypatch.setattr(modules, "READY_SECONDS_MAX", 0.001)

    async def story():
        process = ModuleProcess(Side.SOCIAL, settings)
        with pytest.raises(SpecificationError):
            await process.start()
        await process.stop()
        return process._process.returncode

    assert asyncio.run(story()) == -signal.SIGKILL


def test_module_that_does_not_go_is_killed(settings, monkeypatch):
    """Closing its input is asked once; then it is ended."""
    monkeypatch.setattr(modules, "STOP_SECONDS_MAX", 0.05)

    async def story():
        process = ModuleProcess(Side.SOCIAL, settings)
        await process.start()
        os.kill(process._process.pid, signal.SIGSTOP)
        await process.stop()
        return process._process.returncode

    assert asyncio.run(story()) == -signal.SIGKILL


def test_stopping_what_never_started_is_nothing(settings):
    """A gateway that fails early has nothing to end."""
    asyncio.run(ModuleProcess(Side.SOCIAL, settings).stop())
    assert settings.embedded


def test_module_that_cannot_come_back_is_tried_until_it_is_stopped(settings, monkeypatch):
    """A store that is gone for a while does not end the watch."""
    monkeypatch.setattr(modules, "RESTART_SECONDS", 0.01)
    keys = settings.key_store / "keys.toml"

    async def story():
        process, module = ModuleProcess(Side.SOCIAL, settings), SecurityModule(settings.socket)
        await process.start()
        first = process._process
        keys.rename(keys.with_suffix(".away"))
        first.kill()
        while process._process is first or process._process.returncode is None:  # noqa: ASYNC110 - a process's end is not ours to signal
            await asyncio.sleep(LOOK_SECONDS)
        keys.with_suffix(".away").rename(keys)
        back = await answered(module)
        module.close()
        await process.stop()
        return back

    assert asyncio.run(story()).side == "social"


ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
CONNECT = """
import os, socket, sys
os.setgroups([]); os.setgid({gid}); os.setuid({uid})
try:
    socket.socket(socket.AF_UNIX).connect({socket!r})
    open({store!r})
except PermissionError:
    sys.exit(7)
"""


@ROOT_ONLY
def test_module_of_root_becomes_its_own_user(settings):
    """Its keys are that user's; its socket lets in root's gateway, and nobody of the other side."""
    own, other = pwd.getpwnam("nobody"), pwd.getpwnam("daemon")
    directory = settings.socket.parent
    for path in (directory, settings.key_store, *settings.key_store.iterdir()):
        os.chown(path, own.pw_uid, own.pw_gid)
    directory.chmod(0o711)
    process = ModuleProcess(Side.SOCIAL, settings.model_copy(update={"user": "nobody"}))

    async def story():
        await process.start()
        try:
            return await looked_at()
        finally:
            await process.stop()

    async def looked_at():
        module = SecurityModule(settings.socket)
        status = await asyncio.to_thread(
            Path(f"/proc/{process._process.pid}/status").read_text, "ascii"
        )
        said = await module.diagnostics()
        module.close()
        socket = settings.socket.stat()
        attempt = CONNECT.format(
            uid=other.pw_uid,
            gid=other.pw_gid,
            socket=str(settings.socket),
            store=str(settings.key_store / "keys.toml"),
        )
        refused = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", attempt], check=False
        )
        return status, said, socket, refused.returncode

    status, said, socket, refused = asyncio.run(story())

    ids = {line.split()[0]: line.split()[1:] for line in status.splitlines() if line.split()}
    assert ids["Uid:"] == [str(own.pw_uid)] * 4
    assert ids["Gid:"] == [str(own.pw_gid)] * 4
    assert ids["Groups:"] == []
    assert (socket.st_uid, socket.st_mode & 0o777) == (own.pw_uid, 0o600)
    assert said.side == Side.SOCIAL
    assert refused == 7


@ROOT_ONLY
def test_module_of_an_unknown_user_does_not_start(settings, capfd):
    """A mistyped user is named, and no key is read as root instead."""
    process = ModuleProcess(Side.SOCIAL, settings.model_copy(update={"user": "nobody-at-all"}))

    async def story():
        with pytest.raises(SpecificationError, match="does not start"):
            await process.start()
        await process.stop()

    asyncio.run(story())

    assert "is no user of this machine" in capfd.readouterr().err


def test_hsm_is_beside_the_module_where_it_is_set(settings, tmp_path):
    """`driver` and the table go together; tokens that are not right are named before anything."""
    keys = tmp_path / "hsm-keys.toml"
    table = PayShieldSettings(address="127.0.0.1:1500", keys=keys)
    values = {"key_store": settings.key_store, "socket": settings.socket}

    soft = modules.connected(settings)
    assert type(soft) is SecurityModule
    for wrong in ({"driver": "payshield"}, {"payshield": table}):
        with pytest.raises(ValueError, match="exactly where driver"):
            ModuleSettings(**values, **wrong)
    driven = ModuleSettings(**values, driver="payshield", payshield=table)
    with pytest.raises(SpecificationError, match="cannot be read"):
        modules.connected(driven)
    token = "U" + "0123456789ABCDEF" * 2
    keys.write_text(f'probe_key = "{token}"\n[channels]\n[zones]\n')
    keys.chmod(0o600)
    assert isinstance(modules.connected(driven), PayShieldSecurityModule)


class Pads:
    """A module that takes blocks of some channels."""

    def __init__(self, *zones):
        self._zones = zones

    async def pads(self):
        return self._zones


PADS = {("branch", Side.SOCIAL): "pads", ("core-in", Side.SOCIAL): "counters"}


@pytest.mark.parametrize(
    ("social", "key"),
    [
        (("pads", "counters"), None),
        (("counters",), "http.channels.branch.pin_zones.social"),
        (("pads",), "listeners.core-in.pin_zone"),
    ],
)
def test_zone_of_pin_pads_must_have_a_key_for_them(social, key):
    """A name that the module does not know stops the start, with file and key."""
    http = SimpleNamespace(pads=dict.fromkeys(list(PADS)[:1], "pads"))
    settings = SimpleNamespace(pads=PADS, http=http, file="gateway.toml")

    checked = modules.check_pads(settings, {Side.SOCIAL: Pads(*social)})

    if key is None:
        asyncio.run(checked)
        return
    with pytest.raises(SpecificationError) as caught:
        asyncio.run(checked)
    assert (caught.value.file, caught.value.key) == ("gateway.toml", key)
