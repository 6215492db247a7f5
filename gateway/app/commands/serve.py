"""`gateway serve`: the gateway for real peers."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.app.commands.refusals import in_one_line
from gateway.app.serve import serve as run
from gateway.app.settings import load_settings

app = typer.Typer()


@app.command()
def serve(
    config: Annotated[Path, typer.Option(help="The configuration file, TOML.")],
    *,
    embedded: Annotated[
        bool, typer.Option("--embedded", help="End when standard input ends.")
    ] = False,
) -> None:
    """Start the gateway for real peers."""
    with in_one_line():
        sys.exit(run(load_settings(config), embedded=embedded))
