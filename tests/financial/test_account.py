"""The account: states and services as the message set has them, numbers never printed."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain, combinations
from pathlib import Path

import pytest

from gateway.financial.account import (
    AccountLossConfirmed,
    AccountLossKept,
    AccountLossLifted,
    AccountOwner,
    AccountState,
    AddedService,
    FinancialAccount,
    OwnerKept,
    keep,
    services_code,
)
from gateway.iso8583.message_set import parse_message_set
from gateway.terms.losses import Loss, LossKind
from gateway.terms.numbers import (
    CitizenId,
    CustomerNumber,
    LinkId,
    Mobile,
    OperationId,
    Pan,
    PersonName,
)

SPECS = Path(__file__).parents[2] / "specs"
MESSAGES = parse_message_set((SPECS / "messages/core.toml").read_text("utf-8"), "core.toml")
LINK = LinkId("lnk_" + "1" * 26)
SECRETS = ("6200000000000005", "C00000001", "测试甲", "350299199001010010", "15400000001")
CUSTOMER = CustomerNumber(SECRETS[1])
OWNER = AccountOwner(CUSTOMER, PersonName(SECRETS[2]), CitizenId(SECRETS[3]), Mobile(SECRETS[4]))
CHOICES = list(chain.from_iterable(combinations(AddedService, many) for many in range(4)))


def test_the_states_are_those_of_the_message_set():
    """Subfield AS and enumeration have the same letters, no more and no fewer."""
    letters = re.fullmatch(r"\[([A-Z]+)\]", MESSAGES.private_subfields["AS"].rule)[1]

    assert sorted(letters) == sorted(AccountState)


@pytest.mark.parametrize("chosen", CHOICES, ids=services_code)
def test_chosen_services_are_written_once_in_the_tables_order(chosen):
    """Any order and any repetition of a choice gives one code, which the message set allows."""
    code = services_code(chosen)

    assert services_code([*reversed(chosen), *chosen]) == code
    assert MESSAGES.private_subfields["SV"].allows(code)
    assert (code == "-") == (not chosen)


@pytest.mark.parametrize(
    "value",
    [OWNER, OwnerKept(LINK, OWNER), FinancialAccount(LINK, Pan(SECRETS[0]), CUSTOMER, OWNER)],
)
def test_an_account_and_its_owner_print_masked(value):
    """Number, customer, name, citizen id and mobile never stand in full in a log."""
    printed = f"{value} {value!r}"

    assert not any(secret in printed for secret in SECRETS)


OLD, NEW = OperationId("op_" + "1" * 26), OperationId("op_" + "2" * 26)
LOSS = Loss(LossKind.FORMAL, NEW, datetime(2026, 11, 21, tzinfo=UTC))
ACCOUNT = FinancialAccount(LINK, Pan(SECRETS[0]), CUSTOMER)


def test_what_becomes_of_an_account_is_taken_into_it():
    """Owner and loss are kept; a loss is lifted by its own reference only."""
    lost = keep(ACCOUNT, AccountLossKept(LINK, LOSS))

    assert keep(ACCOUNT, OwnerKept(LINK, OWNER)) == replace(ACCOUNT, owner=OWNER)
    assert keep(lost, AccountLossLifted(LINK, OLD)) == lost == replace(ACCOUNT, loss=LOSS)
    assert keep(lost, AccountLossLifted(LINK, NEW)) == ACCOUNT
    known = keep(lost, AccountLossConfirmed(LINK, NEW, LOSS.reported_at))
    assert known.loss == replace(LOSS, confirmed_at=LOSS.reported_at)
