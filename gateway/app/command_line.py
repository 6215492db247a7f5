"""The command `gateway`: what there is to call, and nothing of it imported before it is called.

Each process of ours starts here, so that what one of them does not need must not be loaded here.
"""

from dataclasses import dataclass
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from gateway.app.importing import imported


@dataclass(frozen=True, slots=True)
class _Place:
    """The module whose `app` is a sub-command, and the line of `gateway --help` about it."""

    module: str
    says: str
    hidden: bool = False


_PLACES: Final = {
    "serve": _Place("gateway.app.commands.serve", "Start the gateway for real peers."),
    "security-module": _Place(
        "gateway.app.commands.security_module",
        "Start one side's security module as a process of its own.",
    ),
    "simulate": _Place(
        "gateway.app.commands.simulate", "Start one simulator alone: a bureau or a bank core."
    ),
    "demo": _Place(
        "gateway.app.commands.demo",
        "Play the regions' stories, each against gateway, bureau and core of its own.",
    ),
    "run": _Place(
        "gateway.app.commands.run",
        "Start gateway, bureau and core with fresh test keys, and stay up until Ctrl-C.",
    ),
    "clock": _Place(
        "gateway.app.commands.clock",
        "Tell the time of a gateway of `gateway run`, and let time pass for it at once.",
    ),
    "bench": _Place(
        "gateway.app.commands.bench",
        "Measure on this machine, in some minutes, and print a Markdown table.",
    ),
    "message": _Place(
        "gateway.app.message_tools.commands",
        "Describe, encode and send single messages; read captures.",
    ),
    "keys": _Place("gateway.app.commands.keys", "Keys of one side: ceremony, rotation, audit."),
    "operations": _Place("gateway.app.commands.operations", "Operations that wait for a person."),
    "links": _Place("gateway.app.commands.links", "Links of the running gateway."),
    "store": _Place("gateway.app.commands.store", "The database."),
    "regions": _Place("gateway.app.commands.regions", "Region profiles."),
    "documents": _Place(
        "gateway.app.commands.documents", "Write the generated documents anew.", hidden=True
    ),
}


class _CalledByName(TyperGroup):
    """Sub-commands that are imported when they are called; help is written without them."""

    def __init__(self, **given: Any) -> None:  # noqa: ANN401 - Typer's
        super().__init__(**given)
        for name, place in _PLACES.items():
            self.add_command(TyperCommand(name, help=place.says, hidden=place.hidden))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 - Typer's
        name, _, rest = super().resolve_command(ctx, args)
        assert name is not None  # a name that is not known was refused
        return name, get_command(imported(_PLACES[name].module).app), rest


app = typer.Typer(
    cls=_CalledByName,
    help="Bank-side ISO 8583 gateway for Chinese social-security cards.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def gateway() -> None:
    """Bank-side ISO 8583 gateway for Chinese social-security cards."""


def main() -> None:
    """Run the command line."""
    app()
