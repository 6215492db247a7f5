"""The life of a card over real TCP: what a region grants, at the counter and in online banking."""

from dataclasses import replace

import pytest

from gateway.app.clock import LOCAL_ZONE, utc_now
from gateway.app.ensemble import CHANNELS

ANY_PIN = {"pin_session": "pse_" + "1" * 26, "encrypted_pin": "x"}
RIGHT, NEW, WRONG = "738291", "516047", "248163"


@pytest.fixture
def at_counter(newcomer):
    """Give a customer who linked the card at the counter, id and card on the desk."""
    return newcomer().at_counter().linked()


def test_a_locked_pin_is_seen_and_unlocked_or_reset(at_counter, bureau):
    """Six wrong PINs lock; the state tells it, unlocking keeps the PIN, a reset does not."""
    at_counter.set_pin(RIGHT)
    for _ in range(6):
        bureau.accepts(at_counter.who, WRONG)
    locked = at_counter.ask("ss-pin")
    refused = at_counter.set_pin(NEW)
    unlocked = at_counter.do("ss-pin/unlock")
    kept = bureau.accepts(at_counter.who, RIGHT)
    reset = at_counter.do("ss-pin/reset", at_counter.pin_body(NEW, at_counter.session()))

    assert locked.body["result"] == {
        "card_state": "normal",
        "pin_state": "locked",
        "tries_left": "0",
    }
    assert (refused.status, refused.body["code"]) == (409, "PIN_LOCKED")
    assert (unlocked.status, unlocked.body["result"]["pin_state"], kept) == (200, "enabled", True)
    assert (reset.status, bureau.accepts(at_counter.who, NEW)) == (200, True)


def test_what_a_region_does_not_grant_here_is_refused_with_the_way(citizen):
    """Unlocking is done in person: online banking hears where, and with which papers."""
    refused = citizen.linked().do("ss-pin/unlock")

    assert (refused.status, refused.body["code"]) == (403, "NOT_GRANTED")
    assert refused.body["not_granted"]


def test_a_link_made_online_is_the_customers_at_the_counter_too(citizen, bureau):
    """One bank, one link: its counter sets the PIN, and online banking sees the operation."""
    citizen.linked()

    linked_twice = citizen.at_counter().ask_link()
    set_there = citizen.at_counter().set_pin(RIGHT)
    seen_online = citizen.operation(set_there)

    assert (linked_twice.status, linked_twice.body["code"]) == (409, "ALREADY_LINKED")
    assert linked_twice.body["link"] == citizen.link
    assert (set_there.status, seen_online["state"]) == (200, "succeeded")
    assert bureau.accepts(citizen.who, RIGHT)


def test_a_lost_answer_to_an_unlocking_is_asked_after(at_counter, bureau):
    """The bureau did it, its answer is lost: the inquiry finds out, and nothing is done twice."""
    at_counter.set_pin(RIGHT)
    for _ in range(6):
        bureau.accepts(at_counter.who, WRONG)
    mark = bureau.mark()
    bureau.fault("pin-unlock", "drop_answer", times=3)

    settled = at_counter.settled(at_counter.do("ss-pin/unlock"))

    assert settled["state"] == "succeeded"
    assert bureau.begun(mark) == ["pin-unlock", "outcome-inquiry"]


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("body", [None, {}, {"from": "ss", "to": "financial", "amount": "1.00"}])
def test_money_never_moves(town, citizen, channel, body):
    """A transfer between the accounts is refused by name, on every channel, whatever it says."""
    bank = replace(citizen, token=town.tokens[channel]).bank

    refused = bank.change("POST", "/v1/transfers", body)

    assert (refused.status, refused.body["code"]) == (403, "MONEY_NEVER_MOVES")


def test_services_are_added_later_by_the_customers_choice(newcomer, core):
    """None at the activation; then the one that is named, once, and no other."""
    customer = newcomer(fresh=True).at_counter().linked()
    early = customer.do("account/services", {"added_services": ["sms"]})
    customer.activate(RIGHT)
    before = core.state(customer.who)["services"]
    core.fault("services-add", "drop_answer", times=4)

    added = customer.do("account/services", {"added_services": ["sms"]})
    settled = customer.settled(added)
    nothing = customer.do("account/services", {"added_services": []})

    assert early.body["code"] == "NOT_ACTIVATED"
    assert (before, settled["state"]) == ([], "succeeded")
    assert core.state(customer.who)["services"] == ["S"]
    assert nothing.body["code"] == "INVALID_REQUEST"


@pytest.fixture
def lost(at_counter):
    """Give a customer whose financial account is reported lost, for now."""
    reported = at_counter.do("account/losses/temporary")
    assert reported.status == 200, reported
    return at_counter


