"""The account: states and services as the message set has them, numbers never printed."""

import re
from itertools import chain, combinations
from pathlib import Path

import pytest

from gateway.financial.account import (
    AccountOwner,
    AccountState,
    AddedService,
    FinancialAccount,
    OwnerKept,
    services_code,
)
from gateway.iso8583.message_set import parse_message_set
from gateway.terms.numbers import CitizenId, CustomerNumber, LinkId, Mobile, Pan, PersonName

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
