"""`gateway run`: gateway, bureau and core with fresh test keys, until Ctrl-C."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import typer

from gateway.app.commands.refusals import in_one_line
from gateway.app.ensemble import Ensemble
from gateway.app.guide import guide

app = typer.Typer(add_completion=False)


@app.command()
def run() -> None:
    """Start gateway, bureau and core with fresh test keys, and stay up until Ctrl-C."""
    with in_one_line(), passing_ensemble() as ensemble:
        with suppress(KeyboardInterrupt):
            typer.echo(guide(ensemble))
            ensemble.wait()
        typer.echo("Stopping.")


@contextmanager
def passing_ensemble(region: str = "xiamen") -> Iterator[Ensemble]:
    """Run an ensemble in a directory that goes with it; SIGTERM is as good as Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with (
        TemporaryDirectory(prefix="sscard-gateway-") as directory,
        Ensemble(Path(directory), region=region) as ensemble,
    ):
        yield ensemble
