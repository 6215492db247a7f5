"""The control port of a simulated far side."""

import json
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

from gateway.app.online_bank import Answer, call
from gateway.simulators.population import Person
from gateway.terms.sides import Side


def _is_new_request(mti: str) -> bool:
    return mti[1] != "8" and mti[-1] == "0"


class Peer:
    """The control port of a simulated far side."""

    def __init__(self, control: Callable[[Side], str], side: Side) -> None:
        self._control = control
        self._side = side

    def fault(self, message: str, fault: str, **more: Any) -> None:
        """Put a fault in force, once unless `times` says otherwise."""
        assert self._ask("faults", {"message": message, "fault": fault, **more}).status == 200

    def heal(self) -> None:
        """Take every fault back."""
        self._ask("faults", None, "DELETE")

    def mark(self) -> int:
        """Give where the journal ends now."""
        return self._ask(f"journal?after={2**31}").body["last"]  # and none of its entries

    def entries(self, after: int = 0) -> list[Mapping[str, Any]]:
        """Give the journal's entries behind a mark: messages and events."""
        return self._ask(f"journal?after={after}").body["entries"]

    def received(self, after: int, message: str) -> list[Mapping[str, Any]]:
        """Give the messages of one name that came behind a mark."""
        return [
            entry
            for entry in self.entries(after)
            if entry["direction"] == "received" and entry.get("message") == message
        ]

    def begun(self, after: int) -> list[str]:
        """Name the requests that came behind a mark, without repeats of earlier ones.

        Network management is left out: an idle link asks for an echo whenever its time has come.
        """
        return [
            entry["message"]
            for entry in self.entries(after)
            if entry["direction"] == "received" and _is_new_request(entry["fields"][0]["value"])
        ]

    def state(self, who: Person) -> Mapping[str, Any]:
        """Show the card (the account) of a person."""
        is_bureau = self._side is Side.SOCIAL
        number = f"card={who.card}" if is_bureau else f"account={who.pan}"
        return self._ask(f"state?{number}").body

    def links(self, who: Person) -> list[str]:
        """Give the active links of a person's card (account)."""
        return [link["link"] for link in self.state(who)["links"] if link["active"]]

    def scan(self, who: Person, code: str) -> str:
        """Scan what a person's app shows; tells whether it was good."""
        return self._ask("ecard-scan", {"card": who.card, "code": code}).body["answer"]

    def challenge(self, who: Person) -> str:
        """Have a handling system show a code for a person's app to scan."""
        return self._ask("ecard-challenge", {"card": who.card}).body["code"]

    def make_card(self, who: Person) -> None:
        """Let the card that was ordered in place of a person's be made at once."""
        self.make(who.card)

    def make(self, number: str) -> None:
        """Let the card that is ordered under a number be made at once."""
        assert self._ask("card-made", {"card": number}).status == 200

    def accepts(self, who: Person, pin: str) -> bool:
        """Tell whether the bureau's pharmacies accept a PIN."""
        body = {"scene": "pharmacy", "card": who.card, "pin": pin}
        return self._ask("terminal", body).body["answer"] == "accepted"

    def _ask(self, path: str, body: object | None = None, method: str | None = None) -> Answer:
        data = None if body is None else json.dumps(body).encode()
        url = f"{self._control(self._side)}/_sim/{path}"
        return call(urllib.request.Request(url, data, method=method))  # noqa: S310 - on loopback
