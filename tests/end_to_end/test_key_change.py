"""Keys changed by 0800 on the running ensemble: both sides, both keys, and work goes on."""

import json
import re
import signal
import socket
import urllib.request
from datetime import date
from itertools import count

import pytest
from typer.testing import CliRunner

from gateway.app.clock import utc_now
from gateway.app.command_line import app as gateway
from gateway.app.commands.keys import app
from gateway.app.specifications import Specifications, shipped_directory
from gateway.hsm.audit import Actor
from gateway.hsm.key_custody import custody
from gateway.hsm.key_purpose import KeyPurpose, Slot
from gateway.hsm.key_store import open_store
from gateway.hsm.mac import mac_of
from gateway.iso8583.codec import Codec
from gateway.iso8583.frames import FrameReader
from gateway.simulators.cipher import ZoneKeys, encipher_key, key_check_value
from gateway.terms.sides import Side

LISTENER = """
[listeners.core-in]
side = "financial"
listen = "127.0.0.1:0"
peers = ["127.0.0.0/8"]
dialect = "core"
message_set = "core"
zone = "core"
"""


@pytest.fixture(scope="module", name="key_town")
def _key_town(fresh_town):
    return fresh_town(amend=lambda _, text: text + LISTENER)


@pytest.fixture(scope="module")
def spent_town(fresh_town):
    """Give a town whose far sides are told nothing of new keys."""
    return fresh_town(amend=lambda _, text: text + LISTENER)


@pytest.fixture(name="town")
def _town(key_town):
    """Give a town of its own: a far side that is started anew has its first keys again."""
    return key_town


def versions(town, side, purpose):
    """List versions and states of a zone's key, from the store on disk."""
    store = open_store(town.directory / "keys" / side.value, side)
    slot = Slot("bureau" if side is Side.SOCIAL else "core", KeyPurpose(purpose))
    return [(record.version, record.state.value) for record in store.ledger.of(slot)]


def changed(town, side, key, eventually):
    """Have a far side send a new key and wait until it knows that we have it."""
    peer = town.bureau_peer if side is Side.SOCIAL else town.core_peer
    mark = peer.mark()
    assert peer._ask("key-change", {"key": key}).body == {"status": "ok"}

    def notes():
        said = (entry.get("note", "") for entry in peer.entries(mark))
        return [note for note in said if note.startswith("key ")]

    return eventually(notes, "the answer to a key change")


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("key", ["mac", "pin"])
def test_far_side_changes_a_key_and_work_goes_on(town, citizen, eventually, side, key):
    """The new key is on disk and in use; a link and both PINs work under it."""
    before = versions(town, side, key)[-1][0]

    notes = changed(town, side, key, eventually)

    after = versions(town, side, key)
    assert notes == ["key changed"]
    assert after[-1] == (before + 1, "current")
    assert after[-2] == (before, "previous" if key == "mac" else "retired")
    citizen.linked()
    assert citizen.set_pin("738291").status in {200, 201}


@pytest.mark.parametrize(("link", "side"), [("bureau", Side.SOCIAL), ("core", Side.FINANCIAL)])
def test_gateway_asks_for_a_key_and_gets_it(town, citizen, eventually, link, side):
    """`gateway keys change` has an 0820 sent; the far side's key comes by 0800 and is in use."""
    before = versions(town, side, "mac")[-1][0]
    asked = ["change", "--config", str(town.configuration), "--link", link, "--key", "mac"]

    result = CliRunner().invoke(app, asked)

    assert (result.exit_code, result.output) == (0, f"{link} answered 00\n")
    eventually(lambda: versions(town, side, "mac")[-1] == (before + 1, "current"), "a new key")
    citizen.linked()


def test_listener_of_the_zone_has_the_new_key_as_well(town, eventually):
    """The key came over the link; who dials our listener of that zone is answered under it."""
    before = mac_key(town)
    changed(town, Side.FINANCIAL, "mac", eventually)

    with Dialled(town) as core:
        core.mac = mac_of(core.dialect.mac, mac_key(town))
        answer = core.ask("sign-on")

    assert mac_key(town) != before
    assert answer.text(39) == "00"


