"""What a bank core repeats, reverses and asks after over real TCP, and what came of it."""

from town.counters import OTHER_PIN, PIN, QINGDAO


def test_stored_answer_outlives_a_restart_and_a_changed_body_does_not_pass(customer, counters):
    """Same key, same body: the answer as it was; same key, another body: DE 39 = 94."""
    core, citizen, bureau = customer
    town, _ = counters
    request = core.word("ss-pin-set", citizen.who, citizen.link, pin=PIN)
    first = core.ask(request)
    changed = core.word("ss-pin-set", citizen.who, citizen.link, pin=OTHER_PIN)
    changed = changed.with_fields({de: request.fields[de] for de in (7, 11, 12, 13, 37, 41)})
    town.gateway.kill()
    town.restart_gateway()
    mark = bureau.mark()

    assert core.ask(request.as_repeat()) == first
    assert core.ask(changed) == ("94", {"RC": "IDEMPOTENCY_KEY_REUSED"})
    assert bureau.begun(mark) == []


def test_reversal_links_again_at_both_sides(customer, counters):
    """0420 after an unlinking whose answer was lost: registered again, and answered once."""
    core, citizen, bureau = customer
    town, _ = counters
    unlinking = core.word("unlink", citizen.who, citizen.link)
    removed = core.ask(unlinking)
    gone = (bureau.links(citizen.who), town.core_peer.links(citizen.who))
    reversal = core.reversal(unlinking, citizen.who, citizen.link)

    undone, again = core.ask(reversal), core.ask(reversal.as_repeat())

    assert (removed[0], gone) == ("00", ([], []))
    assert (undone, again) == (("00", {}), ("00", {}))
    assert bureau.links(citizen.who) == town.core_peer.links(citizen.who) == [citizen.link]
    assert core.ask(core.word("query-link", citizen.who, citizen.link))[1] == {"LS": "A"}


def test_an_unlinking_of_which_one_side_knew_nothing_is_not_taken_back(customer, counters):
    """The link stays away at both sides: a reversal would bring it back at one of them only."""
    core, citizen, bureau = customer
    town, _ = counters
    bureau.fault("link-remove", "decline", response_code="25", when="after")
    unlinking = core.word("unlink", citizen.who, citizen.link)
    removed = core.ask(unlinking)

    refused = core.ask(core.reversal(unlinking, citizen.who, citizen.link))

    assert (removed[0], refused) == ("00", ("40", {"RC": "NOT_OFFERED"}))
    assert town.core_peer.links(citizen.who) == []


def test_reversal_that_overtakes_its_original_bars_it(customer):
    """Unknown original: a tombstone and 0430; the original that comes later is refused."""
    core, citizen, bureau = customer
    original = core.word("unlink", citizen.who, citizen.link)

    reversed_first = core.ask(core.reversal(original, citizen.who, citizen.link))
    late = core.ask(original)

    assert reversed_first[0] == "25"
    assert late == ("22", {"RC": "REVERSED_BEFORE"})
    assert bureau.links(citizen.who) == [citizen.link]


def test_pin_is_never_reversed(customer):
    """A PIN that was set stays set: the reversal is answered, by name."""
    core, citizen, bureau = customer
    request = core.word("ss-pin-set", citizen.who, citizen.link, pin=PIN)
    core.ask(request)

    answer = core.ask(core.reversal(request, citizen.who, citizen.link))

    assert answer == ("40", {"RC": "NOT_OFFERED"})
    assert bureau.accepts(citizen.who, PIN)


def test_cancelled_loss_that_is_reversed_stands_again(customer):
    """0420 fails closed: the loss is reported anew, once, however often the core reverses."""
    core, citizen, bureau = customer
    who, link = citizen.who, citizen.link
    core.ask(core.word("ss-loss-temporary", who, link))
    cancelling = core.word("ss-loss-cancel", who, link)
    core.ask(cancelling)
    mark = bureau.mark()
    reversal = core.reversal(cancelling, who, link)

    answers = [
        core.ask(each)
        for each in (reversal, reversal.as_repeat(), core.reversal(cancelling, who, link))
    ]

    assert answers == [("00", {})] * 3
    assert bureau.begun(mark) == ["loss-report"]
    assert bureau.state(who)["card_state"] == "temporary_loss"
    assert core.ask(core.word("ss-pin-set", who, link, pin=PIN))[0] == "41"


