"""Where the components of a key come from: their custodians, one after the other, or a file.

A custodian types a component that nobody else sees and compares it by its check value; nothing
is echoed, and a component is never shown again. A file is for test harnesses: whoever can read it
has the whole key, so it is no ceremony, and that is said.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from gateway.hsm.key_material import (
    COMPONENTS_MAX,
    COMPONENTS_MIN,
    UnfitKey,
    combine,
    component_check_value,
    has_check_value,
)
from gateway.hsm.private_files import read_private
from gateway.pinblock.zone import Algorithm
from gateway.terms.errors import LocalError, SpecificationError
from gateway.terms.specification import parse_toml

ATTEMPTS_MAX = 3  # 64 digits are mistyped now and then; after that the paper is looked at
NO_CEREMONY = (
    "WARNING: components from one file are no ceremony: whoever reads the file has the key. "
    "For test harnesses only."
)


@dataclass(frozen=True, slots=True)
class Terminal:
    """How to ask and to tell; `ask_hidden` echoes nothing."""

    tell: Callable[[str], None]
    ask: Callable[[str], str]
    ask_hidden: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Components:
    """The components of one key with the names of those who gave them."""

    custodians: tuple[str, ...]
    parts: tuple[bytes, ...] = field(repr=False)

    @classmethod
    def from_custodians(
        cls, names: Sequence[str], algorithm: Algorithm, terminal: Terminal
    ) -> Self:
        """Let each custodian enter a component; raises `LocalError` when one cannot."""
        if len(set(names)) != len(names) or not COMPONENTS_MIN <= len(names) <= COMPONENTS_MAX:
            raise LocalError(
                f"{COMPONENTS_MIN} to {COMPONENTS_MAX} different custodians are needed"
            )
        return cls(tuple(names), tuple(_entered(name, algorithm, terminal) for name in names))

    @classmethod
    def from_file(cls, file: Path, algorithm: Algorithm) -> Self:
        """Read ``[[components]]`` with ``custodian``, ``component`` and ``check_value``.

        Raises `SpecificationError` for a file that others may read, and for a component whose
        check value is another.
        """
        names, parts = [], []
        tables = parse_toml(read_private(file), str(file)).get("components")
        for index, table in enumerate(tables if isinstance(tables, list) else []):
            place = f"components.{index}"
            name, part = _from_table(table, algorithm, (str(file), place))
            names.append(name)
            parts.append(part)
        if len(set(names)) != len(names):
            raise SpecificationError(str(file), "components", "name a custodian twice")
        return cls(tuple(names), tuple(parts))

    def key(self, algorithm: Algorithm, expected: str) -> bytes:
        """Put the key together; raises `UnfitKey`, also for another check value than expected."""
        key = combine(algorithm, self.parts)
        if not has_check_value(algorithm, key, expected):
            found = component_check_value(algorithm, key)
            rule = f"the key of these components has another check value than expected: {found}"
            raise UnfitKey(rule)
        return key


def _entered(name: str, algorithm: Algorithm, terminal: Terminal) -> bytes:
    terminal.tell(f"Custodian {name}: enter your component; it is not shown.")
    for _ in range(ATTEMPTS_MAX):
        try:
            part = _from_digits(terminal.ask_hidden("Component"))
            value = component_check_value(algorithm, part)
        except (UnfitKey, ValueError) as error:
            reason = str(error) if isinstance(error, UnfitKey) else "not hexadecimal digits"
            terminal.tell(f"Refused: {reason}.")
            continue
        if has_check_value(algorithm, part, terminal.ask("Its check value, from your paper")):
            terminal.tell(f"Accepted: check value {value}.")
            return part
        terminal.tell("Refused: what was entered has another check value.")
    raise LocalError("a component could not be entered; nothing was changed")


def _from_table(table: Any, algorithm: Algorithm, place: tuple[str, str]) -> tuple[str, bytes]:  # noqa: ANN401 - parsed TOML
    try:
        name, part = table["custodian"], _from_digits(table["component"])
        given = table["check_value"]
        fits = isinstance(name, str) and has_check_value(algorithm, part, given)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise SpecificationError(
            *place, "needs custodian, component and check_value, in hexadecimal digits"
        ) from None
    if not fits:
        rule = f"has another check value as a component of a key of {algorithm.name}"
        raise SpecificationError(*place, rule)
    return name, part


def _from_digits(text: str) -> bytes:
    # Papers print digits in groups.
    return bytes.fromhex(text.replace(" ", "").replace("-", ""))