def test_the_loss_of_the_account_stops_it_and_nothing_else(lost, core, bureau):
    """The core knows of it, the PIN of the account stays; the SS account goes on as before."""
    stopped = lost.do("financial-pin/reset", ANY_PIN)
    pin = lost.set_pin(RIGHT)
    found = lost.do("account/losses/cancellation")

    assert (stopped.status, stopped.body["code"]) == (409, "ACCOUNT_LOST")
    assert (pin.status, bureau.accepts(lost.who, RIGHT)) == (200, True)
    assert (found.status, core.state(lost.who)["account_state"]) == (200, "active")


def test_a_loss_blocks_here_at_once_while_nobody_can_be_told(newcomer, town):
    """With the core away the report stands at the gateway, survives it, and arrives in the end."""
    holder = newcomer().at_counter().linked()
    town.wires["core"].cut()
    reported = holder.do("account/losses/formal")
    town.gateway.kill()
    town.start_gateway()
    stopped = holder.do("account/losses/temporary")
    kept = holder.unlink()
    town.wires["core"].restore()

    settled = holder.settled(reported)

    assert (reported.status, reported.body["state"]) == (202, "pending")
    assert (stopped.status, stopped.body["code"]) == (409, "ACCOUNT_LOST")
    assert (kept.status, kept.body["code"]) == (409, "LOSS_UNCONFIRMED")
    assert settled["state"] == "succeeded"
    assert town.core_peer.state(holder.who)["account_state"] == "lost"


def test_a_cancellation_counts_when_the_far_side_has_confirmed_it(lost, core):
    """While the core is silent the account stays stopped for the caller."""
    core.fault("loss-cancel", "drop_request", times=20)
    core.fault("outcome-inquiry", "drop_request", times=4)
    asked = lost.do("account/losses/cancellation")
    busy = lost.do("financial-pin/reset", ANY_PIN)

    settled = lost.settled(asked)

    assert (asked.status, busy.body["code"]) == (202, "ACCOUNT_LOST")
    assert (settled["state"], settled["refusal"]["code"]) == ("failed", "CORE_UNAVAILABLE")
    assert core.state(lost.who)["account_state"] == "lost"


def test_a_mobile_is_bound_at_the_counter(newcomer, bureau):
    """The phone is on the desk with the papers; the bureau has the new number."""
    customer = newcomer().at_counter("citizen-id, card-present, phone-present").linked()

    bound = customer.do("mobile", {"mobile": "16412345678"}, "PUT")

    assert bound.status == 200
    assert bureau.state(customer.who)["contact_mobile"].endswith("78")


def test_a_lost_card_is_replaced_and_the_new_one_takes_over(town_of, newcomer):
    """Qingdao: formal loss, replacement due in seven working days, PIN and link on the new card."""
    town = town_of("qingdao")
    holder, bureau = newcomer(of=town).at_counter().linked("99370201"), town.bureau_peer
    holder.set_pin(RIGHT)
    too_early = holder.do("card/replacement", {"reason": "lost"})
    lost = holder.do("losses/formal", {})
    blocked = holder.do("pin-sessions", {"purpose": "ss-pin"})
    ordered = holder.do("card/replacement", {"reason": "lost"})
    kept = holder.do("losses/cancellation", {})
    waiting = holder.ask("card")
    nothing = holder.do("card/collection")
    bureau.make_card(holder.who)
    collected = holder.do("card/collection")
    changed = holder.set_pin(NEW)

    assert (too_early.status, too_early.body["code"]) == (409, "LOSS_NOT_FORMAL")
    assert (lost.status, blocked.body["code"]) == (200, "CARD_LOST")
    assert (ordered.status, ordered.body["result"]["fee"]) == (200, "free")
    assert ordered.body["result"]["working_days"] == "7"
    assert ordered.body["result"].get("due_on") == waiting.body["result"].get("due_on")
    assert (kept.status, kept.body["code"]) == (409, "REPLACEMENT_BEGUN")
    assert waiting.body["result"]["order_state"] == "in-production"
    assert (nothing.status, nothing.body["code"]) == (409, "NO_CARD_WAITING")
    assert collected.body["result"]["carried_over"] == "ss-pin link mobile"
    assert changed.status == 200
    assert bureau.state(holder.who)["card_state"] == "cancelled"


