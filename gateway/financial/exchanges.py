"""The exchanges with a bank core, and the draft of each of their messages."""

from collections.abc import Mapping

from gateway.financial.account import FinancialAccount
from gateway.operations.draft import Draft, EncipheredPin, Original
from gateway.operations.exchange import Exchange, Form, Recovery
from gateway.terms.errors import LocalError
from gateway.terms.sides import Side

ACCOUNT_INQUIRY = Exchange("account-inquiry", Side.FINANCIAL, "account-inquiry", Recovery.QUERY)
REGISTER = Exchange("core-register", Side.FINANCIAL, "link-register", Recovery.REVERSIBLE)
REMOVE = Exchange("core-remove", Side.FINANCIAL, "link-remove", Recovery.REVERSIBLE)
ACTIVATE = Exchange("core-activate", Side.FINANCIAL, "account-activation", Recovery.FORWARD)

RESET_PIN = Exchange("core-pin-reset", Side.FINANCIAL, "pin-reset", Recovery.AT_MOST_ONCE)
ADD_SERVICES = Exchange("core-services-add", Side.FINANCIAL, "services-add", Recovery.FORWARD)
REPORT_LOSS = Exchange("core-loss-report", Side.FINANCIAL, "loss-report", Recovery.AT_LEAST_ONCE)
CANCEL_LOSS = Exchange("core-loss-cancel", Side.FINANCIAL, "loss-cancel", Recovery.FORWARD)

WITH_PIN = frozenset({"account-activation", "pin-reset"})
"""Messages that carry a PIN block."""


def draft(
    exchange: Exchange,
    account: FinancialAccount,
    pin: EncipheredPin | None = None,
    services: str = "-",
    words: Mapping[str, str] | None = None,
) -> Draft:
    """Write the message of an exchange in its present form, for this account.

    `words` are subfields of DE 48 that the operation has of its own. Raises `LocalError` when a
    PIN is to be sent without its PIN block.
    """
    fields = {2: account.pan.value}
    link = {"LK": account.link.value}
    if exchange.form is Form.REVERSAL:
        return Draft("reversal", fields, link, _original(exchange))
    if exchange.form is Form.INQUIRY:
        return Draft("outcome-inquiry", fields, {}, _original(exchange))
    if exchange.message == "account-inquiry":
        return Draft(exchange.message, fields)
    if exchange.message in WITH_PIN and pin is None:
        raise LocalError("a message with a PIN cannot be sent without its PIN block")
    sealed = pin if exchange.message in WITH_PIN else None
    own = {"SV": services} if exchange.message == "account-activation" else words or {}
    return Draft(exchange.message, fields, {**link, **own}, pin=sealed)


def _original(exchange: Exchange) -> Original:
    if exchange.trace is None:
        raise LocalError("what was never sent cannot be asked after or reversed")
    return Original(exchange.message, exchange.trace)
