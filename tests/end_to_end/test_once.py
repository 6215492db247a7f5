"""Idempotency keys, other customers' links, and one active link per card."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from gateway.simulators.population import person


def shown(answer):
    """Give an answer without what differs by request."""
    body = {name: value for name, value in answer.body.items() if name != "instance"}
    return answer.status, body


# ---------------------------------------------------------------- idempotency


def test_same_key_and_body_gives_the_stored_answer(citizen, bureau, core):
    """A second request is answered from the record, says so, and sends nothing."""
    first = citizen.ask_link("link-once")
    marks = bureau.mark(), core.mark()

    second = citizen.ask_link("link-once")

    assert shown(second) == shown(first)
    assert first.status == 201
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert bureau.begun(marks[0]) == core.begun(marks[1]) == []


def test_every_kind_of_change_is_replayed(newcomer, bureau, core):
    """PIN session, SS PIN, refused PIN, activation and unlinking: each has one stored answer."""
    citizen = newcomer(fresh=True).linked()
    session_path = f"/v1/links/{citizen.link}/pin-sessions"
    pin, weak = citizen.pin_body("738291", citizen.session()), None

    def twice(method, path, body, key):
        return [citizen.bank.change(method, path, body, key) for _ in range(2)]

    pairs = [twice("PUT", f"/v1/links/{citizen.link}/ss-pin", pin, "a")]
    weak = citizen.pin_body("123456", citizen.session())
    pairs.append(twice("PUT", f"/v1/links/{citizen.link}/ss-pin", weak, "b"))
    pairs.append(twice("POST", session_path, {"purpose": "ss-pin"}, "c"))
    pairs.append(twice("POST", "/v1/activations", citizen.activation_body(), "d"))
    pairs.append(twice("DELETE", f"/v1/links/{citizen.link}", None, "e"))

    assert [first.status for first, _ in pairs] == [200, 422, 201, 200, 200]
    for first, second in pairs:
        for answer in (first, second):
            answer.body.pop("ss_account", None)  # the SS account follows meanwhile
        assert shown(second) == shown(first)
        assert second.headers["idempotent-replayed"] == "true"
    assert bureau.links(citizen.who) == core.links(citizen.who) == []


def test_same_key_at_once_runs_once(citizen, bureau):
    """While the first request is being answered, the same key is a conflict."""
    citizen.linked()
    body, mark = citizen.pin_body("738291", citizen.session()), bureau.mark()
    bureau.fault("pin-set", "delay", seconds=0.15)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: citizen.send_pin(body, "at-once"), range(8)))
    afterwards = citizen.send_pin(body, "at-once")

    codes = sorted(answer.status for answer in answers)
    assert codes == [200, *[409] * 7]
    assert {a.body["code"] for a in answers if a.status == 409} == {"IN_PROGRESS"}
    assert bureau.begun(mark) == ["pin-set"]
    assert (afterwards.status, afterwards.headers["idempotent-replayed"]) == (200, "true")


def test_key_of_another_request_is_refused(newcomer):
    """Another body, another path and another customer are other requests."""
    one, two = newcomer(), newcomer()
    one.ask_link("mine")

    answers = [
        one.ask_link("mine", contact_address="测试路2号"),
        one.unlink("mine"),
        two.ask_link("mine"),
    ]

    assert [shown(answer)[0] for answer in answers] == [422] * 3
    assert {answer.body["code"] for answer in answers} == {"IDEMPOTENCY_KEY_REUSED"}
    assert two.ask_link().status == 201


def test_keys_of_two_channels_have_nothing_to_do_with_each_other(newcomer, town):
    """Another channel may use the same key for its own request."""
    one, two = newcomer(), newcomer()
    two.token = town.other_token

    answers = [one.ask_link("same"), two.ask_link("same")]

    assert [answer.status for answer in answers] == [201, 201]
    assert "idempotent-replayed" not in answers[1].headers


def test_unknown_outcome_is_replayed_as_what_it_became(citizen, bureau):
    """The stored answer of an operation is its present state: unknown first, settled later."""
    citizen.linked()
    body = citizen.pin_body("738291", citizen.session())
    bureau.fault("pin-set", "late_answer", seconds=1.0, times=3)

    first = citizen.send_pin(body, "slow")
    at_once = citizen.send_pin(body, "slow")
    citizen.settled(first)
    later = citizen.send_pin(body, "slow")

    assert [first.status, at_once.status, later.status] == [202, 202, 200]
    assert at_once.headers["idempotent-replayed"] == later.headers["idempotent-replayed"] == "true"


# ---------------------------------------------------------------- whose is it


def tries(citizen, link, operation):
    """Try everything on a link and an operation."""
    envelope = {"pin_session": "pse_" + "1" * 26, "encrypted_pin": "x.x.x.x.x"}
    bank = citizen.bank
    return [
        bank.get(f"/v1/links/{link}"),
        bank.get(f"/v1/operations/{operation}"),
        bank.change("DELETE", f"/v1/links/{link}"),
        bank.open_session(link, "ss-pin"),
        bank.change("PUT", f"/v1/links/{link}/ss-pin", envelope),
        bank.change("POST", "/v1/activations", envelope | {"link": link, "added_services": []}),
    ]


@pytest.mark.parametrize("as_whom", ["another customer", "another bank's channel"])
def test_what_is_another_s_does_not_exist(newcomer, town, as_whom):
    """Another customer's or bank's link and operation are answered as ones that never were."""
    owner = newcomer()
    linked = owner.ask_link()
    stranger = newcomer() if as_whom == "another customer" else replace(owner)
    stranger.token = "" if as_whom == "another customer" else town.other_token

    theirs = tries(stranger, owner.link, linked.body["operation"])
    nobodys = tries(stranger, "lnk_" + "1" * 26, "op_" + "1" * 26)

    assert [shown(answer) for answer in theirs] == [shown(answer) for answer in nobodys]
    assert {answer.body["code"] for answer in theirs} == {"NOT_FOUND"}
    assert owner.bank.get(f"/v1/links/{owner.link}").body["state"] == "active"


# ---------------------------------------------------------------- one active link per card


def test_card_has_one_active_link(newcomer):
    """Its own customer hears that it is linked, another one only that nothing is confirmed."""
    owner, stranger = newcomer().linked(), newcomer()

    own = owner.ask_link()
    others = stranger.ask_link(ss_card_number=owner.who.card)
    unknown = stranger.ask_link(ss_card_number="T99999999")

    assert (own.status, own.body["code"]) == (409, "ALREADY_LINKED")
    assert (others.status, others.body["code"]) == (422, "NOT_CONFIRMED")
    assert (unknown.status, unknown.body["code"]) == (422, "NOT_CONFIRMED")


def test_card_can_be_linked_again_after_unlinking(citizen, bureau, core):
    """Unlinking frees the card; the old link stays removed."""
    old = citizen.linked().link
    citizen.unlink()

    again = citizen.ask_link()

    assert again.status == 201
    assert bureau.links(citizen.who) == core.links(citizen.who) == [citizen.link] != [old]
    assert citizen.bank.get(f"/v1/links/{old}").body["state"] == "removed"


def test_two_links_of_one_card_at_once_become_one(citizen, bureau, core):
    """Of many requests at the same time one wins; no other leaves anything at a far side."""
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: replace(citizen).ask_link(), range(6)))

    won = [answer for answer in answers if answer.status == 201]
    assert len(won) == 1
    lost = {answer.body["code"] for answer in answers if answer.status != 201}
    assert lost <= {"IN_PROGRESS", "ALREADY_LINKED"}
    held = [won[0].body["link"]]
    assert bureau.links(citizen.who) == core.links(citizen.who) == held


@pytest.mark.parametrize(
    ("index", "status", "code"),
    [
        (3, 422, "NOT_CONFIRMED"),
        (12, 422, "NOT_CONFIRMED"),
        (4, 409, "ACCOUNT_NOT_USABLE"),
        (6, 409, "CARD_LOST"),
        (8, 409, "CARD_NOT_USABLE"),
    ],
)
def test_what_cannot_be_linked_is_not(newcomer, bureau, core, index, status, code):
    """Another person's card, another name, and unusable cards and accounts get no link."""
    citizen = replace(newcomer(), who=person(index))

    answer = citizen.ask_link()

    assert (answer.status, answer.body["code"]) == (status, code)
    assert bureau.links(citizen.who) == core.links(citizen.who) == []


def test_stranger_s_mobile_is_not_bound(citizen, bureau):
    """The mobile must be the one that the bank holds of the customer."""
    answer = citizen.ask_link(mobile="15499999999")

    assert (answer.status, answer.body["code"]) == (422, "NOT_CONFIRMED")
    assert bureau.links(citizen.who) == []


def test_removed_link_lets_nothing_through(citizen, bureau):
    """PIN, session and activation need an active link."""
    citizen.linked()
    body = citizen.pin_body("738291", citizen.session())
    citizen.unlink()
    mark = bureau.mark()

    answers = [citizen.send_pin(body), citizen.bank.open_session(citizen.link, "ss-pin")]

    assert [answer.status for answer in answers] == [404, 404]
    assert bureau.begun(mark) == []
