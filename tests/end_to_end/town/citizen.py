"""A customer of the bank, with the bank's backend and the browser that serve it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.app.online_bank import Answer, OnlineBank
from gateway.simulators.population import Person
from town.ensemble import Town
from town.patience import wait_for

INSTITUTION = "99350201"  # Xiamen's
PIN, OTHER_PIN = "738291", "516047"  # neither a pattern nor part of anybody's numbers
FINAL = {"succeeded", "failed", "manual"}


@dataclass(slots=True)
class Citizen:
    """A customer of the bank, with the bank's backend and the browser that serve it."""

    town: Town
    who: Person
    link: str = ""
    token: str = field(default="", repr=False)
    proofs: str = ""

    def at_counter(self, proofs: str = "citizen-id, card-present") -> "Citizen":
        """Give the same customer at the bank's counter, whose clerk has seen these proofs."""
        return replace(self, token=self.town.tokens["counter"], proofs=proofs)

    def in_app(self, proofs: str = "session") -> "Citizen":
        """Give the same customer in the bank's app, which has seen these proofs."""
        return replace(self, token=self.town.tokens["app"], proofs=proofs)

    @property
    def bank(self) -> OnlineBank:
        token = self.token or self.town.token
        return OnlineBank(self.town.url, token, self.who.customer, proofs=self.proofs)

    def link_body(self) -> dict[str, Any]:
        """Write the body that asks for the link of the own card and the own account."""
        return {
            "institution": INSTITUTION,
            "ss_card_number": self.who.card,
            "account": self.who.pan,
            "mobile": self.who.at_bank.mobile,
        }

    def ask_link(self, key: str | None = None, **changes: Any) -> Answer:
        """Ask for the link of the own card and the own account, with some members changed."""
        answer = self.bank.change("POST", "/v1/links", self.link_body() | changes, key)
        if answer.status in {201, 202}:
            self.link = answer.body["link"]
        return answer

    def linked(self, institution: str = INSTITUTION) -> "Citizen":
        """Link card and account."""
        answer = self.ask_link(institution=institution)
        assert answer.status == 201, answer
        return self

    def unlink(self, key: str | None = None) -> Answer:
        return self.bank.change("DELETE", f"/v1/links/{self.link}", key=key)

    def session(self, purpose: str = "ss-pin") -> Mapping[str, str]:
        """Open a PIN session."""
        answer = self.bank.open_session(self.link, purpose)
        assert answer.status == 201, answer
        return answer.body

    def pin_body(self, pin: str, session: Mapping[str, str]) -> dict[str, Any]:
        """Write the body that sets a PIN."""
        envelope = self.bank.encrypt(session, pin)
        return {"pin_session": session["pin_session"], "encrypted_pin": envelope}

    def ask(self, path: str) -> Answer:
        """Ask something about the link."""
        return self.bank.get(f"/v1/links/{self.link}/{path}")

    def do(self, path: str, body: Mapping[str, Any] | None = None, method: str = "POST") -> Answer:
        """Have a business done through the link."""
        return self.bank.change(method, f"/v1/links/{self.link}/{path}", body)

    def set_pin(self, pin: str = PIN) -> Answer:
        """Set the SS PIN in a session of its own."""
        return self.send_pin(self.pin_body(pin, self.session()))

    def send_pin(self, body: Mapping[str, Any], key: str | None = None) -> Answer:
        return self.bank.change("PUT", f"/v1/links/{self.link}/ss-pin", body, key)

    def activation_body(self, pin: str = PIN, *services: str) -> dict[str, Any]:
        """Write the body that activates the account under a new PIN."""
        body = self.pin_body(pin, self.session("financial-pin"))
        return body | {"link": self.link, "added_services": list(services)}

    def activate(self, pin: str = PIN, *services: str) -> Answer:
        body = self.activation_body(pin, *services)
        return self.bank.change("POST", "/v1/activations", body)

    def operation(self, answer: Answer) -> Mapping[str, Any]:
        """Ask for the operation that an answer named."""
        view = self.bank.get(f"/v1/operations/{answer.body['operation']}")
        assert view.status == 200, view
        return view.body

    def settled(self, answer: Answer) -> Mapping[str, Any]:
        """Wait until the operation that an answer named has its final state."""

        def look() -> Mapping[str, Any] | None:
            view = self.operation(answer)
            return view if view["state"] in FINAL else None

        return wait_for(look, "a final state")

    def settled_as(self, answer: Answer, state: str) -> Mapping[str, Any]:
        """Wait until the operation that an answer named has one state."""

        def look() -> Mapping[str, Any] | None:
            view = self.operation(answer)
            return view if view["state"] == state else None

        return wait_for(look, f"the state {state}")
