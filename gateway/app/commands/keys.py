"""The command `gateway keys`: what the custodians of a key store do, each step audited.

``docs/keys.md`` is the guide: ceremony, rotation, compromise drill.
"""

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gateway.app.ceremony import NO_CEREMONY, Components, Terminal
from gateway.app.clock import utc_now
from gateway.app.commands.refusals import in_one_line
from gateway.app.control import ask, ask_for_key
from gateway.app.settings import load_settings
from gateway.hsm.audit import Actor, read_audit
from gateway.hsm.key_block import check_value
from gateway.hsm.key_custody import KEY_LIFE, Custody, NewKey, custody
from gateway.hsm.key_foundation import Foundation
from gateway.hsm.key_ledger import KeyRecord, KeyState, Ledger
from gateway.hsm.key_material import fresh_key
from gateway.hsm.key_purpose import KeyPurpose, Slot, Stage, algorithms_of
from gateway.hsm.key_store import open_store
from gateway.hsm.master_key import MASTER_KEY_BYTES
from gateway.hsm.private_files import locked, write_private
from gateway.pinblock.zone import Algorithm, parse_zone
from gateway.terms.errors import LocalError
from gateway.terms.response_codes import ResponseCode
from gateway.terms.sides import Side

_NAME = "gateway keys"
app = typer.Typer(
    help="Keys of one side: ceremony, rotation, audit.", no_args_is_help=True, add_completion=False
)


class ChangeableKey(StrEnum):
    """A key that a far side changes by 0800."""

    PIN = "pin"
    MAC = "mac"


_Zone = Annotated[str, typer.Option(help="The zone, or the PIN of an envelope key (ss-pin).")]
_Purpose = Annotated[KeyPurpose, typer.Option(help="What the key is for.")]
_Version = Annotated[int, typer.Option(help="Which key of the zone and purpose.")]
_Due = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], help="Day of its next change; default: in a year."),
]
_Custodians = Annotated[
    list[str] | None, typer.Option("--custodian", help="Who enters a component; give each one.")
]
_ComponentFile = Annotated[
    Path | None, typer.Option("--components", help="Components from a file; no ceremony.")
]
_Expected = Annotated[str, typer.Option(help="The key's check value, from its paper.")]
_OfAlgorithm = Annotated[
    Algorithm | None, typer.Option("--algorithm", help="Default: the zone's, aes for a KBPK.")
]
_Running = Annotated[
    Path | None,
    typer.Option("--config", help="The configuration of the gateway that runs, to tell it."),
]


@dataclass(frozen=True, slots=True)
class _Desk:
    """Which store is worked on, and by whom."""

    store: Path
    side: Side
    operator: str

    @property
    def actor(self) -> Actor:
        if not self.operator.strip():
            raise LocalError("say who you are: gateway keys --operator NAME …")
        return Actor(pwd.getpwuid(os.geteuid()).pw_name, self.operator)

    @contextmanager
    def open(self) -> Iterator[Custody]:
        with custody(self.store, self.side, self.actor, utc_now()) as held:
            yield held


@app.callback()
def desk(
    context: typer.Context,
    store: Annotated[Path | None, typer.Option(help="The key store, a directory.")] = None,
    side: Annotated[Side | None, typer.Option(help="Whose keys.")] = None,
    operator: Annotated[str, typer.Option(help="Who you are, for the audit.")] = "",
) -> None:
    """Work on the key store of one side."""
    if store is not None and side is not None:
        context.obj = _Desk(store, side, operator)


# ---------------------------------------------------------------- ceremony


@app.command()
def component(
    file: Annotated[Path, typer.Argument(help="A new file, mode 0600.")],
    algorithm: Annotated[Algorithm, typer.Option(help="Of the key it is a part of.")],
    length: Annotated[int, typer.Option("--bytes", help="Length of the key.")],
) -> None:
    """Draw a component and write it to a file, for its custodian to put on paper."""
    with in_one_line(_NAME):
        part = fresh_key(algorithm, length)
        write_private(file, part.hex().upper() + "\n")
        typer.echo(f"check value {check_value(algorithm, part)}")


