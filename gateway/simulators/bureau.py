"""The rules of a simulated social-security bureau: cards, links and SS PINs of one region.

What the region's profile says holds here too: the PIN's length and simple PINs, where a PIN is
asked for, when the SS account follows the financial one. No wire and no clock.
"""

from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from typing import Final

from gateway.iso8583.message import Message
from gateway.regions.profile import RegionProfile
from gateway.regions.rules import Rules
from gateway.regions.vocabulary import Business, Channel, Scene
from gateway.simulators import card_desk, ecard_desk, loss_desk
from gateway.simulators.desk import Outcome, Request, text
from gateway.simulators.links import Link, Links
from gateway.simulators.pin import BadPinBlock
from gateway.simulators.pin_desk import PinDesk, PinTerms, accept
from gateway.simulators.population import CardState, Holder, PinState, Population
from gateway.simulators.records import CardOrder, CardRecord
from gateway.simulators.terminal import UNUSABLE, Told, at_terminal
from gateway.terms.response_codes import ResponseCode

CHINA: Final = timezone(timedelta(hours=8), "China")
_APPROVED: Final = ResponseCode.APPROVED
_NO_SUCH_CARD: Final = Outcome.refused(ResponseCode.NO_SUCH_CARD, "UNKNOWN_CARD")
_NO_SUCH_LINK: Final = Outcome.refused(ResponseCode.ORIGINAL_NOT_FOUND, "NO_ACTIVE_LINK")
# Numbers of new cards lie beyond any population's, so that nobody has them already.
_NEW_NUMBERS_FROM: Final = 50_000_000
LOCK_AFTER: Final = 6  # wrong tries in a row, where a region does not say (seeds/001: 连续6次)
_TOLD: Final = frozenset({"CS", "PS", "TL", "MB", "OS", "ON", "DU", "NC", "CO", "EN", "ES"})
_ECARD_MESSAGES: Final = (
    "ecard-issue",
    "ecard-revoke",
    "ecard-payment",
    "ecard-scan",
    "ecard-code",
    "ecard-pin-set",
    "ecard-pin-verify",
)
_NOT_DONE: Final = ResponseCode.STATE_DOES_NOT_ALLOW
_ASCENDING: Final = "0123456789"
_DESCENDING: Final = _ASCENDING[::-1]
_ANYWHERE: Final = {business: [(channel, business) for channel in Channel] for business in Business}

Handler = Callable[[CardRecord, Request, datetime], Outcome]
_NOT_OFFERED: Final = Outcome.refused(ResponseCode.NOT_SUPPORTED, "NOT_OFFERED")


