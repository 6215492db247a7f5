"""The control port: state, journal, faults, reset, clock, terminals; bad input is refused."""

import pytest

from gateway.simulators.population import NAMED, person

CARD, PAN = person(1).card, person(1).pan
LINK = f"lnk_{1:026d}"
BUREAU = {100: "99350201", 102: CARD}


def _set_pin(gateway, caller, pin):
    gateway.ask("link-register", BUREAU, IN="99350201", LK=LINK, MB="15400000001")
    fields = {**BUREAU, 52: caller.format_1(pin), 53: "16" + "0" * 14}
    return gateway.ask("pin-set", fields, IN="99350201", LK=LINK)


def test_health_tells_what_it_is_and_its_connections(bureau_simulator, core_simulator):
    """Bureau and core say so, with the number of open connections."""
    bureau_simulator.gateway()

    status, body = bureau_simulator.control("GET", "health")

    assert (status, body["simulates"], body["status"]) == (200, "bureau", "ok")
    assert body["connections"] >= 1
    assert core_simulator.control("GET", "health")[1]["simulates"] == "core"


def test_pharmacy_shows_the_effect_of_a_pin(bureau_simulator, caller):
    """Refused without a PIN, then the new PIN is accepted and no PIN any more is not."""
    at_pharmacy = {"scene": "pharmacy", "card": CARD}
    body = at_pharmacy | {"on": "2015-07-01"}
    before = bureau_simulator.control("POST", "terminal", body)
    _set_pin(bureau_simulator.gateway(), caller, "135792")

    def sell(**more):
        return bureau_simulator.control("POST", "terminal", at_pharmacy | more)[1]["answer"]

    assert before[1]["answer"] == "refused"
    assert [sell(pin="135792"), sell(pin="135793"), sell()] == ["accepted", "refused", "refused"]


def test_pharmacy_asks_for_no_pin_before_the_rule(bureau_simulator):
    """On a day before the rule a card without a PIN is served."""
    body = {"scene": "pharmacy", "card": CARD, "on": "2015-06-30"}

    assert bureau_simulator.control("POST", "terminal", body)[1]["answer"] == "not-asked"


def test_a_pin_is_changed_at_a_kiosk_of_the_bureau(bureau_simulator):
    """A simple one is refused with the reason, another is the PIN from then on."""

    def change(pin):
        return bureau_simulator.control("POST", "kiosk", {"card": CARD, "pin": pin})[1]["reason"]

    assert [change("123456"), change("135792")] == ["SIMPLE_PIN", ""]
    body = {"scene": "pharmacy", "card": CARD, "pin": "135792"}
    assert bureau_simulator.control("POST", "terminal", body)[1]["answer"] == "accepted"


def test_a_card_lost_at_the_bureaus_window_is_out_of_use(bureau_simulator):
    """A terminal refuses it from then on, and a card of nobody is not found."""
    lost = bureau_simulator.control("POST", "loss", {"card": CARD})
    nobody = bureau_simulator.control("POST", "loss", {"card": "T99999999"})

    assert (lost[0], nobody[0]) == (200, 404)
    card = bureau_simulator.control("GET", f"state?card={CARD}")[1]
    assert card["card_state"] == "temporary_loss"


def test_time_passes_when_told(bureau_simulator):
    """The clock jumps ahead, never too far, and a reset puts it right."""
    bureau_simulator.control("POST", "clock", {"advance_seconds": 86_400})
    ahead = bureau_simulator.control("POST", "clock", {"advance_seconds": 60})
    beyond = bureau_simulator.control("POST", "clock", {"advance_seconds": 3_660 * 86_400})
    bureau_simulator.control("POST", "reset")

    assert (ahead[0], ahead[1]["ahead_seconds"]) == (200, 86_460)
    assert (beyond[0], beyond[1]["key"]) == (400, "advance_seconds")
    assert bureau_simulator.control("GET", "clock")[1]["ahead_seconds"] == 0


def test_state_of_one_card_is_masked(bureau_simulator, caller):
    """The PIN's state is there, the PIN is not; numbers are masked."""
    _set_pin(bureau_simulator.gateway(), caller, "135792")

    status, card = bureau_simulator.control("GET", f"state?card={CARD}")

    assert (status, card["pin_state"], card["card_state"]) == (200, "enabled", "normal")
    assert card["links"] == [{"link": LINK, "active": True}]
    told = str(card)
    for secret in (CARD, "135792", person(1).at_bank.citizen_id, "15400000001", "测试甲"):
        assert secret not in told


