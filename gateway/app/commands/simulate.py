"""`gateway simulate`: one simulator alone."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gateway.app.commands.refusals import in_one_line
from gateway.app.specifications import Specifications, shipped_directory
from gateway.simulators.process import SimulatorSettings, run_simulator


class SimulatorName(StrEnum):
    """A far side that can be simulated."""

    BUREAU = "bureau"
    CORE = "core"


app = typer.Typer(add_completion=False)


@app.command()
def simulate(  # noqa: PLR0913 - a command has the options it has
    name: Annotated[SimulatorName, typer.Argument(help="Which far side.")],
    keys: Annotated[Path, typer.Option(help="Its PIN and MAC key, a TOML file.")],
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="ISO 8583 port; 0 takes a free one.")
    ] = 0,
    control_port: Annotated[
        int, typer.Option(min=0, max=65535, help="HTTP control port; 0 takes a free one.")
    ] = 0,
    region: Annotated[str, typer.Option(help="The region a bureau is of.")] = "xiamen",
    *,
    dialect: Annotated[
        str, typer.Option(help="What it speaks; else the dialect of its name.")
    ] = "",
    messages: Annotated[str, typer.Option(help="What is said; else the set of its name.")] = "",
    specifications: Annotated[
        Path | None, typer.Option(help="Your own dialects/, messages/, regions/.")
    ] = None,
    embedded: Annotated[
        bool, typer.Option("--embedded", help="End when standard input ends.")
    ] = False,
) -> None:
    """Start one simulator alone: a bureau or a bank core."""
    specs = Specifications(specifications or shipped_directory())
    is_bureau = name is SimulatorName.BUREAU
    with in_one_line():
        run_simulator(
            SimulatorSettings(
                side=name.value,
                dialect=specs.file("dialects", dialect or name.value),
                message_set=specs.file("messages", messages or name.value),
                keys=keys,
                region=specs.file("regions", region) if is_bureau else None,
                iso8583_port=port,
                control_port=control_port,
                stop_with_stdin=embedded,
            )
        )