class Bureau:
    """Cards, links and PINs; `read_pin` gives the PIN of a message, `salt` 16 random bytes."""

    def __init__(
        self,
        profile: RegionProfile,
        population: Population,
        read_pin: Callable[[Message], str],
        salt: Callable[[], bytes],
    ) -> None:
        self._profile = profile
        self._population = population
        self._read_pin = read_pin
        self._salt = salt
        self._platform = ecard_desk.Platform(read_pin, salt)
        self._institutions = {institution.code for institution in profile.institutions}
        self._cards: dict[str, CardRecord] = {}
        self.links = Links()
        self._made = 0
        self._handlers: dict[str, Handler] = {
            "card-inquiry": lambda card, _request, now: self._card_answer(card, now),
            "link-register": self._register,
            "link-remove": lambda card, request, _now: self._remove(card, request.private["LK"]),
            "pin-set": self._set_pin,
            "account-activated": self._follow,
        }
        self._handlers |= self._pin_handlers() | self._card_handlers()

    def carry_out(self, request: Request, now: datetime) -> Outcome:
        """Decide a request and change the state."""
        institution = request.private.get("IN")
        if institution is not None and institution not in self._institutions:
            return Outcome.refused(ResponseCode.FORMAT_ERROR, "UNKNOWN_INSTITUTION")
        if request.name == "card-apply":
            return self._apply(text(request.message, 102), request)
        card = self.card(text(request.message, 102), now)
        if card is None:
            return _NO_SUCH_CARD
        handler = self._handlers.get(request.name)
        return _NOT_OFFERED if handler is None else handler(card, request, now)

    def _pin_handlers(self) -> dict[str, Handler]:
        desk = PinDesk(self._pin_terms, self._read_pin, self._take_pin)
        return {
            "pin-verify": self._linked(desk.verify),
            "pin-reset": self._linked(desk.reset),
            "pin-unlock": self._linked(desk.unlock),
            "pin-enable": self._linked(desk.enable),
            "pin-opt-out": self._linked(desk.opt_out),
        }

    def _card_handlers(self) -> dict[str, Handler]:
        return {
            "mobile-bind": self._linked(_bind_mobile),
            "loss-report": self._through_link(self._report_loss),
            "loss-cancel": self._through_link(self._cancel_loss),
            "card-order": self._through_link(_order_card),
            "card-collect": self._through_link(self._collect_card),
            "card-cancel": self._through_link(lambda card, _request, _now: card_desk.cancel(card)),
            "card-progress": self._through_link(_card_progress),
            **dict.fromkeys(_ECARD_MESSAGES, self._through_link(self._on_ecard)),
        }

    def _on_ecard(self, card: CardRecord, request: Request, now: datetime) -> Outcome:
        return self._platform.carry_out(card, request, now, self._rules(now).ecard)

    def scan_ecard(self, number: str, code: str, now: datetime) -> bool:
        """Scan a code that an app shows, as a pharmacy does."""
        card, rules = self.card(number, now), self._rules(now).ecard
        return card is not None and rules is not None and ecard_desk.scan(card, code, now, rules)

    def challenge_ecard(self, number: str, now: datetime) -> str | None:
        """Show a code for the app of a card's holder to scan."""
        card, rules = self.card(number, now), self._rules(now).ecard
        if card is None or rules is None:
            return None
        return ecard_desk.challenge(card, now, rules, self._salt())

    def finish_card(self, number: str, now: datetime) -> bool:
        """Let the ordered card be made at once; False when none is ordered."""
        card = self.card(number, now)
        if card is None or card.order is None:
            return False
        card.order.is_made = True
        return True

    def _collect_card(self, card: CardRecord, _request: Request, now: datetime) -> Outcome:
        rules = self._rules(now)
        terms = card_desk.CardTerms(rules.replacement, rules.pin)
        self._made += 1
        new = card_desk.collect(card, terms, f"T{_NEW_NUMBERS_FROM + self._made:08d}")
        if isinstance(new, Outcome):
            return new
        self._cards[new.number] = new
        carried = "-" if card.is_application else terms.carried_over
        if "L" in carried:
            self.links.hand_over(card.number, new.number)
        told = {"CS": new.state, "PS": new.pin_state, "OS": "H"}
        return Outcome(_APPROVED, {**told, "NC": new.number, "CO": carried})

    def _apply(self, reference: str, request: Request) -> Outcome:
        """Take an application down under its reference; the holder is whom the bank names."""
        said = request.private
        holder = Holder(said["NM"], said["ID"], said["MB"])
        card = CardRecord(reference, holder, CardState.NOT_ACTIVATED, PinState.UNSET)
        card.is_application, card.contact_mobile = True, said["MB"]
        card.order = CardOrder(f"A{reference}", said.get("DU", ""))
        self._cards[reference] = card
        self.links.add(said["LK"], reference)
        return Outcome(_APPROVED, {"CS": card.state, **card_desk.progress(card)})

    def _report_loss(self, card: CardRecord, request: Request, now: datetime) -> Outcome:
        lasts, said = self._rules(now).loss.temporary_lasts, request.private
        ends_at = now + lasts if lasts else None
        return loss_desk.report(card, said["LT"], said["LN"], ends_at)

    def _cancel_loss(self, card: CardRecord, request: Request, now: datetime) -> Outcome:
        return loss_desk.cancel(card, request.private.get("LN", ""), self._rules(now).loss)

    def _rules(self, now: datetime) -> Rules:
        return self._profile.rules(_day(now))

    def _linked(self, handler: Handler) -> Handler:
        """Let a message through that names the card's active link, for a card that can be used."""
        return self._through_link(
            lambda card, request, now: _unusable(card) or handler(card, request, now)
        )

    def _through_link(self, handler: Handler) -> Handler:
        """Let a message through that names the card's active link, whatever the card's state."""

        def handle(card: CardRecord, request: Request, now: datetime) -> Outcome:
            if self.links.active(request.private["LK"], card.number) is None:
                return _NO_SUCH_LINK
            return handler(card, request, now)

        return handle

    def _pin_terms(self, now: datetime) -> PinTerms:
        rules = self._profile.rules(_day(now)).pin
        return PinTerms(rules.policy, rules.lock_after or LOCK_AFTER)

    def describe(self, request: Request, stored: Outcome) -> Outcome:  # noqa: ARG002 - as a core's
        """Say what became of a request: done (00), or refused with the code it got (22)."""
        told = {usage: value for usage, value in stored.private.items() if usage in _TOLD}
        if stored.code is _APPROVED:
            return Outcome(_APPROVED, told)
        return Outcome(_NOT_DONE, told | {"RC": stored.private.get("RC", f"REFUSED_{stored.code}")})

    def card(self, number: str, now: datetime) -> CardRecord | None:
        """Find a card as it stands now; a card nobody touched yet is built from the population."""
        card = self._cards.get(number)
        if card is None:
            person = self._population.with_card(number)
            if person is None:
                return None
            card = CardRecord(
                number, person.at_bureau, person.case.card_state, person.case.pin_state
            )
            self._cards[number] = card
        _let_time_pass(card, now)
        return card

    def touched(self) -> list[CardRecord]:
        """Give the cards that any message has named."""
        return list(self._cards.values())

    def change_at_kiosk(self, number: str, pin: str, now: datetime) -> str:
        """Change the PIN at the bureau's own device; gives the reason of a refusal, or nothing.

        Raises `LookupError` for a card of nobody.
        """
        card = self.card(number, now)
        if card is None:
            raise LookupError
        outcome = _unusable(card) or self._take_pin(card, pin, now)
        return outcome.private.get("RC", "")

    def lose_at_window(self, number: str, now: datetime) -> None:
        """Report a card lost for now at the bureau's own window; raises `LookupError`."""
        card = self.card(number, now)
        if card is None:
            raise LookupError
        loss_desk.report(card, "T", "window", None)

    def at_terminal(
        self, number: str, pin: str | None, scene: Scene, on: date, now: datetime
    ) -> Told:
        """Answer a terminal that a card is used at, by the rules of the day `on`."""
        card = self.card(number, now)
        if card is None or card.state is not CardState.NORMAL:
            return UNUSABLE
        return at_terminal(card, pin, scene, self._profile.rules(on).pin, self._pin_terms(now))

    def _card_answer(self, card: CardRecord, now: datetime) -> Outcome:
        holder, tries = card.holder, self._pin_terms(now).lock_after - card.wrong_tries
        return Outcome(
            _APPROVED,
            {
                "NM": holder.name,
                "ID": holder.citizen_id,
                "MB": holder.mobile,
                "CS": card.state,
                "PS": card.pin_state,
                "TL": str(max(0, tries)),
            },
        )

    def _register(self, card: CardRecord, request: Request, now: datetime) -> Outcome:
        if not self._grants(Business.LINK, now):
            return _NOT_OFFERED
        refusal = _unusable(card)
        if refusal is not None:
            return refusal
        link_id = request.private["LK"]
        if self.links.known(link_id):
            return Outcome.refused(ResponseCode.STATE_DOES_NOT_ALLOW, "LINK_REFERENCE_USED")
        if self.links.has_active(card.number):
            return Outcome.refused(ResponseCode.STATE_DOES_NOT_ALLOW, "CARD_ALREADY_LINKED")
        link, former = self.links.add(link_id, card.number), card.contact_mobile
        card.contact_mobile = request.private["MB"]

        def undo() -> bool:
            # A contact given with a later link is not the undone one's to take back.
            if link.active:
                link.active, card.contact_mobile = False, former
            return True

        return Outcome(_APPROVED, undo=undo)

    def _grants(self, business: Business, now: datetime) -> bool:
        """Tell whether the region grants a business anywhere: a bureau sees no channel."""
        return not self._rules(now).matrix.cells.keys().isdisjoint(_ANYWHERE[business])

    def _remove(self, card: CardRecord, link_id: str) -> Outcome:
        link = self.links.active(link_id, card.number)
        if link is None:
            return _NO_SUCH_LINK
        link.active = False
        return Outcome(_APPROVED, undo=lambda: self._restore(link))

    def _restore(self, link: Link) -> bool:
        """Undo a removal, unless the card has another active link by now."""
        if not link.active and self.links.has_active(link.owner):
            return False
        link.active = True
        return True

    def _set_pin(self, card: CardRecord, request: Request, now: datetime) -> Outcome:
        refusal = self._pin_refusal(card, request, now)
        if refusal is not None:
            return refusal
        try:
            pin = self._read_pin(request.message)
        except BadPinBlock:
            return Outcome.refused(ResponseCode.PIN_FORMAT, "PIN_BLOCK")
        return self._take_pin(card, pin, now)

    def _take_pin(self, card: CardRecord, pin: str, now: datetime) -> Outcome:
        if len(pin) != self._profile.rules(_day(now)).pin.policy.length:
            return Outcome.refused(ResponseCode.PIN_FORMAT, "PIN_LENGTH")
        if _is_simple(pin, card.holder):
            return Outcome.refused(ResponseCode.NOT_PERMITTED_TO_HOLDER, "SIMPLE_PIN")
        accept(card, pin, self._salt())
        return Outcome(_APPROVED, {"PS": card.pin_state})

    def _pin_refusal(self, card: CardRecord, request: Request, now: datetime) -> Outcome | None:
        """Say why this card's PIN may not be set now, before the PIN block is looked at."""
        if not self._grants(Business.SS_PIN_SET, now):
            return _NOT_OFFERED
        if self.links.active(request.private["LK"], card.number) is None:
            return _NO_SUCH_LINK
        if card.pin_state is PinState.LOCKED:
            return Outcome.refused(ResponseCode.PIN_TRIES_EXCEEDED, "PIN_LOCKED")
        return _unusable(card)

    def _follow(self, card: CardRecord, request: Request, now: datetime) -> Outcome:
        """Let the SS account follow the financial one, after the region's delay."""
        if self.links.active(request.private["LK"], card.number) is None:
            return _NO_SUCH_LINK
        refusal = _unusable(card)
        if refusal is not None:
            return _as_state(refusal)
        if card.state is CardState.NOT_ACTIVATED:
            delay = self._profile.rules(_day(now)).activation.ss_follows_after
            try:
                activated = datetime.strptime(request.private["AT"] + "Z", "%Y%m%d%H%M%S%z")
            except ValueError:
                return Outcome.refused(ResponseCode.FORMAT_ERROR, "INSTANT")
            card.follows_at = activated + delay
            self.card(card.number, now)
        return Outcome(_APPROVED, {"CS": card.state})


