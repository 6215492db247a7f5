"""The sub-commands of `gateway message`."""

import json as jsons
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.app.message_tools.message_input import BadInput, InputForm
from gateway.terms.errors import GatewayError, SpecificationError

if TYPE_CHECKING:
    from gateway.app.specifications import Specifications

app = typer.Typer(
    help="Describe, encode and send single messages; read captures.",
    no_args_is_help=True,
    add_completion=False,
)

_Dialect = Annotated[str, typer.Option(help="A name in specs/dialects.")]
_AnyDialect = Annotated[str | None, typer.Option(help="A name in specs/dialects; else all.")]
_Draft = Annotated[str, typer.Argument(metavar="[FILE|-]", help="The message, JSON or TOML.")]
_Own = Annotated[Path | None, typer.Option(help="Your own dialects/ and messages/.")]
_MALFORMED = 1
_WRONG_CALL = 2

# Each command imports what it needs, as those of `gateway` do.


@app.command()
def describe(  # noqa: PLR0913 - a command has the options it has
    given: Annotated[str, typer.Argument(metavar="[FILE|-|HEX]", help="The message.")] = "-",
    dialect: _AnyDialect = None,
    message_set: Annotated[str | None, typer.Option(help="A name in specs/messages.")] = None,
    input_form: Annotated[InputForm, typer.Option(help="How it is written.")] = InputForm.AUTO,
    specifications: _Own = None,
    *,
    framed: Annotated[bool, typer.Option("--framed", help="With length prefix and TPDU.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Show a message field by field, masked. Status 1: it is malformed."""
    from gateway.app.message_tools.describing import Findings, FindingsOfAll  # noqa: PLC0415
    from gateway.app.message_tools.fitting import tongue, tongues  # noqa: PLC0415
    from gateway.app.message_tools.message_input import given_bytes  # noqa: PLC0415

    if message_set and not dialect:
        raise typer.BadParameter("needs --dialect", param_hint="--message-set")
    with _errors():
        data, known = given_bytes(given, input_form), _read_from(specifications)
        found: Findings | FindingsOfAll
        if dialect:
            found = Findings(tongue(known, dialect, message_set), data, framed=framed)
        else:
            found = FindingsOfAll(tongues(known), data, framed=framed)
        _say([_json(found.as_json())] if json else found.lines())
        raise typer.Exit(0 if found.good else _MALFORMED)


@app.command()
def encode(
    dialect: _Dialect,
    given: _Draft = "-",
    specifications: _Own = None,
    *,
    framed: Annotated[bool, typer.Option("--framed", help="With length prefix and TPDU.")] = False,
    binary: Annotated[bool, typer.Option("--binary", help="Write bytes, not hex.")] = False,
) -> None:
    """Write a message as hex. Status 1: it does not fit the dialect."""
    from gateway.app.message_tools.draft import parse_draft  # noqa: PLC0415
    from gateway.app.message_tools.message_input import given_text  # noqa: PLC0415
    from gateway.iso8583.codec import Codec  # noqa: PLC0415

    with _errors():
        codec = Codec(_read_from(specifications).dialect(dialect))
        data = codec.encode(parse_draft(given_text(given)).message(codec.dialect))
        data = codec.dialect.framing.frame(data) if framed else data
        if binary:
            sys.stdout.buffer.write(data)
        else:
            typer.echo(data.hex())


@app.command()
def send(
    address: Annotated[str, typer.Argument(metavar="HOST:PORT", help="Where the peer listens.")],
    dialect: _Dialect,
    given: Annotated[
        list[str] | None, typer.Argument(metavar="[FILE|-]...", help="JSON, TOML or hex.")
    ] = None,
    keys: Annotated[Path | None, typer.Option(help="A keys file, as simulators take it.")] = None,
    timeout_seconds: Annotated[
        float, typer.Option(min=0.1, max=600, help="For everything together.")
    ] = 30.0,
    specifications: _Own = None,
) -> None:
    """Send messages over one connection and show each answer. Status 1: no good answer."""
    from gateway.app.message_tools.sending import Sending, conversation  # noqa: PLC0415

    with _errors():
        known = _read_from(specifications)
        sendings = [Sending.prepare(known, dialect, each, keys) for each in given or ["-"]]
        _say(conversation(sendings, address, timeout_seconds))
        raise typer.Exit(0 if all(each.answered_well for each in sendings) else _MALFORMED)


@app.command()
def pcap(
    file: Annotated[Path, typer.Argument(help="The capture, pcap or pcapng.")],
    dialect: _AnyDialect = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Of either end.")] = None,
    specifications: _Own = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="Write a JSON record a line.")] = False,
) -> None:
    """Show every message of a capture. Status 1: one is malformed, or bytes are missing."""
    from gateway.app.message_tools.capture import Capture  # noqa: PLC0415
    from gateway.app.message_tools.conversation import Conversations  # noqa: PLC0415
    from gateway.app.message_tools.fitting import tongue, tongues  # noqa: PLC0415

    with _errors():
        files = _read_from(specifications)
        known = [tongue(files, dialect)] if dialect else tongues(files)
        capture = Capture(file, Conversations(known, port))
        _say(map(jsons.dumps, capture.records()) if json else capture.lines())
        raise typer.Exit(_MALFORMED if capture.flaws or not capture.messages else 0)


@app.command()
def dissector(dialect: _Dialect, specifications: _Own = None) -> None:
    """Write a Wireshark dissector in Lua for a dialect."""
    from gateway.app.message_tools.dissector import dissector as written  # noqa: PLC0415
    from gateway.app.message_tools.fitting import tongue  # noqa: PLC0415

    with _errors():
        typer.echo(written(tongue(_read_from(specifications), dialect)), nl=False)


def _read_from(own: Path | None) -> "Specifications":
    from gateway.app.specifications import Specifications, shipped_directory  # noqa: PLC0415

    return Specifications(own or shipped_directory())


def _json(values: dict[str, Any]) -> str:
    return jsons.dumps(values, ensure_ascii=False, indent=2)


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        typer.echo(line)


@contextmanager
def _errors() -> Iterator[None]:
    """Print an error on purpose as one line: status 1 for message and peer, 2 for the call."""
    try:
        yield
    except GatewayError as error:
        typer.echo(f"gateway: {error}", err=True)
        wrong_call = isinstance(error, SpecificationError | BadInput)
        raise typer.Exit(_WRONG_CALL if wrong_call else _MALFORMED) from None
