"""The core's channel: ISO 8583 requests of a bank core to businesses, and their outcomes back.

Every message of the set whose name is that of a kind of operation is carried out by the table of
procedures; a new business needs a message in ``specs/messages/core-channel.toml`` and nothing here.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import structlog

from gateway.api.service import ApplyCommand, Caller, IdempotencyKey
from gateway.app.core_answers import OPEN, Told, outcome_of, refused
from gateway.app.core_desk import CoreDesk, Order
from gateway.app.core_record import Barred, Outcome
from gateway.app.core_reversals import AnotherRequest, CoreReversals, Named, OriginalRefused
from gateway.iso8583 import private_data
from gateway.iso8583.duplicates import (
    DuplicateKey,
    body_hash,
    duplicate_key,
    is_near,
    original_key,
)
from gateway.iso8583.errors import MalformedMessage, RefusedMessage
from gateway.iso8583.message import Message, MessageClass
from gateway.iso8583.message_set import MessageSet
from gateway.iso8583.original_data import OriginalData
from gateway.linking.procedures import BY_KIND
from gateway.operations.facts import OperationKind
from gateway.regions.vocabulary import Channel, Proof
from gateway.terms.errors import PeerError, RequestRefused, Unavailable
from gateway.terms.numbers import (
    Address,
    AgencyCode,
    CitizenId,
    CustomerNumber,
    LinkId,
    Mobile,
    Pan,
    PersonName,
)
from gateway.terms.refusals import Refusal
from gateway.terms.response_codes import ResponseCode

_C = ResponseCode
log = structlog.get_logger()

REACH_MAX = timedelta(days=45)  # of a core's DE 7; far beyond any store-and-forward, below a year
IN_FLIGHT_MAX = 512  # messages of a listener that wait for an answer: a second of full load

KINDS: Mapping[str, OperationKind] = {
    "ss-pin-set": OperationKind.SET_SS_PIN,
    "unlink": OperationKind.UNLINK,
    "account-activated": OperationKind.SS_ACCOUNT,
    **{kind.value: kind for kind in BY_KIND},
}
"""What each message asks for, by its name in the message set."""

PROOFS: Mapping[str, Proof] = {
    "I": Proof.CITIZEN_ID,
    "J": Proof.CITIZEN_ID_COPY,
    "C": Proof.CARD_PRESENT,
    "N": Proof.CARD_NUMBER,
    "F": Proof.FACE,
    "H": Proof.PHONE_PRESENT,
    "B": Proof.BOUND_PHONE_CODE,
    "A": Proof.AGENT_ID,
    "W": Proof.POWER_OF_ATTORNEY,
    "U": Proof.UNIT_LETTER,
}
"""Letters of subfield PF: what the clerk has seen of the customer."""

_SENT_IN_DE_90 = slice(10, 20)  # DE 7 of the original
_OWN = frozenset({"LK", "PF", "AT"})  # subfields that are read here
_PERSONAL = frozenset({"MB"})  # subfields that must not be recorded
_ORDERED = {OperationKind.CARD_REPLACE: "R", OperationKind.CARD_TEMPORARY: "T"}  # subfield OT


@dataclass(frozen=True, slots=True)
class CorePlace:
    """One listener of a core: its name, and the institution in DE 32 and 33 of every request.

    `answer_wait_s` is how long the core waits for an answer; `reach` is how far from now its DE 7
    may be: half of the time for which keys are kept, so that none comes again as new.
    """

    name: str
    institution: str
    answer_wait_s: float
    reach: timedelta = REACH_MAX


class CoreChannel:
    """Answers the requests of one core, each in its own time; counts its own `failures`.

    `fingerprint` is a keyed hash: what a request held cannot be searched for in the database; `now`
    gives the instant as the core's clock has it.
    """

    def __init__(
        self,
        place: CorePlace,
        message_set: MessageSet,
        desk: CoreDesk,
        reversals: CoreReversals,
        fingerprint: Callable[[bytes], bytes],
        now: Callable[[], datetime],
    ) -> None:
        self._place = place
        self._message_set = message_set
        self._desk = desk
        self._reversals = reversals
        self._fingerprint = fingerprint
        self._now = now
        self._running: dict[DuplicateKey, tuple[bytes, asyncio.Task[Told]]] = {}
        self.failures = 0  # requests that met a mistake of ours
        self._waiting = 0  # messages that are not answered yet, repeats among them

    def handle(self, request: Message, reply: Callable[[Message], None]) -> None:
        """Take a request; a repeat of one that is being carried out gets the same answer."""
        key, digest = duplicate_key(request), self._fingerprint(body_hash(request))
        known = self._running.get(key)
        if known is not None and known[0] != digest:
            reply(self._answer(request, refused(Refusal.IDEMPOTENCY_KEY_REUSED)))
            return
        if self._waiting >= IN_FLIGHT_MAX:
            reply(self._answer(request, refused(Refusal.OVERLOADED)))
            return
        if known is None:
            task = asyncio.ensure_future(self._told(request, key, digest))
            self._running[key] = (digest, task)
            task.add_done_callback(lambda _: self._running.pop(key, None))
        else:
            task = known[1]
        self._answer_in_time(request, task, reply)

    async def close(self) -> None:
        """Answer nobody any more; what was begun goes on by itself."""
        tasks = [task for _, task in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _answer_in_time(
        self, request: Message, task: "asyncio.Task[Told]", reply: Callable[[Message], None]
    ) -> None:
        """Reply when the task is done; when the core's time is over, that the outcome is open."""
        self._waiting += 1

        def answered(done: "asyncio.Task[Told]") -> None:
            self._waiting -= 1
            timer.cancel()
            if not done.cancelled():
                reply(self._answer(request, done.result()))

        def give_up() -> None:
            self._waiting -= 1
            task.remove_done_callback(answered)
            reply(self._answer(request, OPEN))

        timer = asyncio.get_running_loop().call_later(self._place.answer_wait_s, give_up)
        task.add_done_callback(answered)

    def _answer(self, request: Message, told: Told) -> Message:
        return self._message_set.identify(request).answer(request, told.code.value, told.private)

    async def _told(self, request: Message, key: DuplicateKey, digest: bytes) -> Told:
        try:
            return await self._judged(request, IdempotencyKey("/".join(key), digest))
        except Exception:
            # A mistake of ours: the core hears of it, and so does whoever reads log and metrics.
            self.failures += 1
            log.exception("core-request-failed", link=self._place.name)
            return Told(_C.MALFUNCTION)

    async def _judged(self, request: Message, key: IdempotencyKey) -> Told:
        try:
            return await self._carry_out(request, key)
        except RequestRefused as error:
            return refused(error.refusal)
        except Barred:
            return Told(_C.STATE_DOES_NOT_ALLOW, {"RC": "REVERSED_BEFORE"})
        except AnotherRequest:
            return Told(_C.ORIGINAL_NOT_FOUND, {"RC": "ORIGINAL_DIFFERS"})
        except Unavailable:
            return refused(Refusal.OVERLOADED)
        except PeerError as error:
            log.warning("core-request-malformed", link=self._place.name, rule=str(error))
            return Told(error.response_code)

    async def _carry_out(self, request: Message, key: IdempotencyKey) -> Told:
        name = self._message_set.identify(request).name
        if {request.text(32).lstrip("0"), request.text(33).lstrip("0")} != {
            self._place.institution.lstrip("0")
        }:
            return Told(_C.NOT_PERMITTED_TO_TERMINAL, {"RC": "INSTITUTION"})
        self._must_be_remembered("DE 7", request.text(7))
        if name == "transfer":
            return refused(Refusal.MONEY_NEVER_MOVES)
        with _reading():
            private = private_data.unpack(request.text(48))
            caller, account = self._caller(private), Pan(request.text(2))
        if name in {"reversal", "outcome-inquiry"}:
            return await self._follow_up(name, request, caller, key)
        if name == "query-link":
            with _reading():
                link = LinkId(private["LK"])
            state = await self._desk.query(caller, link, account)
            return Told(_C.APPROVED, {"LS": state.value[0].upper()})
        if name not in KINDS:
            return refused(Refusal.NOT_OFFERED)
        return outcome_of(await self._do(KINDS[name], request, private, caller, key))

    async def _do(
        self,
        kind: OperationKind,
        request: Message,
        private: Mapping[str, str],
        caller: Caller,
        key: IdempotencyKey,
    ) -> Outcome:
        if kind is OperationKind.CARD_APPLY:
            with _reading():
                caller, command = _application(caller, Pan(request.text(2)), private)
            return await self._desk.apply(caller, key, command)
        with _reading():
            order = _order(kind, request, private)
        return await self._desk.do(caller, key, order)

    # ------------------------------------------------------------------ what came before

    async def _follow_up(
        self, name: str, request: Message, caller: Caller, key: IdempotencyKey
    ) -> Told:
        self._must_be_remembered("DE 90", request.text(90)[_SENT_IN_DE_90])
        original = _named(request, len(key.fingerprint))
        if name == "reversal":
            return await self._reverse(caller, key, original)
        try:
            return outcome_of(await self._reversals.inquire(caller, original))
        except OriginalRefused as error:
            return refused(error.refusal)
        except RequestRefused as error:
            if error.refusal is Refusal.NOT_FOUND:
                return Told(_C.ORIGINAL_NOT_FOUND)
            raise

    async def _reverse(self, caller: Caller, key: IdempotencyKey, original: Named) -> Told:
        try:
            is_undone = await self._reversals.undo(caller, key, original)
        except RequestRefused as error:
            if error.refusal is Refusal.ALREADY_SO:
                return Told(_C.APPROVED)  # nothing of it stands
            if error.refusal is Refusal.NOT_FOUND:
                return Told(_C.ORIGINAL_NOT_FOUND)
            told = refused(error.refusal)
            if told.code.value in self._message_set.kind("reversal").response_codes:
                return told
            # A far side's word on the message that was to take it back, which is another one.
            return Told(_C.STATE_DOES_NOT_ALLOW, told.private)
        return Told(_C.APPROVED) if is_undone else OPEN

    def _must_be_remembered(self, place: str, sent: str) -> None:
        """See that what was sent then would be known here: its key is not deleted yet.

        What comes again after that could be a recorded request, and would be carried out twice.
        """
        if not is_near(sent, self._now(), self._place.reach):
            raise RefusedMessage(place, f"was sent within {self._place.reach.days} days of now")

    def _caller(self, private: Mapping[str, str]) -> Caller:
        proofs = frozenset(PROOFS[letter] for letter in private.get("PF", ""))
        return Caller(self._place.name, None, "", Channel.COUNTER, proofs)


