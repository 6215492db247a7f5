"""Drafts to messages and answers to events: the conductor's side of every link."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache, lru_cache
from typing import Protocol

import structlog

from gateway.app.cargo import Errand
from gateway.app.clock import LOCAL_ZONE
from gateway.app.traces import TraceNumbers
from gateway.financial import answers as core_answers
from gateway.financial import exchanges as core
from gateway.iso8583 import private_data
from gateway.iso8583.codec import Codec
from gateway.iso8583.field_content import Value
from gateway.iso8583.message import Message
from gateway.iso8583.message_kind import SELECTORS
from gateway.iso8583.message_set import MessageKind, MessageSet
from gateway.iso8583.original_data import OriginalData
from gateway.operations.draft import Draft
from gateway.operations.exchange import Form, Trace
from gateway.operations.life import Answered
from gateway.operations.recovery import Limits
from gateway.social import answers as bureau_answers
from gateway.social import exchanges as bureau
from gateway.terms.errors import LocalError, PeerError
from gateway.terms.numbers import TWO_DIGITS, AgencyCode, OperationId, transmission_date_time
from gateway.terms.response_codes import ResponseCode
from gateway.terms.sides import Side
from gateway.terms.values import value

log = structlog.get_logger()

_SECONDS_KEPT = 8  # thousands of messages in a second are sent at the same one


@value(frozen=True, slots=True)
class Station:
    """Who we are on the wire: data elements 32, 33 and 41."""

    acquirer: str
    forwarder: str
    terminal: str


@value(frozen=True, slots=True)
class Pending:
    """What is remembered of a request for its answer: for whom it is, and what must be echoed.

    Links remember requests long after they were answered; a PIN block must not live that long.
    """

    operation: OperationId
    exchange: str
    form: Form
    kind: MessageKind
    echoed: Message


class Link(Protocol):
    """An outbound link, as a dialogue needs it."""

    @property
    def is_ready(self) -> bool:
        """Tell whether a message could leave now."""

    def send(self, message: Message, pending: Pending, until: float | None = None) -> None:
        """Write a message, if the link is up and its time not over, and await its answer."""


class Dialogue:
    """Speaks one message set over one link."""

    def __init__(
        self,
        message_set: MessageSet,
        codec: Codec,
        station: Station,
        traces: TraceNumbers,
    ) -> None:
        self.message_set = message_set
        self.codec = codec
        self.traces = traces
        self.link: Link | None = None
        self._station = station

    def transmit(self, errand: Errand) -> None:
        """Build the message that the exchange's present form asks for, and send it."""
        exchange = errand.exchange
        trace = exchange.current_trace
        if self.link is None or trace is None:
            raise LocalError("a message needs a link and its trace numbers")
        draft = self._draft(errand)
        kind = self.message_set.kind(draft.message)
        message = self._message(kind, draft, trace)
        if errand.is_repeat and kind.repeat:
            message = message.as_repeat()
        echoed = _echoed(kind, message)
        pending = Pending(errand.operation.id, exchange.name, exchange.form, kind, echoed)
        self.link.send(message, pending, errand.until)

    def read(self, side: Side, pending: Pending, answer: Message) -> Answered:
        """Read an answer; raises `PeerError` when the message set does not allow it."""
        self.message_set.check_response(pending.kind, pending.echoed, answer)
        code = ResponseCode(answer.text(39))
        private = private_data.unpack(answer.text(48))
        answers = bureau_answers if side is Side.SOCIAL else core_answers
        finding = None
        if code.is_approval and pending.form is not Form.REVERSAL:
            finding = answers.finding(pending.kind.name, private)
        told = answers.told(private)
        return Answered(pending.exchange, pending.form, code, private.get("RC"), finding, told)

    def network_message(self, name: str, now: datetime) -> Message:
        """Make an 08xx request of the message set, with fresh trace numbers."""
        kind = self.message_set.kind(name)
        available = self._trace_fields(self.traces.allocate(now))
        return kind.build({de: available[de] for de in kind.trace_fields})

    def _draft(self, errand: Errand) -> Draft:
        exchange, details = errand.exchange, errand.operation.details
        words = self._words(errand)
        if exchange.side is Side.FINANCIAL:
            services = details.get("services", "-")
            return core.draft(exchange, errand.cargo.account, errand.pin, services, words)
        activated = details.get("activated_at")
        at = datetime.fromisoformat(activated) if activated else None
        return bureau.draft(exchange, errand.cargo.card, errand.pin, at, words)

    def _words(self, errand: Errand) -> Mapping[str, str]:
        """Give what the operation itself says in DE 48: the subfields that this message has."""
        said = {**errand.operation.details, **errand.cargo.words}
        if not said:
            return said
        rules = self.message_set.kind(errand.exchange.message).request_fields
        wanted = {*rules.private, *rules.private_optional}
        return {usage: value for usage, value in said.items() if usage in wanted}

    def _message(self, kind: MessageKind, draft: Draft, trace: Trace) -> Message:
        available = self._trace_fields(trace)
        fields: dict[int, Value] = {
            **draft.fields,
            **{de: available[de] for de in kind.trace_fields},
        }
        if draft.pin is not None:
            block = self.message_set.pin_block.holding(draft.pin.block, self.codec)
            fields |= {**block, 53: draft.pin.security_control}
        if draft.original is not None:
            fields[90] = OriginalData(
                self.message_set.kind(draft.original.message).request,
                draft.original.trace.stan.value,
                transmission_date_time(draft.original.trace.transmitted_at),
                self._station.acquirer,
                self._station.forwarder,
            ).build()
        return kind.build(fields, draft.private)

    def _trace_fields(self, trace: Trace) -> Mapping[int, str]:
        transmitted, time, day = _times(trace.transmitted_at)
        return {
            7: transmitted,
            11: trace.stan.value,
            12: time,
            13: day,
            32: self._station.acquirer,
            33: self._station.forwarder,
            37: trace.rrn.value,
            41: trace.terminal or self._station.terminal,
        }


