"""Errors on purpose, told in one line."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from gateway.terms.errors import GatewayError

STATUS = 2


@contextmanager
def in_one_line(command: str = "gateway") -> Iterator[None]:
    """End with status 2 and one line on standard error where a `GatewayError` is raised.

    Anything else is a defect and keeps its traceback. `command` says who speaks.
    """
    try:
        yield
    except GatewayError as error:
        typer.echo(f"{command}: {error}", err=True)
        raise typer.Exit(STATUS) from None
