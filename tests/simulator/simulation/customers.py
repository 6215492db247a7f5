"""What the channel asks for: customers who link, set PINs, activate and unlink, and try again.

A customer's requests get lost on the way in and out; it repeats them with the same key, as every
backend must. Now and then it asks wrongly on purpose, and must be refused.
"""

from asyncio import sleep as pause
from dataclasses import replace

from gateway.api.service import (
    ActivateCommand,
    AddedService,
    Caller,
    IdempotencyKey,
    LinkCommand,
    SetPinCommand,
)
from gateway.operations.facts import OperationKind, OperationState
from gateway.terms.errors import RequestRefused, Unavailable
from gateway.terms.numbers import CustomerNumber, Mobile, Pan, PinSessionId, SsCardNumber
from gateway.terms.refusals import Refusal
from gateway.terms.sides import PinPurpose
from simulation.businesses import BLOCKED, CHANNEL, Businesses
from simulation.watch_durable import ENVELOPE

K = OperationKind
S = OperationState
_BUSY = {
    Refusal.IN_PROGRESS,
    Refusal.OVERLOADED,
    Refusal.EARLIER_PIN_OPEN,
    Refusal.BUREAU_UNAVAILABLE,
    Refusal.CORE_UNAVAILABLE,
    Refusal.SECURITY_MODULE_UNAVAILABLE,
}
_TRIES_MAX = 12
_PATIENT = 0.5  # look again after an open outcome; the others go on, or try once more
_MISTAKEN = 0.15  # of those who link give a mobile number that the bank does not know


# How often a customer with a link does what, by the habits of a history.
HABITS = {
    "everything": {
        "set_pin": 25,
        "activate": 12,
        "unlink": 13,
        "do_business": 25,
        "at_counter": 10,
        "ask_wrongly": 10,
        "ask_link": 5,  # the card is linked: refused, or in progress
    },
    "counter": {"at_counter": 80, "set_pin": 10, "do_business": 10},
    "links": {"unlink": 60, "set_pin": 15, "activate": 15, "ask_wrongly": 10},
    "pins": {"set_pin": 90, "ask_wrongly": 10},
    "businesses": {"do_business": 85, "unlink": 10, "ask_wrongly": 5},
}


class Gone(Exception):
    """No answer came: nobody knows what became of the request."""