@app.command()
def create(
    context: typer.Context,
    expected: _Expected,
    custodian: _Custodians = None,
    components: _ComponentFile = None,
    stage: Annotated[Stage, typer.Option(help="Test keys may leave in clear.")] = Stage.LIVE,
    master_key_file: Annotated[
        Path | None, typer.Option(help="Where the master key goes; default: into the store.")
    ] = None,
) -> None:
    """Create a store: its master key is put together from the custodians' components."""
    with in_one_line(_NAME):
        at = _desk(context)
        actor = at.actor
        given = _components(custodian, components, Algorithm.AES)
        master = given.key(Algorithm.AES, expected)
        if len(master) != MASTER_KEY_BYTES:
            raise LocalError(f"a master key has {MASTER_KEY_BYTES} bytes")
        foundation = Foundation(at.side, stage, master, master_key_file)
        foundation.lay(at.store, actor, utc_now(), _given(given, components))
        typer.echo(f"created; master key check value {check_value(Algorithm.AES, master)}")


@app.command()
def zone(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Its name, as in the links of the configuration.")],
    pin_format: Annotated[str, typer.Option("--format", help="PIN block format: iso-0, iso-1, …")],
    account: Annotated[str, typer.Option(help="What a PIN block is bound to: none, pan, …")],
    algorithm: Annotated[Algorithm, typer.Option(help="Of its PIN key.")] = Algorithm.TDES,
    security_control: Annotated[str, typer.Option(help="DE 53, where it is agreed.")] = "",
) -> None:
    """Declare a zone: what was agreed with a far side about its PIN blocks."""
    values = {
        "name": name,
        "format": pin_format,
        "algorithm": algorithm,
        "account": account,
        "security_control": security_control,
    }
    with in_one_line(_NAME), _desk(context).open() as held:
        held.declare(parse_zone(values, "zone"))
        typer.echo(f"declared {name}")


# ---------------------------------------------------------------- keys in and out


@app.command()
def generate(  # noqa: PLR0913 - its options; nobody calls it by position
    context: typer.Context,
    zone: _Zone,
    purpose: _Purpose,
    due: _Due = None,
    length: Annotated[int, typer.Option("--bytes", help="Length; default: 16.")] = 0,
    *,
    algorithm: _OfAlgorithm = None,
    exportable: Annotated[bool, typer.Option(help="It may leave until it is activated.")] = False,
) -> None:
    """Draw a key, pending."""
    with in_one_line(_NAME), _desk(context).open() as held:
        slot = Slot(zone, purpose)
        _tell(
            held.generate(
                slot, _due(due), algorithm=algorithm, length_bytes=length, exportable=exportable
            )
        )


@app.command(name="import")
def import_key(  # noqa: PLR0913, PLR0917 - its options; nobody calls it by position
    context: typer.Context,
    zone: _Zone,
    purpose: _Purpose,
    expected: _Expected,
    custodian: _Custodians = None,
    components: _ComponentFile = None,
    due: _Due = None,
    algorithm: Annotated[
        Algorithm | None, typer.Option(help="Default: the zone's, aes for a KBPK.")
    ] = None,
) -> None:
    """Put a key together from the custodians' components, pending."""
    slot = Slot(zone, purpose)
    with in_one_line(_NAME), _desk(context).open() as held:
        algorithm = algorithm or algorithms_of(purpose, held.ledger.zone(zone))[0]
        given = _components(custodian, components, algorithm)
        key = given.key(algorithm, expected)
        new = NewKey(slot, algorithm, key, _due(due))
        _tell(held.take(new, "import-components", _given(given, components)))


