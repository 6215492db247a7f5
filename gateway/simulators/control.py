"""The control port of a simulated far side: HTTP under ``/_sim``, JSON in and out.

==============================  =========================================================
``GET /_sim/health``            what it is and how many connections it has
``GET /_sim/state``             every card (account) any message has named, masked
``GET /_sim/state?card=N``      one card of the bureau, ``?account=N`` one account of the core
``GET /_sim/journal?after=S``   messages and events behind sequence number S, decoded, masked
``GET /_sim/faults``            the faults in force; ``POST`` adds one, ``DELETE`` heals all
``GET /_sim/clock``             its time; ``POST`` lets time pass: ``{"advance_seconds": 86400}``
``POST /_sim/reset``            forget everything that happened
``POST /_sim/key-change``       send the gateway a new key: ``{"key": "mac"}`` or ``"pin"``
``POST /_sim/cut-over``         tell the gateway the new business day: ``{"day": "1122"}``
``POST /_sim/ecard-scan``       bureau: is this code of an e-card good? ``{"card", "code"}``
``POST /_sim/ecard-challenge``  bureau: show a code for the app to scan: ``{"card"}``
``POST /_sim/card-made``        bureau: the ordered card is made: ``{"card"}``
``POST /_sim/kiosk``            bureau: change the SS PIN at its own device: ``{"card", "pin"}``
``POST /_sim/loss``             bureau: lost for now, said at its own window: ``{"card"}``
``POST /_sim/terminal``         bureau: is a PIN asked for, is this one right?
                                ``{"scene", "card", "pin", "on"}``
==============================  =========================================================
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Annotated, Any, Final, NamedTuple

from pydantic import ConfigDict, Field, with_config
from twisted.web.http import Request as LoggedRequest
from twisted.web.resource import Resource
from twisted.web.server import Request as HttpRequest
from twisted.web.server import Site

from gateway.regions.vocabulary import Scene
from gateway.simulators.bureau import CHINA, Bureau
from gateway.simulators.core import Core
from gateway.simulators.faults import Fault
from gateway.simulators.host import AHEAD_MAX, Host
from gateway.simulators.protocol import ConnectionFactory
from gateway.simulators.views import account_view, card_view
from gateway.simulators.zone_ring import KeyName
from gateway.terms.errors import SpecificationError
from gateway.terms.specification import structure

BODY_BYTES_MAX: Final = 4_096  # the longest body that means anything has some 150
TOUCHED_SHOWN_MAX: Final = 1_000  # a bench touches 100,000 cards; nobody reads so many
_Number = Annotated[str, Field(min_length=1, max_length=28)]
_Pin = Annotated[str, Field(pattern=r"^[0-9]{1,12}$")]


class Reply(NamedTuple):
    """An HTTP status with a JSON body."""

    status: int
    body: Mapping[str, Any]


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True)
class _Nothing:
    """No parameters and no members."""


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True)
class _After:
    after: Annotated[str, Field(pattern=r"^[0-9]{1,18}$")] = "0"  # as a query string has it


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True, repr=False)
class _OneCard:
    card: _Number | None = None


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True, repr=False)
class _OneAccount:
    account: _Number | None = None


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True)
class _NewKey:
    key: KeyName


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True)
class _NewDay:
    day: Annotated[str, Field(pattern=r"^[0-9]{4}$")]


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True)
class _Advance:
    advance_seconds: Annotated[int, Field(gt=0, le=AHEAD_MAX.days * 86_400, strict=True)]


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True, repr=False)
class _Use:
    """A terminal's question; `on` is a day (today without it)."""

    scene: Scene
    card: _Number
    pin: _Pin | None = None
    on: date | None = None


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True, repr=False)
class _LostCard:
    card: _Number


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True, repr=False)
class _NewPin:
    card: _Number
    pin: _Pin


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True, repr=False)
class _Scan:
    """A handling system's scan of what an app shows."""

    card: _Number
    code: Annotated[str, Field(max_length=32)]


class Handler(NamedTuple):
    """What parameters or body an HTTP method takes, and what it does with them."""

    takes: type
    act: Callable[[Any], Mapping[str, Any]]


