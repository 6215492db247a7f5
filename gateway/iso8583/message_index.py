"""The messages of a set, compiled for looking up and checking what is said on a link."""

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from gateway.iso8583.errors import RefusedMessage
from gateway.iso8583.field_content import Value
from gateway.iso8583.message import Message, without_repeat
from gateway.iso8583.message_gate import Gate
from gateway.iso8583.message_kind import SELECTORS, MessageKind, PrivateSubfield
from gateway.terms.response_codes import ResponseCode


class MessageIndex:
    """What follows from the messages of a set; see `MessageSet` for what each method promises."""

    def __init__(
        self, messages: Sequence[MessageKind], subfields: Mapping[str, PrivateSubfield]
    ) -> None:
        self.by_name = {kind.name: kind for kind in messages}
        # Each under its MTI, and under that of its repeat where it has one.
        self._by_selectors: dict[tuple[Value, ...], MessageKind] = {
            _request_key(kind, mti): kind
            for kind in messages
            for mti in (kind.request, kind.repeat)
            if mti
        }
        self._requests = {
            kind.name: Gate(kind.request_mandatory, kind.request_fields, subfields)
            for kind in messages
        }
        self.answers = {kind.name: AnswerCheck(kind, subfields) for kind in messages}

    def identify(self, request: Message) -> MessageKind:
        """Find the kind of a request; raises `RefusedMessage`."""
        mti, field = request.mti, request.fields.get
        selected = (field(3, ""), field(70, ""), field(91, ""), field(101, ""))
        kind = self._by_selectors.get((mti, *selected))
        if kind is not None:
            return kind
        if (without_repeat(mti), *selected) in self._by_selectors:
            raise RefusedMessage("MTI", "this message is never repeated")
        rule = "no message of the set has this MTI with these DE 3, 70, 91 and 101"
        raise RefusedMessage("MTI", rule, ResponseCode.NOT_SUPPORTED)

    def check_request(self, request: Message, sender: str) -> MessageKind:
        """Give the kind of a request that is as the set wants it; raises `RefusedMessage`."""
        kind = self.identify(request)
        if kind.sender not in {sender, "both"}:
            rule = "this end of the link does not send this message"
            raise RefusedMessage("MTI", rule, ResponseCode.NOT_SUPPORTED)
        self._requests[kind.name].check(request)
        return kind


class AnswerCheck:
    """What an answer of one kind may be."""

    def __init__(self, kind: MessageKind, subfields: Mapping[str, PrivateSubfield]) -> None:
        self._mti = kind.response
        self._gate = Gate(kind.response_mandatory, kind.response_fields, subfields)
        self._codes = frozenset(kind.response_codes)
        allowed = {*kind.response_mandatory, *kind.response_fields.optional}
        self._echoes = sorted({*kind.answer_echoes, *SELECTORS} & allowed)
        self._echoed: Callable[[Mapping[int, Value]], Any] = itemgetter(*self._echoes)

    def check(self, request: Message, answer: Message) -> None:
        """Check an answer to `request`, which is of this kind; raises `RefusedMessage`."""
        if answer.mti != self._mti:
            raise RefusedMessage("MTI", "this MTI does not answer the request")
        self._gate.check(answer)
        try:
            is_echo = self._echoed(answer.fields) == self._echoed(request.fields)
        except KeyError:  # what is optional is absent
            is_echo = False
        if not is_echo:
            self._check_echoes(request.fields, answer.fields)
        if answer.fields[39] not in self._codes:
            raise RefusedMessage("DE 39", "this message is never answered with this response code")

    def _check_echoes(self, asked: Mapping[int, Value], answered: Mapping[int, Value]) -> None:
        for de in self._echoes:
            if de in answered and answered[de] != asked.get(de):
                raise RefusedMessage(f"DE {de}", "does not echo the request")


def _request_key(kind: MessageKind, mti: str) -> tuple[str, ...]:
    return (mti, *(kind.selectors.get(de, "") for de in SELECTORS))
