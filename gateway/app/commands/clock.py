"""`gateway clock`: lets time pass for a gateway that is for practice."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.app.commands.refusals import in_one_line
from gateway.app.control import let_pass
from gateway.app.settings import load_settings

app = typer.Typer(add_completion=False)


@app.command()
def clock(
    config: Annotated[Path, typer.Option(help="The configuration of the gateway that runs.")],
    advance_seconds: Annotated[int, typer.Option(min=0, help="How much time passes at once.")] = 0,
) -> None:
    """Tell the time of a gateway of `gateway run`, and let time pass for it at once."""
    with in_one_line():
        typer.echo(let_pass(load_settings(config).beside, advance_seconds))
