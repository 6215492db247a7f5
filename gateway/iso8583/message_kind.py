"""One message of a set: its request and its answer."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from annotated_types import MinLen
from pydantic import AfterValidator, ConfigDict, StringConstraints

from gateway.iso8583.field_content import Value
from gateway.iso8583.field_specification import Sensitivity
from gateway.iso8583.message import MTIS, Message
from gateway.iso8583.message_builder import MessageBuilder
from gateway.terms.response_codes import ResponseCode

_FORBID = ConfigDict(extra="forbid")
# What tells message kinds with one MTI apart: processing code, network management information
# code, file update code, file name.
SELECTORS = (3, 70, 91, 101)

Recovery = Literal[
    "query", "reversible", "at-most-once", "forward", "revocable", "advice", "at-least-once"
]
Sender = Literal["gateway", "peer", "both"]


def _check_mti(mti: str) -> str:
    if mti not in MTIS:
        raise ValueError("an ISO 8583:1987 message type indicator")
    return mti


def _check_rule(rule: str) -> str:
    try:
        re.compile(rule)
    except re.error:
        raise ValueError("a regular expression") from None
    return rule


def _check_response_code(code: str) -> str:
    if code not in frozenset(ResponseCode):
        raise ValueError("a response code of gateway/terms/response_codes.py")
    return code


_Mti = Annotated[str, AfterValidator(_check_mti)]


@dataclass(frozen=True, slots=True)
class PrivateSubfield:
    """One subfield of DE 48: what it is, the expression its value fulfils, how it is shown."""

    title: str
    rule: Annotated[str, AfterValidator(_check_rule)]
    sensitive: Sensitivity = "none"

    __pydantic_config__: ClassVar[ConfigDict] = _FORBID

    def allows(self, value: str) -> bool:
        """Tell whether a value is as the rule wants it."""
        return re.fullmatch(self.rule, value) is not None


@dataclass(frozen=True, slots=True)
class FieldRules:
    """Data elements of one direction and the subfields of its DE 48.

    A MAC written as 64 or 128 means whichever of them the dialect puts it into.
    """

    mandatory: tuple[int, ...]
    optional: tuple[int, ...] = ()
    private: tuple[str, ...] = ()
    private_optional: tuple[str, ...] = ()

    __pydantic_config__: ClassVar[ConfigDict] = _FORBID


@dataclass(frozen=True, slots=True)
class MessageKind:
    """One request of the set and its answer.

    `recovery` says what may be done when no answer comes: ``query`` ask again, ``reversible``
    undo by a reversal, ``at-most-once`` neither, ``forward`` repeat or inquire until it is done,
    ``revocable`` repeat or inquire, then undo, ``advice`` repeat until it is confirmed,
    ``at-least-once`` the same without an end.
    """

    name: str
    title: str
    request: _Mti
    response: _Mti
    sender: Sender
    request_fields: FieldRules
    response_fields: FieldRules
    response_codes: Annotated[
        tuple[Annotated[str, AfterValidator(_check_response_code)], ...], MinLen(1)
    ]
    recovery: Recovery
    repeat: _Mti | None = None
    processing_code: Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")] | None = None
    network_code: Annotated[str, StringConstraints(pattern=r"^[0-9]{3}$")] | None = None
    file_action: str | None = None
    file_name: str | None = None
    inquiry: str | None = None
    trace_fields: tuple[int, ...] = ()
    answer_echoes: tuple[int, ...] = ()
    # The fields, with their values, that make a request one of this kind.
    selectors: dict[int, str] = field(init=False, repr=False, compare=False, default_factory=dict)
    _builder: MessageBuilder = field(init=False, repr=False, compare=False)

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", arbitrary_types_allowed=True
    )

    def __post_init__(self) -> None:
        values = (self.processing_code, self.network_code, self.file_action, self.file_name)
        pairs = zip(SELECTORS, values, strict=True)
        self.selectors.update((de, value) for de, value in pairs if value)
        kept = set(SELECTORS) & set(self.response_fields.mandatory)
        echoed = {*self.answer_echoes, *kept}
        builder = MessageBuilder(self.request, self.response, self.selectors, echoed)
        object.__setattr__(self, "_builder", builder)

    @property
    def request_mandatory(self) -> tuple[int, ...]:
        """Data elements of every request, in ascending order."""
        return tuple(sorted({*self.trace_fields, *self.request_fields.mandatory}))

    @property
    def response_mandatory(self) -> tuple[int, ...]:
        """Data elements of every answer, in ascending order."""
        return tuple(sorted({*self.answer_echoes, *self.response_fields.mandatory}))

    def build(
        self, fields: Mapping[int, Value], private: Mapping[str, str] | None = None
    ) -> Message:
        """Make a request of `fields` and the subfields of DE 48; its selectors are filled in.

        The MAC comes from the codec. `MessageSet.check_request` says whether it is complete.
        """
        return self._builder.request(fields, private)

    def answer(
        self,
        request: Message,
        response_code: str,
        private: Mapping[str, str] | None = None,
    ) -> Message:
        """Make the answer to a request of this kind; what has to be echoed is filled in."""
        return self._builder.answer(request, response_code, private)
