"""A voucher on paper: everything on it, nothing in full, nothing that a browser would run."""

from datetime import UTC, datetime

from gateway.api.problems import UserMessageView
from gateway.api.vouchers import VoucherView, voucher_page
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


def test_a_voucher_shows_no_number_in_full():
    """Card and account are masked; what a far side told cannot become markup."""
    page = voucher_page(VOUCHER)

    assert "T00000019" not in page
    assert "6200000000000005" not in page
    assert "<script>" not in page
