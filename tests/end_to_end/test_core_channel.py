"""A bank core drives the business of its counters over real TCP, once each."""

import pytest
from town.counters import (
    OTHER_PIN,
    PIN,
    QINGDAO,
    Core,
)


def test_pin_is_set_from_the_cores_pads_once(customer):
    """The block is translated in the social module; a repeat is answered and not carried out."""
    core, citizen, bureau = customer
    request = core.word("ss-pin-set", citizen.who, citizen.link, pin=PIN)
    mark = bureau.mark()

    first = core.ask(request)
    again = core.ask(request.as_repeat())

    assert first == again
    assert first[0] == "00"
    assert bureau.accepts(citizen.who, PIN)
    assert bureau.begun(mark) == ["pin-set"]


def test_what_a_core_may_not_have_is_refused_by_name(customer):
    """Transfers, another's account, another's institution, and what the region does not grant."""
    core, citizen, _ = customer
    link = citizen.link
    other = Core(core.town, core.port, core.stans, "99000009")
    stranger = type(citizen.who)(
        **{name: getattr(citizen.who, name) for name in citizen.who.__dataclass_fields__}
        | {"pan": "6200000000000000018"}
    )

    transfer = {4: "000000000100", 49: "156", 102: citizen.who.card, 103: citizen.who.pan}
    for fields in ({}, transfer):
        asked = core.word("transfer", citizen.who, link, fields=fields)
        assert core.ask(asked) == ("40", {"RC": "MONEY_NEVER_MOVES"})
    assert core.ask(core.word("query-link", stranger, link))[0] == "14"
    assert other.ask(other.word("query-link", citizen.who, link)) == ("58", {"RC": "INSTITUTION"})
    forwarded = core.word("query-link", citizen.who, link, fields={33: "99000009"})
    assert core.ask(forwarded) == ("58", {"RC": "INSTITUTION"})
    unseen = core.word("ss-pin-unlock", citizen.who, link, PF="N")
    assert core.ask(unseen) == ("57", {"RC": "PROOF_MISSING"})


def test_business_of_the_table_is_carried_out_like_over_http(customer):
    """Six wrong PINs lock; the core asks for the state, unlocks, and the PIN works again."""
    core, citizen, bureau = customer
    core.ask(core.word("ss-pin-set", citizen.who, citizen.link, pin=PIN))
    for _ in range(6):
        bureau.accepts(citizen.who, OTHER_PIN)

    locked = core.ask(core.word("ss-pin-state", citizen.who, citizen.link))
    unlocked = core.ask(core.word("ss-pin-unlock", citizen.who, citizen.link))

    assert locked == ("00", {"CS": "N", "PS": "L", "TL": "0"})
    assert unlocked[0] == "00"
    assert bureau.accepts(citizen.who, PIN)


def test_activation_at_the_counter_is_advised_and_the_ss_account_follows(customer, eventually):
    """0320 is answered once it is durable; the bureau hears of it by the region's rule."""
    core, citizen, bureau = customer
    mark = bureau.mark()

    answer = core.ask(
        core.word("account-activated", citizen.who, citizen.link, AT="20261121040000")
    )

    assert answer[0] == "00"
    eventually(lambda: bureau.received(mark, "account-activated"), "the advice")


def test_repeat_while_the_first_is_under_way_gets_the_same_answer(customer):
    """The bureau takes its time; the core repeats on the same line and is answered twice alike."""
    core, citizen, bureau = customer
    bureau.fault("pin-set", "delay", seconds=0.5)
    request = core.word("ss-pin-set", citizen.who, citizen.link, pin=PIN)
    mark = bureau.mark()

    with core.dialled() as line:
        line.say(request)
        line.say(request.as_repeat())
        answers = [line.heard(), line.heard()]

    assert [answer.text(39) for answer in answers] == ["00", "00"]
    assert len({entry["fields"][3]["value"] for entry in bureau.received(mark, "pin-set")}) == 1


def test_pins_are_changed_and_reset_at_the_counter(customer):
    """Six wrong PINs lock what was changed; the clerk has the papers, and the new PIN works."""
    core, citizen, bureau = customer
    changed = core.ask(core.word("ss-pin-change", citizen.who, citizen.link, pin=PIN))
    works = bureau.accepts(citizen.who, PIN)
    for _ in range(6):
        bureau.accepts(citizen.who, OTHER_PIN)

    reset = core.ask(core.word("ss-pin-reset", citizen.who, citizen.link, pin=OTHER_PIN))

    assert (changed[0], works, reset[0]) == ("00", True, "00")
    assert bureau.accepts(citizen.who, OTHER_PIN)


def test_a_pin_is_asked_for_by_the_holders_choice(customer):
    """Qingdao: opted out of, and enabled again, the PIN being the same."""
    core, citizen, bureau = customer
    core.ask(core.word("ss-pin-set", citizen.who, citizen.link, pin=PIN))

    out, back = (
        core.ask(core.word(name, citizen.who, citizen.link))
        for name in ("ss-pin-opt-out", "ss-pin-enable")
    )

    assert [(code, told["PS"]) for code, told in (out, back)] == [("00", "O"), ("00", "E")]
    assert bureau.accepts(citizen.who, PIN)


