"""The command `gateway operations`: what waits for a person, and how two persons resolve it."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.app.commands.refusals import in_one_line
from gateway.app.control import ask
from gateway.app.settings import load_settings

_NAME = "gateway operations"
app = typer.Typer(
    help="Operations that wait for a person.", no_args_is_help=True, add_completion=False
)


class ListedState(StrEnum):
    """A state whose operations are listed."""

    MANUAL = "manual"


class Outcome(StrEnum):
    """What became of an operation, as a person found out."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"


_Config = Annotated[Path, typer.Option(help="The configuration of the gateway that runs.")]
_Operation = Annotated[str, typer.Argument(help="Its reference, op_….")]
_As = Annotated[Outcome, typer.Option("--as", help="What became of it at the far side.")]


@app.command(name="list")
def list_operations(
    config: _Config,
    state: Annotated[ListedState, typer.Option(help="Which ones.")] = ListedState.MANUAL,
    after: Annotated[str, typer.Option(help="Begin after this one, for the next page.")] = "",
) -> None:
    """List what waits for a person, oldest first, each with its history."""
    del state  # the only one there is to list
    with in_one_line(_NAME):
        found = _ask(config, {"do": "list", "after": after})["operations"]
        for operation in found:
            _tell(operation)
        typer.echo(f"{len(found)} listed")


@app.command()
def resolve(
    config: _Config,
    operation: _Operation,
    outcome: _As,
    reason: Annotated[str, typer.Option(help="How you know: the far side's letter, no numbers.")],
) -> None:
    """Propose what became of an operation; nothing happens before another person approves."""
    with in_one_line(_NAME):
        said = {"operation": operation, "as": outcome.value, "reason": reason}
        _tell(_ask(config, {"do": "propose", **said}))
        typer.echo("proposed; another person approves it: gateway operations approve")


@app.command()
def approve(config: _Config, operation: _Operation, outcome: _As) -> None:
    """Approve what another person proposed; the operation then goes on from there."""
    with in_one_line(_NAME):
        said = {"operation": operation, "as": outcome.value}
        _tell(_ask(config, {"do": "approve", **said}))


def _ask(config: Path, question: Mapping[str, str]) -> dict[str, Any]:
    return ask(load_settings(config).beside, "manual", question)


def _tell(operation: Mapping[str, Any]) -> None:
    typer.echo("{operation} {kind} {state}".format_map(operation))
    for fact in operation["facts"]:
        rest = {name: value for name, value in fact.items() if name not in {"at", "fact", "trace"}}
        said = " ".join(f"{name}={value}" for name, value in rest.items())
        typer.echo(f"  {fact['at']} {fact['fact']} {said}".rstrip())
