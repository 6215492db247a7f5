"""What a bureau and a core do in the life of a card: PINs, losses, and a card in place of another.

A loss is that of the card or of the account, whoever links it next.
"""

from gateway.iso8583 import private_data
from gateway.terms.response_codes import ResponseCode as R
from gateway.terms.sides import Side

NEW_CARD = 500  # is added to a card's number when the card is replaced; nobody has that number


class CardRules:
    """Rules of a far side beside linking; a mixin of `FarSide`, whose state they change."""

    def unusable(self, who, link):
        """Refuse what names no active link, or goes through a lost one."""
        if self.active.get(who) != link:
            return R.ORIGINAL_NOT_FOUND, None
        return (R.LOST, None) if who in self.lost else None

    @property
    def _is_core(self):
        return self.speech.side is Side.FINANCIAL

    # ------------------------------------------------------------ PINs

    def _pin_set(self, card, link, request):
        refusal = self.unusable(card, link)
        if refusal is None:
            self.pins[card] = request.fields[52]
        return refusal or (R.APPROVED, {"PS": "E"})

    def _pin_verify(self, card, link, _request):
        return self.unusable(card, link) or (R.APPROVED, {"PS": "E"})

    def _pin_unlock(self, card, link, _request):
        return self.unusable(card, link) or (R.APPROVED, {"PS": "E"})

    def _pin_reset(self, who, link, request):
        refusal = self.unusable(who, link)
        if refusal is not None:
            return refusal
        if self._is_core and who not in self.accounts:
            return R.NOT_ACTIVATED, None
        self.pins[who] = request.fields[52]
        return R.APPROVED, {"AS": "A"} if self._is_core else {"PS": "E"}

    # ------------------------------------------------------------ losses

    def _loss_report(self, who, link, request):
        if self.active.get(who) != link:
            return R.ORIGINAL_NOT_FOUND, None
        said = private_data.unpack(request.text(48))
        known = self.lost.get(who)
        kind = "F" if known and known[0] == "F" else said["LT"]
        self.lost[who] = (kind, said["LN"])
        return R.APPROVED, {"AS": "L"} if self._is_core else {"CS": kind}

    def _loss_cancel(self, who, link, request):
        if self.active.get(who) != link:
            return R.ORIGINAL_NOT_FOUND, None
        known = self.lost.get(who)
        if known is None:
            return R.STATE_DOES_NOT_ALLOW, {"RC": "ALREADY_SO"}
        if not self._is_core and known[0] == "F":
            return R.STATE_DOES_NOT_ALLOW, {"RC": "LOSS_FORMAL"}
        if known[1] != private_data.unpack(request.text(48)).get("LN"):
            return R.STATE_DOES_NOT_ALLOW, {"RC": "ANOTHER_LOSS"}
        del self.lost[who]
        return R.APPROVED, {"AS": "A"} if self._is_core else {"CS": "N"}

    # ------------------------------------------------------------ another card

    def _card_order(self, card, link, _request):
        if self.active.get(card) != link:
            return R.ORIGINAL_NOT_FOUND, None
        if card in self.ordered:
            return R.STATE_DOES_NOT_ALLOW, {"RC": "ALREADY_SO"}
        self.ordered.add(card)
        return R.APPROVED, {"OS": "W", "ON": f"A{int(card[1:]):06d}"}

    def _card_collect(self, card, link, _request):
        """Hand the new card over; it takes PIN and link along, and leaves the loss behind."""
        if self.active.get(card) != link:
            return R.ORIGINAL_NOT_FOUND, None
        if card not in self.ordered:
            return R.STATE_DOES_NOT_ALLOW, {"RC": "NO_CARD_WAITING"}
        self.ordered.discard(card)
        new = f"T{int(card[1:]) + NEW_CARD:08d}"
        self.active[new] = self.active.pop(card)
        if card in self.pins:
            self.pins[new] = self.pins.pop(card)
        self.lost.pop(card, None)
        return R.APPROVED, {"NC": new, "CO": "PL", "OS": "H"}
