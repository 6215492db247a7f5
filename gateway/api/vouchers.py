"""Vouchers: what was done, for the holder to sign and keep, as JSON and as a page to print.

Qingdao demands one for every business (seeds/004: 社保卡所有业务均需打印业务凭证), and of a card
that is ordered a collection receipt (当场出具领卡回执,明确领卡时间,标注咨询投诉电话). Both are
drawn from the operation's own record: they are there as long as that is, and say what it said then.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from html import escape
from typing import Annotated

from pydantic import Field

from gateway.api.fields import (
    AgencyCodeText,
    LinkIdText,
    OperationIdText,
    PanMasked,
    SsCardNumberMasked,
)
from gateway.api.notices import UserMessageView


class Paper(StrEnum):
    """A paper that the region makes a duty, to be printed when the business is done."""

    VOUCHER = "voucher"
    COLLECTION_RECEIPT = "collection-receipt"


@dataclass(frozen=True, slots=True)
class ReceiptView:
    """The collection receipt 领卡回执: until when the card is there, and whom to ask.

    As it was on the day of the business, whatever the region says later.
    """

    working_days: int
    collect_by: Annotated[date, Field(description="The last day of the term.")]
    is_provisional: Annotated[
        bool,
        Field(
            description="The term reaches into a year whose holidays are not published yet, so "
            "that the day is an estimate by weekdays."
        ),
    ]
    enquiries: UserMessageView


@dataclass(frozen=True, slots=True)
class VoucherView:
    """The voucher of one business that was done, as things were when it was done."""

    operation: Annotated[OperationIdText, Field(description="Serial number of the voucher.")]
    business: UserMessageView
    institution: AgencyCodeText
    link: LinkIdText
    ss_card_number: SsCardNumberMasked
    account: PanMasked
    done_at: datetime
    verification_code: Annotated[
        str, Field(description="Shows at /v1/voucher-verifications that the voucher is genuine.")
    ]
    result: Mapping[str, str] | None = None
    receipt: Annotated[
        ReceiptView | None,
        Field(description="Where the region demands one, of a card that is ordered."),
    ] = None


@dataclass(frozen=True, slots=True)
class VerificationView:
    """Whether a voucher is genuine."""

    genuine: bool


def voucher_page(voucher: VoucherView) -> str:
    """Draw a voucher as a page of its own, without script, to be printed and signed."""
    rows = {
        "凭证编号 Serial number": str(voucher.operation),
        "业务 Business": f"{voucher.business.zh} {voucher.business.en}",
        "社保机构 Institution": str(voucher.institution),
        "社会保障卡卡号 Card number": str(voucher.ss_card_number),
        "银行账户 Account": str(voucher.account),
        "办理时间 Done at": voucher.done_at.isoformat(timespec="seconds"),
        **(voucher.result or {}),
        "验证码 Verification code": voucher.verification_code,
    }
    receipt = "" if voucher.receipt is None else _receipt(voucher, voucher.receipt)
    signature = "当事人确认签字 Confirmed and signed by the holder: ____________________"
    return (
        "<!doctype html><html lang=zh><meta charset=utf-8><title>业务凭证 Voucher</title>"
        f"<h1>业务凭证 Voucher</h1>{_table(rows)}<p>{signature}</p>{receipt}</html>"
    )


def _receipt(voucher: VoucherView, receipt: ReceiptView) -> str:
    """Draw the part that the holder takes along."""
    days = f"{receipt.working_days}个工作日 {receipt.working_days} working days"
    estimate = "(暂估:次年节假日安排尚未公布)(estimate: the holidays are not published yet)"
    rows = {
        "回执编号 Serial number": str(voucher.operation),
        "业务 Business": f"{voucher.business.zh} {voucher.business.en}",
        "受理时间 Accepted at": voucher.done_at.isoformat(timespec="seconds"),
        "领卡期限 Term": days,
        "领卡时间 Collect by": receipt.collect_by.isoformat() + estimate * receipt.is_provisional,
        "咨询投诉 Enquiries": f"{receipt.enquiries.zh} {receipt.enquiries.en}",
    }
    return f"<hr><h1>领卡回执 Collection receipt</h1>{_table(rows)}"


def _table(rows: Mapping[str, str]) -> str:
    drawn = "".join(f"<tr><th>{escape(k)}<td>{escape(v)}</tr>" for k, v in rows.items())
    return f"<table>{drawn}</table>"