def test_state_lists_what_was_touched(core_simulator):
    """Only accounts that a message has named are listed."""
    core_simulator.gateway().ask("account-inquiry", {2: PAN})

    body = core_simulator.control("GET", "state")[1]

    assert body["touched"] == 1
    assert body["accounts"][0]["account_state"] == "active"
    assert PAN not in str(body)
    assert core_simulator.control("GET", f"state?account={PAN}")[0] == 200


def test_journal_is_read_from_where_one_stopped(bureau_simulator):
    """`after` leaves out what was read before."""
    gateway = bureau_simulator.gateway()
    last = bureau_simulator.control("GET", "journal")[1]["last"]
    gateway.ask("echo")

    entries = bureau_simulator.control("GET", f"journal?after={last}")[1]["entries"]

    assert [entry["direction"] for entry in entries] == ["received", "sent"]


def test_faults_are_listed_and_healed(bureau_simulator):
    """What was put in force is listed with the times left, until it is deleted."""
    bureau_simulator.fault("pin-set", "drop_answer", times=3)

    listed = bureau_simulator.control("GET", "faults")[1]["faults"]

    assert [(one["message"], one["times_left"]) for one in listed] == [("pin-set", 3)]
    assert bureau_simulator.control("DELETE", "faults") == (200, {"faults": []})


def test_reset_forgets_links_and_duplicates(bureau_simulator):
    """After a reset the same request is carried out anew."""
    gateway = bureau_simulator.gateway()
    request = gateway.request("link-register", BUREAU, IN="99350201", LK=LINK, MB="15400000001")
    gateway.ask(request)

    bureau_simulator.control("POST", "reset")

    assert bureau_simulator.control("GET", f"state?card={CARD}")[1]["links"] == []
    assert gateway.ask(request).text(39) == "00"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "key"),
    [
        (
            "POST",
            "faults",
            {"message": "pin-set", "fault": "drop_answer", "often": 1},
            400,
            "often",
        ),
        ("POST", "faults", {"message": "pin-set"}, 400, "fault"),
        ("POST", "faults", {"message": "pin-sett", "fault": "drop_answer"}, 400, "message"),
        ("POST", "faults", {"message": "*", "fault": "delay"}, 400, "seconds"),
        ("POST", "faults", {"message": "*", "fault": "no_such"}, 400, "fault"),
        ("POST", "faults", b"[1]", 400, ""),
        ("POST", "faults", b"{", 400, ""),
        ("POST", "faults", b"{" + b" " * 5000 + b"}", 400, ""),
        ("POST", "terminal", {"scene": "pharmacy", "card": CARD, "pin": "13579x"}, 400, "pin"),
        ("POST", "terminal", {"scene": "pharmacy", "card": CARD, "on": "tomorrow"}, 400, "on"),
        ("POST", "kiosk", {"card": "T99999999", "pin": "135792"}, 404, None),
        ("POST", "terminal", {"scene": "moon", "card": CARD}, 400, "scene"),
        ("POST", "clock", {"advance_seconds": 0}, 400, "advance_seconds"),
        ("POST", "clock", {"advance_seconds": "60"}, 400, "advance_seconds"),
        ("POST", "clock", {"advance_seconds": 10**9}, 400, "advance_seconds"),
        ("POST", "clock", {}, 400, "advance_seconds"),
        ("POST", "reset", {"hard": True}, 400, "hard"),
        ("GET", "journal?after=-1", None, 400, "after"),
        ("GET", "journal?since=1", None, 400, "since"),
        ("GET", "state?card=T1&card=T2", None, 400, ""),
        ("GET", "health?verbose=1", None, 400, "verbose"),
        ("GET", "state?card=T99999999", None, 404, None),
        ("GET", "state/more", None, 404, None),
        ("PUT", "faults", {}, 405, None),
    ],
)
def test_bad_input_is_refused_with_key_and_rule(bureau_simulator, method, path, body, status, key):
    """Unknown members and parameters, wrong values and wrong paths get 4xx, never a traceback."""
    answered, told = bureau_simulator.control(method, path, body)

    assert answered == status
    assert told.get("key") == key
    assert "13579x" not in str(told)


def test_core_has_no_terminal(core_simulator):
    """A terminal asks the bureau; the core has no such path."""
    assert core_simulator.control("POST", "terminal", {"scene": "pharmacy", "card": CARD})[0] == 404


def test_population_is_known_by_number(bureau_simulator):
    """Every named person's card can be asked for."""
    for index in range(1, NAMED + 1):
        assert bureau_simulator.control("GET", f"state?card={person(index).card}")[0] == 200


def test_account_of_nobody_is_not_found(core_simulator):
    """An account number outside the population is 404."""
    assert core_simulator.control("GET", "state?account=6200000000000000000")[0] == 404
