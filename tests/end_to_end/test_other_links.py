"""One town of the less usual ways: SM4 with two bureaus, TLS and single exchanges with the core.

Its listener demands certificates, and its core's message set has no session.
"""

import contextlib
import json
import re
import secrets
import shutil
import socket
import ssl
import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from ssl import SSLContext
from time import monotonic

import pytest

from gateway.app.clock import utc_now
from gateway.app.ensemble import CORE_ZONE, FarSide
from gateway.app.online_bank import call
from gateway.app.specifications import Specifications, shipped_directory
from gateway.hsm.audit import Actor
from gateway.hsm.key_custody import custody
from gateway.hsm.key_purpose import KeyPurpose, Slot
from gateway.hsm.key_store import open_store
from gateway.hsm.mac import mac_of
from gateway.iso8583.codec import Codec
from gateway.iso8583.frames import FrameReader
from gateway.pinblock.formats import PinBlockFormat
from gateway.pinblock.zone import AccountRule, Algorithm, Zone
from gateway.simulators.cipher import ZoneKeys
from gateway.terms.sides import Side

SM4_ZONE = Zone(
    "bureau", PinBlockFormat.SM4_NO_PAN, Algorithm.SM4, AccountRule.NONE, "1" + "0" * 15
)
LISTENER = """
[listeners.core-in]
side = "financial"
listen = "127.0.0.1:0"
peers = ["127.0.0.0/8"]
dialect = "core"
message_set = "core"
zone = "core"

[listeners.core-in.tls]
certificate = "{listener.certificate_file}"
private_key = "{listener.key_file}"
trust = "{trust}"
subjects = [{{ CN = "core-1" }}]
"""
KUNMING = """
[links.kunming]
side = "social"
address = "{address}"
dialect = "bureau-sm4"
message_set = "bureau-sm4"
zone = "bureau"
in_flight_max = 2
"""
# An answer is waited for long enough to see that the others do not wait for it.
LIMITS = {"answer_timeout_s": 3, "repeats_max": 0, "retry_first_s": 0.2, "retry_max_s": 0.5}
SESSION = ("sign-on", "sign-off", "echo")


@pytest.fixture(scope="module")
def authority(new_authority):
    return new_authority("town")


@pytest.fixture(scope="module")
def specifications(tmp_path_factory):
    """Give what is shipped, and `core-once`: the core's messages without a session."""
    directory = tmp_path_factory.mktemp("own") / "specs"
    shutil.copytree(shipped_directory(), directory)
    text = (directory / "messages" / "core.toml").read_text("utf-8")
    head, *messages = re.split(r"(?=^\[\[messages\]\])", text, flags=re.MULTILINE)
    *messages, last = messages
    kept = [m for m in messages if re.search(r'name = "(.*)"', m)[1] not in SESSION]
    once = head.replace('name = "core"', 'name = "core-once"') + "".join((*kept, last))
    (directory / "messages" / "core-once.toml").write_text(once, "utf-8")
    return directory


@pytest.fixture(scope="module")
def the_other_town(fresh_town, authority, specifications):
    """Give a town whose core asks for the gateway's certificate on every connection."""
    far, own, listener = (authority.sign(name) for name in ("far", "gateway", "listener"))
    context = SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(far.certificate_file, far.key_file)
    context.load_verify_locations(authority.file)
    context.verify_mode = ssl.CERT_REQUIRED

    def amend(town, text):
        make_pads(town.directory / "keys" / "social")
        kunming = start_kunming(town)
        started.append(kunming)
        text = text.replace('["xiamen"]', '["xiamen", "kunming"]')
        text += KUNMING.format(address=kunming.said["iso8583"])
        address = town.wires["core"].address
        host, _, port = address.partition(":")
        trusted = f"trustRoots={authority.trusted}"
        tls = f"tls:host={host}:port={port}:{trusted}{own.as_client}"
        channel = "[http.channels.counter]\n"
        text = text.replace(channel, channel + 'pin_zones = { social = "pads" }\n')
        text = text.replace(f'"{address}"', f'"{tls}"\nkind = "one-exchange"')
        return text + LISTENER.format(listener=listener, trust=authority.file)

    started = []
    town = fresh_town(
        limits=LIMITS,
        bureau=FarSide("bureau-sm4", "bureau-sm4", SM4_ZONE),
        core=FarSide("core", "core-once", CORE_ZONE),
        specifications=specifications,
        tls=context,
        amend=amend,
    )
    (town.kunming,) = started
    yield town
    started[0].stop()


