"""What every region's story is told with: its customers, its far sides, its printing.

A story has steps; each prints what the customer sees and the ISO 8583 messages that it caused,
decoded by the far sides, sensitive values masked. Told in short, it prints their names only.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from time import sleep
from typing import Any, Final

from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from gateway.app.clock import LOCAL_ZONE, utc_now
from gateway.app.ensemble import CHANNEL, Ensemble
from gateway.app.online_bank import Answer, OnlineBank
from gateway.simulators.population import Person, person
from gateway.terms.errors import GatewayError
from gateway.terms.sides import Side

SETTLE_SECONDS_MAX = 30.0
NEW_PIN, OTHER_PIN = "738291", "516290"  # of synthetic people; neither is a pattern
FINANCIAL_PIN = "804613"
OK: Final = 200
CREATED: Final = 201
_LOOK_SECONDS: Final = 0.05


class StepFailed(GatewayError):
    """A step of the story did not come out as it should."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of a step: what the customer sees in both languages, and what must be so."""

    zh: str
    en: str
    must: tuple[tuple[str, bool], ...]


Act = Callable[[], Seen]


@dataclass(slots=True)
class Customer:
    """A customer at one channel of the bank, with what that has seen of them."""

    bank: OnlineBank
    who: Person
    institution: str
    link: str = ""

    def ask_link(self) -> Answer:
        """Link the card to the account."""
        body = {
            "institution": self.institution,
            "ss_card_number": self.who.card,
            "account": self.who.pan,
            "mobile": self.who.at_bank.mobile,
            "contact_address": "测试路1号",
        }
        answer = self.bank.change("POST", "/v1/links", body)
        self.link = answer.body.get("link", "")
        return answer

    def pin_body(self, purpose: str, pin: str) -> dict[str, Any]:
        """Open a PIN session and encrypt a PIN in it."""
        session = self.bank.open_session(self.link, purpose).body
        envelope = self.bank.encrypt(session, pin)
        return {"pin_session": session["pin_session"], "encrypted_pin": envelope}

    def set_pin(self, pin: str) -> Answer:
        """Set the SS PIN."""
        return self.do("ss-pin", self.pin_body("ss-pin", pin), "PUT")

    def activate(self, pin: str) -> Answer:
        """Activate the account, with no added service."""
        body = {"link": self.link, **self.pin_body("financial-pin", pin), "added_services": []}
        return self.bank.change("POST", "/v1/activations", body)

    def do(self, path: str, body: Mapping[str, Any] | None = None, method: str = "POST") -> Answer:
        """Have a business done through the link."""
        return self.bank.change(method, f"/v1/links/{self.link}/{path}", body)

    def ask(self, path: str) -> Answer:
        """Ask something about the link."""
        return self.bank.get(f"/v1/links/{self.link}/{path}")


