"""Duplicates, reversals, inquiries and tombstones, the same for bureau and core."""

from datetime import UTC, datetime

from gateway.simulators.desk import Request
from gateway.simulators.population import AccountState, person
from gateway.terms.response_codes import ResponseCode

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
CARD, PAN, FRESH = person(1).card, person(1).pan, person(2).pan
LINK, OTHER = f"lnk_{1:026d}", f"lnk_{2:026d}"


def _register(caller, link=LINK):
    return caller.bureau("link-register", CARD, LK=link, MB="15400000001")


def _remove(caller, link=LINK):
    return caller.bureau("link-remove", CARD, LK=link)


def _reversal(caller, original):
    return caller.naming("reversal", "0420", original, {102: CARD})


def _activation(caller):
    fields = {2: FRESH, 52: caller.format_0("135792", FRESH), 53: "26" + "0" * 14}
    return caller.request("account-activation", "0100", fields, LK=LINK, SV="-")


def _inquiry(caller, original):
    return caller.naming("outcome-inquiry", "0100", original, {2: FRESH})


def _repeat_of(request, fields=None):
    message = request.message.as_repeat().with_fields(fields or {})
    return Request(request.name, message, request.private)


def test_repeat_gets_the_stored_outcome(bureau_desk, bureau, caller):
    """A repeat is answered as before and carried out once."""
    first = _register(caller)

    outcomes = [bureau_desk.answer(one, NOW) for one in (first, _repeat_of(first), first)]

    assert outcomes[0] is outcomes[1] is outcomes[2]
    assert len(list(bureau.links.of(CARD))) == 1


def test_same_key_with_another_body_is_94(bureau_desk, caller):
    """A repeat that differs in any field but the MAC is refused; the MAC may differ."""
    first = _register(caller)
    bureau_desk.answer(first, NOW)
    changed = _repeat_of(first, {102: "T00000014"})
    resealed = _repeat_of(first, {128: b"12345678"})

    assert bureau_desk.answer(changed, NOW).code is ResponseCode.DUPLICATE
    assert bureau_desk.answer(resealed, NOW).code is ResponseCode.APPROVED


def test_reversal_undoes_a_registration(bureau_desk, bureau, caller):
    """Afterwards the card has no active link and the old contact; a second reversal is 00."""
    first = _register(caller)
    bureau_desk.answer(first, NOW)

    codes = [bureau_desk.answer(_reversal(caller, first), NOW).code for _ in range(2)]

    assert codes == ["00", "00"]
    assert not bureau.links.has_active(CARD)
    assert bureau.card(CARD, NOW).contact_mobile is None


def test_reversal_undoes_a_removal(bureau_desk, bureau, caller):
    """The link is active again."""
    bureau_desk.answer(_register(caller), NOW)
    removal = _remove(caller)
    bureau_desk.answer(removal, NOW)

    assert bureau_desk.answer(_reversal(caller, removal), NOW).code is ResponseCode.APPROVED
    assert bureau.links.active(LINK, CARD) is not None


def test_removal_is_not_undone_once_the_card_has_another_link(bureau_desk, bureau, caller):
    """What a newer registration has replaced stays replaced."""
    bureau_desk.answer(_register(caller), NOW)
    removal = _remove(caller)
    bureau_desk.answer(removal, NOW)
    bureau_desk.answer(_register(caller, OTHER), NOW)

    outcome = bureau_desk.answer(_reversal(caller, removal), NOW)

    assert outcome.code is ResponseCode.MALFUNCTION
    assert bureau.links.active(OTHER, CARD) is not None


def test_reversal_of_what_was_refused_is_accepted(bureau_desk, caller):
    """A refused original did nothing, so its reversal is done."""
    refused = _remove(caller)
    bureau_desk.answer(refused, NOW)

    assert bureau_desk.answer(_reversal(caller, refused), NOW).code is ResponseCode.APPROVED