def _named(request: Message, digest_bytes: int) -> Named:
    """Read which request a reversal or an inquiry is about."""
    named = original_key(request, OriginalData.parse(request.text(90)))
    if named == duplicate_key(request) or named[0][1] == MessageClass.REVERSAL:
        raise MalformedMessage("DE 90", 0, "names a request, neither itself nor a reversal")
    with _reading():
        link = private_data.unpack(request.text(48)).get("LK")
        # No request has this digest, so that one that comes later is seen to be barred.
        key = IdempotencyKey("/".join(named), bytes(digest_bytes))
        return Named(key, Pan(request.text(2)), LinkId(link) if link else None)


def _application(
    caller: Caller, account: Pan, private: Mapping[str, str]
) -> tuple[Caller, ApplyCommand]:
    address = private.get("AD")
    command = ApplyCommand(
        AgencyCode(private["IN"]),
        account,
        PersonName(private["NM"]),
        CitizenId(private["ID"]),
        Mobile(private["MB"]),
        Address(address) if address else None,
    )
    return replace(caller, customer=CustomerNumber(private["CU"])), command


def _order(kind: OperationKind, request: Message, private: Mapping[str, str]) -> Order:
    rest = {usage: value for usage, value in private.items() if usage not in _OWN}
    ordered = {"OT": _ORDERED[kind]} if kind in _ORDERED else {}
    block, at = request.fields.get(52), private.get("AT")
    return Order(
        kind,
        LinkId(private["LK"]),
        Pan(request.text(2)),
        ordered | {usage: value for usage, value in rest.items() if usage not in _PERSONAL},
        {usage: value for usage, value in rest.items() if usage in _PERSONAL},
        block.hex() if isinstance(block, bytes) else "",
        request.text(53) if isinstance(block, bytes) else "",
        datetime.strptime(at, "%Y%m%d%H%M%S").replace(tzinfo=UTC) if at else None,
    )


@contextmanager
def _reading() -> Iterator[None]:
    """Take what cannot be read for the core's mistake, not for ours; its value is not repeated."""
    try:
        yield
    except (KeyError, ValueError):
        raise MalformedMessage("DE 2 or DE 48", 0, "a number or a letter of no meaning") from None
