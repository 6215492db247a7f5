"""The command `gateway`."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.app.keys_command import app as keys_app
from gateway.app.links_command import app as links_app
from gateway.app.message_tools.commands import app as message_app
from gateway.app.operations_command import app as operations_app
from gateway.app.regions_command import app as regions_app
from gateway.terms.errors import GatewayError
from gateway.terms.sides import Side

if TYPE_CHECKING:
    from gateway.app.ensemble import Ensemble

_SCREEN_COLUMNS = 110  # the longest row of a decoded message


class SimulatorName(StrEnum):
    """A far side that can be simulated."""

    BUREAU = "bureau"
    CORE = "core"


class StoryName(StrEnum):
    """A region with a story, in the order of the seeds."""

    XIAMEN = "xiamen"
    FANGCHENGGANG = "fangchenggang"
    SHIJIAZHUANG = "shijiazhuang"
    KUNMING = "kunming"
    QINGDAO = "qingdao"


class BenchName(StrEnum):
    """Something that `gateway bench` measures."""

    CODEC = "codec"
    LINKS = "links"
    MODULE = "module"
    OPERATIONS = "operations"
    STORE = "store"


app = typer.Typer(
    help="Bank-side ISO 8583 gateway for Chinese social-security cards.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.add_typer(message_app, name="message")
app.add_typer(keys_app, name="keys")
app.add_typer(operations_app, name="operations")
app.add_typer(links_app, name="links")

store_app = typer.Typer(help="The database.", no_args_is_help=True)
app.add_typer(store_app, name="store")

app.add_typer(regions_app, name="regions")

_Embedded = Annotated[bool, typer.Option("--embedded", help="End when standard input ends.")]

# Each command imports what it needs: `gateway --help` must not install a reactor.


@app.command()
def serve(
    config: Annotated[Path, typer.Option(help="The configuration file, TOML.")],
    *,
    embedded: _Embedded = False,
) -> None:
    """Start the gateway for real peers."""
    from gateway.app.serve import serve as run  # noqa: PLC0415
    from gateway.app.settings import load_settings  # noqa: PLC0415

    with _errors():
        sys.exit(run(load_settings(config), embedded=embedded))


@app.command(name="security-module")
def security_module(
    side: Annotated[Side, typer.Option(help="Whose keys and PINs.")],
    key_store: Annotated[Path, typer.Option(help="The side's key store, a directory.")],
    socket: Annotated[Path, typer.Option(help="Where to listen, a Unix socket.")],
    pin_list: Annotated[Path | None, typer.Option(help="PINs to refuse, one a line.")] = None,
    user: Annotated[str, typer.Option(help="Whom root becomes before it reads a key.")] = "",
    *,
    embedded: _Embedded = False,
) -> None:
    """Start one side's security module as a process of its own."""
    import uvloop  # noqa: PLC0415

    from gateway.hsm.module import become, run  # noqa: PLC0415

    loop = uvloop.new_event_loop
    with _errors():
        if user:
            become(user)
        run(key_store, socket, side, embedded=embedded, pin_list=pin_list, loop_factory=loop)


@store_app.command()
def upgrade(config: Annotated[Path, typer.Option(help="The configuration file, TOML.")]) -> None:
    """Bring the database of an older release up to this one; make a copy of it first."""
    from gateway.app.settings import load_settings  # noqa: PLC0415
    from gateway.app.storage import upgrade_database  # noqa: PLC0415

    with _errors():
        before, after = upgrade_database(load_settings(config).store)
        typer.echo(f"schema {before or 'of an empty database'} to {after}")


