"""Whether every promise was kept: what was told stands, both sides agree, no PIN went twice."""

from collections import defaultdict

from gateway.terms.sides import Side


def judge(town, diary, witness, eventually):
    """Look at everything that was acknowledged, at every customer and at every PIN message."""
    for citizen, request, view in diary.entries:
        _check_stands(citizen, request, view)
    for citizen in diary.citizens:
        _check_sides(town, citizen, diary, eventually)
    witness.look()
    _check_pins(witness, diary)


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
    for peer in (town.bureau_peer, town.core_peer):
        # What is undone after its caller was told may still be on its way.
        eventually(lambda peer=peer: set(peer.links(citizen.who)) == held, f"agreement on {held}")
    activated = any(v["kind"] == "activate" and v["state"] == "succeeded" for v in mine)
    is_active = town.core_peer.state(citizen.who)["account_state"] == "active"
    assert is_active is activated
    if activated and held:
        state = town.bureau_peer.state
        eventually(lambda: _follows(state(citizen.who)), "the SS account")
        is_set = any(v["kind"] == "set-ss-pin" and v["state"] == "succeeded" for v in mine)
        if is_set and state(citizen.who)["card_state"] == "normal":
            assert town.bureau_peer.accepts(citizen.who, "738291")


def _follows(card):
    """Tell whether the SS account follows: now, or when a clock that was ahead had it do so."""
    return card["card_state"] == "normal" or card["ss_account_follows_at"] is not None


def _check_pins(witness, diary):
    """See that no operation's PIN went out under two trace numbers: none was set twice."""
    traces = defaultdict(set)
    for fields in witness.received[Side.SOCIAL]:
        if fields["message"] == "pin-set":
            link = next(value for place, value in fields.items() if place.endswith("LK"))
            traces[link].add((fields["DE 7"], fields["DE 11"]))
    attempts = defaultdict(int)
    for _, _, view in diary.entries:
        if view["kind"] == "set-ss-pin":
            attempts[view["link"]] += 1
    assert traces
    for link, seen in traces.items():
        assert len(seen) <= attempts[link]