class Dialled:
    """A core that dials the town's listener."""

    def __init__(self, town):
        (port,) = re.findall(r'"listener": "core-in", "port": (\d+)', town.log())
        spoken = Specifications(shipped_directory())
        self.dialect = spoken.dialect("core")
        self._codec = Codec(self.dialect)
        self._messages = spoken.message_set("core", self.dialect)
        self._socket = socket.create_connection(("127.0.0.1", int(port)), 10)
        self._stans = count(1)
        self.mac = mac_of(self.dialect.mac, mac_key(town))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    def ask(self, name, fields=None, private=None, answered_under=None):
        """Send an 0800 under the MAC in use; give the answer, whose MAC is right."""
        trace = {7: "1121040000", 11: f"{next(self._stans):06d}", 33: "99000001"}
        request = self._messages.kind(name).build({**trace, **(fields or {})}, private)
        framing = self.dialect.framing
        self._socket.sendall(framing.frame(self._codec.encode(request, self.mac)))
        (frame,) = FrameReader(framing).feed(self._socket.recv(4096))
        return self._codec.read(frame.payload, answered_under or self.mac)


def test_core_that_dials_brings_its_key(spent_town):
    """Its 0800 is answered under the new MAC key; under the old one it is still understood."""
    file = spent_town.directory / "keys/simulated-core.toml"
    kek = ZoneKeys.parse(file.read_text(), "keys").kek
    key = bytes.fromhex("0123456789ABCDEF1032547698BADCFE")
    private = {"NK": encipher_key(kek, key).hex().upper(), "KV": key_check_value(key)}

    with Dialled(spent_town) as core:
        new = mac_of(core.dialect.mac, key)
        core.ask("sign-on")
        taken = core.ask("key-change", {53: "26" + "0" * 14}, private, answered_under=new)
        under_way = core.ask("echo", answered_under=new)
        core.mac = new
        at_once = core.ask("echo")

    assert [each.text(39) for each in (taken, under_way, at_once)] == ["00"] * 3
    assert taken.text(48) == f"KV006{private['KV']}"
    assert mac_key(spent_town) == key


def mac_key(town):
    """Give the core's MAC key in use, from the store on disk."""
    return open_store(town.directory / "keys/financial", Side.FINANCIAL).mac_key("core").key


def test_business_day_is_announced_either_way(town, core, citizen, eventually):
    """The core cuts over, then `gateway links cut-over` tells the bureau; work goes on."""
    today = utc_now().strftime("%m%d")
    assert core._ask("cut-over", {"day": today}).body == {"status": "ok"}
    eventually(lambda: day_of(town, "core") == int(today), "the core's business day")

    asked = ["links", "cut-over", "--config", str(town.configuration), "--link", "bureau"]
    result = CliRunner().invoke(gateway, [*asked, "--day", today])

    assert (result.exit_code, result.output) == (0, "bureau answered 00\n")
    assert day_of(town, "bureau") == int(today)
    refused = CliRunner().invoke(gateway, [*asked, "--day", "0230"])
    assert (refused.exit_code, "DE 15" in refused.output) == (2, True)
    citizen.linked()


def day_of(town, link):
    """Read a link's business day off the metrics."""
    metrics = urllib.request.urlopen(f"{town.url}/metrics").read().decode()  # noqa: S310 - loopback
    found = re.search(rf'ssgw_link_business_day{{link="{link}"}} ([0-9.]+)', metrics)
    return found and float(found[1])


def test_unknown_link_is_asked_nothing(town):
    """A mistyped link is refused in one line."""
    asked = ["change", "--config", str(town.configuration), "--link", "none", "--key", "mac"]

    result = CliRunner().invoke(app, asked)

    assert (result.exit_code, "no such link" in result.output) == (2, True)


def test_gateway_takes_up_what_custodians_changed(spent_town, eventually):
    """SIGHUP renews a link's MAC; a revoked key ends the link at once, until it has a new one."""
    town = spent_town
    store = town.directory / "keys" / "social"
    with custody(store, Side.SOCIAL, Actor("u", "o"), utc_now()) as held:
        held.generate(Slot("bureau", KeyPurpose.MAC), date(2099, 1, 1))
        held.activate(Slot("bureau", KeyPurpose.MAC))

    town.gateway.process.send_signal(signal.SIGHUP)

    def said():
        lines = [json.loads(line) for line in town.log().splitlines() if '"link-key"' in line]
        return {line["outcome"] for line in lines}

    eventually(lambda: "bureau has a new MAC key" in said(), "a word on the link's key")
    assert "core has the MAC key in use" in said()

    def keys(*command):
        desk = ["--store", str(store), "--side", "social", "--operator", "test"]
        of = ["--zone", "bureau", "--purpose", "mac"]
        result = CliRunner().invoke(app, [*desk, *command, *of])
        assert result.exit_code == 0, result.output
        return result.output

    running = ["--config", str(town.configuration)]
    revoked = keys("revoke", "--version", "2", "--reason", "drill", *running)
    assert "bureau has ended: its zone has no MAC key" in revoked
    assert "core has the MAC key in use" in revoked
    keys("generate")
    assert "bureau began anew, with a new MAC key" in keys("rotate", *running)