def test_the_financial_pin_is_reset_at_the_counter(at_counter, core, bureau):
    """The core has a new one; the bureau hears of nothing."""
    asked, told = core.mark(), bureau.mark()

    reset = at_counter.do(
        "financial-pin/reset", at_counter.pin_body(NEW, at_counter.session("financial-pin"))
    )

    assert (reset.status, reset.body["result"]["account_state"]) == (200, "active")
    assert (core.begun(asked), bureau.begun(told)) == (["pin-reset"], [])
    assert core.state(at_counter.who)["pin_is_set"]


def test_the_holder_chooses_and_the_card_is_cancelled_for_good(town_of, newcomer):
    """Qingdao: no PIN is asked for, then it is again; a cancelled card does nothing any more."""
    town = town_of("qingdao")
    holder, bureau = newcomer(of=town).at_counter().linked("99370201"), town.bureau_peer
    holder.set_pin(RIGHT)

    chosen = [holder.do(f"ss-pin/{choice}", {}) for choice in ("opt-out", "enable")]
    same = bureau.accepts(holder.who, RIGHT)
    cancelled = holder.do("card", method="DELETE")
    after = holder.set_pin(NEW)

    assert [each.body["result"]["pin_state"] for each in chosen] == ["opted-out", "enabled"]
    assert (same, cancelled.status) == (True, 200)
    assert cancelled.body["result"]["card_state"] == "cancelled"
    assert (after.status, after.body["code"]) == (409, "CARD_NOT_USABLE")


def test_a_temporary_card_is_there_at_once(town_of, newcomer):
    """Qingdao: no working day passes, and it costs nothing."""
    holder = newcomer(of=town_of("qingdao")).at_counter().linked("99370201")

    handed_over = holder.do("card/temporary")

    path = f"/v1/operations/{handed_over.body['operation']}/voucher"
    voucher = holder.bank.get(path).body
    code = {"operation": voucher["operation"], "verification_code": voucher["verification_code"]}
    verify = "/v1/voucher-verifications"
    genuine = holder.bank.change("POST", verify, code).body["genuine"]
    forged = holder.bank.change("POST", verify, code | {"verification_code": "AAAA"}).body[
        "genuine"
    ]

    assert voucher["business"]["zh"] == "领取临时卡"
    assert holder.who.card not in str(voucher)
    assert (genuine, forged) == (True, False)
    today = utc_now().astimezone(LOCAL_ZONE).date().isoformat()
    assert handed_over.body["result"] == {
        "order_state": "handed-over",
        "card_state": "normal",
        "due_on": today,
        "fee": "free",
        "working_days": "0",
    }


@pytest.fixture
def kunming(town_of):
    return town_of("kunming")


@pytest.fixture
def in_app(newcomer, kunming):
    """Give a customer who linked the card in the bank's app, and whose face was recognised."""
    customer = newcomer(of=kunming).in_app("session, card-number, face, bank-card")
    return customer.linked("99530101")


def issued(customer, pin=RIGHT):
    """Have the e-card issued."""
    body = customer.pin_body(pin, customer.session("ecard-pin"))
    return customer.do("ecard", body)


def test_an_ecard_is_issued_once_and_has_a_pin_of_its_own(in_app):
    """The same number whoever asks again; the old PIN is needed to change it, but not to reset."""
    first, second = issued(in_app), issued(in_app, NEW)
    number = in_app.bank.get(f"/v1/links/{in_app.link}").body["ecard_number"]

    def change(old):
        body = in_app.pin_body(NEW, in_app.session("ecard-pin"))
        proof = in_app.pin_body(old, in_app.session("ecard-pin-proof"))
        return in_app.do("ecard/pin/change", body | {"current_pin": proof})

    wrong, right = change(WRONG), change(RIGHT)
    reset = in_app.do("ecard/pin/reset", in_app.pin_body(RIGHT, in_app.session("ecard-pin")))

    assert (first.status, second.status) == (200, 200)
    assert first.body["result"] == second.body["result"] == {"ecard_state": "active"}
    assert number.endswith(in_app.who.card[-2:])
    assert (wrong.status, wrong.body["code"]) == (422, "WRONG_PIN")
    assert (right.status, reset.status) == (200, 200)


@pytest.mark.parametrize(("other", "status"), [(RIGHT, 422), (NEW, 200)])
def test_pin_of_an_ecard_is_compared_with_the_cards_in_the_module(in_app, kunming, other, status):
    """Both are typed in one form: equal ones are refused, and the bureau hears nothing of it."""
    mark, session = kunming.bureau_peer.mark(), in_app.session("ecard-pin")
    envelope = in_app.bank.encrypt(session, RIGHT, other_than=other)

    answer = in_app.do("ecard", {"pin_session": session["pin_session"], "encrypted_pin": envelope})

    assert answer.status == status
    refused = answer.body.get("code") or answer.body.get("refusal", {}).get("code")
    assert (refused == "PIN_AS_CARD_PIN") is (status != 200)
    assert kunming.bureau_peer.begun(mark) == ["ecard-issue"] * (status == 200)


