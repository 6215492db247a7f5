"""Shijiazhuang: the initial PIN means that none is enabled, until it is first changed."""

from typing import Final

from gateway.app.stories.story import (
    CREATED,
    FINANCIAL_PIN,
    NEW_PIN,
    OK,
    Act,
    Customer,
    Seen,
    Story,
)
from gateway.terms.sides import Side

INITIAL: Final = "123456"  # seeds/002: 社会账户初始密码为“123456”
SCENES: Final = ("pharmacy", "community", "out-patient", "hospital")
_WITH_INITIAL_PIN, _NOT_ACTIVATED = 14, 20  # of the population


class ShijiazhuangStory(Story):
    """One customer has the initial PIN, another one an account that is not active."""

    def steps(self) -> tuple[tuple[str, Act], ...]:
        """Name the steps."""
        one = self.customer(_WITH_INITIAL_PIN)
        two = self.customer(_NOT_ACTIVATED, "counter", "citizen-id, card-present")
        return (
            ("初始密码未修改,不启用密码 · Not enabled yet", lambda: self._initial(one)),
            ("密码在卡内,网银不能设置 · The PIN is in the chip", lambda: self._online(one)),
            ("在自助设备上修改密码 · Changed at the bureau's kiosk", lambda: self._change(one)),
            ("以后均须输入密码 · Asked for from then on", lambda: self._enabled(one)),
            ("银行账户可随时激活 · The account, at any time", lambda: self._activate(two)),
        )

    def _initial(self, customer: Customer) -> Seen:
        linked = customer.ask_link()
        uses = {self.use(customer, scene) for scene in SCENES}
        return Seen(
            "初始密码未修改:办理业务时无须输入密码",
            "While the initial PIN is unchanged, none is asked for",
            (
                ("the card is linked", linked.status == CREATED),
                ("the PIN is the initial one", self.card(customer)["pin_state"] == "initial"),
                ("no terminal asks for it", uses == {"not-asked"}),
            ),
        )

    def _online(self, customer: Customer) -> Seen:
        refused = customer.do("pin-sessions", {"purpose": "ss-pin"})
        message = refused.body.get("user_message", {})
        return Seen(
            message.get("zh", ""),
            message.get("en", ""),
            (("online banking may not set it", refused.body.get("code") == "NOT_GRANTED"),),
        )

    def _change(self, customer: Customer) -> Seen:
        refused, changed = (
            self.simulated(Side.SOCIAL, "kiosk", {"card": customer.who.card, "pin": pin})
            for pin in (INITIAL, NEW_PIN)
        )
        return Seen(
            "不能沿用初始密码;新密码已启用",
            "The initial PIN is no choice; the new one is in force",
            (
                ("the initial one is refused", refused["reason"] == "SIMPLE_PIN"),
                ("another one is taken", changed["answer"] == "accepted"),
                ("the PIN is enabled", self.card(customer)["pin_state"] == "enabled"),
            ),
        )

    def _enabled(self, customer: Customer) -> Seen:
        right = {self.use(customer, scene, NEW_PIN) for scene in SCENES}
        without = {self.use(customer, scene) for scene in SCENES}
        return Seen(
            "药店、门诊、医院均须输入密码",
            "Pharmacy, out-patient department and hospital ask for the PIN",
            (
                ("the new PIN is accepted everywhere", right == {"accepted"}),
                ("without it nothing is", without == {"refused"}),
            ),
        )

    def _activate(self, customer: Customer) -> Seen:
        linked, answer = customer.ask_link(), customer.activate(FINANCIAL_PIN)
        account = self.account(customer)
        return Seen(
            "银行账户已激活,激活后即可使用",
            "The bank account is active and can be used at once",
            (
                ("the card is linked", linked.status == CREATED),
                ("the gateway answers 200", answer.status == OK),
                ("the core has it active", account["account_state"] == "active"),
                ("under a PIN of its own", account["pin_is_set"]),
            ),
        )