class DialogueTable:
    """Every dialogue by link name, and which agency is reached over which of them."""

    def __init__(
        self,
        core_link: str,
        agency_links: Mapping[AgencyCode, str],
        limits: Mapping[Side, Limits],
        may_send: Callable[[], bool] = lambda: True,
    ) -> None:
        self._core_link = core_link
        self._agency_links = agency_links
        self._limits = limits
        self._may_send = may_send
        self._dialogues: dict[str, Dialogue] = {}

    def add(self, link: str, dialogue: Dialogue) -> None:
        """Make a dialogue known under its link's name."""
        self._dialogues[link] = dialogue

    def dialogue(self, link: str) -> Dialogue:
        """Give the dialogue of a link by its name."""
        return self._dialogues[link]

    def of(self, side: Side, agency: AgencyCode) -> Dialogue:
        """Find the dialogue of a side for an agency."""
        link = self._core_link if side is Side.FINANCIAL else self._agency_links[agency]
        return self._dialogues[link]

    def is_ready(self, side: Side, agency: AgencyCode) -> bool:
        """Tell whether a message could leave now."""
        link = self.of(side, agency).link
        return link is not None and link.is_ready

    def allocate(self, side: Side, agency: AgencyCode, at: datetime) -> Trace:
        """Give fresh trace numbers of the link; raises `Unavailable`."""
        return self.of(side, agency).traces.allocate(at)

    def limits(self, side: Side) -> Limits:
        """Give the time limits of a side."""
        return self._limits[side]

    def transmit(self, errand: Errand) -> None:
        """Send an exchange's message on its own side's link.

        Nothing leaves once another node may have taken over: the next write says so and ends this.
        """
        if not self._may_send():
            log.warning("lease-at-its-end", operation=str(errand.operation.id))
            return
        self.of(errand.exchange.side, errand.cargo.card.agency).transmit(errand)


def hear(
    side: Side, dialogue: Dialogue, deliver: Callable[[OperationId, Answered], None]
) -> Callable[[Pending, Message], None]:
    """Make the function that takes a link's matched answers in.

    An answer that the message set does not allow is logged by place and rule, and counts as
    none: the exchange goes on waiting.
    """

    def heard(pending: Pending, answer: Message) -> None:
        try:
            event = dialogue.read(side, pending, answer)
        except PeerError as error:
            log.warning("answer-refused", message=pending.kind.name, reason=str(error))
            return
        deliver(pending.operation, event)

    return heard


@lru_cache(_SECONDS_KEPT)
def _times(at: datetime) -> tuple[str, str, str]:
    """Write an instant as data elements 7, 12 and 13."""
    local = at.astimezone(LOCAL_ZONE)
    two = TWO_DIGITS
    time = two[local.hour] + two[local.minute] + two[local.second]
    return transmission_date_time(at), time, two[local.month] + two[local.day]


def _echoed(kind: MessageKind, request: Message) -> Message:
    """Keep of a request what an answer is compared with, and nothing else."""
    fields = request.fields
    compared = _compared(kind.answer_echoes)
    return Message(request.mti, {de: fields[de] for de in compared if de in fields})


@cache
def _compared(echoes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted({*echoes, *SELECTORS}))
