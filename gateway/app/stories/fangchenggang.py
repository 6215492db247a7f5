"""Fangchenggang: six wrong tries lock the PIN; the SS account follows after 24 hours."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from gateway.app.clock import utc_now
from gateway.app.stories.story import (
    FINANCIAL_PIN,
    NEW_PIN,
    OK,
    OTHER_PIN,
    Act,
    Customer,
    Seen,
    Story,
)

WRONG_TRIES: Final = 6  # seeds/001: 连续6次输错密码后自动锁卡的
DELAY: Final = timedelta(hours=24)  # seeds/001: 金融账户激活后,社保账户将在24小时后自动激活

SLACK: Final = timedelta(minutes=1)  # since the core activated the account


class FangchenggangStory(Story):
    """At the bank's counter: one customer forgets the PIN, another one has a fresh card."""

    _activation = ""  # the operation of the second customer, once there is one
    _due_on = ""  # when the first customer's new card is there

    def steps(self) -> tuple[tuple[str, Act], ...]:
        """Name the steps."""
        one = self.customer(1, "counter", "citizen-id, card-present")
        two = self.customer(2, "counter", "citizen-id, card-present")
        return (
            ("柜面关联社保卡 · Link the card at the counter", lambda: self.linked(one)),
            ("连续6次输错密码后锁定 · Six wrong tries in a row lock", lambda: self._lock(one)),
            ("柜面解锁,密码不变 · Unlocked at the counter", lambda: self._unlock(one)),
            (
                "窗口正式挂失,同时补卡 · Formal loss and a new card, at the bureau's window",
                lambda: self._replacement(one),
            ),
            ("另一位客户的新卡 · Another customer's fresh card", lambda: self.linked(two)),
            (
                "激活金融账户,社保账户24小时后激活 · The SS account follows in 24 hours",
                lambda: self._activate(two),
            ),
            ("24小时之后 · Twenty-four hours later", lambda: self._follows(two)),
            ("20个工作日内领卡 · Twenty working days later", lambda: self._collection(one)),
        )

    def _lock(self, customer: Customer) -> Seen:
        was_set = customer.set_pin(NEW_PIN)
        sales = [self.use(customer, "pharmacy", OTHER_PIN) for _ in range(WRONG_TRIES)]
        right = self.use(customer, "pharmacy", NEW_PIN)
        state = customer.ask("ss-pin").body.get("result", {})
        return Seen(
            "密码已锁定,请持身份证和社会保障卡办理解锁或重置",
            "The PIN is locked: have it unlocked or reset, with id and card",
            (
                ("the PIN was set", was_set.status == OK),
                ("each wrong one is refused", sales == ["refused"] * WRONG_TRIES),
                ("then the right one is refused too", right == "refused"),
                ("the bureau tells that it is locked", state.get("pin_state") == "locked"),
                ("no try is left", state.get("tries_left") == "0"),
            ),
        )

    def _unlock(self, customer: Customer) -> Seen:
        answer = customer.do("ss-pin/unlock")
        sale = self.use(customer, "pharmacy", NEW_PIN)
        return Seen(
            "密码已解锁",
            "The PIN is unlocked and stays as it was",
            (
                ("the gateway answers 200", answer.status == OK),
                ("the pharmacy accepts the same PIN", sale == "accepted"),
            ),
        )

    def _replacement(self, customer: Customer) -> Seen:
        window = self.at(customer, "bureau-window", "citizen-id")
        early = customer.do("card/replacement", {"reason": "lost"})
        lost = window.do("losses/formal", {})
        ordered = window.do("card/replacement", {"reason": "lost"})
        told = ordered.body.get("result", {})
        self._due_on = told.get("due_on", "")
        return Seen(
            f"已正式挂失并补卡,工本费按规定收取,{self._due_on}前领卡",
            f"Reported lost; the new card costs the tariff's fee and is due on {self._due_on}",
            (
                ("the bank's counter may not", early.body.get("code") == "NOT_GRANTED"),
                ("the loss is reported at the window", lost.status == OK),
                ("the new card is due in 20 working days", told.get("working_days") == "20"),
                ("at the authority's tariff", told.get("fee") == "tariff"),
                ("the lost card buys nothing", self.use(customer, "pharmacy") == "refused"),
            ),
        )

    def _collection(self, customer: Customer) -> Seen:
        counter = self.at(customer, "counter", "citizen-id")
        early = counter.do("card/collection")
        self.pass_until(self._due_on)
        collected = counter.do("card/collection")
        result = collected.body.get("result", {})
        return Seen(
            "新卡已在柜面领取",
            "The new card is collected at the counter",
            (
                ("before its day there is none", early.body.get("code") == "NO_CARD_WAITING"),
                ("then it is handed over", collected.status == OK),
                ("and in use", result.get("card_state") == "normal"),
                ("with PIN and link", "ss-pin link" in result.get("carried_over", "")),
            ),
        )

    def _activate(self, customer: Customer) -> Seen:
        answer = customer.activate(FINANCIAL_PIN)
        self._activation = answer.body.get("operation", "")
        due_at = answer.body.get("ss_account", {}).get("due_at", utc_now().isoformat())
        delay = datetime.fromisoformat(due_at) - utc_now()
        account, card = self.account(customer), self.card(customer)
        return Seen(
            f"金融账户已激活,社保账户将于24小时后自动激活({due_at})",
            f"Your account is active; the SS account follows in 24 hours, at {due_at}",
            (
                ("the gateway answers 200", answer.status == OK),
                ("the core has the account active", account["account_state"] == "active"),
                ("the SS account is due 24 hours later", DELAY - SLACK < delay <= DELAY),
                ("until then the bureau has it not activated", _waits(card)),
            ),
        )

    def _follows(self, customer: Customer) -> Seen:
        almost, rest = DELAY - SLACK, 2 * SLACK
        self.ensemble.let_pass(round(almost.total_seconds()))
        before = self.card(customer)
        self.ensemble.let_pass(round(rest.total_seconds()))
        confirmed = self.comes_about(lambda: self._ss_account(customer) == "succeeded")
        return Seen(
            "社保账户已自动激活",
            "The SS account is active too, by itself",
            (
                ("a minute before it is not", _waits(before)),
                ("the gateway has it confirmed by the bureau", confirmed),
                ("the bureau has the card in use", self.card(customer)["card_state"] == "normal"),
            ),
        )

    def _ss_account(self, customer: Customer) -> str:
        view = customer.bank.get(f"/v1/operations/{self._activation}").body
        state: str = view.get("ss_account", {}).get("state", "")
        return state


def _waits(card: Mapping[str, Any]) -> bool:
    return bool(card["card_state"] == "not_activated")
