"""What customers do with a linked card: PINs changed and reset, losses, another card.

Where a customer stands and what the channel has seen of the customer is what the region grants the
business for; a PIN in force is shown in a session of its own.
"""

from datetime import date

from gateway.api.service import BusinessCommand, Caller, SetPinCommand
from gateway.operations.facts import OperationKind as K
from gateway.operations.facts import OperationState as S
from gateway.regions.matrix import AGENT_PROOFS
from gateway.regions.vocabulary import Business, Proof
from gateway.terms.sides import PinPurpose as P
from gateway.terms.sides import Side

CHANNEL = "bank"
PINS = {K.SS_PIN_CHANGE: P.SS_PIN, K.SS_PIN_RESET: P.SS_PIN, K.FINANCIAL_PIN_RESET: P.FINANCIAL_PIN}
LOSSES = {
    K.SS_LOSS_TEMPORARY: Side.SOCIAL,
    K.SS_LOSS_FORMAL: Side.SOCIAL,
    K.FINANCIAL_LOSS_TEMPORARY: Side.FINANCIAL,
    K.FINANCIAL_LOSS_FORMAL: Side.FINANCIAL,
}
CANCELS = {Side.SOCIAL: K.SS_LOSS_CANCEL, Side.FINANCIAL: K.FINANCIAL_LOSS_CANCEL}
BLOCKED = {
    Side.SOCIAL: {K.SET_SS_PIN, K.SS_PIN_CHANGE, K.SS_PIN_RESET, K.SS_PIN_UNLOCK, K.ACTIVATE},
    Side.FINANCIAL: {K.ACTIVATE, K.FINANCIAL_PIN_RESET},
}
"""What nobody does while the account of that side is reported lost."""

USUAL = (
    K.SS_PIN_UNLOCK,
    K.SS_PIN_CHANGE,
    K.SS_PIN_RESET,
    K.FINANCIAL_PIN_RESET,
    *LOSSES,
    K.CARD_REPLACE,
    K.CARD_COLLECT,
)
_TIRED = 0.6  # of those who reported a loss want to be rid of it
_ANY_DAY = date(2026, 11, 21)
_WORDS = {K.CARD_REPLACE: {"OT": "R"}}


class Businesses:
    """A mixin of `Customer`: the businesses of the table of procedures."""

    async def do_business(self):
        """Do something with the card; whoever reported a loss mostly wants to be rid of it."""
        lost = [side for side in Side if self._world.watch.is_lost(self.link, side)]
        if lost and self._chance.random() < _TIRED:
            return await self.carry_out(CANCELS[self._chance.choice(lost)])
        return await self.carry_out(self._chance.choice(USUAL))

    async def carry_out(self, kind):
        """Carry a business out through the link."""
        link = self.link
        pins = await self._pins(kind)
        if pins is None:
            return None
        command = BusinessCommand(pins, _WORDS.get(kind, {}))
        caller = self._standing(kind)
        return await self.change(
            lambda service, key: service.card_life.carry_out(caller, key, link, kind, command),
            kind,
        )

    async def _pins(self, kind):
        """Open the sessions that a business needs; None where one cannot be had."""
        wanted = [PINS[kind]] if kind in PINS else []
        if kind is K.SS_PIN_CHANGE and self._chance.random() < 0.5:
            wanted.append(P.SS_PIN_PROOF)
        pins = {}
        for purpose in wanted:
            session = await self.session(purpose, self._standing(kind))
            if session is None:
                return None
            pins[purpose] = SetPinCommand(session, self._envelope())
        return pins

    def _standing(self, kind):
        place = self._world.places[self.agency, kind.value]
        return Caller(CHANNEL, self.caller.customer, "req_4", place.channel, place.proofs)

    async def recover(self):
        """In the calm: have every loss cancelled, or the card replaced that cannot be."""
        linked = self._world.disk.linked
        account, card = linked(self.link).account, linked(self.link).card
        if account.loss is not None:
            is_formal = account.loss.kind.value == "F"
            report = K.FINANCIAL_LOSS_FORMAL if is_formal else K.FINANCIAL_LOSS_TEMPORARY
            await self._cancelled(Side.FINANCIAL, report)
        if card.loss is not None and not card.replacing and card.loss.kind.value == "T":
            await self._cancelled(Side.SOCIAL, K.SS_LOSS_TEMPORARY)
        card = linked(self.link).card
        if card.loss is not None:
            for kind in (K.SS_LOSS_FORMAL, K.CARD_REPLACE, K.CARD_COLLECT):
                await self.carry_out(kind)
        found = linked(self.link)
        for loss in (found.card.loss, found.account.loss):
            self._world.watch.check(21, loss is None, "a loss cannot be got rid of")

    async def _cancelled(self, side, report):
        """Cancel a loss; one that the far side knows under an older report is reported anew."""
        view = await self.carry_out(CANCELS[side])
        if view is None or view.state is not S.SUCCEEDED:
            await self.carry_out(report)
            await self.carry_out(CANCELS[side])


def places_of(catalogue):
    """Tell of each agency and business where it is granted, without a PIN in force or an agent."""
    unfit = AGENT_PROOFS | {Proof.SS_PIN}
    found = {}
    for code, agency in catalogue.agencies.items():
        matrix = agency.profile.rules(_ANY_DAY).matrix
        for business in Business:
            fit = [p for p in matrix.places(business) if unfit.isdisjoint(p.proofs)]
            if fit:
                found[code, business.value] = fit[0]
    return found