def test_reversal_before_its_original_leaves_a_tombstone(bureau_desk, bureau, caller):
    """An unknown original is 25, and when it comes after all it is refused, repeats too."""
    late = _register(caller)

    first = bureau_desk.answer(_reversal(caller, late), NOW)
    then = [bureau_desk.answer(one, NOW).code for one in (late, _repeat_of(late))]

    assert first.code is ResponseCode.ORIGINAL_NOT_FOUND
    assert then == ["22", "22"]
    assert not bureau.links.has_active(CARD)


def test_core_reverses_registration_and_removal(core_desk, core, caller):
    """The core undoes both file actions."""
    first = caller.core("link-register", PAN, LK=LINK)
    core_desk.answer(first, NOW)
    removal = caller.core("link-remove", PAN, LK=LINK)
    core_desk.answer(removal, NOW)

    core_desk.answer(caller.naming("reversal", "0420", removal, {2: PAN}), NOW)
    assert core.links.active(LINK, PAN) is not None
    core_desk.answer(caller.naming("reversal", "0420", first, {2: PAN}), NOW)
    assert core.links.active(LINK, PAN) is None


def test_inquiry_tells_a_done_activation(core_desk, caller):
    """A known, approved activation is answered 00 with the account's state."""
    core_desk.answer(caller.core("link-register", FRESH, LK=LINK), NOW)
    done = _activation(caller)
    core_desk.answer(done, NOW)

    outcome = core_desk.answer(_inquiry(caller, done), NOW)

    assert (outcome.code, outcome.private) == ("00", {"AS": "A"})


def test_inquiry_tells_a_refused_activation(core_desk, caller):
    """A known, refused activation is answered 22 with the code that it got."""
    refused = _activation(caller)
    core_desk.answer(refused, NOW)

    outcome = core_desk.answer(_inquiry(caller, refused), NOW)

    assert (outcome.code, outcome.private) == ("22", {"AS": "N", "RC": "REFUSED_25"})


def test_inquiry_after_an_unknown_activation_keeps_it_from_ever_taking_effect(
    core_desk, core, caller
):
    """An unknown original is 25, and refused when it arrives late."""
    core_desk.answer(caller.core("link-register", FRESH, LK=LINK), NOW)
    late = _activation(caller)

    asked = core_desk.answer(_inquiry(caller, late), NOW)
    arrived = core_desk.answer(late, NOW)

    assert asked.code is ResponseCode.ORIGINAL_NOT_FOUND
    assert arrived.code is ResponseCode.STATE_DOES_NOT_ALLOW
    assert core.account(FRESH).state is AccountState.NOT_ACTIVATED


def test_memory_is_bounded(bureau_desk, caller, monkeypatch):
    """Beyond the limit the oldest request is forgotten, and carried out again if it returns."""
    monkeypatch.setattr("gateway.simulators.desk.REMEMBERED_MAX", 2)
    first = _register(caller)
    for request in (first, _remove(caller), _remove(caller, OTHER)):
        bureau_desk.answer(request, NOW)

    # The reference was used before, which only the rules remember.
    assert bureau_desk.answer(first, NOW).private["RC"] == "LINK_REFERENCE_USED"


def test_what_cannot_be_undone_is_not_reversed(core_desk, core, caller):
    """A reversal that names an activation is 30 and leaves the account active."""
    core_desk.answer(caller.core("link-register", FRESH, LK=LINK), NOW)
    done = _activation(caller)
    core_desk.answer(done, NOW)

    outcome = core_desk.answer(caller.naming("reversal", "0420", done, {2: FRESH}), NOW)

    assert outcome.code is ResponseCode.FORMAT_ERROR
    assert core.account(FRESH).state is AccountState.ACTIVE


def test_inquiry_tells_of_what_has_an_effect_only(core_desk, caller):
    """An inquiry that names a question is 30, not a false 00."""
    asked = caller.core("account-inquiry", FRESH, "0100")
    core_desk.answer(asked, NOW)

    assert core_desk.answer(_inquiry(caller, asked), NOW).code is ResponseCode.FORMAT_ERROR