def test_without_a_face_no_ecard_is_issued(newcomer, kunming):
    """The one-time notice names what is missing."""
    customer = newcomer(of=kunming).in_app("session").linked("99530101")

    refused = issued(customer)

    assert (refused.status, refused.body["code"]) == (403, "PROOF_MISSING")
    assert "face" in str(refused.body["not_granted"])


def test_a_code_is_scanned_once_either_way(in_app, kunming):
    """What the app shows and what it scans are good for one scan; neither is told again."""
    issued(in_app)
    bureau, key = kunming.bureau_peer, "code-1-" + in_app.link
    path = f"/v1/links/{in_app.link}/ecard/codes"
    shown = in_app.bank.change("POST", path, {}, key)
    again = in_app.bank.change("POST", path, {}, key)
    code = shown.body["one_time_code"]["code"]
    scans = [bureau.scan(in_app.who, code) for _ in range(2)]
    asked = bureau.challenge(in_app.who)
    confirmed = [in_app.do("ecard/scans", {"code": asked}) for _ in range(2)]

    assert scans == ["accepted", "refused"]
    assert (again.status, "one_time_code" in again.body) == (200, False)
    assert [answer.status for answer in confirmed] == [200, 422]
    assert confirmed[1].body["code"] == "CODE_SPENT"


def test_an_ecard_pays_and_is_revoked(in_app):
    """Payment is a step of its own; a revoked e-card is no more."""
    issued(in_app)
    pays = in_app.do("ecard/payment")
    revoked = in_app.do("ecard/revocation", {})
    after = in_app.do("ecard/codes", {})

    assert pays.body["result"]["ecard_state"] == "active-and-pays"
    assert (revoked.status, after.status, after.body["code"]) == (200, 409, "NO_ECARD")


def test_an_issue_that_nobody_can_speak_for_is_undone(in_app, kunming):
    """The platform issued it, no answer arrives, no inquiry either: nothing of it stands."""
    bureau = kunming.bureau_peer
    bureau.fault("ecard-issue", "drop_answer", times=3)
    bureau.fault("outcome-inquiry", "drop_request", times=3)

    settled = in_app.settled(issued(in_app))

    assert (settled["state"], settled["refusal"]["code"]) == ("failed", "BUREAU_UNAVAILABLE")
    assert in_app.do("ecard/codes", {}).body["code"] == "NO_ECARD"


def test_a_first_card_is_applied_for_made_and_collected(town_of, newcomer):
    """Qingdao: due in thirty working days, free; afterwards the card is linked by its number."""
    town = town_of("qingdao")
    clerk = newcomer(of=town).at_counter("citizen-id")
    who = clerk.who.at_bank
    body = {
        "institution": "99370201",
        "account": clerk.who.pan,
        "name": who.name,
        "citizen_id": who.citizen_id,
        "mobile": who.mobile,
    }
    other = clerk.bank.change("POST", "/v1/card-applications", body | {"name": "测试丁"})
    applied = clerk.bank.change("POST", "/v1/card-applications", body)
    clerk.link = applied.body["link"]
    progress = clerk.ask("card")
    town.bureau_peer.make(clerk.link[-12:].upper())
    collected = clerk.do("card/collection")
    after = clerk.ask("card")

    assert (other.status, other.body["code"]) == (422, "NOT_CONFIRMED")
    assert applied.status == 200
    assert (applied.body["result"]["fee"], applied.body["result"]["working_days"]) == ("free", "30")
    assert progress.body["result"]["order_state"] == "in-production"
    assert progress.body["result"].get("due_on") == applied.body["result"].get("due_on")
    assert collected.body["result"]["carried_over"] == "nothing"
    assert after.status == 404


def test_a_lost_ss_account_is_blocked_at_once_while_the_bureau_is_away(town_of, newcomer):
    """Qingdao: the report stands, nothing works any more, and the bureau hears in the end."""
    town = town_of("qingdao")
    holder = newcomer(of=town).at_counter().linked("99370201")
    town.wires["bureau"].cut()
    reported = holder.do("losses/formal", {})
    blocked = holder.do("ss-pin/unlock")
    town.wires["bureau"].restore()

    settled = holder.settled(reported)

    assert (reported.status, blocked.body["code"]) == (202, "CARD_LOST")
    assert settled["state"] == "succeeded"
    assert town.bureau_peer.state(holder.who)["card_state"] == "formal_loss"