def make_pads(store):
    """Put a key of a channel's PIN pads into a store."""
    pads = Slot("pads", KeyPurpose.CHANNEL_PIN)
    zone = Zone("pads", PinBlockFormat.ISO_1, Algorithm.TDES, AccountRule.NONE)
    with custody(store, Side.SOCIAL, Actor("u", "o"), utc_now()) as held:
        held.declare(zone)
        held.generate(pads, date(2099, 1, 1))
        held.activate(pads)


def start_kunming(town):
    """Start a second bureau, of another region, with the keys of the first."""
    spoken = ("--dialect", "bureau-sm4", "--messages", "bureau-sm4", "--region", "kunming")
    keys = ("--keys", str(town.directory / "keys/simulated-bureau.toml"))
    return town.launch("kunming", "simulate", "bureau", "--embedded", *spoken, *keys)


@pytest.fixture
def town(the_other_town):
    return the_other_town


def test_customer_is_served_over_sm4_and_over_tls(town, newcomer, bureau, core, eventually):
    """Link, SS PIN in an SM4 block under an SM4 MAC, activation: each far side has its part."""
    before = b"".join(town.wires["bureau"].to_peer).count(b"SM016")
    citizen = newcomer(fresh=True).linked()
    pin = citizen.set_pin("738291")
    activated = citizen.settled(citizen.activate("516047"))
    eventually(lambda: bureau.accepts(citizen.who, "738291"), "the activated card")
    said = b"".join(town.wires["bureau"].to_peer)

    assert (pin.status, activated["state"]) == (200, "succeeded")
    assert said.count(b"SM016") == before + 1  # DE 63 usage SM, a block of 16 bytes
    assert town.wires["core"].accepted >= 3  # a connection for each exchange with the core
    assert core.links(citizen.who) == [citizen.link]


def test_link_of_single_exchanges_counts_as_signed_on(town):
    """Nobody signs on: no 0800 went to the core, and its link is ready."""
    metrics = urllib.request.urlopen(f"{town.url}/metrics").read().decode()  # noqa: S310 - loopback

    assert town.is_up("link-core")
    assert 'ssgw_link_state{link="core",state="signed-on"} 1.0' in metrics
    assert town.core_peer.received(0, "sign-on") == []
    assert call(f"{town.url}/readyz").status == 200


