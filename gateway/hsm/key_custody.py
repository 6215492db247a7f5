"""What is done to a key store: each action is checked, audited, and on disk when it returns.

An action that is refused leaves the store as it was and a line in the audit. Nothing here gives a
key in clear, but for test stores (`gateway.hsm.provision`).
"""

import hmac
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

from gateway.hsm.audit import (
    BEGUN,
    DONE,
    PROPOSED,
    REFUSED,
    Actor,
    Audit,
    AuditLine,
    read_audit,
)
from gateway.hsm.ciphers import cipher_of
from gateway.hsm.key_block import ALGORITHM_LETTER, Header, KeyBlockError, check_value, unwrap, wrap
from gateway.hsm.key_ledger import KeyRecord, KeyRefused, KeyState, Ledger, write_ledger
from gateway.hsm.key_material import UnfitKey, check_key, fresh_key, has_check_value
from gateway.hsm.key_purpose import (
    ENVELOPE_KEY_USE,
    KeyPurpose,
    Labels,
    Slot,
    Stage,
    algorithms_of,
    key_use,
)
from gateway.hsm.key_store import (
    KEYS_FILE,
    HeldKey,
    KeyStore,
    envelope_check_value,
    envelope_key,
    read_store,
)
from gateway.hsm.private_files import locked, replace_private
from gateway.pinblock.zone import Algorithm, Zone
from gateway.terms.errors import LocalError
from gateway.terms.sides import PinPurpose, Side

Details = Mapping[str, object]

KEY_LIFE = timedelta(days=365)  # a zone's keys are changed at least once a year
_ACTIONS = {
    KeyState.CURRENT: "rotate",
    KeyState.RETIRED: "retire",
    KeyState.REVOKED: "revoke",
}
PROPOSAL_LIFE = timedelta(days=1)  # the second custodian comes the same day or the next morning
_SCALAR_BYTES = 32
_KEY_BYTES = {Algorithm.TDES: 16, Algorithm.AES: 16, Algorithm.SM4: 16}
_KBPK_VERSION = {"T": "B", "A": "D"}


@dataclass(frozen=True, slots=True)
class NewKey:
    """A clear key on its way into a slot; `exportable` ones may leave until they are activated."""

    slot: Slot
    algorithm: Algorithm
    key: bytes = field(repr=False)
    change_due: date
    exportable: bool = False


