"""The command `gateway links`: what an operator says to a far side through the running gateway."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.app.commands.refusals import in_one_line
from gateway.app.control import announce_day
from gateway.app.settings import load_settings
from gateway.terms.response_codes import ResponseCode

app = typer.Typer(help="Links of the running gateway.", no_args_is_help=True, add_completion=False)


# With one command alone Typer would leave its name out.
@app.callback()
def links() -> None:
    """Links of the running gateway."""


@app.command(name="cut-over")
def cut_over(
    config: Annotated[Path, typer.Option(help="The configuration of the gateway that runs.")],
    link: Annotated[str, typer.Option(help="Whose far side is told.")],
    day: Annotated[str, typer.Option(help="The new business day, MMDD.")],
) -> None:
    """Tell a far side that the business day changes (0800, DE 70 = 201)."""
    with in_one_line("gateway links"):
        code = announce_day(load_settings(config).beside, link, day)
    typer.echo(f"{link} answered {code}")
    raise typer.Exit(0 if code == ResponseCode.APPROVED else 1)
