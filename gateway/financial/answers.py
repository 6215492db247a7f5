"""What a core's answer says, and the refusal that its response code means to a caller."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.financial.account import AccountOwner, AccountState
from gateway.terms.errors import PeerError
from gateway.terms.numbers import CitizenId, CustomerNumber, Mobile, PersonName
from gateway.terms.refusals import Refusal
from gateway.terms.response_codes import ResponseCode


@dataclass(frozen=True, slots=True)
class AccountFinding:
    """What an account inquiry told."""

    owner: AccountOwner
    account_state: AccountState


def finding(message: str, private: Mapping[str, str]) -> AccountFinding | None:
    """Read what an approved answer tells of persons; None for messages that tell nothing.

    Raises `PeerError` naming the subfield of DE 48 that is missing or breaks its rule.
    """
    if message != "account-inquiry":
        return None
    try:
        mobile = private.get("MB")
        owner = AccountOwner(
            CustomerNumber(private["CU"]),
            PersonName(private["NM"]),
            CitizenId(private["ID"]),
            Mobile(mobile) if mobile else None,
        )
        return AccountFinding(owner, AccountState(private["AS"]))
    except KeyError as error:
        raise PeerError(f"DE 48: an approved inquiry must tell {error.args[0]}") from None
    except ValueError:
        raise PeerError("DE 48: the owner told by the core breaks a rule") from None


def told(private: Mapping[str, str]) -> Mapping[str, str]:
    """Read the open words of an answer: the account's state; raises `PeerError` for an unknown."""
    try:
        state = AccountState(private["AS"]) if "AS" in private else None
    except ValueError:
        raise PeerError("DE 48: the account's state is not one of the message set") from None
    return {"account_state": state.name.lower().replace("_", "-")} if state else {}


_BY_CODE = {
    ResponseCode.NO_SUCH_CARD: Refusal.NOT_CONFIRMED,
    ResponseCode.IDENTITY_NOT_CONFIRMED: Refusal.NOT_CONFIRMED,
    ResponseCode.NOT_ACTIVATED: Refusal.NOT_ACTIVATED,
    ResponseCode.STATE_DOES_NOT_ALLOW: Refusal.ACCOUNT_NOT_USABLE,
    ResponseCode.RESTRICTED: Refusal.ACCOUNT_NOT_USABLE,
    ResponseCode.LOST: Refusal.ACCOUNT_LOST,
    ResponseCode.NOT_SUPPORTED: Refusal.NOT_OFFERED,
    ResponseCode.NOT_PERMITTED_TO_TERMINAL: Refusal.NOT_OFFERED,
    ResponseCode.PIN_FORMAT: Refusal.PIN_ENVELOPE,
}
_BY_REASON = {
    "ALREADY_ACTIVE": Refusal.ALREADY_ACTIVE,
    "ALREADY_SO": Refusal.ALREADY_SO,
    "LOSS_FORMAL": Refusal.LOSS_FORMAL,
    "SIMPLE_PIN": Refusal.PIN_TRIVIAL,
}


def refusal(code: ResponseCode | None, reason: str | None) -> Refusal:
    """Name what a core's decline means: its own fine reason first, then DE 39."""
    if reason in _BY_REASON:
        return _BY_REASON[reason]
    return _BY_CODE.get(code, Refusal.DECLINED) if code else Refusal.DECLINED


def why_unusable(state: AccountState) -> Refusal | None:
    """Tell why an account in this state cannot be linked; None when it can.

    An account that is not activated yet may be linked: it is activated through the link.
    """
    usable = state in {AccountState.ACTIVE, AccountState.NOT_ACTIVATED}
    return None if usable else Refusal.ACCOUNT_NOT_USABLE