def _let_time_pass(card: CardRecord, now: datetime) -> None:
    """Do what was due: the SS account follows, a temporary loss ends, the ordered card is made."""
    if card.follows_at is not None and card.follows_at <= now:
        card.state, card.follows_at = CardState.NORMAL, None
    loss_desk.expire(card, now)
    if card.order is not None and card.order.due:
        card.order.is_made |= card.order.due <= f"{_day(now):%Y%m%d}"


def _bind_mobile(card: CardRecord, request: Request, _now: datetime) -> Outcome:
    card.contact_mobile = request.private["MB"]
    return Outcome(_APPROVED, {"MB": card.contact_mobile})


def _order_card(card: CardRecord, request: Request, _now: datetime) -> Outcome:
    said = request.private
    return card_desk.order(card, said["OT"], said.get("OR", ""), said.get("DU", ""))


def _card_progress(card: CardRecord, _request: Request, _now: datetime) -> Outcome:
    return Outcome(_APPROVED, {"CS": card.state, **card_desk.progress(card)})


def _unusable(card: CardRecord) -> Outcome | None:
    """Refuse a card that is lost, locked or cancelled; one not activated yet may be linked."""
    match card.state:
        case CardState.TEMPORARY_LOSS | CardState.FORMAL_LOSS:
            return Outcome.refused(ResponseCode.LOST, "CARD_LOST")
        case CardState.LOCKED | CardState.CANCELLED:
            return Outcome.refused(ResponseCode.RESTRICTED, "CARD_NOT_USABLE")
        case _:
            return None


def _as_state(refusal: Outcome) -> Outcome:
    """Word a refusal for the advice, whose message set knows 41 and 22 only."""
    if refusal.code is ResponseCode.LOST:
        return refusal
    return Outcome.refused(ResponseCode.STATE_DOES_NOT_ALLOW, refusal.private["RC"])


def _is_simple(pin: str, holder: Holder) -> bool:
    """Tell whether a PIN is one of those that the seed warns of: same digits, runs, birthday."""
    birthday = holder.citizen_id[6:14]
    is_run = pin in _ASCENDING or pin in _DESCENDING or pin == len(pin) * pin[0]
    return is_run or pin in {birthday[2:], birthday[:6], birthday[4:]}


def _day(now: datetime) -> date:
    """Give the bureau's own day: a rule that begins on a date begins at midnight in China."""
    return now.astimezone(CHINA).date()
