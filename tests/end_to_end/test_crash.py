"""Kill the gateway at any moment and start it again: what it said stands, the rest is resolved.

``make torture`` goes on with the same for as long as it is told, and writes down what it did.
"""

import ast
import http.client
import json
import os
import signal
import subprocess
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random  # noqa: TID251 - seeded: the moments of the kills repeat
from threading import Event
from time import monotonic
from typing import Any

from gateway.terms.errors import Unavailable

SEED = int(os.environ.get("TORTURE_SEED", "8583"))
TORTURE_S = float(os.environ.get("TORTURE_SECONDS", "0"))
REPORT = os.environ.get("TORTURE_REPORT")
KILLS = 1  # at random, besides those at named points
POINTS_OF_A_TEST = 5  # `make torture` comes to all of them; each costs a start of the gateway
TIMES_MAX = 4  # a point is come to so often, at most, before the process dies there
PATIENCE_S = 180.0  # a customer's, while the gateway dies again and again
LIFE_S = 8.0  # one that does not come to its point so soon is killed all the same
CLIENTS = 3
MESSAGES_MAX = 45  # received by both sides between two kills: some five operations
GONE = (Unavailable, http.client.HTTPException)


@dataclass
class Diary:
    """Every change that was answered, with the request, so that it can be sent again."""

    entries: list[tuple[Any, tuple, Any]] = field(default_factory=list)
    citizens: list[Any] = field(default_factory=list)


class Client:
    """A backend that repeats an unanswered request with its key, as every backend must."""

    def __init__(self, citizen, diary, eventually):
        self._citizen = citizen
        self._diary = diary
        self._eventually = eventually
        self._keys = (f"{citizen.who.customer}-{number}" for number in range(1_000_000))

    def live(self):
        """Link, set the PIN, activate, and now and then unlink."""
        citizen = self._citizen
        self._diary.citizens.append(citizen)
        linked = self._change("POST", "/v1/links", _link_body(citizen))
        if linked["state"] != "succeeded":
            return
        citizen.link = linked["link"]
        path = f"/v1/links/{citizen.link}/ss-pin"
        self._change("PUT", path, lambda: citizen.pin_body("738291", self._session("ss-pin")))
        self._change("POST", "/v1/activations", self._activation)
        if citizen.who.index % 2:
            self._change("DELETE", f"/v1/links/{citizen.link}", None)

    def _activation(self):
        body = self._citizen.pin_body("738291", self._session("financial-pin"))
        return body | {"link": self._citizen.link}

    def _session(self, purpose):
        def ask():
            answer = self._citizen.bank.open_session(self._citizen.link, purpose)
            return answer.body if answer.status == 201 else None

        return self._eventually(lambda: _reaching(ask))

    def _change(self, method, path, body):
        """Send one change until it is answered for good; a fresh PIN envelope when it must be."""
        while True:
            key = next(self._keys)
            content = _reached(self._eventually, body) if callable(body) else body
            request = (method, path, content, key)
            answer = self._eventually(lambda request=request: self._answer(request))
            if answer.body.get("code") in _AGAIN:
                continue
            view = self._eventually(lambda answer=answer: _reaching(lambda: self._view(answer)))
            self._diary.entries.append((self._citizen, request, view))
            return view

    def _answer(self, request):
        """Ask once; none while the gateway is away, or busy with the same or an older request."""
        answer = _reaching(lambda: self._citizen.bank.change(*request))
        if answer is None or answer.body.get("code") in _BUSY:
            return None
        return answer

    def _view(self, answer):
        view = self._citizen.operation(answer)
        return view if view["state"] != "pending" else None


_BUSY = {"IN_PROGRESS", "EARLIER_PIN_OPEN", "OVERLOADED"}
# Nothing was changed: begin again with a key, a session and an envelope of its own.
_AGAIN = {
    "BUREAU_UNAVAILABLE",
    "CORE_UNAVAILABLE",
    "SECURITY_MODULE_UNAVAILABLE",
    "PIN_SESSION_UNUSABLE",
    "REGISTRATION_UNDONE",
}


def _reaching(ask):
    try:
        return ask()
    except GONE:
        return None


def _reached(eventually, ask):
    return eventually(lambda: _reaching(ask))


def _link_body(citizen):
    return {
        "institution": "99350201",
        "ss_card_number": citizen.who.card,
        "account": citizen.who.pan,
        "mobile": citizen.who.at_bank.mobile,
    }


