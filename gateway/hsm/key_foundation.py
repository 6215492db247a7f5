"""Lays the foundation of a key store: master key, empty audit, a ledger without keys, data key."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from gateway.hsm.audit import BEGUN, DONE, Actor, Audit, create_audit
from gateway.hsm.data_key import DATA_KEY_FILE, create_data_key
from gateway.hsm.key_block import check_value
from gateway.hsm.key_custody import Details
from gateway.hsm.key_ledger import Ledger, write_ledger
from gateway.hsm.key_purpose import Stage
from gateway.hsm.key_store import KEYS_FILE
from gateway.hsm.master_key import MASTER_KEY_FILE
from gateway.hsm.private_files import locked, write_private
from gateway.pinblock.zone import Algorithm
from gateway.terms.errors import SpecificationError
from gateway.terms.sides import Side


@dataclass(frozen=True, slots=True)
class Foundation:
    """What a new store begins with; `master` goes to `master_key_file`, or to the store."""

    side: Side
    stage: Stage
    master: bytes = field(repr=False)
    master_key_file: Path | None = None

    def lay(self, directory: Path, actor: Actor, now: datetime, details: Details) -> None:
        """Make the store; raises `SpecificationError` when a file of it is there already."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(directory, for_writing=True):
            file = self.master_key_file or directory / MASTER_KEY_FILE
            if (directory / KEYS_FILE).exists():
                raise SpecificationError(str(directory / KEYS_FILE), "", "is there already")
            write_private(file, self.master.hex().upper() + "\n")
            create_audit(directory)
            value = check_value(Algorithm.AES, self.master)
            audit = Audit.after(directory, actor, ())
            details = {**details, "side": self.side, "stage": self.stage, "check_value": value}
            head = audit.add(now, "create", BEGUN, 1, details)
            ledger = Ledger(self.side, self.stage, value, generation=1, audit_head=head)
            write_private(directory / KEYS_FILE, write_ledger(ledger, self.master))
            audit.add(now, "create", DONE, 1, details)
            create_data_key(directory / DATA_KEY_FILE, self.side)
