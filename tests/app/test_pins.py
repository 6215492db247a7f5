"""PINs between the service and the modules: each side's module gets its own side's facts."""

import asyncio
import hmac
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial

import pytest

from gateway.api.service import SetPinCommand
from gateway.app.pins import FINANCIAL_PIN_POLICY, AcceptedPin, PinOrder, SecurityModules
from gateway.hsm import pin_protocol
from gateway.hsm.pin_protocol import PinRefusal, write_set_pin, write_translate_pin
from gateway.hsm.protocol import Diagnostics, PublicKey
from gateway.linking.link import PinSession
from gateway.operations.draft import EncipheredPin
from gateway.pinblock.policy import PinAdvice, PinPolicy
from gateway.terms.advice import Advice
from gateway.terms.errors import RequestRefused, Unavailable
from gateway.terms.numbers import LinkId, Pan, PinSessionId, SsCardNumber
from gateway.terms.refusals import Refusal
from gateway.terms.sides import PinPurpose, Side

JWK = {"kty": "EC", "crv": "P-256", "x": "x", "y": "y", "use": "enc", "alg": "ECDH-ES"}
POLICY = PinPolicy(length=6)
CONTROL = "1600000000000000"


class Module:
    """One side's module: notes what it is asked."""

    def __init__(self, side, answer=None, error=None):
        purpose = PinPurpose.SS_PIN if side is Side.SOCIAL else PinPurpose.FINANCIAL_PIN
        self.keys = (PublicKey(purpose, f"{side}-kid", date(2026, 12, 31), JWK),)
        self.requests = []
        self.binding = ("core", "bureau-0", "pads-0")
        self.zones, self.asked = ("bureau", "pads", "z", *self.binding), 0
        self._answer, self._error = answer, error

    async def set_pin(self, request):
        self.requests.append(request)
        if self._error:
            raise self._error
        return self._answer

    async def translate_pin(self, request):
        return await self.set_pin(request)

    async def public_keys(self):
        if self._error:
            raise self._error
        return self.keys

    async def diagnostics(self):
        if self._error:
            raise self._error
        self.asked += 1
        return Diagnostics("", "test", self.zones, self.binding, {"pads": CONTROL})


@pytest.fixture
def session(stage):
    expires_at = datetime(2026, 11, 21, 4, 5, tzinfo=UTC)
    identity = PinSessionId("pse_" + "1" * 26)
    return PinSession(identity, stage.link, PinPurpose.SS_PIN, "nonce", "kid", expires_at)


@pytest.fixture
def known(stage):
    """Give card and account with what the far sides told of their people."""
    card = replace(stage.cargo.card, holder=stage.card_found.holder)
    account = replace(stage.cargo.account, owner=stage.account_found.owner)
    return card, account


FINGERPRINTS = {side: partial(hmac.digest, side.encode(), digest="sha256") for side in Side}
ENCIPHERED = pin_protocol.EncipheredPin(bytes(range(8)), "1600000000000000")

PADS = {
    ("counter", Side.SOCIAL): "pads",
    ("counter", Side.FINANCIAL): "pads-f",
    ("kiosk", Side.SOCIAL): "pads-0",
}
BLOCK = "1B9C1845EB993A7A"
FOR_FAR_SIDE = EncipheredPin(bytes(range(8)), "1600000000000000")


def modules_of(**social):
    """Give both modules, the social one as told."""
    each = {Side.SOCIAL: Module(Side.SOCIAL, **social), Side.FINANCIAL: Module(Side.FINANCIAL)}
    return SecurityModules(each, FINGERPRINTS, lambda at: at, PADS), each


def test_ss_pin_order_holds_the_social_facts_only(known, session):
    """The bureau's holder and the card; neither account nor the bank's own numbers."""
    card, account = known
    modules, each = modules_of(answer=ENCIPHERED)

    order = PinOrder.for_card(card, "bureau", POLICY).with_envelope(session, "an.envelope")
    asyncio.run(modules.encipher(order))

    (request,) = each[Side.SOCIAL].requests
    told = ("T00000001", "15400000001", "350299197109070016", "16400000002")
    assert request.holder.numbers == told
    assert (request.account, request.zone, request.holder.birth_date) == (
        "",
        "bureau",
        date(1971, 9, 7),
    )
    written = write_set_pin(request).decode()
    assert account.pan.value not in written
    assert account.customer.value not in written
    assert each[Side.FINANCIAL].requests == []


