"""Kill or stop a gateway that has messages out: what it said stands, the rest is resolved."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

from torture.clients import reaching

from gateway.app.online_bank import call

PROMPT_S = 2.0  # of a busy machine; a caller waits for two seconds and more


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
        (linking, ("POST", "/v1/links", linking.link_body(), "link")),
        (setting, ("PUT", f"/v1/links/{setting.link}/ss-pin", pin, "pin")),
        (activating, ("POST", "/v1/activations", activation, "activate")),
    ]

    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(reaching, lambda w=w, r=r: w.bank.change(*r)) for w, r in requests]
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


def test_store_that_stands_still_is_noticed_and_goes_on(brief_town, newcomer, eventually):
    """It lives, so nothing ends: not ready with the reason, 503 at once, and all of it recovers."""
    town, citizen = brief_town, newcomer(of=brief_town).linked()
    store = town.store_pid()
    os.kill(store, signal.SIGSTOP)
    try:
        eventually(lambda: not town.is_up("store"), "the silence")
        readiness = call(f"{town.url}/readyz")
        begun = monotonic()
        refused = citizen.unlink("the-key")
        waited = monotonic() - begun
    finally:
        os.kill(store, signal.SIGCONT)
    town.wait_until_ready()
    again = citizen.unlink("the-key")

    assert readiness.status == 503
    assert "has not answered" in readiness.body["checks"]["store"]["detail"]
    assert (refused.status, refused.body["retryable"]) == (503, True)
    assert waited < PROMPT_S
    assert again.status == 200
    assert (town.bureau_peer.links(citizen.who), town.core_peer.links(citizen.who)) == ([], [])
