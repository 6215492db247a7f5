"""The core's channel: ISO 8583 requests of a bank core to businesses, and their outcomes back.

Every message of the set whose name is that of a kind of operation is carried out by the table of
procedures; a new business needs a message in ``specs/messages/core-channel.toml`` and nothing here.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import structlog

from gateway.api.service import Caller, IdempotencyKey
from gateway.app.core_desk import CoreDesk, Order, Outcome, Reversed
from gateway.iso8583 import private_data
from gateway.iso8583.duplicates import DuplicateKey, body_hash, duplicate_key, original_key
from gateway.iso8583.errors import MalformedMessage
from gateway.iso8583.message import Message, without_repeat
from gateway.iso8583.message_set import MessageSet
from gateway.iso8583.original_data import OriginalData
from gateway.linking.procedures import BY_KIND
from gateway.operations.facts import OperationKind, OperationState
from gateway.regions.vocabulary import Channel, Proof
from gateway.social.card import CardState, PinState
from gateway.terms.errors import GatewayError, PeerError, RequestRefused, Unavailable
from gateway.terms.numbers import LinkId, Pan
from gateway.terms.refusals import Refusal
from gateway.terms.response_codes import ResponseCode

log = structlog.get_logger()

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

_OWN = frozenset({"LK", "PF", "AT"})  # subfields that are read here
_PERSONAL = frozenset({"MB", "NM", "ID", "AD"})  # subfields that must not be recorded
_C = ResponseCode
_CODES: Mapping[Refusal, ResponseCode] = {
    Refusal.NOT_FOUND: _C.NO_SUCH_CARD,
    Refusal.NOT_CONFIRMED: _C.NO_SUCH_CARD,
    Refusal.CARD_LOST: _C.LOST,
    Refusal.ACCOUNT_LOST: _C.LOST,
    Refusal.PIN_LOCKED: _C.PIN_TRIES_EXCEEDED,
    Refusal.WRONG_PIN: _C.WRONG_PIN,
    Refusal.PIN_ENVELOPE: _C.PIN_FORMAT,
    Refusal.PIN_FORMAT: _C.PIN_FORMAT,
    Refusal.PIN_SESSION_UNUSABLE: _C.SECURITY_FAILURE,
    Refusal.NOT_OFFERED: _C.NOT_SUPPORTED,
    Refusal.MONEY_NEVER_MOVES: _C.NOT_SUPPORTED,
    Refusal.NOT_ACTIVATED: _C.NOT_ACTIVATED,
    Refusal.IDEMPOTENCY_KEY_REUSED: _C.DUPLICATE,
    Refusal.PIN_TRIVIAL: _C.NOT_PERMITTED_TO_HOLDER,
    Refusal.PIN_PERSONAL: _C.NOT_PERMITTED_TO_HOLDER,
    Refusal.NOT_GRANTED: _C.NOT_PERMITTED_TO_HOLDER,
    Refusal.PROOF_MISSING: _C.NOT_PERMITTED_TO_HOLDER,
    Refusal.DECLINED: _C.IDENTITY_NOT_CONFIRMED,
}
_TOLD: Mapping[str, tuple[str, Callable[[str], str]]] = {
    "card_state": ("CS", lambda word: CardState[word.upper().replace("-", "_")].value),
    "pin_state": ("PS", lambda word: PinState[word.upper().replace("-", "_")].value),
    "tries_left": ("TL", str),
}


class _Told(NamedTuple):
    """DE 39 of an answer, and what stands in its DE 48."""

    code: ResponseCode
    private: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CorePlace:
    """One listener of a core: its name, and the institution in DE 32 and 33 of every request."""

    name: str
    institution: str


class CoreChannel:
    """Answers the requests of one core, each in its own time.

    `fingerprint` is a keyed hash: what a request held cannot be searched for in the database.
    """

    def __init__(
        self,
        place: CorePlace,
        message_set: MessageSet,
        desk: CoreDesk,
        fingerprint: Callable[[bytes], bytes],
    ) -> None:
        self._place = place
        self._message_set = message_set
        self._desk = desk
        self._fingerprint = fingerprint
        self._running: dict[DuplicateKey, tuple[bytes, asyncio.Task[_Told]]] = {}
        self._waiting = 0  # messages that are not answered yet, repeats among them

    def handle(self, request: Message, reply: Callable[[Message], None]) -> None:
        """Take a request; a repeat of one that is being carried out gets the same answer."""
        key, digest = duplicate_key(request), self._fingerprint(body_hash(request))
        known = self._running.get(key)
        if known is not None and known[0] != digest:
            reply(self._answer(request, _refused(Refusal.IDEMPOTENCY_KEY_REUSED)))
            return
        if self._waiting >= IN_FLIGHT_MAX:
            reply(self._answer(request, _refused(Refusal.OVERLOADED)))
            return
        self._waiting += 1
        if known is None:
            task = asyncio.ensure_future(self._told(request, key, digest))
            self._running[key] = (digest, task)
            task.add_done_callback(lambda _: self._running.pop(key, None))
        else:
            task = known[1]
        task.add_done_callback(lambda done: self._reply(request, done, reply))

    async def close(self) -> None:
        """Answer nobody any more; what was begun goes on by itself."""
        tasks = [task for _, task in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _reply(
        self, request: Message, done: "asyncio.Task[_Told]", reply: Callable[[Message], None]
    ) -> None:
        self._waiting -= 1
        if not done.cancelled():
            reply(self._answer(request, done.result()))

    def _answer(self, request: Message, told: _Told) -> Message:
        return self._message_set.identify(request).answer(request, told.code.value, told.private)

    async def _told(self, request: Message, key: DuplicateKey, digest: bytes) -> _Told:
        try:
            return await self._carry_out(request, IdempotencyKey("/".join(key), digest))
        except RequestRefused as refused:
            return _refused(refused.refusal)
        except Reversed:
            return _Told(_C.STATE_DOES_NOT_ALLOW, {"RC": "REVERSED_BEFORE"})
        except Unavailable:
            return _refused(Refusal.OVERLOADED)
        except PeerError as error:
            return _Told(error.response_code, {})
        except (GatewayError, KeyError, ValueError) as error:
            log.error("core-request-failed", link=self._place.name, error=type(error).__name__)  # noqa: TRY400 - its text may quote the request
            return _Told(_C.MALFUNCTION, {})

    async def _carry_out(self, request: Message, key: IdempotencyKey) -> _Told:
        name = self._message_set.identify(request).name
        if {request.text(32).lstrip("0"), request.text(33).lstrip("0")} != {
            self._place.institution.lstrip("0")
        }:
            return _Told(_C.NOT_PERMITTED_TO_TERMINAL, {"RC": "INSTITUTION"})
        if name == "transfer":
            return _refused(Refusal.MONEY_NEVER_MOVES)
        with _reading():
            private = private_data.unpack(request.text(48))
            caller = self._caller(private)
        if name == "reversal":
            return await self._reverse(request, caller, key)
        with _reading():
            link, account = LinkId(private["LK"]), Pan(request.text(2))
        if name == "query-link":
            state = await self._desk.query(caller, link, account)
            return _Told(_C.APPROVED, {"LS": state.value[0].upper()})
        if name not in KINDS:
            return _refused(Refusal.NOT_OFFERED)
        with _reading():
            order = self._order(name, request, private)
        return _outcome(await self._desk.do(caller, key, order))

    async def _reverse(self, request: Message, caller: Caller, key: IdempotencyKey) -> _Told:
        named = original_key(request, OriginalData.parse(request.text(90)))
        if named[0] == without_repeat(request.mti):
            # It could name itself, and would wait for its own end.
            raise MalformedMessage("DE 90", 0, "the MTI of a request, not of a reversal")
        running = self._running.get(named)
        if running is not None:
            await asyncio.wait([running[1]])
        # No request has this digest, so that the original gets no answer but that it is barred.
        original = IdempotencyKey("/".join(named), bytes(len(key.fingerprint)))
        try:
            undone = await self._desk.undo(caller, key, original)
        except RequestRefused as refused:
            if refused.refusal is Refusal.ALREADY_SO:
                return _Told(_C.APPROVED, {})
            if refused.refusal is Refusal.NOT_FOUND:
                return _Told(_C.ORIGINAL_NOT_FOUND, {})
            raise
        if undone.state is OperationState.FAILED:
            return _Told(_C.APPROVED, {})  # nothing of it stands any more
        return _Told(_C.NO_ANSWER, {"RC": "OUTCOME_PENDING"})

    def _caller(self, private: Mapping[str, str]) -> Caller:
        proofs = frozenset(PROOFS[letter] for letter in private.get("PF", ""))
        return Caller(self._place.name, None, "", Channel.COUNTER, proofs)

    def _order(self, name: str, request: Message, private: Mapping[str, str]) -> Order:
        rest = {usage: value for usage, value in private.items() if usage not in _OWN}
        block = request.fields.get(52)
        at = private.get("AT")
        return Order(
            KINDS[name],
            LinkId(private["LK"]),
            Pan(request.text(2)),
            {usage: value for usage, value in rest.items() if usage not in _PERSONAL},
            {usage: value for usage, value in rest.items() if usage in _PERSONAL},
            block.hex() if isinstance(block, bytes) else "",
            datetime.strptime(at, "%Y%m%d%H%M%S").replace(tzinfo=UTC) if at else None,
        )


@contextmanager
def _reading() -> Iterator[None]:
    """Take what cannot be read for the core's mistake, not for ours; its value is not repeated."""
    try:
        yield
    except (KeyError, ValueError):
        raise MalformedMessage("DE 2 or DE 48", 0, "a number or a letter of no meaning") from None


def _refused(refusal: Refusal) -> _Told:
    """Say why nothing was done: what may be asked again is INOPERATIVE, which leaves it open."""
    otherwise = _C.INOPERATIVE if refusal.retryable else _C.STATE_DOES_NOT_ALLOW
    return _Told(_CODES.get(refusal, otherwise), {"RC": refusal.value})


def _outcome(outcome: Outcome) -> _Told:
    if outcome.state is OperationState.FAILED and outcome.refusal is not None:
        refused = _refused(outcome.refusal)
        code = outcome.response_code
        return _Told(ResponseCode(code), refused.private) if code else refused
    if outcome.kind is OperationKind.SS_ACCOUNT:
        return _Told(_C.APPROVED, {})  # taken on, which is all that an advice asks
    if outcome.state is OperationState.SUCCEEDED:
        told = outcome.told
        words = {usage: say(told[word]) for word, (usage, say) in _TOLD.items() if word in told}
        return _Told(_C.APPROVED, words)
    return _Told(_C.NO_ANSWER, {"RC": f"OUTCOME_{outcome.state.value.upper()}"})
