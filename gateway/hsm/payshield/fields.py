"""How one field of a host command is written and read: characters of a fixed kind and length."""

import re
from typing import Self

from gateway.hsm.payshield.framing import BrokenMessage
from gateway.hsm.payshield.keys import BadKey, HostKey, key_characters
from gateway.terms.errors import LocalError

_HEXADECIMAL = re.compile(r"[0-9A-F]*")
_DIGITS = re.compile(r"[0-9]*")


class FieldError(LocalError):
    """A field that we would send is not one that the command has; never says its value."""


def digits(name: str, value: str, length: int) -> str:
    """Give a field of decimal digits as it is written; raises `FieldError`."""
    if len(value) != length or not _DIGITS.fullmatch(value):
        raise FieldError(f"payment HSM: {name} must be {length} digits")
    return value


def of_form(name: str, value: str, form: str) -> str:
    """Give a field that matches a regular expression; raises `FieldError`."""
    if not re.fullmatch(form, value):
        raise FieldError(f"payment HSM: {name} has a wrong form")
    return value


class AnswerReader:
    """Takes the fields of an answer one after the other; every fault is a `BrokenMessage`."""

    __slots__ = ("_at", "_text")

    def __init__(self, fields: bytes) -> None:
        # What is not ASCII becomes a character that no field takes.
        self._text = fields.decode("ascii", "replace")
        self._at = 0

    def hexadecimal(self, name: str, length: int) -> str:
        """Take hexadecimal digits."""
        return self._take(name, length, _HEXADECIMAL)

    def digits(self, name: str, length: int) -> str:
        """Take decimal digits."""
        return self._take(name, length, _DIGITS)

    def key(self, name: str) -> HostKey:
        """Take a key, which says its own length."""
        try:
            length = key_characters(self._text[self._at :])
        except BadKey:
            raise BrokenMessage(f"payment HSM: {name} of an answer has a wrong form") from None
        self._at += length
        return HostKey(self._text[self._at - length : self._at])

    def rest(self, name: str, form: str) -> str:
        """Take everything that is left, of the form of a regular expression."""
        return self._take(name, len(self._text) - self._at, re.compile(form))

    def end(self) -> Self:
        """Make sure that nothing is left."""
        if self._at != len(self._text):
            raise BrokenMessage("payment HSM: answer has more fields than its command gives")
        return self

    def _take(self, name: str, length: int, form: re.Pattern[str]) -> str:
        value = self._text[self._at : self._at + length]
        if len(value) != length or not form.fullmatch(value):
            raise BrokenMessage(f"payment HSM: {name} of an answer has a wrong form")
        self._at += length
        return value
