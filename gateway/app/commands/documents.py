"""`gateway documents`: the generated documents, written anew."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.app.commands.refusals import in_one_line
from gateway.app.documents import documents as generated
from gateway.app.specifications import Specifications, shipped_directory

app = typer.Typer(add_completion=False)


@app.command()
def documents(
    directory: Annotated[Path, typer.Option(help="Where the documents are.")] = Path("docs"),
) -> None:
    """Write the generated documents anew."""
    with in_one_line():
        for name, text in generated(Specifications(shipped_directory())).items():
            (directory / name).write_text(text, encoding="utf-8")