def test_what_stands_and_what_leaves_nothing_are_told_apart(customer):
    """A loss report is never taken back; of a question nothing stands."""
    core, citizen, bureau = customer
    who, link = citizen.who, citizen.link
    report, question = (
        core.word("ss-loss-temporary", who, link),
        core.word("ss-pin-state", who, link),
    )
    core.ask(report)
    core.ask(question)

    assert core.ask(core.reversal(report, who, link)) == ("40", {"RC": "NOT_OFFERED"})
    assert core.ask(core.reversal(question, who, link)) == ("00", {})
    assert bureau.state(who)["card_state"] == "temporary_loss"


def test_reversal_of_another_account_or_link_undoes_nothing(customer, newcomer, counters):
    """DE 90 alone does not name the original: DE 2 and LK are those of the original too."""
    core, citizen, bureau = customer
    town, _ = counters
    other = newcomer(of=town).linked(QINGDAO)
    unlinking = core.word("unlink", citizen.who, citizen.link)
    core.ask(unlinking)

    differing = [
        core.ask(core.about(name, unlinking, who, link))
        for name in ("reversal", "outcome-inquiry")
        for who, link in (
            (other.who, citizen.link),
            (citizen.who, other.link),
            (citizen.who, ""),
        )
    ]

    assert differing == [("25", {"RC": "ORIGINAL_DIFFERS"})] * 6
    assert bureau.links(citizen.who) == []
    assert core.inquire(unlinking, citizen.who, citizen.link)[0] == "00"


def test_outcome_that_comes_after_the_answer_is_asked_after(customer, eventually):
    """98 within the core's time, while the report is under way; the inquiry tells the end."""
    core, citizen, bureau = customer
    bureau.fault("loss-report", "drop_request", times=1_000)
    report = core.word("ss-loss-temporary", citizen.who, citizen.link)

    in_time = core.ask(report)
    meanwhile = core.inquire(report, citizen.who, citizen.link)
    bureau.heal()
    told = eventually(
        lambda: (answer := core.inquire(report, citizen.who, citizen.link))[0] != "98" and answer
    )

    assert in_time == meanwhile == ("98", {"RC": "OUTCOME_PENDING"})
    assert told == core.ask(report.as_repeat()) == ("00", {"CS": "T"})


def test_inquiry_after_what_never_came_bars_it(customer):
    """25 is the last word: the request that comes later is refused."""
    core, citizen, bureau = customer
    original = core.word("unlink", citizen.who, citizen.link)

    assert core.inquire(original, citizen.who, citizen.link)[0] == "25"
    assert core.ask(original) == ("22", {"RC": "REVERSED_BEFORE"})
    assert bureau.links(citizen.who) == [citizen.link]


def test_answer_goes_out_late_and_the_reversal_undoes_it(customer, counters, eventually):
    """The core gives up while the bureau takes its time: 0310 late, of what is undone, and 0430."""
    core, citizen, bureau = customer
    town, _ = counters
    bureau.fault("link-remove", "delay", seconds=0.4)
    mark = bureau.mark()
    unlinking = core.word("unlink", citizen.who, citizen.link)

    with core.dialled() as line:
        line.say(unlinking)
        eventually(lambda: bureau.received(mark, "link-remove"), "the removal")
        line.say(core.reversal(unlinking, citizen.who, citizen.link))
        late, undone = line.heard(), line.heard()

    assert [(each.mti, each.text(39)) for each in (late, undone)] == [
        ("0310", "91"),
        ("0430", "00"),
    ]
    assert bureau.links(citizen.who) == town.core_peer.links(citizen.who) == [citizen.link]


def test_unlinking_under_way_is_taken_back_whatever_happens(customer, counters, eventually):
    """The reversal is durable: 98, the process dies, and both sides have the link again."""
    core, citizen, bureau = customer
    town, _ = counters
    mark = bureau.mark()
    bureau.fault("link-remove", "drop_answer", times=1_000)
    bureau.fault("reversal", "drop_request", times=1_000)
    unlinking = core.word("unlink", citizen.who, citizen.link)
    reversal = core.reversal(unlinking, citizen.who, citizen.link)

    with core.dialled() as line:
        line.say(unlinking)
        eventually(lambda: bureau.received(mark, "link-remove"), "the removal")
        line.say(reversal)
        open_still = {line.heard().text(39), line.heard().text(39)}
    town.gateway.kill()
    bureau.heal()
    town.restart_gateway()
    undone = eventually(
        lambda: (answer := core.ask(reversal.as_repeat()))[0] != "98" and answer, "the end"
    )

    assert (open_still, undone) == ({"98"}, ("00", {}))
    assert core.inquire(unlinking, citizen.who, citizen.link)[1] == {"RC": "REGISTRATION_UNDONE"}
    assert core.ask(core.word("query-link", citizen.who, citizen.link))[1] == {"LS": "A"}
    assert bureau.links(citizen.who) == town.core_peer.links(citizen.who) == [citizen.link]