class Side(ABC):
    """What differs between bureau and core on the control port."""

    def __init__(self, host: Host[Any], connections: ConnectionFactory) -> None:
        self.host = host
        self._connections = connections

    def paths(self) -> dict[str, dict[str, Handler]]:
        """List the paths below ``/_sim`` with their methods."""
        return {
            "health": {"GET": Handler(_Nothing, self._health)},
            "state": {"GET": self.state()},
            "journal": {"GET": Handler(_After, self._journal)},
            "faults": {
                "GET": Handler(_Nothing, self._faults),
                "POST": Handler(Fault, self._add_fault),
                "DELETE": Handler(_Nothing, self._heal),
            },
            "clock": {
                "GET": Handler(_Nothing, self._clock),
                "POST": Handler(_Advance, self._advance),
            },
            "reset": {"POST": Handler(_Nothing, self._reset)},
            "key-change": {"POST": Handler(_NewKey, self._change_key)},
            "cut-over": {"POST": Handler(_NewDay, self._cut_over)},
        }

    @abstractmethod
    def state(self) -> Handler:
        """Show the state of this side."""

    def _health(self, _nothing: _Nothing) -> Mapping[str, Any]:
        name = self.host.wire.message_set.name
        return {"status": "ok", "simulates": name, "connections": self._connections.connections}

    def _journal(self, query: _After) -> Mapping[str, Any]:
        journal = self.host.journal
        return {"last": journal.last, "entries": journal.read(int(query.after))}

    def _faults(self, _nothing: _Nothing) -> Mapping[str, Any]:
        listed = self.host.faults.listed()
        return {"faults": [asdict(fault) | {"times_left": left} for fault, left in listed]}

    def _add_fault(self, fault: Fault) -> Mapping[str, Any]:
        fault.check(frozenset(kind.name for kind in self.host.wire.message_set.messages))
        self.host.faults.add(fault)
        return self._faults(_Nothing())

    def _heal(self, _nothing: _Nothing) -> Mapping[str, Any]:
        self.host.faults.clear()
        return self._faults(_Nothing())

    def _change_key(self, wanted: _NewKey) -> Mapping[str, Any]:
        connection = self._connections.newest()
        if connection is None:
            return {"status": "nobody is connected"}
        connection.offer_key(wanted.key)
        return {"status": "ok"}

    def _cut_over(self, new: _NewDay) -> Mapping[str, Any]:
        connection = self._connections.newest()
        if connection is None:
            return {"status": "nobody is connected"}
        connection.announce(new.day)
        return {"status": "ok"}

    def _clock(self, _nothing: _Nothing) -> Mapping[str, Any]:
        host = self.host
        ahead = int(host.ahead.total_seconds())
        return {"now": host.now().isoformat(), "ahead_seconds": ahead}

    def _advance(self, wanted: _Advance) -> Mapping[str, Any]:
        self.host.advance(wanted.advance_seconds)
        return self._clock(_Nothing())

    def _reset(self, _nothing: _Nothing) -> Mapping[str, Any]:
        self.host.reset()
        return {"status": "ok"}


class BureauSide(Side):
    """The control port of a bureau."""

    host: Host[Bureau]

    def paths(self) -> dict[str, dict[str, Handler]]:
        """Add terminals and kiosk, the maker of cards and what scans e-cards."""
        return super().paths() | {
            "kiosk": {"POST": Handler(_NewPin, self._kiosk)},
            "loss": {"POST": Handler(_LostCard, self._lose)},
            "terminal": {"POST": Handler(_Use, self._terminal)},
            "ecard-scan": {"POST": Handler(_Scan, self._scan)},
            "ecard-challenge": {"POST": Handler(_OneCard, self._challenge)},
            "card-made": {"POST": Handler(_OneCard, self._card_made)},
        }

    def state(self) -> Handler:
        """Show cards."""
        return Handler(_OneCard, self._state)

    def _state(self, query: _OneCard) -> Mapping[str, Any]:
        rules = self.host.rules
        if query.card is None:
            cards = rules.touched()
            shown = [card_view(card, rules.links) for card in cards[:TOUCHED_SHOWN_MAX]]
            return {"touched": len(cards), "cards": shown}
        card = rules.card(query.card, self.host.now())
        if card is None:
            raise LookupError
        return card_view(card, rules.links)

    def _scan(self, scanned: _Scan) -> Mapping[str, Any]:
        good = self.host.rules.scan_ecard(scanned.card, scanned.code, self.host.now())
        return {"answer": "accepted" if good else "refused"}

    def _challenge(self, wanted: _OneCard) -> Mapping[str, Any]:
        code = self.host.rules.challenge_ecard(wanted.card or "", self.host.now())
        if code is None:
            raise LookupError
        return {"code": code}

    def _card_made(self, wanted: _OneCard) -> Mapping[str, Any]:
        if not self.host.rules.finish_card(wanted.card or "", self.host.now()):
            raise LookupError
        return {"status": "ok"}

    def _kiosk(self, wanted: _NewPin) -> Mapping[str, Any]:
        refusal = self.host.rules.change_at_kiosk(wanted.card, wanted.pin, self.host.now())
        return {"answer": "refused" if refusal else "accepted", "reason": refusal}

    def _lose(self, lost: _LostCard) -> Mapping[str, Any]:
        self.host.rules.lose_at_window(lost.card, self.host.now())
        return {"status": "ok"}

    def _terminal(self, use: _Use) -> Mapping[str, Any]:
        now = self.host.now()
        on = use.on or now.astimezone(CHINA).date()
        told = self.host.rules.at_terminal(use.card, use.pin, use.scene, on, now)
        return {**told._asdict(), "scene": use.scene, "on": on.isoformat()}