@pytest.mark.parametrize(
    ("side", "state", "lost", "found"),
    [("ss", "CS", ("T", "F"), ("22", "LOSS_FORMAL")), ("financial", "AS", ("L", "L"), ("00", ""))],
)
def test_each_account_is_lost_and_found_by_itself(customer, side, state, lost, found):
    """For now and back again, then formally; what the other account does is not touched."""
    core, citizen, _ = customer

    def ask(name, **changes):
        return core.ask(core.word(name, citizen.who, citizen.link, **changes))

    temporary = ask(f"{side}-loss-temporary")
    pin = ask("ss-pin-set", pin=PIN)
    cancelled = ask(f"{side}-loss-cancel")
    formal = ask(f"{side}-loss-formal")
    after = ask(f"{side}-loss-cancel")

    assert (temporary, formal) == (("00", {state: lost[0]}), ("00", {state: lost[1]}))
    assert pin[0] == ("41" if side == "ss" else "00")
    assert (cancelled[0], cancelled[1][state] in "NAI") == ("00", True)
    assert (after[0], after[1].get("RC", "")) == found


def test_a_lost_card_is_replaced_and_the_link_leads_to_the_new_one(customer):
    """After the formal loss: ordered with term and fee, waited for, handed over, once each."""
    core, citizen, bureau = customer

    def ask(name, **changes):
        return core.ask(core.word(name, citizen.who, citizen.link, **changes))

    too_early = ask("card-replace", OR="L")
    ask("ss-loss-formal")
    order = core.word("card-replace", citizen.who, citizen.link, OR="L")
    ordered, again = core.ask(order), core.ask(order.as_repeat())
    nothing, waiting = ask("card-collect"), ask("card-progress")
    bureau.make_card(citizen.who)
    collected, progress = ask("card-collect"), ask("card-progress")

    assert too_early == ("22", {"RC": "LOSS_NOT_FORMAL"})
    assert ordered == again
    assert (ordered[0], ordered[1]["OS"], ordered[1]["WD"], ordered[1]["FE"]) == (
        "00",
        "P",
        "7",
        "free",
    )
    assert nothing == ("22", {"RC": "NO_CARD_WAITING"})
    assert (waiting[1]["CS"], waiting[1]["OS"]) == ("F", "P")
    assert (collected[0], collected[1]["CO"]) == ("00", "PLM")
    assert progress == ("00", {"CS": "N", "OS": "N"})


def test_a_temporary_card_is_handed_over_and_a_card_is_cancelled(customer):
    """At once, and for good."""
    core, citizen, bureau = customer

    temporary = core.ask(core.word("card-temporary", citizen.who, citizen.link))
    cancelled = core.ask(core.word("card-cancel", citizen.who, citizen.link))

    assert (temporary[0], temporary[1]["OS"], temporary[1]["WD"]) == ("00", "H", "0")
    assert cancelled == ("00", {"CS": "C"})
    assert bureau.state(citizen.who)["card_state"] == "cancelled"


def test_a_first_card_is_applied_for_by_its_account(counters, newcomer):
    """The answer names the link; whose account it is the core itself has to confirm."""
    town, core = counters
    who = newcomer(of=town).who
    said = {"IN": QINGDAO, "CU": who.customer, "NM": who.at_bank.name, "MB": who.at_bank.mobile}
    said |= {"ID": who.at_bank.citizen_id}
    application = core.word("card-apply", who, **said)

    applied, again = core.ask(application), core.ask(application.as_repeat())
    stranger = core.ask(core.word("card-apply", who, **said | {"NM": "测试丁"}))
    nowhere = core.ask(core.word("card-apply", who, **said | {"IN": "99999999"}))
    asked = core.inquire(application, who)
    progress = core.ask(core.word("card-progress", who, applied[1]["LK"]))

    assert applied == again == asked
    assert (applied[0], applied[1]["OS"], applied[1]["WD"]) == ("00", "P", "30")
    assert (stranger, nowhere) == (
        ("14", {"RC": "NOT_CONFIRMED"}),
        ("22", {"RC": "UNKNOWN_AGENCY"}),
    )
    assert progress[1]["OS"] == "P"


def test_pin_whose_de_53_is_not_the_zones_is_a_format_error(customer, counters):
    """Another key or format than declared: 30, nothing is sent, and the log names the element."""
    core, citizen, bureau = customer
    town, _ = counters
    mark = bureau.mark()
    wrong = {53: "2600000000000000"}

    answer = core.ask(core.word("ss-pin-set", citizen.who, citizen.link, pin=PIN, fields=wrong))

    assert answer == ("30", {})
    assert bureau.begun(mark) == []
    assert "DE 53: is not what the zone of the PIN pads declares" in town.log()
