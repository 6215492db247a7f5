"""What is said on a link, read from a file in ``specs/messages``; anything else is refused."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from annotated_types import MinLen
from pydantic import ConfigDict

from gateway.iso8583 import private_data
from gateway.iso8583.dialect import Dialect
from gateway.iso8583.matching import KEY_DATA_ELEMENTS
from gateway.iso8583.message import Message, MessageClass, answer_mti, without_repeat
from gateway.iso8583.message_builder import PRIVATE
from gateway.iso8583.message_index import MessageIndex
from gateway.iso8583.message_kind import (
    FieldRules,
    MessageKind,
    PrivateSubfield,
    Sender,
)
from gateway.iso8583.pin_place import STANDARD_PIN_PLACE, PinPlace
from gateway.terms.errors import SpecificationError
from gateway.terms.specification import parse_toml, structure

# A set is met together with what it is made of.
__all__ = [
    "FieldRules",
    "MessageKind",
    "MessageSet",
    "PrivateSubfield",
    "must_fit",
    "must_have",
    "parse_message_set",
]


@dataclass(frozen=True, slots=True)
class MessageSet:
    """Every message of one kind of link.

    `match_on` is what an answer shares with its request, `pin_block` where a PIN block stands.
    """

    name: str
    title: str
    dialect: str
    trace_fields: tuple[int, ...]
    answer_echoes: tuple[int, ...]
    messages: Annotated[tuple[MessageKind, ...], MinLen(1)]
    private_subfields: Mapping[str, PrivateSubfield]
    match_on: tuple[int, ...] = KEY_DATA_ELEMENTS
    pin_block: PinPlace = STANDARD_PIN_PLACE
    _index: MessageIndex = field(init=False, repr=False, compare=False)

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", arbitrary_types_allowed=True
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "_index", MessageIndex(self.messages, self.private_subfields))

    def kind(self, name: str) -> MessageKind:
        """Give a message kind by its name; raises `KeyError`, our own mistake."""
        return self._index.by_name[name]

    # ------------------------------------------------------------ requests

    def identify(self, request: Message) -> MessageKind:
        """Find the kind of a request by MTI and DE 3, 70, 91 and 101; raises `RefusedMessage`.

        The kind of an answer is that of its request: answers do not carry all of these.
        """
        return self._index.identify(request)

    def check_request(self, request: Message, sender: Sender = "gateway") -> MessageKind:
        """Give the kind of a request that is as the set wants it; raises `RefusedMessage`.

        `sender` is the end of the link that it came from.
        """
        return self._index.check_request(request, sender)

    # ------------------------------------------------------------ answers

    def check_response(self, kind: MessageKind, request: Message, answer: Message) -> None:
        """Check that `answer` is one the set allows to `request`; raises `RefusedMessage`."""
        self._index.answers[kind.name].check(request, answer)


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
    _check_matching(message_set, kind, key, file)
    if not set(kind.selectors) <= set(kind.request_mandatory):
        raise SpecificationError(file, f"{key}.request_fields", "holds each of DE 3, 70, 91, 101")
    for direction in ("request_fields", "response_fields"):
        _check_rules(message_set, getattr(kind, direction), f"{key}.{direction}", file)


def _check_matching(message_set: MessageSet, kind: MessageKind, key: str, file: str) -> None:
    """See that answers can be matched: those of 08xx by DE 11, the others by the declared key."""
    is_management = kind.request[1] == MessageClass.NETWORK_MANAGEMENT
    matched = {11} if is_management else {11, *message_set.match_on}
    if not matched <= {*kind.trace_fields} & {*kind.answer_echoes}:
        rule = "a request holds, and its answer echoes, what answers are matched on"
        raise SpecificationError(file, f"{key}.answer_echoes", rule)


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
        unknown = ", ".join(sorted(usages - message_set.private_subfields.keys()))
        rule = f"names {unknown}, which private_subfields does not have"
        raise SpecificationError(file, key, rule)
    if bool(usages) != (PRIVATE in {*rules.mandatory, *rules.optional}):
        raise SpecificationError(file, key, "DE 48 and its subfields come together")
    if rules.private and PRIVATE not in rules.mandatory:
        raise SpecificationError(file, key, "a mandatory subfield needs a mandatory DE 48")


def must_have(message_set: MessageSet, names: Iterable[str], file: str) -> None:
    """See that a message set has these messages; raises `SpecificationError`."""
    have = {kind.name for kind in message_set.messages}
    for name in names:
        if name not in have:
            raise SpecificationError(file, "messages", f"hold one with the name {name}")


def must_fit(message_set: MessageSet, dialect: Dialect, file: str) -> None:
    """Check a message set against its dialect or one that extends it.

    Raises `SpecificationError`.
    """
    if message_set.dialect not in {dialect.name, *dialect.extends}:
        rule = f"is {message_set.dialect}, and the link speaks {dialect.name}"
        raise SpecificationError(file, "dialect", f"{rule}: give it a set written for that")
    has_pins = any(
        message_set.pin_block.data_element in kind.request_mandatory
        for kind in message_set.messages
    )
    if has_pins and not message_set.pin_block.fits(dialect):
        raise SpecificationError(file, "pin_block", "names bytes that the dialect has")
    for index, kind in enumerate(message_set.messages):
        rules = (*kind.request_fields.optional, *kind.response_fields.optional)
        used = {*kind.request_mandatory, *kind.response_mandatory, *rules}
        if not used <= dialect.fields.keys():
            lacking = ", ".join(str(number) for number in sorted(used - dialect.fields.keys()))
            rule = f"{kind.name} uses DE {lacking}, which dialect {dialect.name} does not have"
            raise SpecificationError(file, f"messages.{index}", rule)