def test_financial_pin_order_holds_the_financial_facts_only(known, session):
    """The core's owner and the account, to which the PIN is bound; no SS card, no bureau data."""
    card, account = known
    modules, each = modules_of()
    each[Side.FINANCIAL]._answer = ENCIPHERED
    owned = replace(session, purpose=PinPurpose.FINANCIAL_PIN)

    order = PinOrder.for_account(account, "core").with_envelope(owned, "an.envelope")
    asyncio.run(modules.encipher(order))

    (request,) = each[Side.FINANCIAL].requests
    assert request.holder.numbers == (
        "6200000000000000018",
        "350299197109070016",
        "15400000001",
    )
    assert (request.account, request.policy) == ("6200000000000000018", FINANCIAL_PIN_POLICY)
    written = write_set_pin(request).decode()
    assert card.number.value not in written
    assert card.holder.mobile.value not in written
    assert each[Side.SOCIAL].requests == []


@pytest.mark.parametrize("is_known", [True, False])
def test_order_does_without_what_nobody_told(stage, known, is_known):
    """A holder without a mobile, or nobody told of yet, leaves those rules out."""
    card, account = known if is_known else (stage.cargo.card, stage.cargo.account)
    if is_known:
        card = replace(card, holder=replace(card.holder, mobile=None))
        account = replace(account, owner=replace(account.owner, mobile=None))
    citizen = ("350299197109070016",) if is_known else ()

    social, financial = PinOrder.for_card(card, "z", POLICY), PinOrder.for_account(account, "z")

    assert social.holder.numbers == ("T00000001", "15400000001", *citizen)
    assert financial.holder.numbers == ("6200000000000000018", *citizen)
    assert (social.holder.birth_date is None) is (not is_known)


@pytest.mark.parametrize("side", Side)
def test_attempts_are_counted_by_card_whichever_link_leads_to_it(known, session, side):
    """Linked anew, a card keeps its count; its number is not what the module counts under."""
    card, account = known
    modules, each = modules_of(answer=ENCIPHERED)
    each[Side.FINANCIAL]._answer = ENCIPHERED
    again = LinkId("lnk_" + "9" * 26)
    if side is Side.SOCIAL:
        orders = [PinOrder.for_card(of, "z", POLICY) for of in (card, replace(card, link=again))]
        other = PinOrder.for_card(replace(card, number=SsCardNumber("T00000019")), "z", POLICY)
    else:
        orders = [PinOrder.for_account(of, "z") for of in (account, replace(account, link=again))]
        other = PinOrder.for_account(replace(account, pan=Pan("6200000000000005")), "z")

    for order in (*orders, other):
        asyncio.run(modules.encipher(order.with_envelope(session, "an.envelope")))

    first, second, third = (request.card for request in each[side].requests)
    assert first == second != third
    assert re.fullmatch("[0-9a-f]{64}", first)


def test_same_number_is_told_once(known):
    """A mobile that bank and bureau agree on counts as one."""
    card, _ = known
    card = replace(card, holder=replace(card.holder, mobile=card.mobile))

    numbers = PinOrder.for_card(card, "bureau", POLICY).holder.numbers

    assert len(numbers) == len(set(numbers)) == 3


