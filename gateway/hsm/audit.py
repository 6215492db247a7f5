"""The audit of a key store: one line for each step, chained by hashes, only ever added to.

Each line is a JSON object and holds the SHA-256 of the line before, so that none can be changed,
taken out or moved. That the end was not cut off is known from the store, which keeps the hash of
its own last line under the master key (`gateway.hsm.key_ledger`).

An action has two lines: ``begun`` before the store is written, ``done`` after. So a crash between
them is told from a store that was put back to an older state. No line holds key material.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.hsm.private_files import append_private, read_private, replace_private, write_private
from gateway.terms.errors import SpecificationError

AUDIT_FILE = "audit.log"
PROPOSED = "proposed"
BEGUN = "begun"
DONE = "done"
REFUSED = "refused"
_FIRST = "0" * 64


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: the operating system's user, and the person who says so."""

    user: str
    operator: str


@dataclass(frozen=True, slots=True)
class AuditLine:
    """One line as it was read; `generation` is that of the store which the action makes."""

    at: str
    user: str
    operator: str
    action: str
    outcome: str
    generation: int
    details: Mapping[str, Any]
    hash: str


def create_audit(directory: Path) -> None:
    """Make the empty audit of a new store; raises `SpecificationError` when there is one."""
    write_private(directory / AUDIT_FILE, "")


def read_audit(directory: Path) -> tuple[AuditLine, ...]:
    """Read the audit and check its chain; raises `SpecificationError` naming the first bad line."""
    file = directory / AUDIT_FILE
    lines, before = [], _FIRST
    # What stands after the last line feed is of a process that died while it wrote.
    for number, text in enumerate(read_private(file).split("\n")[:-1], 1):
        values = _parsed(text)
        if values is None or values.pop("before", None) != before:
            raise SpecificationError(
                str(file), f"line {number}", "does not follow from the line before: was changed"
            )
        before = _hash(text)
        lines.append(AuditLine(**values, hash=before))
    return tuple(lines)


@dataclass(slots=True)
class Audit:
    """Adds lines for one actor to the audit of a store that is locked."""

    directory: Path
    actor: Actor
    last: str

    @classmethod
    def after(cls, directory: Path, actor: Actor, lines: tuple[AuditLine, ...]) -> "Audit":
        """Go on after the lines that were read, and mend an end that was cut by a crash."""
        file = directory / AUDIT_FILE
        whole, feed, torn = read_private(file).rpartition("\n")
        if torn:
            replace_private(file, whole + feed)
        return cls(directory, actor, lines[-1].hash if lines else _FIRST)

    def add(
        self,
        now: datetime,
        action: str,
        outcome: str,
        generation: int,
        details: Mapping[str, Any],
    ) -> str:
        """Put a line on disk and give its hash."""
        text = json.dumps(
            {
                "at": now.isoformat(timespec="seconds"),
                "user": self.actor.user,
                "operator": self.actor.operator,
                "action": action,
                "outcome": outcome,
                "generation": generation,
                "details": dict(details),
                "before": self.last,
            },
            ensure_ascii=False,
        )
        append_private(self.directory / AUDIT_FILE, text + "\n")
        self.last = _hash(text)
        return self.last


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) and values.keys() == _MEMBERS else None


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


_MEMBERS = frozenset(
    {"at", "user", "operator", "action", "outcome", "generation", "details", "before"}
)