class Story(ABC):
    """A region's story over one ensemble of that region."""

    def __init__(self, ensemble: Ensemble, console: Console, *, in_short: bool = False) -> None:
        self.ensemble = ensemble
        self._console = console
        self._in_short = in_short
        self._read_until = dict.fromkeys(Side, 0)

    def play(self) -> None:
        """Play every step in order; raises `StepFailed` at the first that goes wrong."""
        self._messages_since()  # the sign-ons belong to no step
        for number, (title, act) in enumerate(self.steps(), 1):
            self._step(number, title, act)

    @abstractmethod
    def steps(self) -> tuple[tuple[str, Act], ...]:
        """Name the steps."""

    # ------------------------------------------------------------------ people and far sides

    def customer(self, index: int, channel: str = CHANNEL, proofs: str = "") -> Customer:
        """Give a person of the population at a channel, with what it attests."""
        who, ensemble = person(index), self.ensemble
        token = ensemble.tokens[channel]
        bank = OnlineBank(ensemble.url, token, who.customer, self._print_call, proofs)
        return Customer(bank, who, ensemble.institution.code)

    def at(self, customer: Customer, channel: str, proofs: str) -> Customer:
        """Give the same customer at another channel of the bank, where the link is too."""
        token = self.ensemble.tokens[channel]
        return replace(customer, bank=replace(customer.bank, token=token, proofs=proofs))

    def pass_until(self, day: str) -> None:
        """Let time pass until a day that was told, one at least."""
        today = utc_now().astimezone(LOCAL_ZONE).date()
        wait = date.fromisoformat(day or today.isoformat()) - today
        self.ensemble.let_pass(round(max(wait, timedelta(days=1)).total_seconds()))

    def linked(self, customer: Customer) -> Seen:
        """Link a customer's card to the account."""
        answer = customer.ask_link()
        links = [each["link"] for each in self.card(customer)["links"] if each["active"]]
        return Seen(
            "关联成功",
            "The card is linked to your account",
            (
                ("the gateway answers 201", answer.status == CREATED),
                ("the bureau has the link", links == [customer.link]),
            ),
        )

    def card(self, customer: Customer) -> Mapping[str, Any]:
        """Show the card as the bureau has it."""
        return self.simulated(Side.SOCIAL, f"state?card={customer.who.card}")

    def account(self, customer: Customer) -> Mapping[str, Any]:
        """Show the account as the core has it."""
        return self.simulated(Side.FINANCIAL, f"state?account={customer.who.pan}")

    def use(self, customer: Customer, scene: str, pin: str | None = None, on: str = "") -> str:
        """Use the card at a terminal; tells what came of it."""
        body = {"scene": scene, "card": customer.who.card}
        body |= ({"pin": pin} if pin else {}) | ({"on": on} if on else {})
        answer: str = self.simulated(Side.SOCIAL, "terminal", body)["answer"]
        return answer

    def simulated(self, side: Side, path: str, body: object | None = None) -> Mapping[str, Any]:
        """Ask a far side's control port."""
        return self.ensemble.simulated(side, path, body)

    def comes_about(self, look: Callable[[], bool]) -> bool:
        """Look until something is so, for half a minute at most."""
        for _ in range(round(SETTLE_SECONDS_MAX / _LOOK_SECONDS)):
            if look():
                return True
            sleep(_LOOK_SECONDS)
        return False

    # ------------------------------------------------------------------ printing

    def _step(self, number: int, title: str, act: Act) -> None:
        self._console.print(Rule(f"[bold]{number}. {title}", align="left"))
        seen = act()
        for side, entry in self._messages_since():
            self._print_message(side, entry)
        self._console.print(Text(f"  客户看到 · customer sees   {seen.zh}", style="green"))
        self._console.print(Text(f"                            {seen.en}", style="green"))
        for claim, holds in seen.must:
            mark = "✓" if holds else "✗"
            self._console.print(Text(f"  {mark} {claim}", style="cyan" if holds else "bold red"))
        self._console.print()
        failed = [claim for claim, holds in seen.must if not holds]
        if failed:
            raise StepFailed(f"step {number} did not come out as it should: {failed[0]}")

    def _print_call(self, method: str, path: str, status: int) -> None:
        line = f"  bank's channel ──► gateway   {method} {path} → {status}"
        self._console.print(Text(line, style="bold blue"))

    def _messages_since(self) -> list[tuple[Side, Mapping[str, Any]]]:
        """Collect what both far sides sent and received since the last look, in time order."""
        found: list[tuple[Side, Mapping[str, Any]]] = []
        for side in Side:
            journal = self.simulated(side, f"journal?after={self._read_until[side]}")
            self._read_until[side] = journal["last"]
            found += [(side, entry) for entry in journal["entries"] if "fields" in entry]
        return sorted(found, key=lambda each: each[1]["at"])

    def _print_message(self, side: Side, entry: Mapping[str, Any]) -> None:
        peer = "bureau" if side is Side.SOCIAL else "core"
        to_peer = entry["direction"] == "received"
        arrow = f"gateway ──► {peer}" if to_peer else f"gateway ◄── {peer}"
        mti = entry["fields"][0]["value"]
        self._console.print(Text(f"  {arrow}   {mti} {entry['message']}", style="bold yellow"))
        for row in () if self._in_short else entry["fields"][1:]:
            name = row["name"].partition(":")[0]
            self._console.print(Text(f"      {row['place']:<9} {name:<46} {row['value']}"))
