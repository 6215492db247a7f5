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


def draft(
    exchange: Exchange,
    account: FinancialAccount,
    pin: EncipheredPin | None = None,
    services: str = "-",
    words: Mapping[str, str] | None = None,
) -> Draft:
    """Write the message of an exchange in its present form, for this account.

    `words` are subfields of DE 48 that the operation has of its own. Raises `LocalError` when an
    account is to be activated without a PIN block.
    """
    fields = {2: account.pan.value}
    link = {"LK": account.link.value}
    if exchange.form is Form.REVERSAL:
        return Draft("reversal", fields, link, _original(exchange))
    if exchange.form is Form.INQUIRY:
        return Draft("activation-inquiry", fields, {}, _original(exchange))
    match exchange.message:
        case "account-inquiry":
            return Draft(exchange.message, fields)
        case "account-activation":
            if pin is None:
                raise LocalError("an account cannot be activated without its PIN block")
            return Draft(exchange.message, fields, link | {"SV": services}, pin=pin)
        case _:
            return Draft(exchange.message, fields, {**link, **(words or {})})


def _original(exchange: Exchange) -> Original:
    if exchange.trace is None:
        raise LocalError("what was never sent cannot be asked after or reversed")
    return Original(exchange.message, exchange.trace)
