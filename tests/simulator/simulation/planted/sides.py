"""Mistakes that let one side hear of the other, or anybody of a PIN."""

from dataclasses import replace

from gateway.app import conductor
from gateway.app.conductor import Conductor
from gateway.app.dialogue import Dialogue, DialogueTable
from gateway.operations.exchange import ExchangeEvent, ExchangeState
from gateway.operations.facts import OperationKind
from gateway.terms.sides import Side
from simulation.planted.mistake import mistake

E, S, K = ExchangeEvent, ExchangeState, OperationKind


@mistake("tell the bureau the account")
def _tell_bureau():
    right = Dialogue._draft

    def draft(self, errand):
        made = right(self, errand)
        if made.message == "link-register" and errand.exchange.side is Side.SOCIAL:
            private = {**made.private, "AD": f"account {errand.cargo.account.pan.value}"}
            made = replace(made, private=private)
        return made

    return [(Dialogue, "_draft", draft)]


@mistake("send a message to another bureau")
def _another_bureau():
    right = DialogueTable.of

    def of(self, side, agency):
        return self._dialogues["bureau-1"] if side is Side.SOCIAL else right(self, side, agency)

    return [(DialogueTable, "of", of)]


@mistake("write a PIN block into the log")
def _log_pin():
    right = Conductor.open

    def open_(self, operation, *more, pins=None, **rest):
        for pin in (pins or {}).values():
            conductor.log.info("opened", operation=str(operation), pin=pin.block.hex())
        right(self, operation, *more, pins=pins, **rest)

    return [(Conductor, "open", open_)]


@mistake("write a card number into the journal")
def _journal_card():
    right = Conductor.open

    def open_(self, operation, opened, cargo, **rest):
        details = {**(opened.details or {}), "card": cargo.card.number.value}
        right(self, operation, replace(opened, details=details), cargo, **rest)

    return [(Conductor, "open", open_)]
