"""Floods, slow senders, deaf readers and far sides that are gone without a word, on real processes.

The suite has as many of each as the limits bite at; ``make torture`` has those of a release. Good
callers and a good core are served meanwhile, within their patience, and lose nothing.
"""

import json
import os
import resource
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from http.client import HTTPConnection
from itertools import chain, repeat
from pathlib import Path
from time import monotonic

import pytest
from torture.reports import write_down
from town.counters import Core, free_port, with_core
from town.crowd import Crowd, Held, room_for
from town.patience import SECONDS_MAX

from gateway.app.bench.load import Answer, percentile, request

TORTURE_S = float(os.environ.get("TORTURE_SECONDS", "0"))
REPORT = os.environ.get("TORTURE_REPORT")
TIMES = 8 if TORTURE_S else 1  # as many connections as in the suite
STORM_S = TORTURE_S or 2.0  # how long each flood lasts
PATIENCE_MS = 5_000.0  # of a caller: a fifth of what it is told to wait
MORE_MEBIBYTES_MAX = 96.0  # than before, while it lasts: 512 connections and what they have said
LEFT_MEBIBYTES_MAX = 48.0  # more than before, when it is over: what the allocator keeps
ECHO_S = 1.0
LIMITS = {  # a PIN is unknown after a second and a half: in a flood on a busy machine it is not
    "answer_timeout_s": 0.5,
    "repeats_max": 2,
    "retry_first_s": 0.2,
    "retry_max_s": 0.5,
    "secret_life_s": 2,
    "message_life_s": 1.2,
}
TURNED_AWAY_AT_ONCE_MAX = 128  # that are accepted in one turn of the event loop
SPARE = 4  # descriptors, of which those take some that come first
SPINNING = 0.5  # of a processor
FRAME_S, SIGN_ON_S = 5.0, 15.0
GRACE_S = 5.0  # of a busy machine
FEW = [f"127.0.1.{number}" for number in range(1, 11)]  # hosts of other cores
MANY = [f"127.0.1.{number}" for number in range(11, 41)]


@pytest.fixture(scope="module", name="shore")
def _shore(fresh_town):
    """Give a town with a listener for cores whose silences are short, and a core."""
    port = free_port()

    def amend(town, text):
        text = with_core(port)(town, text)
        for zone in ("bureau", "core"):
            text = text.replace(f'zone = "{zone}"\n', f'zone = "{zone}"\necho_s = {ECHO_S}\n')
        return text

    town = fresh_town(amend=amend, limits=LIMITS, http={"answer_wait_s": 4})
    return town, Core(town, port)


@pytest.fixture
def town(shore):
    """Give the town at peace."""
    shore[0].at_peace()
    yield shore[0]
    shore[0].at_peace()


def storm(crowds, *bitten):
    """Go on for as long as a flood lasts, and until limits have bitten some of these crowds."""
    ends = monotonic() + STORM_S
    while monotonic() < ends or not all(crowds[name].ended for name in bitten):
        yield
        assert monotonic() < ends + SECONDS_MAX, {name: crowds[name].ended for name in bitten}


def report(where, size, answers, before, most):
    """Write down what a flood came to, where that is asked for."""
    if REPORT:
        found = {"where": where, "connections": size, "seconds": round(STORM_S)}
        found |= {"answers": len(answers), "p99 ms": round(percentile(answers, 99))}
        found |= {"more descriptors": most.descriptors - before.descriptors}
        more = round(most.mebibytes - before.mebibytes)
        write_down(Path(REPORT), "floods", found | {"more MiB": more})


def http_place(town):
    host, _, port = town.url.removeprefix("http://").rpartition(":")
    return host, int(port)


# ------------------------------------------------------------------ HTTP


def floods_of_http(town):
    """Give each kind of crowd: its share of the connections, what it says, and how."""
    token = {"Authorization": f"Bearer {town.token}", "Customer-Number": "C000000001"}
    token |= {"Idempotency-Key": "flood"}
    link = request("POST", "/v1/links", token, b"{" + b" " * 999)
    head, _, body = link.partition(b"\r\n\r\n")
    page = request("GET", "/openapi.json", {}, b"")
    alive = request("GET", "/livez", {}, b"")
    half = len(link) // 2
    letters = [head[at : at + 1] for at in range(len(head))]
    return {
        "idle": (480, list, {}),
        "slow headers": (120, lambda: letters, {}),
        "slow bodies": (60, lambda: chain([head + b"\r\n\r\n"], repeat(body[-1:])), {}),
        "garbage behind a request": (10, lambda: [alive + os.urandom(512)], {}),
        "no HTTP": (10, lambda: [b"\x16\x03\x01\x02\x00" + os.urandom(512)], {}),
        "reset mid-request": (40, lambda: [link[:half], link[half:-1]], {"resets": True}),
        "pipelined": (10, lambda: repeat(page * 50), {}),
        "deaf": (20, lambda: repeat(page), {"deaf": True}),
    }


