"""Vouchers: what was done, for the holder to sign and keep, as JSON and as a page to print.

Qingdao demands one for every business (seeds/004: 社保卡所有业务均需打印业务凭证). It is drawn
from the operation's own record, so that it is there as long as that is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
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


@dataclass(frozen=True, slots=True)
class VoucherView:
    """The voucher of one business that was done."""

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
    drawn = "".join(f"<tr><th>{escape(k)}<td>{escape(v)}</tr>" for k, v in rows.items())
    signature = "当事人确认签字 Confirmed and signed by the holder: ____________________"
    return (
        "<!doctype html><html lang=zh><meta charset=utf-8><title>业务凭证 Voucher</title>"
        f"<h1>业务凭证 Voucher</h1><table>{drawn}</table><p>{signature}</p></html>"
    )
