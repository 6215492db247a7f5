"""The command `gateway`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from gateway.terms.errors import GatewayError
from gateway.terms.sides import Side

app = typer.Typer(
    help="Bank-side ISO 8583 gateway for Chinese social-security cards.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

# Each command imports what it needs: `gateway --help` must not install a reactor.


@app.command()
def serve(
    config: Annotated[Path, typer.Option(help="The configuration file, TOML.")],
) -> None:
    """Start the gateway for real peers."""
    from gateway.app.serve import serve as run  # noqa: PLC0415
    from gateway.app.settings import load_settings  # noqa: PLC0415

    with _errors():
        sys.exit(run(load_settings(config)))


@app.command(name="security-module")
def security_module(
    side: Annotated[Side, typer.Option(help="Whose keys and PINs.")],
    key_store: Annotated[Path, typer.Option(help="The side's key store, a directory.")],
    socket: Annotated[Path, typer.Option(help="Where to listen, a Unix socket.")],
    *,
    embedded: Annotated[
        bool, typer.Option("--embedded", help="End when standard input ends.")
    ] = False,
) -> None:
    """Start one side's security module as a process of its own."""
    from gateway.hsm.module import run  # noqa: PLC0415

    with _errors():
        run(key_store, socket, side, embedded=embedded)


def main() -> None:
    """Run the command line."""
    app()


@contextmanager
def _errors() -> Iterator[None]:
    """Print an error on purpose as one line; anything else is a defect and keeps its traceback."""
    try:
        yield
    except GatewayError as error:
        typer.echo(f"gateway: {error}", err=True)
        raise typer.Exit(2) from None
