"""`gateway serve`: the gateway for real peers."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.app import store_process
from gateway.app.clock import clock_of
from gateway.app.commands.refusals import in_one_line
from gateway.app.importing import imported
from gateway.app.settings import load_settings

app = typer.Typer(add_completion=False)


@app.command()
def serve(
    config: Annotated[Path, typer.Option(help="The configuration file, TOML.")],
    *,
    embedded: Annotated[
        bool, typer.Option("--embedded", help="End when standard input ends.")
    ] = False,
    movable_clock: Annotated[
        bool,
        typer.Option("--movable-clock", help="For practice on loopback: `gateway clock` moves it."),
    ] = False,
) -> None:
    """Start the gateway for real peers."""
    with in_one_line():
        settings = load_settings(config)
        clock = clock_of(settings, movable=movable_clock)
        # What is wrong with the configuration is told before the gateway itself is loaded.
        store = store_process.launch()
        run = imported("gateway.app.serve").serve
        sys.exit(run(settings, store, embedded=embedded, clock=clock))