def test_duplex_link_needs_messages_for_its_session(town, tmp_path):
    """The same set over a link that stays is refused at start, by file and message."""
    shutil.copytree(town.directory / "keys", tmp_path / "keys")
    file = tmp_path / "gateway.toml"
    text = town.configuration.read_text("utf-8")
    assert 'kind = "one-exchange"' in text
    file.write_text(text.replace('kind = "one-exchange"', ""), "utf-8")

    done = subprocess.run(
        [sys.executable, "-m", "gateway", "serve", "--config", str(file)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert "messages/core-once.toml" in done.stderr
    assert "sign-on" in done.stderr


def in_flight(town, link):
    """Read off the metrics how many answers of a link are awaited."""
    metrics = urllib.request.urlopen(f"{town.url}/metrics").read().decode()  # noqa: S310 - loopback
    return float(re.search(rf'ssgw_in_flight{{link="{link}"}} ([0-9.]+)', metrics)[1])


def test_slow_bureau_delays_no_other_and_is_not_asked_more(town, newcomer, eventually):
    """Two requests fill its link, the third gets 503 at once; the other bureau's are quick."""
    (address,) = re.findall(r'"control": "(http://[^"]+)"', json.dumps(town.kunming.said))
    fault = {"message": "*", "fault": "drop_request", "times": None}
    asked = urllib.request.Request(f"{address}/_sim/faults", json.dumps(fault).encode())  # noqa: S310
    assert call(asked).status == 200
    slow = [newcomer() for _ in range(3)]

    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(each.ask_link, institution="99530101") for each in slow[:2]]
        eventually(lambda: in_flight(town, "kunming") == 2, "a full link")
        began = monotonic()
        refused = slow[2].ask_link(institution="99530101")
        is_ready = town.is_up("link-kunming")  # full, and there
        quick = [newcomer().ask_link().status for _ in range(5)]
        took = monotonic() - began
        still = in_flight(town, "kunming")
        answers = [each.result() for each in waiting]

    assert (refused.status, refused.body["code"]) == (503, "BUREAU_UNAVAILABLE")
    assert int(refused.headers["retry-after"]) > 0
    assert is_ready
    assert (quick, still) == ([201] * 5, 2)
    assert took < LIMITS["answer_timeout_s"]
    assert {answer.status for answer in answers} <= {202, 503}


def dial(town, authority, name):
    """Connect to the town's listener, showing a certificate of this name or none."""
    (port,) = re.findall(r'"listener": "core-in", "port": (\d+)', town.log())
    context = SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(authority.file)
    if name:
        signed = authority.sign(name)
        context.load_cert_chain(signed.certificate_file, signed.key_file)
    plain = socket.create_connection(("127.0.0.1", int(port)), 10)
    return context.wrap_socket(plain, server_hostname="127.0.0.1")


def test_core_with_its_certificate_signs_on_at_the_listener(town, authority):
    """The gateway of the message set is the core here; its 0800 is answered 00 under its MAC."""
    spoken = Specifications(shipped_directory())
    dialect = spoken.dialect("core")
    codec, kind = Codec(dialect), spoken.message_set("core", dialect).kind("sign-on")
    keys = ZoneKeys.parse((town.directory / "keys/simulated-core.toml").read_text(), "keys")
    mac = mac_of(dialect.mac, keys.mac)
    request = kind.build({7: "1121040000", 11: "000001", 33: "99000001"})

    with dial(town, authority, "core-1") as core:
        core.sendall(dialect.framing.frame(codec.encode(request, mac)))
        (frame,) = FrameReader(dialect.framing).feed(core.recv(4096))

    assert codec.read(frame.payload, mac).text(39) == "00"


@pytest.mark.parametrize("name", ["", "core-2"])
def test_others_are_not_let_in_at_the_listener(town, authority, name):
    """Without a certificate, or with one of another subject, the handshake fails."""
    mark = len(town.log())

    with contextlib.suppress(OSError), dial(town, authority, name) as other:
        assert other.recv(1) == b""  # or an alert, or a reset

    assert ("not an allowed certificate" in town.log()[mark:]) == bool(name)


def test_pin_of_a_pin_pad_reaches_the_bureau(town, newcomer, bureau, eventually):
    """A format 1 block under the channel's key becomes the bureau's; the same rules hold."""
    store = town.directory / "keys" / "social"
    zone, pad = open_store(store, Side.SOCIAL).channel_cipher("pads")
    citizen = newcomer(fresh=True).linked()
    counter = citizen.at_counter()

    def typed(pin):
        block = zone.encipher(pad, pin, "", secrets.token_bytes(8)).hex().upper()
        return {"pin_session": counter.session()["pin_session"], "pin_block": block}

    set_ = [counter.send_pin(typed(pin)).status for pin in (b"738291", b"123456")]
    citizen.settled(citizen.activate("516047"))
    eventually(lambda: bureau.accepts(citizen.who, "738291"), "the PIN in force")
    reset = counter.do("ss-pin/reset", typed(b"604817"))

    assert (set_, reset.status) == ([200, 422], 200)
    assert bureau.accepts(citizen.who, "604817")
