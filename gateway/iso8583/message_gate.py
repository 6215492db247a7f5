"""What one direction of a message kind may hold, compiled: the gate of every message."""

import re
from collections.abc import Callable, Mapping

from gateway.iso8583 import private_data
from gateway.iso8583.errors import MalformedMessage, RefusedMessage
from gateway.iso8583.mac import MAC_DATA_ELEMENTS
from gateway.iso8583.message import Message
from gateway.iso8583.message_builder import PRIVATE
from gateway.iso8583.message_kind import FieldRules, PrivateSubfield

# A peer that sends ever new sets of optional fields has each checked anew.
_GOOD_MAX = 64


class Gate:
    """Lets requests, or answers, of one kind pass; raises `RefusedMessage` for all else.

    Either data element of the MAC counts as the MAC: which of them it is, the codec has checked.
    """

    def __init__(
        self,
        mandatory: tuple[int, ...],
        rules: FieldRules,
        subfields: Mapping[str, PrivateSubfield],
    ) -> None:
        self._required = frozenset(mandatory) - MAC_DATA_ELEMENTS
        self._needs_mac = not MAC_DATA_ELEMENTS.isdisjoint(mandatory)
        allowed = self._required | set(rules.optional)
        self._allowed = frozenset(
            allowed | MAC_DATA_ELEMENTS
            if self._needs_mac or not MAC_DATA_ELEMENTS.isdisjoint(rules.optional)
            else allowed
        )
        self._good: set[tuple[int, ...]] = set()  # data elements that were found present together
        self._private = rules.private
        self._subfields: dict[str, Callable[[str], re.Match[str] | None]] = {
            usage: re.compile(subfields[usage].rule).fullmatch
            for usage in (*rules.private, *rules.private_optional)
            if usage in subfields
        }

    def check(self, message: Message) -> None:
        """Check presence of each data element, and presence and content of subfields of DE 48."""
        present = tuple(message.fields)
        if present not in self._good:
            self._check_presence(message)
            if len(self._good) < _GOOD_MAX:
                self._good.add(present)
        if self._private or PRIVATE in message.fields:
            self._check_private(message.text(PRIVATE))

    def _check_presence(self, message: Message) -> None:
        present = message.fields.keys()
        if not self._required <= present <= self._allowed:
            self._refuse_presence(message)
        if self._needs_mac and MAC_DATA_ELEMENTS.isdisjoint(present):
            raise RefusedMessage("DE 128", "missing")

    def _refuse_presence(self, message: Message) -> None:
        for de in sorted(self._required.difference(message.fields)):
            raise RefusedMessage(f"DE {de}", "missing")
        for de in sorted(message.fields.keys() - self._allowed):
            place = 128 if de in MAC_DATA_ELEMENTS else de
            raise RefusedMessage(f"DE {place}", "not in this message")

    def _is_good_private(self, text: str) -> bool:
        """Tell whether ASCII subfields are good, in one pass; where not, `_check_private` says why.

        Some that are good are left to it.
        """
        if not text.isascii():
            return False
        seen: list[str] = []
        start, end = 0, len(text)
        while start < end:
            usage, begin = text[start : start + 2], start + private_data.HEAD_BYTES
            allows = self._subfields.get(usage)
            count = private_data.COUNTS.get(text[start + 2 : begin], 0)
            start = begin + count
            if allows is None or not count or usage in seen or not allows(text[begin:start]):
                return False
            seen.append(usage)
        return start == end and all(map(seen.__contains__, self._private))

    def _check_private(self, text: str) -> None:
        if self._is_good_private(text):
            return
        try:
            subfields = private_data.unpack(text)
        except MalformedMessage as error:
            raise RefusedMessage(error.place, error.rule) from None
        for usage in self._private:
            if usage not in subfields:
                raise RefusedMessage(f"DE 48 {usage}", "missing")
        for usage, value in subfields.items():
            allows = self._subfields.get(usage)
            if allows is None:
                raise RefusedMessage(f"DE 48 {usage}", "not in this message")
            if not allows(value):
                raise RefusedMessage(f"DE 48 {usage}", "not as the message set wants it")
