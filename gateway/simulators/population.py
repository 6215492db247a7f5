"""Synthetic people, the same in bureau and core: by number, so that any count costs nothing.

Nobody here can be real (``reference/domain.md`` 5): citizen ids in division 350299, which never
existed; bank cards in the test range 620000 with a Luhn digit; mobiles beginning 154, assigned to
nobody; SS card numbers beginning T; names beginning 测试.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from stdnum import luhn
from stdnum.cn import ric

PERSONS_MAX: Final = 9_000_000  # serials in the citizen ids are unique up to here
_FIRST_BIRTHDAY: Final = date(1950, 1, 1)
_BIRTHDAYS: Final = 18_000  # 1950-01-01 to 1999-04-13
_STRIDE: Final = 7_919  # a prime that does not divide 18,000: neighbours differ in birthday
_STEMS: Final = "甲乙丙丁戊己庚辛壬癸"
_BRANCHES: Final = "子丑寅卯辰巳午未申酉戌亥"


class CardState(StrEnum):
    """State of the SS account, as DE 48 CS has it."""

    NORMAL = "N"
    NOT_ACTIVATED = "I"
    TEMPORARY_LOSS = "T"
    FORMAL_LOSS = "F"
    LOCKED = "L"
    CANCELLED = "C"


class PinState(StrEnum):
    """State of the SS PIN, as DE 48 PS has it."""

    UNSET = "U"
    INITIAL = "I"
    ENABLED = "E"
    OPTED_OUT = "O"
    LOCKED = "L"


class AccountState(StrEnum):
    """State of the financial account, as DE 48 AS has it."""

    NOT_ACTIVATED = "N"
    ACTIVE = "A"
    FROZEN = "F"
    LOST = "L"
    CLOSED = "C"


@dataclass(frozen=True, slots=True, repr=False)
class Holder:
    """Who a card or an account belongs to, as one side has it on file."""

    name: str
    citizen_id: str
    mobile: str


@dataclass(frozen=True, slots=True)
class Case:
    """What is special about a named person; the default is a person with everything in order."""

    note: str
    card_state: CardState = CardState.NORMAL
    pin_state: PinState = PinState.UNSET
    account_state: AccountState = AccountState.ACTIVE
    name: str | None = None
    # What the bureau has on file instead of what the bank has.
    bureau_name: str | None = None
    bureau_person: int | None = None
    bureau_mobile: str | None = None


_PLAIN: Final = Case("in order")
FRESH_FROM: Final = 90_001  # from here on nothing is activated: for many activations in one run
_FRESH: Final = Case(
    "fresh card: account and SS account not activated",
    card_state=CardState.NOT_ACTIVATED,
    account_state=AccountState.NOT_ACTIVATED,
)
_CASES: Final = {
    1: Case("in order: link, then set the SS PIN", name="测试甲"),
    2: replace(_FRESH, name="测试乙"),
    3: Case("card belongs to another person", bureau_person=4_000_003),
    4: Case("account frozen", account_state=AccountState.FROZEN),
    5: Case("card reported lost, temporarily", card_state=CardState.TEMPORARY_LOSS),
    6: Case("card reported lost, formally", card_state=CardState.FORMAL_LOSS),
    7: Case("card locked", card_state=CardState.LOCKED),
    8: Case("card cancelled", card_state=CardState.CANCELLED),
    9: Case("account reported lost", account_state=AccountState.LOST),
    10: Case("account closed", account_state=AccountState.CLOSED),
    11: Case("bureau has an older mobile number", bureau_mobile="16400000011"),
    12: Case("bureau has another name", bureau_name="测试旧名"),
    13: Case("SS PIN locked", pin_state=PinState.LOCKED),
    14: Case("SS PIN still the initial one", pin_state=PinState.INITIAL),
    15: Case("holder opted out of the SS PIN", pin_state=PinState.OPTED_OUT),
    16: Case("surname of two characters", name="欧阳测试"),
    17: Case("name with a middle dot", name="测试·阿依古丽"),
    18: Case("name with a character outside GBK", name="测试𠮷"),
    19: Case("name in letters", name="Test Holder"),
    20: Case("account not activated, SS account normal", account_state=AccountState.NOT_ACTIVATED),
}
NAMED: Final = len(_CASES)


@dataclass(frozen=True, slots=True, repr=False)
class Person:
    """One synthetic person with one card and one account."""

    index: int
    card: str
    pan: str
    customer: str
    at_bank: Holder
    at_bureau: Holder
    case: Case


def person(index: int) -> Person:
    """Give person `index` (from 1), always the same."""
    case = _CASES.get(index, _PLAIN if index < FRESH_FROM else _FRESH)
    at_bank = _holder(index, case.name)
    return Person(
        index,
        f"T{index:08d}",
        _pan(index),
        f"C{index:09d}",
        at_bank,
        _at_bureau(at_bank, case),
        case,
    )


@dataclass(frozen=True, slots=True)
class Population:
    """The first `size` persons."""

    size: int

    def with_card(self, card: str) -> Person | None:
        """Find the person with an SS card number."""
        return self._numbered(card[1:]) if card[:1] == "T" and len(card) == 9 else None  # noqa: PLR2004 - T and 8 digits

    def with_account(self, pan: str) -> Person | None:
        """Find the person with a bank card number."""
        found = self._numbered(pan[6:-1])
        return found if found is not None and found.pan == pan else None

    def named(self) -> Iterator[Person]:
        """Give the persons that a story can be told about."""
        return map(person, range(1, min(self.size, NAMED) + 1))

    def _numbered(self, digits: str) -> Person | None:
        if not (digits.isascii() and digits.isdecimal()):
            return None
        index = int(digits)
        return person(index) if 1 <= index <= self.size else None


def table(population: Population) -> str:
    """Write the named persons as a Markdown table; they are synthetic and print in full."""
    rows = [
        f"| {p.index} | {p.at_bank.name} | {p.card} | {p.pan} | {p.customer} "
        f"| {p.at_bank.citizen_id} | {p.at_bank.mobile} | {p.case.note} |"
        for p in population.named()
    ]
    head = "| # | name | SS card | bank card | customer | citizen id | mobile | what is special |"
    return "\n".join([head, "|---|---|---|---|---|---|---|---|", *rows])


def _holder(index: int, name: str | None) -> Holder:
    return Holder(name or _name(index), _citizen_id(index), f"154{index:08d}")


def _at_bureau(at_bank: Holder, case: Case) -> Holder:
    """Give what the bureau has on file of the same card."""
    if case.bureau_person is not None:
        return _holder(case.bureau_person, None)
    return Holder(
        case.bureau_name or at_bank.name, at_bank.citizen_id, case.bureau_mobile or at_bank.mobile
    )


def _name(index: int) -> str:
    return f"测试{_STEMS[index % 10]}{_BRANCHES[index // 10 % 12]}"


def _citizen_id(index: int) -> str:
    """Build a citizen id whose birthday and serial together occur once."""
    round_, day = divmod(index, _BIRTHDAYS)
    birthday = _FIRST_BIRTHDAY + timedelta(days=day * _STRIDE % _BIRTHDAYS)
    digits = f"350299{birthday:%Y%m%d}{round_ + 1:03d}"
    return digits + str(ric.calc_check_digit(digits + "0"))


def _pan(index: int) -> str:
    digits = f"620000{index:012d}"
    return digits + luhn.calc_check_digit(digits)
