"""The rules of a simulated bank core: accounts, links and financial PINs. No wire, no clock."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from gateway.iso8583.message import Message
from gateway.simulators.desk import Outcome, Request, text
from gateway.simulators.links import Link, Links
from gateway.simulators.pin import BadPinBlock, PinHash
from gateway.simulators.population import AccountState, Holder, Population
from gateway.terms.response_codes import ResponseCode

_PIN_DIGITS: Final = 6  # what Chinese debit cards have
_NO_SERVICE: Final = "-"
_APPROVED: Final = ResponseCode.APPROVED
_NO_SUCH_ACCOUNT: Final = Outcome.refused(ResponseCode.NO_SUCH_CARD, "UNKNOWN_ACCOUNT")
_NO_SUCH_LINK: Final = Outcome.refused(ResponseCode.ORIGINAL_NOT_FOUND, "NO_ACTIVE_LINK")


@dataclass(slots=True, repr=False)
class AccountRecord:
    """One account as the core keeps it."""

    pan: str
    customer: str
    holder: Holder
    state: AccountState
    pin: PinHash | None = None
    services: set[str] = field(default_factory=set)
    before_loss: AccountState = AccountState.ACTIVE
    loss_reference: str = ""


class Core:
    """Accounts, links and PINs; `read_pin` gives the PIN of a message with its PAN."""

    def __init__(
        self,
        population: Population,
        read_pin: Callable[[Message, str], str],
        salt: Callable[[], bytes],
    ) -> None:
        self._population = population
        self._read_pin = read_pin
        self._salt = salt
        self._accounts: dict[str, AccountRecord] = {}
        self.links = Links()

    def carry_out(self, request: Request, now: datetime) -> Outcome:  # noqa: ARG002 - as a bureau's
        """Decide a request and change the state."""
        account = self.account(text(request.message, 2))
        if account is None:
            return _NO_SUCH_ACCOUNT
        match request.name:
            case "account-inquiry":
                return _account_answer(account)
            case "link-register":
                return self._register(account, request.private["LK"])
            case "link-remove":
                return self._remove(account, request.private["LK"])
            case (
                "account-activation" | "services-add" | "pin-reset" | "loss-report" | "loss-cancel"
            ):
                return self._through_link(account, request)
            case _:
                return Outcome.refused(ResponseCode.NOT_SUPPORTED, "NOT_OFFERED")

    def describe(self, request: Request, stored: Outcome) -> Outcome:
        """Say what became of a request: done (00), or refused with the code it got (22)."""
        account = self.account(text(request.message, 2))
        if account is None:
            return _NO_SUCH_ACCOUNT
        if stored.code is _APPROVED:
            return Outcome(_APPROVED, {"AS": account.state})
        private = {"AS": account.state, "RC": f"REFUSED_{stored.code}"}
        return Outcome(ResponseCode.STATE_DOES_NOT_ALLOW, private)

    def account(self, pan: str) -> AccountRecord | None:
        """Find an account; one that nobody touched yet is built from the population."""
        account = self._accounts.get(pan)
        if account is None:
            person = self._population.with_account(pan)
            if person is None:
                return None
            account = AccountRecord(pan, person.customer, person.at_bank, person.case.account_state)
            self._accounts[pan] = account
        return account

    def touched(self) -> list[AccountRecord]:
        """Give the accounts that any message has named."""
        return list(self._accounts.values())

    def _register(self, account: AccountRecord, link_id: str) -> Outcome:
        refusal = _unusable(account)
        if refusal is not None:
            return refusal
        if self.links.known(link_id):
            return Outcome.refused(ResponseCode.STATE_DOES_NOT_ALLOW, "LINK_REFERENCE_USED")
        link = self.links.add(link_id, account.pan)
        return Outcome(_APPROVED, undo=lambda: _set_active(link, active=False))

    def _remove(self, account: AccountRecord, link_id: str) -> Outcome:
        link = self.links.active(link_id, account.pan)
        if link is None:
            return _NO_SUCH_LINK
        _set_active(link, active=False)
        return Outcome(_APPROVED, undo=lambda: _set_active(link, active=True))

    def _through_link(self, account: AccountRecord, request: Request) -> Outcome:
        if self.links.active(request.private["LK"], account.pan) is None:
            return _NO_SUCH_LINK
        match request.name:
            case "account-activation":
                return self._activate(account, request)
            case "services-add":
                return _unusable(account) or _add_services(account, request)
            case "loss-report":
                return _report_loss(account, request)
            case "loss-cancel":
                return _cancel_loss(account, request.private.get("LN", ""))
            case _:
                return _unusable(account) or self._reset_pin(account, request)

    def _reset_pin(self, account: AccountRecord, request: Request) -> Outcome:
        if account.state is not AccountState.ACTIVE:
            return Outcome.refused(ResponseCode.NOT_ACTIVATED, "NOT_ACTIVE")
        return self._take_pin(account, request) or Outcome(_APPROVED, {"AS": account.state})

    def _take_pin(self, account: AccountRecord, request: Request) -> Outcome | None:
        """Put the PIN of a message in force; gives the refusal of one that is none."""
        try:
            pin = self._read_pin(request.message, account.pan)
        except BadPinBlock:
            return Outcome.refused(ResponseCode.PIN_FORMAT, "PIN_BLOCK")
        if len(pin) != _PIN_DIGITS:
            return Outcome.refused(ResponseCode.PIN_FORMAT, "PIN_LENGTH")
        account.pin = PinHash.of(pin, self._salt())
        return None

    def _activate(self, account: AccountRecord, request: Request) -> Outcome:
        if account.state is AccountState.ACTIVE:
            return Outcome.refused(ResponseCode.STATE_DOES_NOT_ALLOW, "ALREADY_ACTIVE")
        refusal = _unusable(account) or self._take_pin(account, request)
        if refusal is not None:
            return refusal
        account.state = AccountState.ACTIVE
        account.services |= set(request.private["SV"]) - {_NO_SERVICE}
        return Outcome(_APPROVED, {"AS": account.state})


def _add_services(account: AccountRecord, request: Request) -> Outcome:
    if account.state is not AccountState.ACTIVE:
        return Outcome.refused(ResponseCode.NOT_ACTIVATED, "NOT_ACTIVE")
    account.services |= set(request.private["SV"]) - {_NO_SERVICE}
    return Outcome(_APPROVED, {"AS": account.state})


def _report_loss(account: AccountRecord, request: Request) -> Outcome:
    """Take an account out of use; said again it is as it was, under the newest reference."""
    if account.state is AccountState.CLOSED:
        return Outcome.refused(ResponseCode.RESTRICTED, "ACCOUNT_NOT_USABLE")
    if account.state is not AccountState.LOST:
        account.before_loss = account.state
    account.state, account.loss_reference = AccountState.LOST, request.private["LN"]
    return Outcome(_APPROVED, {"AS": account.state})


def _cancel_loss(account: AccountRecord, reference: str) -> Outcome:
    """Put an account into use again, if the loss that is named is the one in force."""
    if account.state is not AccountState.LOST:
        return Outcome.refused(ResponseCode.STATE_DOES_NOT_ALLOW, "ALREADY_SO")
    if account.loss_reference != reference:
        return Outcome.refused(ResponseCode.STATE_DOES_NOT_ALLOW, "ANOTHER_LOSS")
    account.state, account.loss_reference = account.before_loss, ""
    return Outcome(_APPROVED, {"AS": account.state})


def _set_active(link: Link, *, active: bool) -> bool:
    link.active = active
    return True


def _account_answer(account: AccountRecord) -> Outcome:
    holder = account.holder
    return Outcome(
        _APPROVED,
        {
            "CU": account.customer,
            "NM": holder.name,
            "ID": holder.citizen_id,
            "MB": holder.mobile,
            "AS": account.state,
        },
    )


def _unusable(account: AccountRecord) -> Outcome | None:
    """Refuse an account that is lost, frozen or closed; one not activated yet may be linked."""
    match account.state:
        case AccountState.LOST:
            return Outcome.refused(ResponseCode.LOST, "ACCOUNT_LOST")
        case AccountState.FROZEN | AccountState.CLOSED:
            return Outcome.refused(ResponseCode.RESTRICTED, "ACCOUNT_NOT_USABLE")
        case _:
            return None