def _points():
    """Name the points at which `dying_gateway` can die, without importing it."""
    source = Path(__file__).with_name("dying_gateway.py").read_text("utf-8")
    named = (node for node in ast.parse(source).body if isinstance(node, ast.AnnAssign))
    return [key.value for node in named for key in node.value.keys]


def _ways(chance):
    """Name how the gateway dies each time: at a named point, or at random (None)."""
    points = _points() if TORTURE_S else chance.sample(_points(), POINTS_OF_A_TEST)
    ways = [*points, *[None] * KILLS]
    chance.shuffle(ways)
    yield from ways
    until = monotonic() + TORTURE_S
    while monotonic() < until:
        yield chance.choice(ways)


def _live_and_die(town, way, chance, eventually):
    """Let the gateway start, serve and die in one way; tells whether it came to its point."""
    try:
        if way is None:
            town.start_gateway()
            _after(chance.randrange(1, MESSAGES_MAX), town, eventually)
            return True
        town.start_gateway((way, chance.randint(1, TIMES_MAX)))
        town.gateway.process.wait(LIFE_S)
    except Unavailable:
        return True  # it died before it was ready
    except subprocess.TimeoutExpired:
        return False
    finally:
        town.gateway.kill()
    return True


def test_gateway_is_killed_at_any_moment(brief_town, newcomer, eventually):
    """Everything acknowledged stands, everything else is resolved, and both sides agree."""
    town, chance, diary, over = brief_town, Random(SEED), Diary(), Event()  # noqa: S311 - no secret
    eventually = partial(eventually, seconds=PATIENCE_S)
    mark, said, begun = town.bureau_peer.mark(), len(town.log()), monotonic()
    kills: Counter[str] = Counter()

    def clients():
        while not over.is_set():
            Client(newcomer(fresh=True, of=town), diary, eventually).live()

    with ThreadPoolExecutor(CLIENTS) as pool:
        running = [pool.submit(clients) for _ in range(CLIENTS)]
        try:
            town.gateway.kill()
            for way in _ways(chance):
                at_point = _live_and_die(town, way, chance, eventually)
                kills[(way or "at random") if at_point else "not at its point"] += 1
            town.start_gateway()
        finally:
            over.set()
        for each in running:
            each.result()
    town.wait_until_ready()

    assert len(diary.entries) > 2 * KILLS
    for citizen, request, view in diary.entries:
        _check_stands(citizen, request, view)
    for citizen in diary.citizens:
        _check_sides(town, citizen, diary, eventually)
    _check_pins(town, diary, mark)
    errors = [line for line in town.log()[said:].splitlines() if '"level": "error"' in line]
    assert errors == []
    _report(diary, kills, round(monotonic() - begun))


def _report(diary, kills, seconds):
    """Write down what was done, where that is asked for."""
    found = {"kills": sum(kills.values()), "acknowledged": len(diary.entries)}
    found |= {"customers": len(diary.citizens), "seconds": seconds, "seed": SEED}
    if REPORT:
        Path(REPORT).write_text(json.dumps({**found, "by point": dict(kills.most_common())}))


def _after(messages, town, eventually):
    """Wait until both sides have received so many messages more."""
    peers = (town.bureau_peer, town.core_peer)
    wanted = sum(peer.mark() for peer in peers) + messages
    eventually(lambda: sum(peer.mark() for peer in peers) >= wanted)


def _check_stands(citizen, request, view):
    """See that an acknowledged outcome is still the operation's, and the stored answer."""
    answer = citizen.bank.change(*request)
    now = citizen.bank.get(f"/v1/operations/{view['operation']}").body
    if view["state"] != "unknown":
        told = ("state", "refusal", "response_code", "link")
        assert [now.get(each) for each in told] == [view.get(each) for each in told]
        # An answer that comes later still is recorded behind what was told, and changes nothing.
        assert now["timeline"][: len(view["timeline"])] == view["timeline"]
    assert answer.headers.get("idempotent-replayed") == "true"
    assert answer.body["operation"] == view["operation"]
    assert answer.status == 202 or (answer.status < 300) is (now["state"] == "succeeded")


