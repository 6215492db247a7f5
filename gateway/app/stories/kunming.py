"""Kunming: the e-card has a PIN of its own, pays by code, and stops with its card."""

from dataclasses import replace
from typing import Final

from gateway.app.stories.story import NEW_PIN, OK, Act, Customer, Seen, Story
from gateway.terms.sides import Side

PROOFS: Final = "session, card-number, face, bank-card"
CODE_LIFE_SECONDS: Final = 60


class KunmingStory(Story):
    """In the bank's app."""

    def steps(self) -> tuple[tuple[str, Act], ...]:
        """Name the steps."""
        one = self.customer(1, "app", PROOFS)
        return (
            ("在手机银行关联社保卡 · Link the card in the app", lambda: self.linked(one)),
            ("未刷脸不能申领 · No face, no e-card", lambda: self._without_face(one)),
            ("签发电子社保卡,单独设密 · Issued, with its own PIN", lambda: self._issue(one)),
            ("开通缴费结算 · Payment is a step of its own", lambda: self._payment(one)),
            ("展示二维码购药,无需密码 · Pay by code, no PIN", lambda: self._code(one)),
            ("实体卡挂失,电子卡同停 · The card is lost: so is it", lambda: self._lost(one)),
        )

    def _without_face(self, customer: Customer) -> Seen:
        faceless = replace(customer, bank=replace(customer.bank, proofs="session, card-number"))
        refused = faceless.do("ecard", faceless.pin_body("ecard-pin", NEW_PIN))
        message = refused.body.get("user_message", {})
        return Seen(
            message.get("zh", ""),
            message.get("en", ""),
            (
                ("the refusal is PROOF_MISSING", refused.body.get("code") == "PROOF_MISSING"),
                ("it says that a face is", "face" in str(refused.body.get("not_granted"))),
            ),
        )

    def _issue(self, customer: Customer) -> Seen:
        issued = customer.do("ecard", customer.pin_body("ecard-pin", NEW_PIN))
        number = customer.bank.get(f"/v1/links/{customer.link}").body.get("ecard_number")
        return Seen(
            f"电子社保卡 {number} 已签发",
            f"Your e-card {number} is issued",
            (
                ("the gateway answers 200", issued.status == OK),
                ("the link has its number", bool(number)),
                ("the card's own PIN is untouched", self.card(customer)["pin_state"] == "unset"),
            ),
        )

    def _payment(self, customer: Customer) -> Seen:
        state = customer.do("ecard/payment").body.get("result", {}).get("ecard_state")
        return Seen(
            "已开通缴费结算",
            "The e-card pays from your linked account",
            (("the platform lets it pay", state == "active-and-pays"),),
        )

    def _code(self, customer: Customer) -> Seen:
        code = self._shown(customer)
        first, second = self._scan(customer, code), self._scan(customer, code)
        late = self._shown(customer)
        self.ensemble.let_pass(CODE_LIFE_SECONDS)
        return Seen(
            "出示二维码即可购药;每码只用一次,60秒内有效",
            "Show the code and take the medicine; a code is good once, for 60 seconds",
            (
                ("the first scan is accepted", first == "accepted"),
                ("the second one is refused", second == "refused"),
                ("a minute later a code is refused", self._scan(customer, late) == "refused"),
            ),
        )

    def _shown(self, customer: Customer) -> str:
        body = customer.do("ecard/codes", {}).body
        code: str = body.get("one_time_code", {}).get("code", "")
        return code

    def _scan(self, customer: Customer, code: str) -> str:
        body = {"card": customer.who.card, "code": code}
        answer: str = self.simulated(Side.SOCIAL, "ecard-scan", body)["answer"]
        return answer

    def _lost(self, customer: Customer) -> Seen:
        code = self._shown(customer)
        self.simulated(Side.SOCIAL, "loss", {"card": customer.who.card})
        scan, refused = self._scan(customer, code), customer.do("ecard/codes", {})
        message = refused.body.get("user_message", {})
        return Seen(
            message.get("zh", ""),
            message.get("en", ""),
            (
                ("a code shown before is refused", scan == "refused"),
                ("no new one is shown", refused.body.get("code") == "CARD_LOST"),
            ),
        )
