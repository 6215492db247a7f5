"""The core's rules: accounts, links, activation."""

from datetime import UTC, datetime

import pytest

from gateway.simulators.desk import Outcome
from gateway.simulators.population import AccountState, person
from gateway.terms.response_codes import ResponseCode

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
FRESH = person(2).pan
LINK = f"lnk_{1:026d}"


def _register(core, caller, pan=FRESH, link=LINK):
    return core.carry_out(caller.core("link-register", pan, LK=link), NOW)


def _activate(core, caller, pin="135792", pan=FRESH, services="-", control="26" + "0" * 14):
    fields = {2: pan, 52: caller.format_0(pin, pan), 53: control}
    request = caller.request("account-activation", "0100", fields, LK=LINK, SV=services)
    return core.carry_out(request, NOW)


def test_account_inquiry_tells_holder_customer_and_state(core, caller):
    """The answer holds customer number, name, citizen id, mobile and account state."""
    outcome = core.carry_out(caller.core("account-inquiry", FRESH, "0100"), NOW)

    assert outcome.code is ResponseCode.APPROVED
    assert outcome.private["CU"] == person(2).customer
    assert (outcome.private["ID"], outcome.private["AS"]) == (person(2).at_bank.citizen_id, "N")


def test_unknown_account_is_told_apart(core, caller):
    """An account of nobody is answered 14."""
    outcome = core.carry_out(caller.core("account-inquiry", "6200000000000000000"), NOW)

    assert outcome.code is ResponseCode.NO_SUCH_CARD


@pytest.mark.parametrize(
    ("index", "code"), [(1, "00"), (2, "00"), (4, "62"), (9, "41"), (10, "62")]
)
def test_account_state_decides_about_a_link(core, caller, index, code):
    """Active and fresh accounts are linked; frozen and closed ones get 62, lost ones 41."""
    assert _register(core, caller, pan=person(index).pan).code == code


def test_link_reference_is_used_once_and_removed_once(core, caller):
    """A reference registered again is 22, removed twice 25."""
    codes = [_register(core, caller).code, _register(core, caller).code]
    removals = [caller.core("link-remove", FRESH, LK=LINK) for _ in range(2)]
    codes += [core.carry_out(removal, NOW).code for removal in removals]

    assert codes == ["00", "22", "00", "25"]


def test_activation_sets_the_pin_and_the_chosen_services(core, caller):
    """The account becomes active with the new PIN and only the services asked for."""
    _register(core, caller)

    outcome = _activate(core, caller, "135792", services="SW")

    account = core.account(FRESH)
    assert (outcome.code, outcome.private) == ("00", {"AS": "A"})
    assert account.pin.matches("135792")
    assert account.services == {"S", "W"}


def test_activation_without_services_adds_none(core, caller):
    """A hyphen means that the customer chose nothing."""
    _register(core, caller)
    _activate(core, caller)

    assert core.account(FRESH).services == set()


def test_activation_needs_the_accounts_own_link(core, caller):
    """Without an active link under the reference the answer is 25."""
    _register(core, caller, pan=person(20).pan)

    assert _activate(core, caller).code is ResponseCode.ORIGINAL_NOT_FOUND


def test_active_account_is_not_activated_again(core, caller):
    """A second activation is 22 and leaves the first PIN."""
    _register(core, caller)
    _activate(core, caller, "135792")

    assert _activate(core, caller, "246813").code is ResponseCode.STATE_DOES_NOT_ALLOW
    assert core.account(FRESH).pin.matches("135792")


@pytest.mark.parametrize("change", [{"pin": "13579"}, {"control": "1" + "6" + "0" * 14}])
def test_bad_pin_block_activates_nothing(core, caller, change):
    """A PIN of another length and a block announced as another format are 99."""
    _register(core, caller)

    assert _activate(core, caller, **change).code is ResponseCode.PIN_FORMAT
    assert core.account(FRESH).state is AccountState.NOT_ACTIVATED


def test_pin_block_of_another_account_is_refused(core, caller):
    """A format 0 block is bound to its PAN."""
    _register(core, caller)
    block = caller.format_0("135792", person(1).pan)
    fields = {2: FRESH, 52: block, 53: "26" + "0" * 14}

    request = caller.request("account-activation", "0100", fields, LK=LINK, SV="-")

    assert core.carry_out(request, NOW).code is ResponseCode.PIN_FORMAT


def test_account_that_became_unusable_is_not_activated(core, caller):
    """An account frozen after it was linked is 62."""
    _register(core, caller)
    core.account(FRESH).state = AccountState.FROZEN

    assert _activate(core, caller).code is ResponseCode.RESTRICTED


def test_message_that_a_core_does_not_know_is_not_offered(core, caller):
    """Setting an SS PIN is no business of a core."""
    assert core.carry_out(caller.core("pin-set", FRESH), NOW).code is ResponseCode.NOT_SUPPORTED


def test_inquiry_after_an_account_of_nobody_is_14(core, caller):
    """Even where the original is on record."""
    request = caller.core("outcome-inquiry", "6200000000000000000")

    assert core.describe(request, Outcome(ResponseCode.APPROVED)).code == "14"


def test_services_are_added_to_an_active_account_once(core, caller):
    """One that it has stays; an account that is not active gets none."""
    _register(core, caller)

    def add(services):
        asked = caller.core("services-add", FRESH, "0100", LK=LINK, SV=services)
        return core.carry_out(asked, NOW)

    early = add("S")
    _activate(core, caller, services="S")
    added = add("SW")

    assert (early.code, added.code) == ("21", "00")
    assert core.account(FRESH).services == {"S", "W"}
