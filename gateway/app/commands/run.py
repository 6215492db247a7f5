"""`gateway run`: gateway, bureau and core with fresh test keys, until Ctrl-C."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from gateway.app.commands.refusals import in_one_line
from gateway.app.ensemble import Ensemble
from gateway.app.guide import guide

app = typer.Typer(add_completion=False)
_PORT_MAX = 65_535 - 2  # two more are behind it


@app.command()
def run(
    region: Annotated[str, typer.Option(help="The bureau's region and rules.")] = "xiamen",
    port: Annotated[
        int,
        typer.Option(
            min=0,
            max=_PORT_MAX,
            help="The gateway's port; bureau's and core's control ports are the two behind it. "
            "0 takes free ones.",
        ),
    ] = 0,
    token: Annotated[str, typer.Option(help="The token of online banking; else a fresh one.")] = "",
) -> None:
    """Start gateway, bureau and core with fresh test keys, and stay up until Ctrl-C.

    With port and token a harness of integration tests is configured once.
    """
    with in_one_line(), passing_ensemble(region, port, token) as ensemble:
        with suppress(KeyboardInterrupt):
            typer.echo(guide(ensemble))
            ensemble.wait()
        typer.echo("Stopping.")


@contextmanager
def passing_ensemble(region: str = "xiamen", port: int = 0, token: str = "") -> Iterator[Ensemble]:
    """Run an ensemble in a directory that goes with it; SIGTERM is as good as Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with (
        TemporaryDirectory(prefix="sscard-gateway-") as directory,
        Ensemble(Path(directory), region=region, port=port, token=token) as ensemble,
    ):
        yield ensemble