def test_order_prints_nothing_of_what_it_holds(known, session):
    """Neither envelope nor numbers stand in a log line."""
    card, _ = known

    order = PinOrder.for_card(card, "bureau", POLICY).with_envelope(session, "an.envelope")

    assert "an.envelope" not in repr(order)
    assert "350299" not in repr(order)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (ENCIPHERED, AcceptedPin(FOR_FAR_SIDE)),
        (
            ENCIPHERED._replace(advice=PinAdvice.TRIVIAL),
            AcceptedPin(FOR_FAR_SIDE, Advice.PIN_TRIVIAL_ADVICE),
        ),
        (
            ENCIPHERED._replace(advice=PinAdvice.PERSONAL),
            AcceptedPin(FOR_FAR_SIDE, Advice.PIN_PERSONAL_ADVICE),
        ),
        (PinRefusal.SESSION, Refusal.PIN_SESSION_UNUSABLE),
        (PinRefusal.ENVELOPE, Refusal.PIN_ENVELOPE),
        (PinRefusal.FORMAT, Refusal.PIN_FORMAT),
        (PinRefusal.TRIVIAL, Refusal.PIN_TRIVIAL),
        (PinRefusal.PERSONAL, Refusal.PIN_PERSONAL),
        (PinRefusal.SAME, Refusal.PIN_ENVELOPE),
        (PinRefusal.RATE_LIMITED, Refusal.PIN_RATE_LIMITED),
    ],
)
def test_every_answer_of_the_module_has_its_meaning(stage, session, answer, outcome):
    """A block is passed on; a refusal keeps its reason and no more."""
    modules, _ = modules_of(answer=answer)
    order = PinOrder.for_card(stage.cargo.card, "bureau", POLICY).with_envelope(session, "e")

    assert asyncio.run(modules.encipher(order)) == outcome


def test_ecard_pin_that_is_the_cards_is_refused_by_name(stage, session):
    """Where both are in one envelope the module says that they are alike."""
    modules, _ = modules_of(answer=PinRefusal.SAME)
    order = PinOrder.for_ecard(stage.cargo.card, "bureau", POLICY).with_envelope(session, "e")

    assert asyncio.run(modules.encipher(order)) is Refusal.PIN_AS_CARD_PIN


def refusal_of(awaitable):
    with pytest.raises(RequestRefused) as caught:
        asyncio.run(awaitable)
    return caught.value.refusal


def test_module_that_is_away_is_named(stage, session):
    """Nothing was changed; the caller may try again."""
    modules, _ = modules_of(error=Unavailable("down"))
    order = PinOrder.for_card(stage.cargo.card, "bureau", POLICY).with_envelope(session, "e")

    for awaitable in (
        modules.encipher(order),
        modules.public_keys(),
        modules.kid(PinPurpose.SS_PIN),
    ):
        assert refusal_of(awaitable) is Refusal.SECURITY_MODULE_UNAVAILABLE


@pytest.mark.parametrize(
    ("channel", "zone", "pads", "account"),
    [
        ("counter", "bureau", "pads", ""),
        ("counter", "bureau-0", "pads", "T00000001"),
        ("kiosk", "bureau-0", "pads-0", "T00000001"),
    ],
)
def test_block_of_a_pin_pad_goes_to_the_module_of_its_side(
    known, session, channel, zone, pads, account
):
    """The channel's zone is ours to know; a card's number goes along where a zone binds it."""
    card, bank_account = known
    modules, each = modules_of(answer=ENCIPHERED)
    order = PinOrder.for_card(card, zone, POLICY).with_block(session, channel, BLOCK)

    outcome = asyncio.run(modules.encipher(order))

    (request,) = each[Side.SOCIAL].requests
    assert outcome == AcceptedPin(FOR_FAR_SIDE)
    assert (request.channel, request.block.hex().upper()) == (pads, BLOCK)
    assert (request.zone, request.account, request.session) == (zone, account, session.id.value)
    assert bank_account.pan.value not in write_translate_pin(request).decode()
    assert each[Side.FINANCIAL].requests == []


def test_block_of_a_channel_without_pin_pads_is_refused(known, session):
    """Nobody names a zone but the configuration, and that for each side on its own."""
    card, account = known
    modules, each = modules_of(answer=ENCIPHERED)
    owned = replace(session, purpose=PinPurpose.FINANCIAL_PIN)

    for order in (
        PinOrder.for_card(card, "bureau", POLICY).with_block(session, "online-bank", BLOCK),
        PinOrder.for_account(account, "core").with_block(owned, "kiosk", BLOCK),
    ):
        with pytest.raises(RequestRefused) as caught:
            asyncio.run(modules.encipher(order))
        assert (caught.value.refusal, caught.value.pointer) == (
            Refusal.INVALID_REQUEST,
            "/pin_block",
        )
    assert [module.requests for module in each.values()] == [[], []]


