"""Plays the Xiamen flow against a running ensemble and prints it as a sequence to follow.

Each step prints what the customer sees and every ISO 8583 message that it caused, decoded by the
far sides, field by field, sensitive values masked.
"""

import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from json import dumps
from time import sleep
from typing import Any

from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from gateway.app.ensemble import Ensemble
from gateway.app.online_bank import Answer, OnlineBank, call
from gateway.simulators.population import Person, person
from gateway.terms.errors import GatewayError
from gateway.terms.sides import Side

INSTITUTION = "99350201"
SETTLE_SECONDS_MAX = 30.0
NEW_PIN, FINANCIAL_PIN = "738291", "804613"  # of synthetic people; neither is a pattern
# Xiamen's pharmacies: a PIN may be set from 1 July 2014, and must be from 1 July 2015 (seed 000).
WHEN_OPTIONAL, WHEN_MANDATORY = "2015-06-30", "2015-07-01"


class StepFailed(GatewayError):
    """A step of the story did not come out as it should."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of a step: what the customer sees in both languages, and what must be so."""

    zh: str
    en: str
    must: tuple[tuple[str, bool], ...]


Act = Callable[[], Seen]


class Story:
    """The Xiamen story over one ensemble."""

    def __init__(self, ensemble: Ensemble, console: Console) -> None:
        self._ensemble = ensemble
        self._console = console
        self._read_until = dict.fromkeys(Side, 0)
        self._one, self._two = person(1), person(2)
        self._links: dict[int, str] = {}

    def play(self) -> None:
        """Play every step in order; raises `StepFailed` at the first that goes wrong."""
        self._messages_since()  # the sign-ons belong to no step
        steps: tuple[tuple[str, Act], ...] = (
            ("看看哪里可以办理 · Which institutions are served", self._agencies),
            ("关联社保卡与银行账户 · Link the card to the account", lambda: self._link(self._one)),
            ("药店刷卡:尚未设密 · At the pharmacy before a PIN is set", self._pharmacy_before),
            ("简单密码被拒绝 · A weak PIN is refused", self._weak_pin),
            ("设置社保卡密码,无需原密码 · Set the SS PIN, no old PIN", self._set_pin),
            ("药店刷卡:新密码生效 · At the pharmacy with the new PIN", self._pharmacy_after),
            ("另一位客户的新卡 · Another customer's fresh card", lambda: self._link(self._two)),
            (
                "激活金融账户,社保账户随之激活 · Activate the account; the SS account follows",
                self._activate,
            ),
        )
        for number, (title, act) in enumerate(steps, 1):
            self._step(number, title, act)

    # ------------------------------------------------------------------ steps

    def _agencies(self) -> Seen:
        answer = self._bank(self._one).get("/v1/agencies")
        agency = answer.body["agencies"][0]
        rules = agency["ss_pin"]
        return Seen(
            f"{agency['name']['zh']}:密码{rules['digits']}位,无需原密码",
            f"{agency['name']['en']}: a PIN of {rules['digits']} digits, no old PIN needed",
            (
                ("the institution is listed", agency["institution"] == INSTITUTION),
                ("no old PIN is asked for", rules["old_pin_required"] is False),
            ),
        )

    def _link(self, who: Person) -> Seen:
        body = {
            "institution": INSTITUTION,
            "ss_card_number": who.card,
            "account": who.pan,
            "mobile": who.at_bank.mobile,
            "contact_address": "测试路1号",
        }
        answer = self._bank(who).change("POST", "/v1/links", body)
        self._links[who.index] = answer.body.get("link", "")
        state = self._card(who)
        linked = [link["link"] for link in state["links"] if link["active"]]
        return Seen(
            "关联成功",
            "The card is linked to your account",
            (
                ("the gateway answers 201", answer.status == _CREATED),
                ("the bureau has the link", linked == [self._links[who.index]]),
            ),
        )

    def _pharmacy_before(self) -> Seen:
        optional, mandatory = self._sale(None, WHEN_OPTIONAL), self._sale(None, WHEN_MANDATORY)
        return Seen(
            "2015年6月30日:无密码可购药;7月1日起:必须输入密码,交易失败",
            "30 June 2015: sold without a PIN; from 1 July: a PIN is a must, the sale fails",
            (
                ("no PIN is asked for while optional", optional["answer"] == "not-asked"),
                ("without a PIN the sale fails once mandatory", mandatory["answer"] == "refused"),
            ),
        )

    def _weak_pin(self) -> Seen:
        answer = self._put_pin("123456")
        message = answer.body.get("user_message", {})
        return Seen(
            message.get("zh", ""),
            message.get("en", ""),
            (
                ("the refusal is PIN_TRIVIAL", answer.body.get("code") == "PIN_TRIVIAL"),
                ("the bureau has no PIN", self._card(self._one)["pin_state"] == "unset"),
            ),
        )

    def _set_pin(self) -> Seen:
        answer = self._put_pin(NEW_PIN)
        return Seen(
            "密码设置成功",
            "Your social-security PIN is set",
            (
                ("the gateway answers 200", answer.status == _OK),
                ("the PIN is enabled", self._card(self._one)["pin_state"] == "enabled"),
            ),
        )

    def _pharmacy_after(self) -> Seen:
        right, wrong = self._sale(NEW_PIN, WHEN_MANDATORY), self._sale("516290", WHEN_MANDATORY)
        without = self._sale(None, WHEN_MANDATORY)
        return Seen(
            "新密码:购药成功;错误密码或不输密码:交易失败",
            "With the new PIN the sale succeeds; with a wrong one or none it fails",
            (
                ("the bureau accepts the new PIN", right["answer"] == "accepted"),
                ("the bureau refuses another PIN", wrong["answer"] == "refused"),
                ("the bureau refuses no PIN", without["answer"] == "refused"),
            ),
        )

    def _activate(self) -> Seen:
        bank, link = self._bank(self._two), self._links[self._two.index]
        session = bank.open_session(link, "financial-pin").body
        answer = bank.change(
            "POST",
            "/v1/activations",
            {
                "link": link,
                "pin_session": session["pin_session"],
                "encrypted_pin": bank.encrypt(session, FINANCIAL_PIN),
                "added_services": [],
            },
        )
        followed = self._followed()
        account = self._state(Side.FINANCIAL, "account", self._two.pan)
        return Seen(
            "金融账户已激活,社保账户随之激活;未附带开通其他服务",
            "Your account is active, the SS account followed; no other service was added",
            (
                ("the gateway answers 200", answer.status == _OK),
                ("the core has it active", account["account_state"] == "active"),
                ("no service was added", account["services"] == []),
                (
                    "it says when the SS account follows",
                    "due_at" in answer.body.get("ss_account", {}),
                ),
                ("the bureau has the SS account active", followed),
            ),
        )

    def _followed(self) -> bool:
        """Wait until the bureau has the SS account active: at once, by Xiamen's default."""
        for _ in range(round(SETTLE_SECONDS_MAX / _LOOK_SECONDS)):
            if self._card(self._two)["card_state"] == "normal":
                return True
            sleep(_LOOK_SECONDS)
        return False

    # ------------------------------------------------------------------ far sides

    def _bank(self, who: Person) -> OnlineBank:
        ensemble = self._ensemble
        return OnlineBank(ensemble.url, ensemble.token, who.customer, self._print_call)

    def _put_pin(self, pin: str) -> Answer:
        bank, link = self._bank(self._one), self._links[self._one.index]
        session = bank.open_session(link, "ss-pin").body
        body = {
            "pin_session": session["pin_session"],
            "encrypted_pin": bank.encrypt(session, pin),
        }
        return bank.change("PUT", f"/v1/links/{link}/ss-pin", body)

    def _card(self, who: Person) -> Mapping[str, Any]:
        return self._state(Side.SOCIAL, "card", who.card)

    def _state(self, side: Side, kind: str, number: str) -> Mapping[str, Any]:
        url = f"{self._ensemble.control(side)}/_sim/state?{kind}={number}"
        state: Mapping[str, Any] = call(url).body
        return state

    def _sale(self, pin: str | None, on: str) -> Mapping[str, Any]:
        body = {"scene": "pharmacy", "card": self._one.card, "on": on}
        body |= {"pin": pin} if pin else {}
        request = urllib.request.Request(  # noqa: S310 - our own simulator on loopback
            f"{self._ensemble.control(Side.SOCIAL)}/_sim/terminal",
            data=dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        sale: Mapping[str, Any] = call(request).body
        return sale

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
        line = f"  online bank ──► gateway   {method} {path} → {status}"
        self._console.print(Text(line, style="bold blue"))

    def _messages_since(self) -> list[tuple[Side, Mapping[str, Any]]]:
        """Collect what both far sides sent and received since the last look, in time order."""
        found: list[tuple[Side, Mapping[str, Any]]] = []
        for side in Side:
            url = f"{self._ensemble.control(side)}/_sim/journal?after={self._read_until[side]}"
            journal = call(url).body
            self._read_until[side] = journal["last"]
            found += [(side, entry) for entry in journal["entries"] if "fields" in entry]
        return sorted(found, key=lambda each: each[1]["at"])

    def _print_message(self, side: Side, entry: Mapping[str, Any]) -> None:
        peer = "bureau" if side is Side.SOCIAL else "core"
        to_peer = entry["direction"] == "received"
        arrow = f"gateway ──► {peer}" if to_peer else f"gateway ◄── {peer}"
        mti = entry["fields"][0]["value"]
        self._console.print(Text(f"  {arrow}   {mti} {entry['message']}", style="bold yellow"))
        for row in entry["fields"][1:]:
            name = row["name"].partition(":")[0]
            self._console.print(Text(f"      {row['place']:<9} {name:<46} {row['value']}"))


_OK, _CREATED = 200, 201
_LOOK_SECONDS = 0.05
