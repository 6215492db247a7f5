"""The module's own hand on its store: takes keys in that a far side sent, and opens it anew.

Only a PIN or a MAC key comes this way, enciphered under the KEK of the same zone, and never more
than a few in an hour. Everything else is done by custodians with `gateway keys`.
"""

import os
import pwd
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

from gateway.hsm.audit import Actor
from gateway.hsm.key_custody import KEY_LIFE, Custody, custody
from gateway.hsm.key_ledger import KeyState
from gateway.hsm.key_purpose import KeyPurpose, Slot
from gateway.hsm.key_store import KeyStore, open_store
from gateway.hsm.limits import RefusedAttempts
from gateway.hsm.protocol import KeyTaken, TakeKey
from gateway.terms.errors import LocalError
from gateway.terms.sides import Side

# A far side changes keys daily at most; with repeats that is a few. More is a mistake or an
# attack, and each one is written to disk for good.
CHANGES_MAX = 20
CHANGES_SECONDS = 3_600.0
_ZONES_MAX = 1_000


class StoreKeeper:
    """Holds the store of one side; `clock` gives seconds since the epoch."""

    def __init__(self, directory: Path, side: Side, clock: Callable[[], float]) -> None:
        self._directory = directory
        self._side = side
        self._clock = clock
        self._changes = RefusedAttempts(CHANGES_MAX, CHANGES_SECONDS, _ZONES_MAX)
        self.store: KeyStore = open_store(directory, side)

    def reopened(self) -> KeyStore:
        """Give the store as it is on disk now; raises `SpecificationError` and keeps the old."""
        self.store = open_store(self._directory, self._side)
        return self.store

    def take(self, request: TakeKey) -> KeyTaken:
        """Take a key in, pending; a repeat of what is here already is answered as the first.

        A pending key that never came to use gives way. A key that is not fit, not under the
        zone's KEK or one too many is refused without saying which.
        """
        slot = Slot(request.zone, request.purpose)
        if not self._changes.allows(str(slot), self._clock()):
            return KeyTaken(None)
        self._changes.count(str(slot))
        try:
            with self._custody() as held:
                return KeyTaken(self._taken(held, slot, request))
        except LocalError:
            return KeyTaken(None)  # the audit says why
        finally:
            self.reopened()

    def activate(self, zone: str, purpose: KeyPurpose) -> None:
        """Make the pending key current; nothing happens when a repeat finds it current already.

        Raises `LocalError` when the zone has no key for this.
        """
        slot = Slot(zone, purpose)
        with self._custody() as held:
            if held.ledger.find(slot, KeyState.PENDING) or not held.ledger.find(
                slot, KeyState.CURRENT
            ):
                held.activate(slot)
        self.reopened()

    def _taken(self, held: Custody, slot: Slot, request: TakeKey) -> str:
        for state in (KeyState.CURRENT, KeyState.PENDING):
            record = held.ledger.find(slot, state)
            if record is None:
                continue
            if held.is_enciphered(slot, request.enciphered, state):
                return record.check_value
            if state is KeyState.PENDING:
                held.end(slot, record.version, KeyState.RETIRED, "another key came by 0800")
        due = held.now.date() + KEY_LIFE
        return held.take_enciphered(slot, request.enciphered, due, request.check_value).check_value

    def _custody(self) -> AbstractContextManager[Custody]:
        now = datetime.fromtimestamp(self._clock(), UTC)
        user = pwd.getpwuid(os.geteuid()).pw_name
        return custody(self._directory, self._side, Actor(user, "key change by 0800"), now)