@dataclass(slots=True)
class Custody:
    """A store that is held for writing; `custody` opens one."""

    directory: Path
    actor: Actor
    now: datetime
    store: KeyStore
    _master: bytes = field(repr=False)
    _audit: Audit

    @property
    def ledger(self) -> Ledger:
        """The zones and keys as they are now."""
        return self.store.ledger

    # ------------------------------------------------------------ actions

    def declare(self, zone: Zone) -> None:
        """Declare a zone, for keys to be put into; raises `KeyRefused`."""
        details: Details = {"zone": zone.name, "format": zone.format, "algorithm": zone.algorithm}
        self._act("declare", details, lambda ledger: ledger.with_zone(zone))

    def take(self, new: NewKey, how: str, details: Details | None = None) -> KeyRecord:
        """Put a clear key in as pending; raises `KeyRefused` or `UnfitKey`.

        `how` names the action for the audit, `details` what else it says of it.
        """
        said = {"key": str(new.slot), **(details or {})}
        with self._refusals(how, said):
            record = self._wrapped(new)
            self._commit(how, {**said, **_described(record)}, self.ledger.with_pending(record))
        return record

    def generate(
        self,
        slot: Slot,
        change_due: date,
        *,
        algorithm: Algorithm | None = None,
        length_bytes: int = 0,
        exportable: bool = False,
    ) -> KeyRecord:
        """Draw a key for a slot, pending; an envelope key is drawn on P-256.

        Without an `algorithm` it is for the zone's own.
        """
        if slot.purpose is KeyPurpose.ENVELOPE:
            return self._generate_envelope(slot, change_due)
        with self._refusals("generate", {"key": str(slot)}):
            allowed = algorithms_of(slot.purpose, self.ledger.zone(slot.zone))
        algorithm = algorithm or allowed[0]
        length = length_bytes or _KEY_BYTES[algorithm]
        key = fresh_key(algorithm, length)
        return self.take(NewKey(slot, algorithm, key, change_due, exportable), "generate")

    def take_block(self, slot: Slot, block: str, change_due: date, expected: str) -> KeyRecord:
        """Take a key block in that the far side made under the zone's KBPK, as pending.

        Usage, algorithm and mode of the block must be the slot's; `expected` is the check value
        that the far side gave. Raises `KeyRefused`, `KeyBlockError` or `UnfitKey`.
        """
        with self._refusals("import-block", {"key": str(slot)}):
            kbpk = self.store.key(Slot(slot.zone, KeyPurpose.KBPK)).key
            header, key = unwrap(kbpk, block)
            algorithm = self._allowed(slot, header)
            _compare(algorithm, key, expected)
        return self.take(NewKey(slot, algorithm, key, change_due), "import-block")

    def take_enciphered(
        self, slot: Slot, cryptogram: bytes, change_due: date, expected: str
    ) -> KeyRecord:
        """Take a key in that the far side enciphered block by block under the zone's KEK.

        `expected` is its check value, or its beginning; empty when none was sent: then only its
        parity says that it is right. Raises `KeyRefused` or `UnfitKey`.
        """
        with self._refusals("import-enciphered", {"key": str(slot)}):
            kek = self.store.key(Slot(slot.zone, KeyPurpose.KEK))
            algorithm = Algorithm(kek.record.algorithm)
            self._must_allow(slot, algorithm)
            key = self._deciphered(slot, algorithm, cryptogram)
            _compare(algorithm, key, expected)
        return self.take(NewKey(slot, algorithm, key, change_due), "import-enciphered")

    def is_enciphered(self, slot: Slot, cryptogram: bytes, state: KeyState) -> bool:
        """Tell whether a cryptogram under the zone's KEK is the key that a slot has already."""
        held = self.store.key(slot, state)
        try:
            key = self._deciphered(slot, Algorithm(held.record.algorithm), cryptogram)
        except LocalError:
            return False
        return hmac.compare_digest(key, held.key)

    def export_block(self, slot: Slot) -> str:
        """Give the pending key of a slot as a key block under the zone's KBPK.

        Raises `KeyRefused` for a key that may not leave.
        """
        with self._refusals("export-block", {"key": str(slot)}):
            held = self._pending(slot)
            if held.header.exportability != "E":
                raise KeyRefused("this key was not made to be exported")
            kbpk = self.store.key(Slot(slot.zone, KeyPurpose.KBPK))
            block = _transport_block(kbpk, held)
            self._commit("export-block", _described(held.record), self.ledger)
        return block

    def activate(self, slot: Slot) -> KeyRecord:
        """Make the pending key of a slot current; the one before becomes previous or is gone."""
        with self._refusals("rotate", {"key": str(slot)}):
            pending = self._final(self._pending(slot))
            ledger = self.ledger.replaced(self.ledger.held(slot, KeyState.PENDING), pending)
            self._commit("rotate", _described(pending), ledger.activated(slot, self.now))
        return self.ledger.held(slot, KeyState.CURRENT)

    def end(self, slot: Slot, version: int, state: KeyState, reason: str = "") -> None:
        """Retire a key that is not needed, or revoke a compromised one; raises `KeyRefused`."""
        action = _ACTIONS[state]
        details = {"key": str(slot), "version": version} | ({"reason": reason} if reason else {})
        self._act(action, details, lambda ledger: ledger.ended(slot, version, state))

    def is_agreed(self, slot: Slot, version: int, becomes: KeyState) -> bool:
        """Tell whether another operator has proposed the same within a day; else propose it.

        So what takes a live key away or puts one in use is done by two people (PCI PIN 3.1,
        requirements 21 and 28); the audit names both. A test store needs one. Raises `KeyRefused`
        for what cannot be done with this key.
        """
        action, details = _ACTIONS[becomes], {"key": str(slot), "version": version}
        if becomes is not KeyState.CURRENT:
            with self._refusals(action, details):
                self.ledger.ended(slot, version, becomes)
        if self.ledger.stage is Stage.TEST:
            return True
        if any(self._is_second(line) for line in self._open_proposals(action, details)):
            return True
        self._audit.add(self.now, action, PROPOSED, self.ledger.generation, details)
        return False

    def _open_proposals(self, action: str, details: Details) -> Iterator[AuditLine]:
        """Give the proposals of an action since it was last carried out, for the same key."""
        for line in reversed(read_audit(self.directory)):
            same = line.action == action and dict(details).items() <= dict(line.details).items()
            if same and line.outcome == DONE:
                return
            if same and line.outcome == PROPOSED:
                yield line

    def _is_second(self, proposal: AuditLine) -> bool:
        age = self.now - datetime.fromisoformat(proposal.at)
        return proposal.operator != self.actor.operator and age <= PROPOSAL_LIFE

    # ------------------------------------------------------------ keys

    def _generate_envelope(self, slot: Slot, change_due: date) -> KeyRecord:
        purpose, labels = self._purpose(slot), self._labels
        scalar = generate_private_key(SECP256R1()).private_numbers().private_value
        key = scalar.to_bytes(_SCALAR_BYTES)
        record = self._record(slot, "p-256", change_due)
        header = Header(
            ENVELOPE_KEY_USE,
            labels.stage.exportability,
            key_version=record.header_version,
            optional=(("LB", labels.envelope(purpose, change_due)),),
        )
        made = envelope_key(HeldKey(record, header, key))
        value, block = envelope_check_value(made), wrap(self._master, header, key)
        record = replace(record, check_value=value, block=block)
        details = {**_described(record), "kid": made.kid}
        self._act("generate", details, lambda ledger: ledger.with_pending(record))
        return record

    def _purpose(self, slot: Slot) -> PinPurpose:
        for purpose in PinPurpose:
            if purpose == slot.zone and purpose.side is self.ledger.side:
                return purpose.key
        raise KeyRefused("this side has no such PIN")

    def _wrapped(self, new: NewKey) -> KeyRecord:
        zone = self.ledger.zone(new.slot.zone)
        self._must_allow(new.slot, new.algorithm)
        is_retail = new.slot.purpose is KeyPurpose.MAC and new.algorithm is Algorithm.TDES
        if is_retail and len(new.key) != _KEY_BYTES[Algorithm.TDES]:
            raise UnfitKey("a retail MAC key has 16 bytes")
        check_key(new.algorithm, new.key)
        record = self._record(new.slot, new.algorithm.value, new.change_due)
        exportability = "E" if new.exportable else self._labels.stage.exportability
        header = Header(
            key_use(new.slot.purpose, new.algorithm),
            exportability,
            key_version=record.header_version,
            optional=(("LB", self._labels.zone_key(new.slot.purpose, zone)),),
        )
        value = check_value(new.algorithm, new.key)
        return replace(record, check_value=value, block=wrap(self._master, header, new.key))

    def _must_allow(self, slot: Slot, algorithm: Algorithm) -> None:
        if algorithm not in algorithms_of(slot.purpose, self.ledger.zone(slot.zone)):
            raise KeyRefused(f"{slot} has no key of {algorithm.value}")

    def _record(self, slot: Slot, algorithm: str, change_due: date) -> KeyRecord:
        if change_due <= self.now.date():
            raise KeyRefused("the day of the next change must be in the future")
        return KeyRecord(
            zone=slot.zone,
            purpose=slot.purpose,
            version=self.ledger.next_version(slot),
            state=KeyState.PENDING,
            algorithm=algorithm,
            check_value="-",
            created=self.now.date(),
            change_due=change_due,
            block="-",
        )

    def _final(self, held: HeldKey) -> KeyRecord:
        """Wrap a pending key anew as one that does not leave any more."""
        exportability = self._labels.stage.exportability
        if held.header.exportability == exportability:
            return held.record
        header = replace(held.header, exportability=exportability)
        return replace(held.record, block=wrap(self._master, header, held.key))

    def _pending(self, slot: Slot) -> HeldKey:
        if slot.purpose is KeyPurpose.ENVELOPE:
            record = self.ledger.held(slot, KeyState.PENDING)
            return HeldKey(record, *unwrap(self._master, record.block))
        return self.store.key(slot, KeyState.PENDING)

    def _allowed(self, slot: Slot, header: Header) -> Algorithm:
        for algorithm in algorithms_of(slot.purpose, self.ledger.zone(slot.zone)):
            use = key_use(slot.purpose, algorithm)
            # The far side's block may be for both directions where ours is for one.
            if (header.use.usage, header.use.algorithm) == (use.usage, use.algorithm):
                if header.use.mode in {use.mode, "B", "N"}:
                    return algorithm
                raise KeyBlockError("key is for another purpose: mode of use")
        raise KeyBlockError(f"key is for another purpose than {slot}: usage or algorithm")

    def _deciphered(self, slot: Slot, algorithm: Algorithm, cryptogram: bytes) -> bytes:
        kek = self.store.key(Slot(slot.zone, KeyPurpose.KEK))
        if len(kek.key) < len(cryptogram) or kek.record.algorithm != algorithm.value:
            raise KeyRefused("a key is not taken in under a weaker key or another cipher")
        try:
            return bytes(cipher_of(algorithm, kek.key).decrypt(cryptogram))
        except ValueError:
            raise UnfitKey("an enciphered key has whole blocks") from None

    # ------------------------------------------------------------ recording

    @property
    def _labels(self) -> Labels:
        return Labels(self.ledger.side, self.ledger.stage)

    def _act(self, action: str, details: Details, change: Callable[[Ledger], Ledger]) -> None:
        with self._refusals(action, details):
            self._commit(action, details, change(self.ledger))

    @contextmanager
    def _refusals(self, action: str, details: Details) -> Iterator[None]:
        try:
            yield
        except LocalError as error:
            # The text of an error never holds a value: it may stand in the audit.
            why = {**details, "why": str(error)}
            self._audit.add(self.now, action, REFUSED, self.ledger.generation, why)
            raise

    def _commit(self, action: str, details: Details, ledger: Ledger) -> None:
        """Audit, write, audit: what is on disk at any moment says how far it went."""
        generation = self.ledger.generation + 1
        head = self._audit.add(self.now, action, BEGUN, generation, details)
        written = replace(ledger, generation=generation, audit_head=head)
        replace_private(self.directory / KEYS_FILE, write_ledger(written, self._master))
        self._audit.add(self.now, action, DONE, generation, details)
        self.store = read_store(self.directory, ledger.side).store


