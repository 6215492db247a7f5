"""`gateway security-module`: one side's security module, as a process of its own."""

from pathlib import Path
from typing import Annotated

import typer
import uvloop

from gateway.app.commands.refusals import in_one_line
from gateway.hsm.module import become, run
from gateway.terms.sides import Side

app = typer.Typer(add_completion=False)


@app.command(name="security-module")
def security_module(
    side: Annotated[Side, typer.Option(help="Whose keys and PINs.")],
    key_store: Annotated[Path, typer.Option(help="The side's key store, a directory.")],
    socket: Annotated[Path, typer.Option(help="Where to listen, a Unix socket.")],
    pin_list: Annotated[Path | None, typer.Option(help="PINs to refuse, one a line.")] = None,
    user: Annotated[str, typer.Option(help="Whom root becomes before it reads a key.")] = "",
    *,
    embedded: Annotated[
        bool, typer.Option("--embedded", help="End when standard input ends.")
    ] = False,
) -> None:
    """Start one side's security module as a process of its own."""
    loop = uvloop.new_event_loop
    with in_one_line():
        if user:
            become(user)
        run(key_store, socket, side, embedded=embedded, pin_list=pin_list, loop_factory=loop)
