"""What is said on a link, read from a file in ``specs/messages``; anything else is refused."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from annotated_types import MinLen
from pydantic import AfterValidator, ConfigDict

from gateway.iso8583 import private_data
from gateway.iso8583.dialect import Dialect, Sensitivity
from gateway.iso8583.errors import RefusedMessage
from gateway.iso8583.field_content import Value
from gateway.iso8583.mac import MAC_DATA_ELEMENTS
from gateway.iso8583.message import MTIS, Message, answer_mti, without_repeat
from gateway.terms.errors import SpecificationError
from gateway.terms.response_codes import ResponseCode
from gateway.terms.specification import parse_toml, structure

_FORBID = ConfigDict(extra="forbid")
_PRIVATE = 48
# What tells message kinds with one MTI apart: processing code, network management information
# code, file update code, file name.
_SELECTORS = (3, 70, 91, 101)

Recovery = Literal["query", "reversible", "at-most-once", "forward", "advice"]
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
    ``advice`` repeat until it is confirmed.
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
    processing_code: str | None = None
    network_code: str | None = None
    file_action: str | None = None
    file_name: str | None = None
    inquiry: str | None = None
    trace_fields: tuple[int, ...] = ()
    answer_echoes: tuple[int, ...] = ()

    __pydantic_config__: ClassVar[ConfigDict] = _FORBID

    @property
    def selectors(self) -> dict[int, str]:
        """The fields, with their values, that make a request one of this kind."""
        values = (self.processing_code, self.network_code, self.file_action, self.file_name)
        return {de: value for de, value in zip(_SELECTORS, values, strict=True) if value}

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
        packed = {_PRIVATE: private_data.pack(private)} if private else {}
        return Message(self.request, _in_order({**fields, **packed, **self.selectors}))

    def answer(
        self,
        request: Message,
        response_code: str,
        private: Mapping[str, str] | None = None,
    ) -> Message:
        """Make the answer to a request of this kind; what has to be echoed is filled in."""
        echoed = {*self.answer_echoes, *(set(_SELECTORS) & set(self.response_fields.mandatory))}
        fields = {de: request.fields[de] for de in echoed if de in request.fields}
        packed = {_PRIVATE: private_data.pack(private)} if private else {}
        return Message(self.response, _in_order({**fields, **packed, 39: response_code}))


def _in_order(fields: Mapping[int, Value]) -> dict[int, Value]:
    return {de: fields[de] for de in sorted(fields)}


@dataclass(frozen=True, slots=True)
class MessageSet:
    """Every message of one kind of link."""

    name: str
    title: str
    dialect: str
    trace_fields: tuple[int, ...]
    answer_echoes: tuple[int, ...]
    messages: Annotated[tuple[MessageKind, ...], MinLen(1)]
    private_subfields: Mapping[str, PrivateSubfield]
    _by_selectors: dict[tuple[str, ...], MessageKind] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    __pydantic_config__: ClassVar[ConfigDict] = _FORBID

    def __post_init__(self) -> None:
        for kind in self.messages:
            self._by_selectors[_request_key(kind)] = kind

    def kind(self, name: str) -> MessageKind:
        """Give a message kind by its name; raises `KeyError`, our own mistake."""
        return {kind.name: kind for kind in self.messages}[name]

    # ------------------------------------------------------------ requests

    def identify(self, request: Message) -> MessageKind:
        """Find the kind of a request by MTI and DE 3, 70, 91 and 101; raises `RefusedMessage`.

        The kind of an answer is that of its request: answers do not carry all of these.
        """
        mti = without_repeat(request.mti)
        kind = self._by_selectors.get((mti, *(request.text(de) for de in _SELECTORS)))
        if kind is None:
            rule = "no message of the set has this MTI with these DE 3, 70, 91 and 101"
            raise RefusedMessage("MTI", rule, ResponseCode.NOT_SUPPORTED)
        if request.is_repeat and request.mti != kind.repeat:
            raise RefusedMessage("MTI", "this message is never repeated")
        return kind

    def check_request(self, request: Message) -> MessageKind:
        """Give the kind of a request that is as the set wants it; raises `RefusedMessage`."""
        kind = self.identify(request)
        _check_present(request, kind.request_mandatory, kind.request_fields.optional)
        self._check_private(request, kind.request_fields)
        return kind

    # ------------------------------------------------------------ answers

    def check_response(self, kind: MessageKind, request: Message, answer: Message) -> None:
        """Check that `answer` is one the set allows to `request`; raises `RefusedMessage`."""
        if answer.mti != kind.response:
            raise RefusedMessage("MTI", "this MTI does not answer the request")
        _check_present(answer, kind.response_mandatory, kind.response_fields.optional)
        _check_echoes(kind, request, answer)
        if answer.text(39) not in kind.response_codes:
            raise RefusedMessage("DE 39", "this message is never answered with this response code")
        self._check_private(answer, kind.response_fields)

    # ------------------------------------------------------------ DE 48

    def _check_private(self, message: Message, rules: FieldRules) -> None:
        subfields = private_data.unpack(message.text(_PRIVATE))
        for usage in rules.private:
            if usage not in subfields:
                raise RefusedMessage(f"DE 48 {usage}", "missing")
        allowed = {*rules.private, *rules.private_optional}
        for usage, value in subfields.items():
            if usage not in allowed:
                raise RefusedMessage(f"DE 48 {usage}", "not in this message")
            if not self.private_subfields[usage].allows(value):
                raise RefusedMessage(f"DE 48 {usage}", "not as the message set wants it")


def _check_present(message: Message, mandatory: Iterable[int], optional: Iterable[int]) -> None:
    present = _one_mac(message.fields)
    required = _one_mac(mandatory)
    for de in sorted(required - present):
        raise RefusedMessage(f"DE {de}", "missing")
    for de in sorted(present - required - _one_mac(optional)):
        raise RefusedMessage(f"DE {de}", "not in this message")


def _one_mac(elements: Iterable[int]) -> frozenset[int]:
    """Write either data element of the MAC as 128: which of them it is, the codec has checked."""
    return frozenset(128 if de in MAC_DATA_ELEMENTS else de for de in elements)


def _check_echoes(kind: MessageKind, request: Message, answer: Message) -> None:
    for de in sorted({*kind.answer_echoes, *_SELECTORS}):
        if de in answer.fields and answer.fields[de] != request.fields.get(de):
            raise RefusedMessage(f"DE {de}", "does not echo the request")


def _request_key(kind: MessageKind) -> tuple[str, ...]:
    return (kind.request, *(kind.selectors.get(de, "") for de in _SELECTORS))


# ---------------------------------------------------------------- loading


def parse_message_set(text: str, file: str) -> MessageSet:
    """Read a message-set file; raises `SpecificationError` naming file, key and rule.

    `must_fit` checks it against its dialect.
    """
    values = parse_toml(text, file)
    # What a message does not say about its trace, the set says for all.
    for message in values.get("messages", ()):
        if isinstance(message, dict):
            message.setdefault("trace_fields", values.get("trace_fields", ()))
            message.setdefault("answer_echoes", values.get("answer_echoes", ()))
    message_set = structure(MessageSet, values, file)
    for index, kind in enumerate(message_set.messages):
        _check_kind(message_set, kind, f"messages.{index}", file)
    for usage in message_set.private_subfields:
        if not private_data.USAGE.fullmatch(usage):
            raise SpecificationError(file, f"private_subfields.{usage}", "two capital letters")
    return message_set


def _check_kind(message_set: MessageSet, kind: MessageKind, key: str, file: str) -> None:
    _check_mtis(kind, key, file)
    if message_set.kind(kind.name) is not kind:
        raise SpecificationError(file, f"{key}.name", "names are unique")
    if message_set.identify(Message(kind.request, kind.selectors)) is not kind:
        raise SpecificationError(
            file, key, "another message has the same MTI and DE 3, 70, 91, 101"
        )
    if kind.inquiry and kind.inquiry not in {other.name for other in message_set.messages}:
        raise SpecificationError(file, f"{key}.inquiry", "names a message of the set")
    if not set(kind.selectors) <= set(kind.request_mandatory):
        raise SpecificationError(file, f"{key}.request_fields", "holds each of DE 3, 70, 91, 101")
    for direction in ("request_fields", "response_fields"):
        _check_rules(message_set, getattr(kind, direction), f"{key}.{direction}", file)


def _check_mtis(kind: MessageKind, key: str, file: str) -> None:
    if not Message(kind.request, {}).is_request or kind.request != without_repeat(kind.request):
        raise SpecificationError(file, f"{key}.request", "the MTI of a request or an advice")
    if kind.response != answer_mti(kind.request):
        raise SpecificationError(file, f"{key}.response", "the MTI that answers the request")
    if kind.repeat and kind.repeat != Message(kind.request, {}).as_repeat().mti:
        raise SpecificationError(file, f"{key}.repeat", "the request's MTI with the repeat digit")


def _check_rules(message_set: MessageSet, rules: FieldRules, key: str, file: str) -> None:
    if set(rules.mandatory) & set(rules.optional):
        raise SpecificationError(file, key, "a field is mandatory or optional, not both")
    usages = {*rules.private, *rules.private_optional}
    if not usages <= message_set.private_subfields.keys():
        raise SpecificationError(file, key, "every private subfield is in private_subfields")
    if bool(usages) != (_PRIVATE in {*rules.mandatory, *rules.optional}):
        raise SpecificationError(file, key, "DE 48 and its subfields come together")
    if rules.private and _PRIVATE not in rules.mandatory:
        raise SpecificationError(file, key, "a mandatory subfield needs a mandatory DE 48")


def must_fit(message_set: MessageSet, dialect: Dialect, file: str) -> None:
    """Check a message set against its dialect; raises `SpecificationError`."""
    if message_set.dialect != dialect.name:
        raise SpecificationError(file, "dialect", "names another dialect")
    for index, kind in enumerate(message_set.messages):
        rules = (*kind.request_fields.optional, *kind.response_fields.optional)
        used = {*kind.request_mandatory, *kind.response_mandatory, *rules}
        if not used <= dialect.fields.keys():
            raise SpecificationError(file, f"messages.{index}", "uses a field not in the dialect")
