"""`gateway bench`: what costs how much on this machine."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gateway.app.bench import codec, links, module, nodes, operations, store
from gateway.app.bench.figures import Figure, to_json, to_markdown
from gateway.app.bench.postgresql import programs
from gateway.app.commands.refusals import in_one_line


class BenchName(StrEnum):
    """Something that `gateway bench` measures."""

    CODEC = "codec"
    LINKS = "links"
    MODULE = "module"
    NODES = "nodes"
    OPERATIONS = "operations"
    STORE = "store"


app = typer.Typer(add_completion=False)


@app.command()
def bench(
    names: Annotated[
        list[BenchName] | None,
        typer.Argument(help="What to measure; all, nodes only where there is a PostgreSQL."),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write the figures there as JSON too.")] = None,
) -> None:
    """Measure on this machine, in some minutes, and print a Markdown table."""
    measures: Mapping[BenchName, Callable[[], list[Figure]]] = {
        BenchName.CODEC: codec.measure,
        BenchName.LINKS: links.measure,
        BenchName.MODULE: module.measure,
        BenchName.NODES: nodes.measure,
        BenchName.OPERATIONS: operations.measure,
        BenchName.STORE: store.measure,
    }
    with in_one_line():
        every = [name for name in BenchName if name is not BenchName.NODES or programs()]
        figures = [figure for name in names or every for figure in measures[name]()]
        typer.echo(to_markdown(figures))
        if json is not None:
            json.write_text(to_json(figures), encoding="utf-8")
