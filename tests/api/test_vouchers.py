"""A voucher on paper: everything on it, nothing in full, nothing that a browser would run."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from gateway.api.problems import UserMessageView
from gateway.api.vouchers import ReceiptView, VoucherView, voucher_page
from gateway.terms.numbers import AgencyCode, LinkId, OperationId, Pan, SsCardNumber

VOUCHER = VoucherView(
    operation=OperationId("op_" + "1" * 26),
    business=UserMessageView("补换社保卡", "Replace a card"),
    institution=AgencyCode("99370201"),
    link=LinkId("lnk_" + "1" * 26),
    ss_card_number=SsCardNumber("T00000019"),
    account=Pan("6200000000000005"),
    done_at=datetime(2026, 11, 21, 4, 0, tzinfo=UTC),
    verification_code="ABCD-EFGH-IJKL-MNOP",
    result={"order": "<script>"},
)


def test_a_voucher_tells_what_was_done_and_is_signed():
    """Serial number, business in both languages, instant, verification code, place to sign."""
    page = voucher_page(VOUCHER)

    for word in (VOUCHER.operation.value, "补换社保卡", "Replace a card", "MNOP", "签字"):
        assert word in page


def test_a_voucher_tells_the_time_that_the_customer_knows():
    """Beijing time: a paper is read without a table of zones, and signed on that day."""
    page = voucher_page(replace(VOUCHER, done_at=datetime(2026, 11, 21, 17, 5, 9, tzinfo=UTC)))

    assert "2026-11-22 01:05:09 北京时间" in page


def test_a_voucher_is_read_on_a_telephone_too():
    """It takes the width of the screen, and nothing of it is loaded from elsewhere."""
    page = voucher_page(VOUCHER)

    assert "width=device-width" in page
    assert "<script" not in page
    assert "url(" not in page
    assert "http" not in page


@pytest.mark.parametrize("is_provisional", [False, True])
def test_a_collection_receipt_has_the_day_and_whom_to_ask(is_provisional):
    """Beside the voucher that the bank keeps; an estimate is said to be one."""
    enquiries = UserMessageView("咨询投诉电话12345", "Enquiries: 12345")
    receipt = ReceiptView(7, date(2026, 12, 2), is_provisional, enquiries)

    page = voucher_page(replace(VOUCHER, receipt=receipt))

    for word in ("领卡回执", "2026-12-02", "7个工作日", "12345"):
        assert word in page
    assert ("暂估" in page) is is_provisional
    assert "领卡回执" not in voucher_page(VOUCHER)


def test_a_voucher_shows_no_number_in_full():
    """Card and account are masked; what a far side told cannot become markup."""
    page = voucher_page(VOUCHER)

    assert "T00000019" not in page
    assert "6200000000000005" not in page
    assert "<script>" not in page
