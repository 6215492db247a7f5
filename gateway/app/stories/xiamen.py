"""Xiamen: the SS PIN is set without an old one; the SS account follows the financial one."""

from typing import Final

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

# Xiamen's pharmacies: a PIN may be set from 1 July 2014, and must be from 1 July 2015 (seed 000).
WHEN_OPTIONAL: Final = "2015-06-30"
WHEN_MANDATORY: Final = "2015-07-01"


class XiamenStory(Story):
    """One customer sets a PIN, another one has a fresh card."""

    def steps(self) -> tuple[tuple[str, Act], ...]:
        """Name the steps."""
        one, two = self.customer(1), self.customer(2)
        return (
            ("看看哪里可以办理 · Which institutions are served", lambda: self._agencies(one)),
            ("关联社保卡与银行账户 · Link the card to the account", lambda: self.linked(one)),
            (
                "药店刷卡:尚未设密 · At the pharmacy before a PIN is set",
                lambda: self._pharmacy_before(one),
            ),
            ("简单密码被拒绝 · A weak PIN is refused", lambda: self._weak_pin(one)),
            ("设置社保卡密码,无需原密码 · Set the SS PIN, no old PIN", lambda: self._set_pin(one)),
            (
                "药店刷卡:新密码生效 · At the pharmacy with the new PIN",
                lambda: self._pharmacy_after(one),
            ),
            ("另一位客户的新卡 · Another customer's fresh card", lambda: self.linked(two)),
            (
                "激活金融账户,社保账户随之激活 · Activate the account; the SS account follows",
                lambda: self._activate(two),
            ),
        )

    def _agencies(self, customer: Customer) -> Seen:
        agency = customer.bank.get("/v1/agencies").body["agencies"][0]
        rules = agency["ss_pin"]
        return Seen(
            f"{agency['name']['zh']}:密码{rules['digits']}位,无需原密码",
            f"{agency['name']['en']}: a PIN of {rules['digits']} digits, no old PIN needed",
            (
                ("the institution is listed", agency["institution"] == customer.institution),
                ("no old PIN is asked for", rules["old_pin_required"] is False),
            ),
        )

    def _pharmacy_before(self, customer: Customer) -> Seen:
        optional = self.use(customer, "pharmacy", on=WHEN_OPTIONAL)
        mandatory = self.use(customer, "pharmacy", on=WHEN_MANDATORY)
        return Seen(
            "2015年6月30日:无密码可购药;7月1日起:必须输入密码,交易失败",
            "30 June 2015: sold without a PIN; from 1 July: a PIN is a must, the sale fails",
            (
                ("no PIN is asked for while optional", optional == "not-asked"),
                ("without a PIN the sale fails once mandatory", mandatory == "refused"),
            ),
        )

    def _weak_pin(self, customer: Customer) -> Seen:
        answer = customer.set_pin("123456")
        message = answer.body.get("user_message", {})
        return Seen(
            message.get("zh", ""),
            message.get("en", ""),
            (
                ("the refusal is PIN_TRIVIAL", answer.body.get("code") == "PIN_TRIVIAL"),
                ("the bureau has no PIN", self.card(customer)["pin_state"] == "unset"),
            ),
        )

    def _set_pin(self, customer: Customer) -> Seen:
        answer = customer.set_pin(NEW_PIN)
        return Seen(
            "密码设置成功",
            "Your social-security PIN is set",
            (
                ("the gateway answers 200", answer.status == OK),
                ("the PIN is enabled", self.card(customer)["pin_state"] == "enabled"),
            ),
        )

    def _pharmacy_after(self, customer: Customer) -> Seen:
        right, wrong, without = (
            self.use(customer, "pharmacy", pin, WHEN_MANDATORY)
            for pin in (NEW_PIN, OTHER_PIN, None)
        )
        return Seen(
            "新密码:购药成功;错误密码或不输密码:交易失败",
            "With the new PIN the sale succeeds; with a wrong one or none it fails",
            (
                ("the bureau accepts the new PIN", right == "accepted"),
                ("the bureau refuses another PIN", wrong == "refused"),
                ("the bureau refuses no PIN", without == "refused"),
            ),
        )

    def _activate(self, customer: Customer) -> Seen:
        answer = customer.activate(FINANCIAL_PIN)
        followed = self.comes_about(lambda: self.card(customer)["card_state"] == "normal")
        account = self.account(customer)
        has_due = "due_at" in answer.body.get("ss_account", {})
        return Seen(
            "金融账户已激活,社保账户随之激活;未附带开通其他服务",
            "Your account is active, the SS account followed; no other service was added",
            (
                ("the gateway answers 200", answer.status == OK),
                ("the core has it active", account["account_state"] == "active"),
                ("no service was added", account["services"] == []),
                ("it says when the SS account follows", has_due),
                ("the bureau has the SS account active", followed),
            ),
        )
