"""Online banking over a stage, and a far side that answers what it is asked."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.api.service import (
    ActivateCommand,
    IdempotencyKey,
    LinkCommand,
    ReadinessCheck,
    SetPinCommand,
)
from gateway.app.service import OnlineBanking, Readiness
from gateway.linking.link import PinSession
from gateway.operations.facts import OperationKind
from gateway.terms.errors import RequestRefused
from gateway.terms.numbers import (
    LinkId,
    PinSessionId,
)
from gateway.terms.sides import PinPurpose

K = OperationKind
KEY = IdempotencyKey("key-1", b"\x01" * 32)
SESSION = PinSessionId("pse_" + "1" * 26)
OTHER_LINK = LinkId("lnk_" + "2" * 26)


class Bank:
    """The service over a stage, and a far side that answers what it is asked."""

    def __init__(self, hall):
        self.hall, self.stage, self.store, self.pins = hall, hall.stage, hall.store, hall.pins
        self.caller, self.codes = hall.caller, hall.codes
        self.service = OnlineBanking(
            hall.intake,
            card_life=None,
            session_life=timedelta(seconds=300),
            readiness=Readiness(lambda: {"link": ReadinessCheck(ready=True)}, lambda: b"metrics"),
        )

    @property
    def records(self):
        """Give what reads the records of a type."""
        return self.hall.records

    # ------------------------------------------------------------ what is asked

    def link(self, key=KEY, **changes):
        cargo = self.stage.cargo
        command = LinkCommand(
            cargo.card.agency, cargo.card.number, cargo.account.pan, cargo.card.mobile, None
        )
        return self.service.link(self.caller, key, replace(command, **changes))

    def unlink(self, key=KEY, link=None):
        return self.service.unlink(self.caller, key, link or self.stage.link)

    def open_session(self, key=KEY, purpose=PinPurpose.SS_PIN, link=None):
        return self.service.open_pin_session(self.caller, key, link or self.stage.link, purpose)

    def session(self, purpose=PinPurpose.SS_PIN, **changes):
        """Lay a usable session in the store."""
        expires_at = self.stage.timers.now() + timedelta(seconds=300)
        session = PinSession(SESSION, self.stage.link, purpose, "n" * 22, "kid", expires_at)
        session = replace(session, **changes)
        self.store.sessions[session.id] = session
        return session

    def set_pin(self, key=KEY, link=None):
        command = SetPinCommand(SESSION, "an.envelope")
        return self.service.set_ss_pin(self.caller, key, link or self.stage.link, command)

    def activate(self, key=KEY, services=()):
        command = ActivateCommand(self.stage.link, SetPinCommand(SESSION, "an.envelope"), services)
        return self.service.activate(self.caller, key, command)

    def ask(self, name):
        """Ask for one of the operations by its name."""
        if name in {"set_pin", "activate"}:
            self.session(PinPurpose.SS_PIN if name == "set_pin" else PinPurpose.FINANCIAL_PIN)
        return getattr(self, name)()


@pytest.fixture
def bank_of(hall_of):
    """Give a maker of banks in Xiamen, with one piece of its profile replaced."""
    return lambda *changed, **more: Bank(hall_of("xiamen", *changed, **more))


@pytest.fixture
def bank(bank_of):
    """Give a bank in Xiamen."""
    return bank_of()


@pytest.fixture
def refused():
    """Give what gives the refusal that a request meets."""

    def refused(awaitable):
        with pytest.raises(RequestRefused) as caught:
            asyncio.run(awaitable)
        return caught.value

    return refused
