"""Vouchers: what was done, for the holder to sign and keep, as JSON and as a page to print.

Qingdao demands one for every business (seeds/004: 社保卡所有业务均需打印业务凭证), and of a card
that is ordered a collection receipt (当场出具领卡回执,明确领卡时间,标注咨询投诉电话). Both are
drawn from the operation's own record: they are there as long as that is, and say what it said then.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from enum import StrEnum
from html import escape
from typing import Annotated, Final

from pydantic import Field

from gateway.api.fields import (
    AgencyCodeText,
    LinkIdText,
    OperationIdText,
    PanMasked,
    SsCardNumberMasked,
)
from gateway.api.notices import UserMessageView

# Style is written into the page; nothing else may load or run.
VOUCHER_SECURITY_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)
_CHINA: Final = timezone(timedelta(hours=8))  # one zone for the whole country, no summer time


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
        "办理时间 Done at": _told(voucher.done_at),
        **(voucher.result or {}),
        "验证码 Verification code": voucher.verification_code,
    }
    receipt = "" if voucher.receipt is None else _receipt(voucher, voucher.receipt)
    signature = "当事人确认签字 Confirmed and signed by the holder:"
    return (
        "<!doctype html><html lang=zh><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width,initial-scale=1'>"
        f"<title>业务凭证 Voucher</title><style>{_STYLE}</style>"
        f"<h1>业务凭证 Voucher</h1>{_table(rows)}<p class=signed>{signature}</p>{receipt}</html>"
    )


_STYLE: Final = """
:root{color-scheme:light}
body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;padding:1.25em;max-width:42em}
h1{font-size:1.4em;margin:.2em 0 .8em}
table{border-collapse:collapse;width:100%}
th,td{border:1px solid #888;padding:.45em .6em;text-align:left;vertical-align:top;
overflow-wrap:anywhere}
th{width:38%;font-weight:normal;background:#f4f6f9}
.signed{margin:2.5em 0;padding-bottom:2.5em;border-bottom:1px solid #000;max-width:26em}
hr{border:0;border-top:1px dashed #888;margin:2em 0}
@media print{body{padding:0;max-width:none}table,h1{break-inside:avoid}@page{margin:20mm}}
"""


def _receipt(voucher: VoucherView, receipt: ReceiptView) -> str:
    """Draw the part that the holder takes along."""
    days = f"{receipt.working_days}个工作日 {receipt.working_days} working days"
    estimate = "(暂估:次年节假日安排尚未公布)(estimate: the holidays are not published yet)"
    rows = {
        "回执编号 Serial number": str(voucher.operation),
        "业务 Business": f"{voucher.business.zh} {voucher.business.en}",
        "受理时间 Accepted at": _told(voucher.done_at),
        "领卡期限 Term": days,
        "领卡时间 Collect by": receipt.collect_by.isoformat() + estimate * receipt.is_provisional,
        "咨询投诉 Enquiries": f"{receipt.enquiries.zh} {receipt.enquiries.en}",
    }
    return f"<hr><h1>领卡回执 Collection receipt</h1>{_table(rows)}"


def _told(instant: datetime) -> str:
    """Write an instant as a customer reads it, by the time of the whole country (UTC+8)."""
    return f"{instant.astimezone(_CHINA):%Y-%m-%d %H:%M:%S} 北京时间 UTC+8"


def _table(rows: Mapping[str, str]) -> str:
    drawn = "".join(f"<tr><th>{escape(k)}<td>{escape(v)}</tr>" for k, v in rows.items())
    return f"<table>{drawn}</table>"