def test_good_callers_are_served_in_a_flood_of_http(town, newcomer, eventually):
    """Beyond the limit of connections, all kinds at once: links are made, PINs are set, in time."""
    pid = town.gateway.process.pid
    before, most, answers, served = Held.by(pid), Held(0, 0.0), [], []

    def timed(ask):
        begun = monotonic()
        told = ask()
        answers.append(Answer(0, told.status, b"", monotonic() - begun))
        return told

    floods = floods_of_http(town)
    size = room_for(TIMES * sum(share for share, _, _ in floods.values()))
    with ExitStack() as stack:
        crowds = {
            name: stack.enter_context(
                Crowd(http_place(town), max(1, share * size // 750), words, **how)
            )
            for name, (share, words, how) in floods.items()
        }
        for _ in storm(crowds, "idle", "garbage behind a request", "no HTTP", "pipelined"):
            citizen = newcomer(of=town)
            assert timed(citizen.ask_link).status == 201
            assert timed(citizen.set_pin).status == 200
            served.append(citizen)
            most = Held(*map(max, most, Held.by(pid)))
    eventually(lambda: Held.by(pid).descriptors <= before.descriptors + 2, "descriptors")
    after = Held.by(pid)

    report("HTTP", size, answers, before, most)
    assert percentile(answers, 99) < PATIENCE_MS
    assert most.descriptors < 1_024
    assert most.mebibytes - before.mebibytes < MORE_MEBIBYTES_MAX
    assert after.mebibytes - before.mebibytes < LEFT_MEBIBYTES_MAX
    for citizen in served:
        assert town.bureau_peer.links(citizen.who) == [citizen.link]
        assert town.core_peer.links(citizen.who) == [citizen.link]
        assert town.bureau_peer.accepts(citizen.who, "738291")


# ------------------------------------------------------------------ cores' listener


def place(core):
    return "127.0.0.1", core.port


def framed(core, message):
    return core.codec.dialect.framing.frame(core.codec.encode(message, core.mac))


def floods_of_cores(core):
    """Give each kind of crowd: its share of the connections, what it says, and how."""
    sign_on, echo = framed(core, core.word("sign-on")), framed(core, core.word("echo"))
    letters = [sign_on[at : at + 1] for at in range(len(sign_on))]
    foreign = sign_on[:-1] + bytes([sign_on[-1] ^ 1])
    return {
        "idle": (80, list, {"sources": FEW}),
        "slow frames": (10, lambda: letters, {}),
        "half frames": (10, lambda: [sign_on[:-1]], {}),
        "lengths that lie": (10, lambda: [b"\xff" * 64], {}),
        "unknown sign-on": (10, lambda: repeat(foreign), {}),
        "not signed on": (10, lambda: repeat(echo), {}),
        "reset in a frame": (10, lambda: [sign_on[:-9]], {"resets": True}),
    }


def test_good_core_is_served_in_a_flood_of_connections(shore, town, newcomer, eventually):
    """Beyond both limits, and slow, half, lying, foreign frames: good core and caller go on."""
    _, core = shore
    pid, waited = town.gateway.process.pid, []
    before, most = Held.by(pid), Held(0, 0.0)
    floods = floods_of_cores(core)
    size = room_for(TIMES * sum(share for share, _, _ in floods.values()))
    with ExitStack() as stack:
        line = stack.enter_context(core.dialled())
        crowds = {
            name: stack.enter_context(
                Crowd(place(core), max(1, share * size // 140), words, **{"sources": MANY} | how)
            )
            for name, (share, words, how) in floods.items()
        }
        for _ in storm(crowds, "idle", "lengths that lie"):
            begun = monotonic()
            assert line.ask(core.word("echo")).text(39) == "00"
            waited.append(Answer(0, 0, b"", monotonic() - begun))
            newcomer(of=town).linked()
            most = Held(*map(max, most, Held.by(pid)))
    eventually(lambda: Held.by(pid).descriptors <= before.descriptors + 2, "descriptors")

    report("cores' listener", size, waited, before, most)
    assert percentile(waited, 99) < PATIENCE_MS
    assert most.descriptors - before.descriptors < 64 + TURNED_AWAY_AT_ONCE_MAX
    assert most.mebibytes - before.mebibytes < MORE_MEBIBYTES_MAX
    assert '"reason": "too many connections of this peer"' in town.log()
    assert '"reason": "too many connections"' in town.log()


def test_core_that_never_reads_is_cut_off(shore, town):
    """Its answers pile up to a megabyte, then its connection ends; what it asks is bounded too."""
    _, core = shore
    pid, echo = town.gateway.process.pid, core.word("echo")
    before = Held.by(pid)
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        deaf.settimeout(PATIENCE_MS)
        deaf.connect(place(core))
        deaf.sendall(framed(core, core.word("sign-on")))
        with pytest.raises(ConnectionError):
            deaf.sendall(framed(core, echo) * 200_000)

    assert Held.by(pid).mebibytes - before.mebibytes < MORE_MEBIBYTES_MAX


def dial(core, source="127.0.0.1", *words):
    """Connect from an address, say something, and say nothing more."""
    connection = socket.create_connection(place(core), PATIENCE_MS, (source, 0))
    with suppress(ConnectionError):  # whoever reads from it learns as much
        connection.sendall(b"".join(framed(core, core.word(word)) for word in words))
    return connection


def seconds_until_end(connection, begun):
    """Read whatever comes until the connection ends."""
    with connection, suppress(ConnectionError):
        while connection.recv(65_536):
            pass
    return monotonic() - begun


def is_let_in(core, host):
    with suppress(ConnectionError), dial(core, host, "sign-on") as line:
        return line.recv(1)


def test_sender_that_stops_holds_no_place_for_longer_than_its_limit(shore, eventually):
    """Half a frame 5 s, silence after the sign-on four echoes' time, no sign-on 15 s.

    A host whose dead connections are as many as it may have is let in again.
    """
    _, core = shore
    limits = {"half a frame": FRAME_S, "signed on": 4 * ECHO_S + 1.0}
    limits |= {"not signed on": SIGN_ON_S} if TORTURE_S else {}
    begun, host, back = monotonic(), "127.0.2.1", "127.0.2.2"
    dialled = {"half a frame": dial(core, host), "signed on": dial(core, host, "sign-on")}
    dialled["not signed on"] = dial(core, host, "echo")
    dialled["half a frame"].sendall(framed(core, core.word("sign-on"))[:-1])
    with ThreadPoolExecutor(len(limits)) as pool, ExitStack() as gone:
        ending = {name: pool.submit(seconds_until_end, dialled[name], begun) for name in limits}
        for _ in range(4):
            gone.enter_context(dial(core, back, "sign-on")).recv(1)
        at_once = is_let_in(core, back)
        eventually(partial(is_let_in, core, back))
        kept_out = monotonic() - begun
        lasted = {name: ended.result() - limits[name] for name, ended in ending.items()}
    dialled["not signed on"].close()

    assert not at_once
    assert kept_out < 4 * ECHO_S + GRACE_S
    assert max(lasted.values()) < GRACE_S
    assert lasted["half a frame"] >= 0


# ------------------------------------------------------------------ descriptors


@contextmanager
def scarce(pid):
    """Leave a process a few descriptors more than it has."""
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (Held.by(pid).descriptors + SPARE, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))


def processor_seconds(pid):
    """Tell how much processor time a process has taken."""
    ticks = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(") ")[2].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


class Kept:
    """A caller whose connection is there already, and stays."""

    def __init__(self, town):
        self._line = HTTPConnection(*http_place(town), timeout=PATIENCE_MS / 1_000)

    def ask(self, method, path, **headers):
        self._line.request(method, path, headers=headers)
        answer = self._line.getresponse()
        return answer.status, json.loads(answer.read())

    def lacks(self, check):
        """Tell whether readiness says that something is not there."""
        return check in self.ask("GET", "/readyz")[1]["degraded"]

    def close(self):
        self._line.close()


def test_want_of_descriptors_ends_nothing_that_there_is(shore, town, newcomer, eventually):
    """Nobody new is let in, and it is said; core, caller and links go on, and all of it recovers.

    Neither accept loop spins, and a link that was lost meanwhile is made again.
    """
    _, core = shore
    pid, citizen = town.gateway.process.pid, newcomer(of=town).linked()
    who = {"Authorization": f"Bearer {town.token}", "Customer-Number": citizen.who.customer}
    with ExitStack() as stack:
        kept = stack.enter_context(closing(Kept(town)))
        line = stack.enter_context(core.dialled())
        assert not kept.lacks("descriptors")
        with scarce(pid):
            for where in (http_place(town), place(core)):
                stack.enter_context(Crowd(where, 20, list))
            eventually(lambda: kept.lacks("descriptors"), "the want of descriptors")
            begun, taken = monotonic(), processor_seconds(pid)
            echoed = line.ask(core.word("echo")).text(39)
            path = f"/v1/links/{citizen.link}"
            unlinked, _ = kept.ask("DELETE", path, **who, **{"Idempotency-Key": "scarce"})
            eventually(lambda: monotonic() > begun + 1 and kept.ask("GET", "/livez"))
            share = (processor_seconds(pid) - taken) / (monotonic() - begun)
            town.wires["bureau"].cut()
            eventually(lambda: kept.lacks("link-bureau"), "the loss of the link")
        town.wires["bureau"].restore()
        eventually(lambda: not kept.lacks("descriptors"), "descriptors")
    town.wait_until_ready()

    assert (echoed, unlinked) == ("00", 200)
    assert share < SPINNING
    said = [json.loads(each)["event"] for each in town.log().splitlines()]
    said = [each for each in said if each.startswith("descriptors-")]
    assert (said[0], said[-1]) == ("descriptors-exhausted", "descriptors-again")
    assert newcomer(of=town).ask_link().status == 201


# ------------------------------------------------------------------ a bureau that is gone


@contextmanager
def stopped(process):
    """Stop a process, which its peers' systems do not notice: half-open."""
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def test_bureau_that_answers_late_settles_what_was_open(town, newcomer):
    """Stopped for less than it takes to notice: its late word makes the unknown PIN succeed."""
    citizen = newcomer(of=town).linked()
    body = citizen.pin_body("738291", citizen.session())
    with stopped(town.bureau.process):
        answer = citizen.send_pin(body)
        told = citizen.operation(answer)["state"]
    view = citizen.settled(answer)

    assert (answer.status, told, view["state"]) == (202, "unknown", "succeeded")
    assert town.bureau_peer.accepts(citizen.who, "738291")


def test_bureau_that_is_gone_without_a_word_is_noticed_and_found_again(town, newcomer, eventually):
    """Echoes are missed, the link is closed and opened again; nobody is told what is not so."""
    for _ in range(TIMES):
        linking, unlinking, setting = newcomer(of=town), newcomer(of=town), newcomer(of=town)
        unlinking.linked()
        body = setting.linked().pin_body("738291", setting.session())
        reopened = town.wires["bureau"].accepted
        with stopped(town.bureau.process):
            begun = monotonic()
            with ThreadPoolExecutor(3) as pool:
                acts = (linking.ask_link, unlinking.unlink, partial(setting.send_pin, body))
                answers = list(pool.map(lambda act: act(), acts))
            eventually(lambda: not town.is_up("link-bureau"))
            noticed = monotonic() - begun
            refused = newcomer(of=town).ask_link()
        town.wait_until_ready()
        linked, unlinked = linking.settled(answers[0]), unlinking.settled(answers[1])

        assert noticed < 4 * ECHO_S + GRACE_S
        assert (refused.status, refused.body["code"]) == (503, "BUREAU_UNAVAILABLE")
        assert town.wires["bureau"].accepted > reopened
        assert (answers[2].status, answers[2].body["state"]) == (202, "unknown")
        for citizen, view in ((linking, linked), (unlinking, unlinked)):
            stands = (view["kind"] == "link") is (view["state"] == "succeeded")
            for peer in (town.bureau_peer, town.core_peer):
                assert peer.links(citizen.who) == ([view["link"]] if stands else [])
        again = eventually(partial(_unless_busy, setting, "516047"))
        assert again.status == 200
        assert town.bureau_peer.accepts(setting.who, "516047")


def _unless_busy(citizen, pin):
    answer = citizen.set_pin(pin)
    return None if answer.status == 409 else answer