def _check_sides(town, citizen, diary, eventually):
    """See that both far sides hold the links that the operations say, whole or not at all."""
    mine = [view for who, _, view in diary.entries if who is citizen]
    held = set()
    for view in mine:
        if view["kind"] == "link" and view["state"] == "succeeded":
            held.add(view["link"])
        if view["kind"] == "unlink" and view["state"] == "succeeded":
            held.discard(view["link"])
    assert set(town.bureau_peer.links(citizen.who)) == held
    assert set(town.core_peer.links(citizen.who)) == held
    activated = any(v["kind"] == "activate" and v["state"] == "succeeded" for v in mine)
    is_active = town.core_peer.state(citizen.who)["account_state"] == "active"
    assert is_active is activated
    if activated:
        # The SS account follows unless the customer had unlinked before the bureau heard of it.
        state = eventually(lambda: town.bureau_peer.state(citizen.who))["card_state"]
        assert state == "normal" or not held
    pins = {view["state"] for view in mine if view["kind"] == "set-ss-pin"}
    if "succeeded" in pins:
        assert town.bureau_peer.accepts(citizen.who, "738291") or activated or not held


def _check_pins(town, diary, mark):
    """See that no operation's PIN went out under two trace numbers: none was set twice."""
    traces = defaultdict(set)
    for entry in town.bureau_peer.received(mark, "pin-set"):
        fields = {row["place"]: row["value"] for row in entry["fields"]}
        link = next(value for place, value in fields.items() if place.endswith("LK"))
        traces[link].add((fields["DE 7"], fields["DE 11"]))
    attempts = defaultdict(int)
    for _, _, view in diary.entries:
        if view["kind"] == "set-ss-pin":
            attempts[view["link"]] += 1
    assert traces
    for link, seen in traces.items():
        assert len(seen) <= attempts[link]


def test_sigterm_finishes_what_is_being_answered(brief_town, newcomer, eventually):
    """A stopping gateway answers the request in flight, leaves no process, and forgets nothing."""
    town = brief_town
    citizen = newcomer(of=town).linked()
    body, mark = citizen.pin_body("738291", citizen.session()), town.bureau_peer.mark()
    town.bureau_peer.fault("pin-set", "delay", seconds=0.15)

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(citizen.send_pin, body, "before-the-stop")
        eventually(lambda: town.bureau_peer.received(mark, "pin-set"))
        town.gateway.process.send_signal(signal.SIGTERM)
        answer = asked.result()
    status = town.gateway.stop()
    signed_off = town.bureau_peer.received(mark, "sign-off")
    town.restart_gateway()
    replayed = citizen.send_pin(body, "before-the-stop")

    assert (answer.status, status, len(signed_off)) == (200, 0, 1)
    assert replayed.status == 200
    assert replayed.headers["idempotent-replayed"] == "true"
    assert replayed.body == answer.body


def test_unfinished_operations_are_resolved_after_a_crash(brief_town, newcomer, eventually):
    """Killed with a message out: the PIN is unknown, the link undone, the activation known."""
    town = brief_town
    people = [newcomer(of=town), newcomer(of=town), newcomer(fresh=True, of=town)]
    linking, setting, activating = people
    setting.linked()
    activating.linked()
    pin, activation = setting.pin_body("738291", setting.session()), activating.activation_body()
    bureau, core = town.bureau_peer, town.core_peer
    marks = bureau.mark(), core.mark()
    bureau.fault("link-register", "drop_answer", times=None)
    bureau.fault("pin-set", "drop_answer", times=None)
    core.fault("account-activation", "drop_answer", times=None)
    requests = [
        (linking, ("POST", "/v1/links", _link_body(linking), "link")),
        (setting, ("PUT", f"/v1/links/{setting.link}/ss-pin", pin, "pin")),
        (activating, ("POST", "/v1/activations", activation, "activate")),
    ]

    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(_reaching, lambda w=w, r=r: w.bank.change(*r)) for w, r in requests]
        for mark, peer, name in (
            (marks[0], bureau, "link-register"),
            (marks[0], bureau, "pin-set"),
            (marks[1], core, "account-activation"),
        ):
            eventually(lambda p=peer, m=mark, n=name: p.received(m, n))
        town.gateway.kill()
        for each in asked:
            each.result()
    bureau.heal()
    core.heal()
    town.restart_gateway()
    answers = [who.bank.change(*request) for who, request in requests]
    link, activate = linking.settled(answers[0]), activating.settled(answers[2])

    assert (link["state"], link["refusal"]["code"]) == ("failed", "REGISTRATION_UNDONE")
    assert bureau.links(linking.who) == core.links(linking.who) == []
    assert setting.operation(answers[1])["state"] == "unknown"
    assert activate["state"] == "succeeded"
    assert eventually(lambda: bureau.state(activating.who)["card_state"] == "normal")
    traces = {entry["fields"][3]["value"] for entry in bureau.received(marks[0], "pin-set")}
    assert len(traces) == 1