class Customer(Businesses):
    """One person with one card and one account, and what the person does."""

    def __init__(self, world, who, agency):
        self._world = world
        self.who, self.agency = who, agency
        self._chance = world.chance_of(f"customer {who.index}")
        self._keys = 0
        self.link = None
        self.caller = Caller(CHANNEL, CustomerNumber(who.customer), "req_1")

    @property
    def card(self):
        """The number of the card that is in force, as the bank knows it."""
        card, replaced = self.who.card, self._world.disk.replaced
        while card in replaced:
            card = replaced[card]
        return card

    # ------------------------------------------------------------ a life

    async def live(self, changes):
        """Link, and do things through the storm until there are enough, or so many."""
        await pause(self._chance.uniform(0, 5))
        await self.ask_link()
        if not self._world.storm.is_over:
            await pause(self._world.storm.begins)
        for _ in range(changes - 1):
            if self._world.has_enough:
                return
            await self.do_something()
            await pause(self._chance.choice((0.1, 2.0, 30.0)))

    async def do_something(self):
        if self.link is None:
            await self.ask_link()
            return
        names, weights = zip(*self._world.habits.items(), strict=True)
        await getattr(self, self._chance.choices(names, weights)[0])()

    async def prove_alive(self):
        """In the calm: whatever is not with a person can be used, at once."""
        self.link = self._world.disk.holding.get(self.card)  # it may have missed an answer
        if self.link is None:
            self._world.end_losses_there(self)
            return await self.ask_link()
        await self.recover()
        view = None
        while view is None or view.refusal is Refusal.PIN_TRIVIAL:
            view = await self.set_pin()
        return view

    # ------------------------------------------------------------ what is asked

    async def ask_link(self):
        card, mobile = SsCardNumber(self.card), Mobile(self.who.at_bank.mobile)
        command = LinkCommand(self.agency, card, Pan(self.who.pan), mobile, None)
        if self._world.storm.is_on and self._chance.random() < _MISTAKEN:
            command = replace(command, mobile=Mobile("15499999999"))
        view = await self.change(lambda service, key: service.link(self.caller, key, command))
        if view is not None and view.state in {S.SUCCEEDED, S.PENDING, S.MANUAL}:
            self.link = view.link
        if view is not None and view.state is S.FAILED and self.link == view.link:
            self.link = None
        return view

    async def unlink(self):
        link = self.link
        view = await self.change(lambda service, key: service.unlink(self.caller, key, link))
        if view is not None and view.state is S.SUCCEEDED:
            self.link = None
        return view

    async def set_pin(self):
        session = await self.session(PinPurpose.SS_PIN)
        if session is None:
            return None
        command = SetPinCommand(session, self._envelope())
        link = self.link
        return await self.change(
            lambda service, key: service.set_ss_pin(self.caller, key, link, command), K.SET_SS_PIN
        )

    async def activate(self):
        session = await self.session(PinPurpose.FINANCIAL_PIN)
        if session is None:
            return None
        services = (AddedService.SMS,) if self._chance.random() < 0.5 else ()
        command = ActivateCommand(self.link, SetPinCommand(session, self._envelope()), services)
        return await self.change(
            lambda service, key: service.activate(self.caller, key, command), K.ACTIVATE
        )

    async def at_counter(self):
        """Go to the bank's counter, whose core asks."""
        await self._world.counter.serve(self)
        self.link = self._world.disk.holding.get(self.card)

    async def ask_wrongly(self):
        """Use another's link, an old key with another body, or a session twice."""
        stranger = Caller(CHANNEL, CustomerNumber("C99999999"), "req_2")
        wrong = self._chance.choice(("stranger", "other body", "other channel", "session twice"))
        link, key = self.link, self._key()
        if wrong == "session twice":
            await self._use_twice()
            return
        if wrong == "other body" and (CHANNEL, f"{self.who.index}-1") in self._world.disk.keys:
            key = IdempotencyKey(f"{self.who.index}-1", b"\x02" * 32)
            await self._refused(lambda s: s.unlink(self.caller, key, link), wrong)
            return
        if wrong == "other channel":
            stranger = Caller("other", self.caller.customer, "req_3")
        await self._refused(lambda s: s.unlink(stranger, key, link), wrong)

    async def _use_twice(self):
        session = await self.session(PinPurpose.SS_PIN)
        if session is None:
            return
        command, link = SetPinCommand(session, self._envelope()), self.link
        view = await self.change(
            lambda service, key: service.set_ss_pin(self.caller, key, link, command), K.SET_SS_PIN
        )
        key = self._key()
        if view is not None and view.state.is_final:
            await self._refused(
                lambda service: service.set_ss_pin(self.caller, key, link, command), "session twice"
            )

    async def _refused(self, ask, what):
        try:
            reply = await self._world.ask(ask)
        except (RequestRefused, Unavailable, Gone):
            return
        watch = self._world.watch
        number = 11 if what == "other body" else 15
        watch.check(number, False, f"{what}: {reply.operation.operation} was carried out")

    # ------------------------------------------------------------ parts

    def _envelope(self):
        return f"{ENVELOPE}-{self.who.index}-{self._keys}"

    def _key(self):
        self._keys += 1
        return IdempotencyKey(f"{self.who.index}-{self._keys}", self._keys.to_bytes(32, "big"))

    async def session(self, purpose, caller=None):
        """Open a PIN session; None when it is refused, or no answer comes."""
        key, link = self._key(), self.link
        reply = await self._tried(
            lambda service: service.open_pin_session(caller or self.caller, key, link, purpose)
        )
        if reply is None or not hasattr(reply, "session"):
            return None
        self._world.watch.opened_session(reply.session)
        return PinSessionId(reply.session.pin_session.value)

    async def change(self, ask, kind=None):
        """Ask for a change until there is an answer; None when it is refused, or none comes."""
        key, watch = self._key(), self._world.watch
        barring = [side for side, kinds in BLOCKED.items() if kind in kinds]
        lost = [side for side in barring if watch.is_lost(self.link, side)]
        if self._world.storm.fires("second-client-same-key"):
            self._world.send(lambda node: ask(node.service, key), self._echoed(key.key))
        reply = await self._tried(lambda service: ask(service, key))
        if reply is None or not hasattr(reply, "operation"):
            return None
        watch.replied(self.who.index, key.key, reply.operation)
        if any(watch.is_lost(self.link, side) for side in lost):
            watch.fail(17, f"{kind} was begun although the loss of {lost} was reported")
        return await self._followed(reply.operation)

    def _echoed(self, key):
        def hear(reply, error):
            if error is None:
                self._world.watch.replied(self.who.index, key, reply.operation)

        return hear

    async def _tried(self, ask):
        """Ask until there is an answer; None when it is a refusal, or never came."""
        for attempt in range(_TRIES_MAX):
            try:
                return await self._world.ask(ask)
            except Gone:
                pass
            except Unavailable:
                pass
            except RequestRefused as refused:
                self._world.note("refused", self.who.index, refused.refusal.value)
                if refused.refusal not in _BUSY:
                    return refused
            await pause(min(2.0**attempt, 60.0))
        return None

    async def _followed(self, view):
        """Look again a few times while the outcome is open."""
        operation = view.operation
        patience = (5.0, 30.0, 120.0) if self._chance.random() < _PATIENT else ()
        for wait in patience:
            if view.state not in {S.PENDING, S.UNKNOWN}:
                break
            await pause(wait)
            found = await self._looked(operation)
            view = found or view
        return view

    async def _looked(self, operation):
        try:
            view = await self._world.ask(
                lambda service: service.read_operation(self.caller, operation)
            )
        except (Gone, Unavailable):
            return None
        self._world.watch.viewed(view)
        return view