def test_block_of_a_pin_in_force_is_pointed_at_where_it_stands(known, session):
    """The proof is a member of its own, so the pointer leads into it."""
    modules, _ = modules_of(answer=ENCIPHERED)
    order = PinOrder.for_card(known[0], "bureau", POLICY).as_proof()
    entry = SetPinCommand(session.id, pin_block=BLOCK)

    with pytest.raises(RequestRefused) as caught:
        asyncio.run(modules.encipher(order.with_entry(session, "online-bank", entry)))

    assert caught.value.pointer == "/current_pin/pin_block"


def test_order_is_filled_with_what_the_channel_sent(known, session):
    """An envelope or a block, and the block's channel."""
    order = PinOrder.for_card(known[0], "bureau", POLICY)

    sealed = order.with_entry(session, "counter", SetPinCommand(session.id, "an.envelope"))
    typed = order.with_entry(session, "counter", SetPinCommand(session.id, pin_block=BLOCK))

    assert sealed == order.with_envelope(session, "an.envelope")
    assert typed == order.with_block(session, "counter", BLOCK)


def test_de_53_of_a_channels_blocks_is_its_zones():
    """The module knows what its zone declares; a channel without PIN pads has none."""
    modules, _ = modules_of()

    assert asyncio.run(modules.security_control("counter", Side.SOCIAL)) == CONTROL
    with pytest.raises(RequestRefused):
        asyncio.run(modules.security_control("online-bank", Side.SOCIAL))


@pytest.mark.parametrize(("zone", "account"), [("bureau", ""), ("bureau-0", "T00000001")])
def test_ss_pin_is_bound_to_the_card_where_the_zone_binds_one(known, session, zone, account):
    """The number of the SS card, never that of the bank account, and only where it is wanted."""
    card, _ = known
    modules, each = modules_of(answer=ENCIPHERED)

    order = PinOrder.for_card(card, zone, POLICY).with_envelope(session, "an.envelope")
    asyncio.run(modules.encipher(order))

    assert each[Side.SOCIAL].requests[0].account == account


def test_module_is_asked_of_its_zones_once_and_again_for_a_new_one(known, session):
    """A zone's rule never changes, but a zone may be declared while the gateway runs."""
    card, _ = known
    modules, each = modules_of(answer=ENCIPHERED)
    module = each[Side.SOCIAL]

    def accounts(zone):
        order = PinOrder.for_card(card, zone, POLICY).with_envelope(session, "an.envelope")
        asyncio.run(modules.encipher(order))
        return module.requests[-1].account, module.asked

    assert [accounts(zone) for zone in ("bureau", "bureau-0")] == [("", 1), ("T00000001", 1)]
    module.zones, module.binding = (*module.zones, "new"), (*module.binding, "new")
    assert accounts("new") == ("T00000001", 2)


def test_order_without_a_session_is_refused(stage):
    """No PIN is opened outside a session."""
    modules, each = modules_of(answer=ENCIPHERED)
    order = PinOrder.for_card(stage.cargo.card, "bureau", POLICY)

    assert refusal_of(modules.encipher(order)) is Refusal.PIN_SESSION_UNUSABLE
    assert each[Side.SOCIAL].requests == []


def test_key_is_that_of_the_pins_own_side(stage):
    """Each PIN has its key in its own module; a module without it is of no use."""
    modules, each = modules_of()

    kids = [asyncio.run(modules.kid(purpose)) for purpose in PinPurpose if purpose.key is purpose]
    each[Side.SOCIAL].keys = each[Side.FINANCIAL].keys

    assert kids == ["social-kid", "financial-kid"]
    assert refusal_of(modules.kid(PinPurpose.SS_PIN)) is Refusal.SECURITY_MODULE_UNAVAILABLE
    assert stage.failures == []


def test_public_keys_tell_their_last_moment(stage):
    """Both sides' keys are published, each good to the end of its last day."""
    modules, _ = modules_of()

    keys = asyncio.run(modules.public_keys())

    assert [(key.purpose, key.kid) for key in keys] == [
        (PinPurpose.SS_PIN, "social-kid"),
        (PinPurpose.FINANCIAL_PIN, "financial-kid"),
    ]
    assert keys[0].not_after == datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert keys[0].not_after - stage.timers.now() > timedelta(days=40)