@app.command(name="import-block")
def import_block(
    context: typer.Context,
    zone: _Zone,
    purpose: _Purpose,
    expected: _Expected,
    file: Annotated[Path, typer.Argument(help="The key block, X9.143 version B or D.")],
    due: _Due = None,
) -> None:
    """Take in a key block that the far side made under the zone's KBPK, pending."""
    with in_one_line(_NAME), _desk(context).open() as held:
        block = _text(file)
        _tell(held.take_block(Slot(zone, purpose), block, _due(due), expected))


@app.command(name="import-enciphered")
def import_enciphered(
    context: typer.Context,
    zone: _Zone,
    purpose: _Purpose,
    expected: _Expected,
    file: Annotated[Path, typer.Argument(help="The enciphered key, hexadecimal digits.")],
    due: _Due = None,
) -> None:
    """Take in a key that the far side enciphered under the zone's KEK, pending."""
    with in_one_line(_NAME), _desk(context).open() as held:
        try:
            cryptogram = bytes.fromhex(_text(file))
        except ValueError:
            raise LocalError("the file must hold hexadecimal digits") from None
        _tell(held.take_enciphered(Slot(zone, purpose), cryptogram, _due(due), expected))


@app.command(name="export")
def export_key(context: typer.Context, zone: _Zone, purpose: _Purpose) -> None:
    """Print a pending exportable key as a key block under the zone's KBPK."""
    with in_one_line(_NAME), _desk(context).open() as held:
        typer.echo(held.export_block(Slot(zone, purpose)))


# ---------------------------------------------------------------- life of a key


@app.command()
def rotate(context: typer.Context, zone: _Zone, purpose: _Purpose, config: _Running = None) -> None:
    """Make the pending key current, and have the running gateway take it up."""
    with in_one_line(_NAME):
        with _desk(context).open() as held:
            slot = Slot(zone, purpose)
            pending = held.ledger.find(slot, KeyState.PENDING)
            if pending and not _is_agreed(held, slot, pending.version, KeyState.CURRENT):
                return
            _tell(held.activate(slot))
        _take_up(config)


@app.command()
def change(
    config: Annotated[Path, typer.Option(help="The configuration of the gateway that runs.")],
    link: Annotated[str, typer.Option(help="Whose far side is asked.")],
    key: Annotated[ChangeableKey, typer.Option(help="Which key of the link's zone.")],
) -> None:
    """Have the running gateway ask a far side for a new key, which comes by 0800."""
    with in_one_line(_NAME):
        code = ask_for_key(load_settings(config).beside, link, key)
        typer.echo(f"{link} answered {code}")
        if code != ResponseCode.APPROVED:
            raise LocalError("the far side will send no key")


@app.command()
def retire(context: typer.Context, zone: _Zone, purpose: _Purpose, version: _Version) -> None:
    """Destroy a pending or previous key that is not needed any more."""
    with in_one_line(_NAME), _desk(context).open() as held:
        slot = Slot(zone, purpose)
        if _is_agreed(held, slot, version, KeyState.RETIRED):
            held.end(slot, version, KeyState.RETIRED)
            typer.echo(f"retired {slot} version {version}")


@app.command()
def revoke(
    context: typer.Context,
    zone: _Zone,
    purpose: _Purpose,
    version: _Version,
    reason: Annotated[str, typer.Option(help="What happened, for the audit.")],
    config: _Running = None,
) -> None:
    """Destroy a compromised key at once, in the store and in the running gateway."""
    with in_one_line(_NAME):
        with _desk(context).open() as held:
            slot = Slot(zone, purpose)
            if not _is_agreed(held, slot, version, KeyState.REVOKED):
                return
            held.end(slot, version, KeyState.REVOKED, reason)
            typer.echo(f"revoked {slot} version {version}")
        _take_up(config)


@app.command(name="list")
def list_keys(context: typer.Context) -> None:
    """List every key that the store has or had."""
    with in_one_line(_NAME):
        at = _desk(context)
        ledger = open_store(at.store, at.side).ledger
        typer.echo("\n".join(listing(ledger, utc_now().date())))


