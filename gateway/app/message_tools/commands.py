"""The sub-commands of `gateway message`."""

import json as jsons
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.app.message_tools.message_input import InputForm
from gateway.terms.errors import GatewayError, LocalError

app = typer.Typer(
    help="Describe, encode and send single messages; read captures.", no_args_is_help=True
)

_Dialect = Annotated[str, typer.Option(help="A name in specs/dialects.")]
_AnyDialect = Annotated[str | None, typer.Option(help="A name in specs/dialects; else all.")]
_Draft = Annotated[str, typer.Argument(metavar="[FILE|-]", help="The message, JSON or TOML.")]
_MALFORMED = 1
_WRONG_CALL = 2

# Each command imports what it needs, as those of `gateway` do.


@app.command()
def describe(
    given: Annotated[str, typer.Argument(metavar="[FILE|-|HEX]", help="The message.")] = "-",
    dialect: _AnyDialect = None,
    message_set: Annotated[str | None, typer.Option(help="A name in specs/messages.")] = None,
    input_form: Annotated[InputForm, typer.Option(help="How it is written.")] = InputForm.AUTO,
    *,
    framed: Annotated[bool, typer.Option("--framed", help="With length prefix and TPDU.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Show a message field by field, masked. Status 1: it is malformed."""
    from gateway.app.message_tools.describing import Findings, FindingsOfAll  # noqa: PLC0415
    from gateway.app.message_tools.fitting import tongue, tongues  # noqa: PLC0415
    from gateway.app.message_tools.message_input import given_bytes  # noqa: PLC0415
    from gateway.app.specifications import Specifications, shipped_directory  # noqa: PLC0415

    if message_set and not dialect:
        raise typer.BadParameter("needs --dialect", param_hint="--message-set")
    with _errors():
        data, specifications = given_bytes(given, input_form), Specifications(shipped_directory())
        found: Findings | FindingsOfAll
        if dialect:
            found = Findings(tongue(specifications, dialect, message_set), data, framed=framed)
        else:
            found = FindingsOfAll(tongues(specifications), data, framed=framed)
        _say([_json(found.as_json())] if json else found.lines())
        raise typer.Exit(0 if found.good else _MALFORMED)


@app.command()
def encode(
    dialect: _Dialect,
    given: _Draft = "-",
    *,
    framed: Annotated[bool, typer.Option("--framed", help="With length prefix and TPDU.")] = False,
    binary: Annotated[bool, typer.Option("--binary", help="Write bytes, not hex.")] = False,
) -> None:
    """Write a message as hex. Status 1: it does not fit the dialect."""
    from gateway.app.message_tools.draft import parse_draft  # noqa: PLC0415
    from gateway.app.message_tools.message_input import given_text  # noqa: PLC0415
    from gateway.app.specifications import Specifications, shipped_directory  # noqa: PLC0415
    from gateway.iso8583.codec import Codec  # noqa: PLC0415

    with _errors():
        codec = Codec(Specifications(shipped_directory()).dialect(dialect))
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
    given: Annotated[str, typer.Argument(metavar="[FILE|-]", help="JSON, TOML or hex.")] = "-",
    keys: Annotated[Path | None, typer.Option(help="A keys file, as simulators take it.")] = None,
    timeout_seconds: Annotated[float, typer.Option(min=0.1, max=600)] = 30.0,
) -> None:
    """Send a message and show it and its answer. Status 1: no good answer."""
    from gateway.app.message_tools.sending import Sending  # noqa: PLC0415
    from gateway.app.specifications import Specifications, shipped_directory  # noqa: PLC0415

    with _errors():
        sending = Sending.prepare(Specifications(shipped_directory()), dialect, given, keys)
        _say(sending.lines(address, timeout_seconds))
        raise typer.Exit(0 if sending.answered_well else _MALFORMED)


@app.command()
def pcap(
    file: Annotated[Path, typer.Argument(help="The capture, pcap or pcapng.")],
    dialect: _AnyDialect = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Of either end.")] = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="Write a JSON record a line.")] = False,
) -> None:
    """Show every message of a capture. Status 1: one is malformed, or bytes are missing."""
    from gateway.app.message_tools.capture import Capture  # noqa: PLC0415
    from gateway.app.message_tools.conversation import Conversations  # noqa: PLC0415
    from gateway.app.message_tools.fitting import tongue, tongues  # noqa: PLC0415
    from gateway.app.specifications import Specifications, shipped_directory  # noqa: PLC0415

    with _errors():
        specifications = Specifications(shipped_directory())
        known = [tongue(specifications, dialect)] if dialect else tongues(specifications)
        capture = Capture(file, Conversations(known, port))
        _say(map(jsons.dumps, capture.records()) if json else capture.lines())
        raise typer.Exit(_MALFORMED if capture.flaws or not capture.messages else 0)


@app.command()
def dissector(dialect: _Dialect) -> None:
    """Write a Wireshark dissector in Lua for a dialect."""
    from gateway.app.message_tools.dissector import dissector as written  # noqa: PLC0415
    from gateway.app.message_tools.fitting import tongue  # noqa: PLC0415
    from gateway.app.specifications import Specifications, shipped_directory  # noqa: PLC0415

    with _errors():
        typer.echo(written(tongue(Specifications(shipped_directory()), dialect)), nl=False)


def _json(values: dict[str, Any]) -> str:
    return jsons.dumps(values, ensure_ascii=False, indent=2)


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        typer.echo(line)


@contextmanager
def _errors() -> Iterator[None]:
    """Print an error on purpose as one line: status 1 for the message, 2 for anything else."""
    try:
        yield
    except GatewayError as error:
        typer.echo(f"gateway: {error}", err=True)
        raise typer.Exit(_MALFORMED if isinstance(error, LocalError) else _WRONG_CALL) from None