class CoreSide(Side):
    """The control port of a core."""

    host: Host[Core]

    def state(self) -> Handler:
        """Show accounts."""
        return Handler(_OneAccount, self._state)

    def _state(self, query: _OneAccount) -> Mapping[str, Any]:
        rules = self.host.rules
        if query.account is None:
            accounts = rules.touched()
            shown = [account_view(one, rules.links) for one in accounts[:TOUCHED_SHOWN_MAX]]
            return {"touched": len(accounts), "accounts": shown}
        account = rules.account(query.account)
        if account is None:
            raise LookupError
        return account_view(account, rules.links)


class _Path(Resource):
    """One path: parameters or body checked, then handed on."""

    isLeaf = True  # noqa: N815 - Twisted's name

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Twisted is typed in parts
        self._handlers = handlers

    def render(self, request: HttpRequest) -> bytes:
        """Answer in JSON whatever comes."""
        reply = self._reply(request)
        request.setResponseCode(reply.status)
        request.setHeader(b"Content-Type", b"application/json")
        return json.dumps(reply.body, ensure_ascii=False, indent=2).encode() + b"\n"

    def _reply(self, request: HttpRequest) -> Reply:
        if request.postpath or not self._handlers:
            return Reply(404, {"error": "no such path"})
        handler = self._handlers.get(request.method.decode("latin-1"))
        if handler is None:
            return Reply(405, {"error": f"one of {' '.join(self._handlers)}"})
        try:
            return Reply(200, handler.act(structure(handler.takes, _values(request), "request")))
        except SpecificationError as error:
            return Reply(400, {"error": "not valid", "key": error.key, "rule": error.rule})
        except LookupError:
            return Reply(404, {"error": "no such number in the population"})


class _Tree(Resource):
    """Paths by name; one that does not exist is answered in JSON too."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def getChild(self, path: bytes, request: HttpRequest) -> Resource:  # noqa: ARG002, N802
        """Give what answers a path that nothing else does."""
        return _Path({})


class ControlSite(Site):
    """The HTTP server of the control port; it writes no access log: a path may hold a number."""

    noisy = False

    def __init__(self, side: Side) -> None:
        tree = _Tree()
        for name, handlers in side.paths().items():
            tree.putChild(name.encode(), _Path(handlers))
        root = _Tree()
        root.putChild(b"_sim", tree)
        super().__init__(root)  # type: ignore[no-untyped-call]
        self.displayTracebacks = False

    def log(self, request: LoggedRequest) -> None:
        """Log nothing."""


def _values(request: HttpRequest) -> dict[str, Any]:
    """Take the parameters of a GET, the JSON members of anything else."""
    if request.method == b"GET":
        return _parameters(request)
    body = request.content.read(BODY_BYTES_MAX + 1) if request.content else b""
    if len(body) > BODY_BYTES_MAX:
        raise SpecificationError("request", "", f"a body has at most {BODY_BYTES_MAX} bytes")
    try:
        values = json.loads(body or b"{}")
    except ValueError:
        raise SpecificationError("request", "", "the body must be JSON") from None
    if not isinstance(values, dict):
        raise SpecificationError("request", "", "the body must be a JSON object")
    return values


def _parameters(request: HttpRequest) -> dict[str, Any]:
    if any(len(values) > 1 for values in request.args.values()):
        raise SpecificationError("request", "", "each parameter once")
    return {
        key.decode("utf-8", "replace"): values[0].decode("utf-8", "replace")
        for key, values in request.args.items()
    }
