"""Numbers and names as types that check themselves on construction and print masked.

Construction raises `ValueError` whose text is the rule, never the value.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar, Self

from gateway.terms.masking import mask, mask_name

_set = object.__setattr__


@dataclass(frozen=True, slots=True, init=False, eq=False, repr=False)
class _Text:
    """A value with one pattern and one rule in words.

    An operation makes some twenty and looks thirty up: by hand it takes half as long.
    """

    value: str

    pattern: ClassVar[re.Pattern[str]]
    rule: ClassVar[str]

    def __init__(self, value: str) -> None:
        if not self.pattern.fullmatch(value):
            raise ValueError(self.rule)
        _set(self, "value", value)

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return self.value == other.value

    def __hash__(self) -> int:
        return hash(self.value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self})"


class _Sensitive(_Text):
    """A value that prints masked; `.value` is the only way to all of it."""

    __slots__ = ()

    def __str__(self) -> str:
        return mask(self.value)

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


class _Open(_Text):
    """A value that anybody may see."""

    __slots__ = ()

    def __str__(self) -> str:
        return self.value


_DOUBLED = bytes.maketrans(b"0123456789", b"0246813579")  # as Luhn doubles a digit


class SsCardNumber(_Sensitive):
    """Social-security card number 社会保障卡卡号: not a PAN and without a check digit.

    Regions narrow the pattern (``reference/domain.md`` 3.2: 8 to 12 letters and digits).
    """

    __slots__ = ()
    pattern = re.compile(r"[0-9A-Z]{8,12}")
    rule = "8 to 12 digits or capital letters"


class EcardNumber(_Sensitive):
    """Number of an electronic SS card, the same on every channel (seeds/003)."""

    __slots__ = ()
    pattern = re.compile(r"[0-9A-Z]{12,32}")
    rule = "12 to 32 digits or capital letters"


class Pan(_Sensitive):
    """Bank card number of the financial account: 16 to 19 digits with a Luhn check digit.

    ISO/IEC 7812-1.
    """

    __slots__ = ()
    pattern = re.compile(r"[0-9]{16,19}")
    rule = "16 to 19 digits, the last of them the Luhn check digit"

    def __init__(self, value: str) -> None:
        super().__init__(value)
        digits = self.value.encode("ascii")[::-1]
        # Every second digit from the right is doubled, and nines are cast out of what it gives.
        if (sum(digits[::2]) + sum(digits[1::2].translate(_DOUBLED)) - 48 * len(digits)) % 10:
            raise ValueError(self.rule)


class CitizenId(_Sensitive):
    """Citizen identity number 公民身份号码 (GB 11643-1999), also the social-security number."""

    __slots__ = ()
    pattern = re.compile(r"[0-9]{17}[0-9X]")
    rule = "17 digits and a check character (GB 11643, ISO 7064 MOD 11-2) with a real birth date"

    def __init__(self, value: str) -> None:
        super().__init__(value)
        # Division codes are not looked up: they are abolished and renamed (GB/T 2260), and
        # synthetic persons live in codes that never existed.
        try:
            _ = self.birth_date
        except ValueError:
            raise ValueError(self.rule) from None
        # ISO 7064 MOD 11-2 is a polynomial in 2, and 13, as whose digits they are read, is 2
        # modulo 11.
        if "10X98765432"[int(self.value[:17], 13) * 2 % 11] != self.value[17]:
            raise ValueError(self.rule)

    @property
    def birth_date(self) -> date:
        """The holder's date of birth, characters 7 to 14."""
        value = self.value
        return date(int(value[6:10]), int(value[10:12]), int(value[12:14]))


class Mobile(_Sensitive):
    """Mainland mobile number: 11 digits, the first two 13 to 19."""

    __slots__ = ()
    pattern = re.compile(r"1[3-9][0-9]{9}")
    rule = "11 digits beginning 13 to 19"


class PersonName(_Sensitive):
    """A holder's name in Chinese characters or letters, with the middle dot, 1 to 50 bytes.

    The limit counts GB18030 bytes, as the wire does (``reference/domain.md`` 3.1).
    """

    __slots__ = ()
    pattern = re.compile(r"[^\W\d_](?:[^\W\d_]|[ .'·-])*")
    rule = "letters or Chinese characters, at most 50 bytes in GB18030"
    BYTES_MAX: ClassVar[int] = 50

    def __init__(self, value: str) -> None:
        super().__init__(value)
        if len(self.value.encode("gb18030")) > self.BYTES_MAX:
            raise ValueError(self.rule)

    def __str__(self) -> str:
        return mask_name(self.value)


class Address(_Sensitive):
    """A contact address: one line of 1 to 100 GB18030 bytes."""

    __slots__ = ()
    pattern = re.compile(
        r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+"
    )
    rule = "one line of text without control characters, at most 100 bytes in GB18030"
    BYTES_MAX: ClassVar[int] = 100

    def __init__(self, value: str) -> None:
        super().__init__(value)
        if len(self.value.encode("gb18030")) > self.BYTES_MAX:
            raise ValueError(self.rule)

    def __str__(self) -> str:
        return "*" * min(len(self.value), 8)


class CustomerNumber(_Sensitive):
    """The bank's own number for a customer, as channel and core both know it."""

    __slots__ = ()
    pattern = re.compile(r"[0-9A-Za-z_-]{6,32}")
    rule = "6 to 32 letters, digits, hyphens or underscores"


class AgencyCode(_Open):
    """Code of a social-security institution: division code and two digits, 8 in all."""

    __slots__ = ()
    pattern = re.compile(r"[0-9]{8}")
    rule = "8 digits"


class LinkId(_Open):
    """The opaque reference under which both sides know a link, and the only one they share."""

    __slots__ = ()
    pattern = re.compile(r"lnk_[0-9a-hjkmnp-tv-z]{26}")
    rule = "lnk_ and 26 characters of Crockford's base 32"


class OperationId(_Open):
    """Reference of one durable operation."""

    __slots__ = ()
    pattern = re.compile(r"op_[0-9a-hjkmnp-tv-z]{26}")
    rule = "op_ and 26 characters of Crockford's base 32"


class PinSessionId(_Open):
    """Reference of a one-time PIN session."""

    __slots__ = ()
    pattern = re.compile(r"pse_[0-9a-hjkmnp-tv-z]{26}")
    rule = "pse_ and 26 characters of Crockford's base 32"


class Stan(_Open):
    """System trace audit number, data element 11."""

    __slots__ = ()
    pattern = re.compile(r"[0-9]{6}")
    rule = "6 digits"
    LARGEST: ClassVar[int] = 999_999

    @classmethod
    def of(cls, number: int) -> Self:
        """Build from an ever-growing counter; 000000 is never used."""
        return cls(f"{number % cls.LARGEST + 1:06d}")


class Rrn(_Open):
    """Retrieval reference number, data element 37."""

    __slots__ = ()
    pattern = re.compile(r"[0-9A-Z]{12}")
    rule = "12 digits or capital letters"


TWO_DIGITS = tuple(f"{number:02}" for number in range(60))
"""Numbers below 60 as dates have them: looked up in a fifth of the time of writing them."""


def transmission_date_time(at: datetime) -> str:
    """Write an instant as data element 7, MMDDhhmmss in UTC."""
    two = TWO_DIGITS
    return two[at.month] + two[at.day] + two[at.hour] + two[at.minute] + two[at.second]