@app.command()
def audit(context: typer.Context) -> None:
    """Check the audit's chain and print it; keep its last hash outside of this machine."""
    with in_one_line(_NAME):
        at = _desk(context)
        open_store(at.store, at.side)  # an audit that lost its end is found out by the store
        with locked(at.store, for_writing=False):
            lines = read_audit(at.store)
        for line in lines:
            said = " ".join(f"{name}={value}" for name, value in line.details.items())
            who = f"{line.user} ({line.operator})"
            typer.echo(f"{line.at} {who} {line.action} {line.outcome} {said}")
        typer.echo(f"{len(lines)} lines; last {lines[-1].hash}")


def listing(ledger: Ledger, today: date) -> Iterator[str]:
    """Write the list of a store's keys, line by line; `today` gives ages and what is overdue."""
    yield (
        f"{ledger.side} {ledger.stage}, generation {ledger.generation}, "
        f"master key {ledger.master_check_value}"
    )
    yield _COLUMNS.format(
        "key", "version", "state", "algorithm", "check value", "age days", "next change"
    )
    for record in ledger.keys:
        in_use = record.state in {KeyState.CURRENT, KeyState.PENDING}
        overdue = " OVERDUE" if in_use and record.change_due <= today else ""
        change = f"{record.change_due}{overdue}" if in_use else _end(record)
        yield _COLUMNS.format(
            str(record.slot),
            record.version,
            record.state,
            record.algorithm,
            record.check_value,
            (today - record.created).days,
            change,
        ).rstrip()


_COLUMNS = "{:<24} {:>7} {:<8} {:<9} {:<16} {:>8} {}"


def _end(record: KeyRecord) -> str:
    return "" if record.ends is None else f"until {record.ends.isoformat(timespec='seconds')}"


def _desk(context: typer.Context) -> _Desk:
    if not isinstance(context.obj, _Desk):
        raise LocalError("say which store: gateway keys --store DIRECTORY --side SIDE …")
    return context.obj


def _components(
    custodians: list[str] | None, file: Path | None, algorithm: Algorithm
) -> Components:
    if (file is None) is not bool(custodians):
        raise LocalError("give either --custodian for each custodian, or --components FILE")
    if file is None:
        return Components.from_custodians(custodians or [], algorithm, _terminal())
    typer.echo(NO_CEREMONY, err=True)
    return Components.from_file(file, algorithm)


def _terminal() -> Terminal:
    return Terminal(
        tell=typer.echo,
        ask=typer.prompt,
        ask_hidden=lambda text: typer.prompt(text, hide_input=True),
    )


def _given(components: Components, file: Path | None) -> dict[str, object]:
    how = "custodians" if file is None else "file"
    return {"custodians": list(components.custodians), "entered": how}


def _due(due: datetime | None) -> date:
    return due.date() if due is not None else utc_now().date() + KEY_LIFE


def _text(file: Path) -> str:
    try:
        return file.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise LocalError("the file cannot be read as text") from None


def _is_agreed(held: Custody, slot: Slot, version: int, becomes: KeyState) -> bool:
    """Carry on for the second of two people; tell the first what is to follow."""
    agreed = held.is_agreed(slot, version, becomes)
    if not agreed:
        typer.echo(
            f"proposed: {slot} version {version} is to be {becomes}; "
            "now another custodian gives the same command, within a day"
        )
    return agreed


def _take_up(config: Path | None) -> None:
    """Have the running gateway take up what was changed, and print what it says."""
    if config is None:
        return  # it is told by SIGHUP
    typer.echo("\n".join(ask(load_settings(config).beside, "keys", {})["said"]))


def _tell(record: KeyRecord) -> None:
    typer.echo(
        f"{record.slot} version {record.version} {record.state}, check value {record.check_value}, "
        f"next change {record.change_due}"
    )