@contextmanager
def custody(directory: Path, side: Side, actor: Actor, now: datetime) -> Iterator[Custody]:
    """Hold a side's store for writing; raises `SpecificationError` as `open_store` does."""
    with locked(directory, for_writing=True):
        opened = read_store(directory, side)
        audit = Audit.after(directory, actor, opened.audit)
        yield Custody(directory, actor, now, opened.store, opened.master, audit)


def _described(record: KeyRecord) -> Details:
    return {
        "key": str(record.slot),
        "version": record.version,
        "check_value": record.check_value,
        "change_due": record.change_due.isoformat(),
    }


def _compare(algorithm: Algorithm, key: bytes, expected: str) -> None:
    check_key(algorithm, key)
    if expected and not has_check_value(algorithm, key, expected):
        raise KeyRefused("the key has another check value than was given")


def _transport_block(kbpk: HeldKey, held: HeldKey) -> str:
    """Wrap for the far side: its own names mean nothing there, so the label is left out."""
    letter = ALGORITHM_LETTER[Algorithm(kbpk.record.algorithm)]
    # Where it arrives, a key that we encipher PINs with deciphers them.
    mode = {"E": "D", "D": "E"}.get(held.header.use.mode, held.header.use.mode)
    header = Header(
        replace(held.header.use, mode=mode),
        "N",
        version=_KBPK_VERSION[letter],
        key_version=held.header.key_version,
    )
    return wrap(kbpk.key, header, held.key)
