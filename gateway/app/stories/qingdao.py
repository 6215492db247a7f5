"""Qingdao: the holder chooses whether a PIN is used; what is refused is told in one notice."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from gateway.app.stories.story import NEW_PIN, OK, Act, Customer, Seen, Story

_FORBIDDEN = 403


class QingdaoStory(Story):
    """At the bank's counter, from the PIN to a new card."""

    _order: Mapping[str, Any] = MappingProxyType({})  # the order of the new card, once it is

    def steps(self) -> tuple[tuple[str, Act], ...]:
        """Name the steps."""
        one = self.customer(1, "counter", "citizen-id, card-present")
        return (
            ("柜面关联社保卡 · Link the card at the counter", lambda: self.linked(one)),
            ("药店须输密码,医院只签字 · Asked at pharmacies only", lambda: self._scenes(one)),
            ("自主选择是否使用密码 · The holder's own choice", lambda: self._choice(one)),
            ("材料不全:一次性告知单 · The one-time notice", lambda: self._notice(one)),
            ("正式挂失后补卡 · Formal loss, then a new card", lambda: self._replacement(one)),
            ("业务凭证和领卡回执 · Voucher and collection receipt", lambda: self._papers(one)),
            ("7个工作日内领卡 · Seven working days later", lambda: self._collection(one)),
        )

    def _scenes(self, customer: Customer) -> Seen:
        was_set = customer.set_pin(NEW_PIN)
        asked = {self.use(customer, scene, NEW_PIN) for scene in _ASKED_IN}
        without = {self.use(customer, scene) for scene in _ASKED_IN}
        return Seen(
            "门诊、社区和药店须输入密码;定点医院核实本人并签字",
            "Out-patient, community and pharmacy ask for the PIN; a hospital has the holder sign",
            (
                ("the PIN is set", was_set.status == OK),
                ("it is asked for and accepted", asked == {"accepted"}),
                ("without it the sale fails", without == {"refused"}),
                ("a hospital asks for none", self.use(customer, "hospital") == "signature"),
            ),
        )

    def _choice(self, customer: Customer) -> Seen:
        out = customer.do("ss-pin/opt-out", {})
        without = self.use(customer, "pharmacy")
        back = customer.do("ss-pin/enable", {})
        asked = self.use(customer, "pharmacy", NEW_PIN)
        return Seen(
            "已停用密码;已恢复使用,密码不变",
            "The PIN is used no more; then it is again, unchanged",
            (
                ("the holder may do without", out.status == OK),
                ("the pharmacy asks for none", without == "not-asked"),
                ("and may use it again", back.status == OK),
                ("the same PIN is accepted", asked == "accepted"),
            ),
        )

    def _notice(self, customer: Customer) -> Seen:
        cardless = replace(customer, bank=replace(customer.bank, proofs="citizen-id"))
        refused = cardless.do("ss-pin/opt-out", {})
        notice = refused.body.get("not_granted", {})
        message = refused.body.get("user_message", {})
        return Seen(
            message.get("zh", ""),
            message.get("en", ""),
            (
                ("the gateway answers 403", refused.status == _FORBIDDEN),
                ("the notice says what is missing", "card-present" in str(notice)),
            ),
        )

    def _replacement(self, customer: Customer) -> Seen:
        early = customer.do("card/replacement", {"reason": "lost"})
        lost = customer.do("losses/formal", {})
        use = self.use(customer, "pharmacy", NEW_PIN)
        ordered = customer.do("card/replacement", {"reason": "lost"})
        told = ordered.body.get("result", {})
        self._order = ordered.body
        return Seen(
            f"已正式挂失;免费补卡,{told.get('due_on')}前领卡",
            f"Reported lost; the new card is free and due on {told.get('due_on')}",
            (
                ("without a loss there is no new card", early.body.get("code") == _NOT_FORMAL),
                ("the loss is reported", lost.status == OK),
                ("the lost card buys nothing", use == "refused"),
                ("the new one is due in 7 working days", told.get("working_days") == "7"),
                ("and free", told.get("fee") == "free"),
            ),
        )

    def _papers(self, customer: Customer) -> Seen:
        path = f"/v1/operations/{self._order.get('operation')}/voucher"
        voucher, page = customer.bank.get(path).body, customer.bank.page(f"{path}.html")
        receipt, code = voucher.get("receipt") or {}, voucher.get("verification_code", "")
        return Seen(
            f"业务凭证已打印待签字,验证码 {code};领卡回执:{receipt.get('collect_by')}",
            f"The voucher is printed to be signed, code {code}; collect by "
            f"{receipt.get('collect_by')}",
            (
                ("the answer names both papers", self._order.get("papers") == list(_PAPERS)),
                ("the code shows that the voucher is genuine", self._genuine(customer, voucher)),
                ("the receipt has the day", receipt.get("collect_by") == self._due_on()),
                ("and the telephone 12345", "12345" in str(receipt.get("enquiries"))),
                ("both are on the page to print", all(paper in page for paper in _TITLES)),
                ("no card number in full is", customer.who.card not in page),
            ),
        )

    def _genuine(self, customer: Customer, voucher: Mapping[str, Any]) -> bool:
        asked = {name: voucher.get(name) for name in ("operation", "verification_code")}
        answer = customer.bank.change("POST", "/v1/voucher-verifications", asked)
        return bool(answer.body.get("genuine"))

    def _due_on(self) -> str:
        due: str = self._order.get("result", {}).get("due_on", "")
        return due

    def _collection(self, customer: Customer) -> Seen:
        before = customer.ask("card").body.get("result", {})
        self.pass_until(before.get("due_on", ""))
        path = f"/v1/operations/{self._order.get('operation')}/voucher"
        before_it = customer.bank.get(path).body
        collected = customer.do("card/collection")
        after_it = customer.bank.get(path).body
        carried = collected.body.get("result", {}).get("carried_over", "")
        return Seen(
            "新卡已领取,社保密码、关联和手机号均保留",
            "The new card is here; PIN, link and mobile number came along",
            (
                ("it was in production", before.get("order_state") == "in-production"),
                ("it is handed over", collected.status == OK),
                ("what was there came along", carried == "ss-pin link mobile"),
                ("the old voucher still shows the old card", before_it == after_it),
            ),
        )


_ASKED_IN = ("out-patient", "community", "pharmacy")
_NOT_FORMAL = "LOSS_NOT_FORMAL"
_PAPERS = ("voucher", "collection-receipt")
_TITLES = ("业务凭证", "领卡回执", "签字")