@app.command()
def simulate(  # noqa: PLR0913 - a command has the options it has
    name: Annotated[SimulatorName, typer.Argument(help="Which far side.")],
    keys: Annotated[Path, typer.Option(help="Its PIN and MAC key, a TOML file.")],
    port: Annotated[int, typer.Option(help="ISO 8583 port; 0 takes a free one.")] = 0,
    control_port: Annotated[int, typer.Option(help="HTTP control port; 0 takes a free one.")] = 0,
    region: Annotated[str, typer.Option(help="The region a bureau is of.")] = "xiamen",
    *,
    dialect: Annotated[
        str, typer.Option(help="What it speaks; else the dialect of its name.")
    ] = "",
    messages: Annotated[str, typer.Option(help="What is said; else the set of its name.")] = "",
    specifications: Annotated[
        Path | None, typer.Option(help="Your own dialects/, messages/, regions/.")
    ] = None,
    embedded: _Embedded = False,
) -> None:
    """Start one simulator alone: a bureau or a bank core."""
    from gateway.app.specifications import shipped_directory  # noqa: PLC0415
    from gateway.simulators.process import SimulatorSettings, run_simulator  # noqa: PLC0415

    specs = specifications or shipped_directory()
    is_bureau = name is SimulatorName.BUREAU
    with _errors():
        run_simulator(
            SimulatorSettings(
                side=name.value,
                dialect=specs / "dialects" / f"{dialect or name.value}.toml",
                message_set=specs / "messages" / f"{messages or name.value}.toml",
                keys=keys,
                region=specs / "regions" / f"{region}.toml" if is_bureau else None,
                iso8583_port=port,
                control_port=control_port,
                stop_with_stdin=embedded,
            )
        )


@app.command()
def demo(
    region: Annotated[
        StoryName | None, typer.Option(help="One region's story, every message in full.")
    ] = None,
) -> None:
    """Play the regions' stories, each against gateway, bureau and core of its own.

    Without a region: Xiamen's with every message in full, then the other four in short.
    """
    from rich.console import Console  # noqa: PLC0415

    from gateway.app.stories.playbill import STORIES  # noqa: PLC0415

    console = Console(width=_SCREEN_COLUMNS, highlight=False)
    with _errors():
        for each in [region] if region else StoryName:
            in_short = region is None and each is not StoryName.XIAMEN
            console.print(f"[bold magenta]{each.value.capitalize()}\n")
            with _ensemble(each) as ensemble:
                STORIES[each](ensemble, console, in_short=in_short).play()
        console.print("Every step came out as it should. 全部步骤符合预期。", style="bold green")


@app.command()
def run() -> None:
    """Start gateway, bureau and core with fresh test keys, and stay up until Ctrl-C."""
    from gateway.app.guide import guide  # noqa: PLC0415

    with _errors(), _ensemble() as ensemble:
        with suppress(KeyboardInterrupt):
            typer.echo(guide(ensemble))
            ensemble.wait()
        typer.echo("Stopping.")


@app.command(hidden=True)
def documents(
    directory: Annotated[Path, typer.Option(help="Where the documents are.")] = Path("docs"),
) -> None:
    """Write the generated documents anew."""
    from gateway.app.documents import documents as generated  # noqa: PLC0415
    from gateway.app.specifications import Specifications, shipped_directory  # noqa: PLC0415

    with _errors():
        for name, text in generated(Specifications(shipped_directory())).items():
            (directory / name).write_text(text, encoding="utf-8")


@app.command()
def bench(
    names: Annotated[list[BenchName] | None, typer.Argument(help="What to measure; all.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the figures there as JSON too.")] = None,
) -> None:
    """Measure on this machine, in about two minutes, and print a Markdown table."""
    from gateway.app.bench import codec, links, module, operations, store  # noqa: PLC0415
    from gateway.app.bench.figures import Figure, to_json, to_markdown  # noqa: PLC0415

    measures: dict[BenchName, Callable[[], list[Figure]]] = {
        BenchName.CODEC: codec.measure,
        BenchName.LINKS: links.measure,
        BenchName.MODULE: module.measure,
        BenchName.OPERATIONS: operations.measure,
        BenchName.STORE: store.measure,
    }
    with _errors():
        figures = [figure for name in names or BenchName for figure in measures[name]()]
        typer.echo(to_markdown(figures))
        if json is not None:
            json.write_text(to_json(figures), encoding="utf-8")


def main() -> None:
    """Run the command line."""
    app()


@contextmanager
def _ensemble(region: str = "xiamen") -> Iterator["Ensemble"]:
    """Run an ensemble in a directory that goes with it; SIGTERM is as good as Ctrl-C."""
    from gateway.app.ensemble import Ensemble  # noqa: PLC0415

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with (
        TemporaryDirectory(prefix="sscard-gateway-") as directory,
        Ensemble(Path(directory), region=region) as ensemble,
    ):
        yield ensemble


@contextmanager
def _errors() -> Iterator[None]:
    """Print an error on purpose as one line; anything else is a defect and keeps its traceback."""
    try:
        yield
    except GatewayError as error:
        typer.echo(f"gateway: {error}", err=True)
        raise typer.Exit(2) from None
