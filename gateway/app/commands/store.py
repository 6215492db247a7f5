"""`gateway store`: the database, before the gateway opens it."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.app.commands.refusals import in_one_line
from gateway.app.database import upgrade_database
from gateway.app.settings import load_settings

app = typer.Typer(help="The database.", no_args_is_help=True, add_completion=False)


# With one command alone Typer would leave its name out.
@app.callback()
def store() -> None:
    """Work on the database of a gateway."""


@app.command()
def upgrade(config: Annotated[Path, typer.Option(help="The configuration file, TOML.")]) -> None:
    """Bring the database of an older release up to this one; make a copy of it first."""
    with in_one_line():
        before, after = upgrade_database(load_settings(config).store)
        typer.echo(f"schema {before or 'of an empty database'} to {after}")
