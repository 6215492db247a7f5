"""What a message tool is given: hex text, base64, raw bytes; on the command line, in a file, piped.

Nothing of what was given ever stands in an error: it may be a message with card numbers.
"""

import base64
import binascii
import re
import sys
from enum import StrEnum
from pathlib import Path

from gateway.terms.errors import GatewayError

STDIN = "-"
# Some hundred of the longest messages: who has more has a capture, and a command for that.
INPUT_BYTES_MAX = 1 << 20
_SPACE = re.compile(rb"\s+")
_HEX = re.compile(rb"([0-9A-Fa-f]{2})+")
_BASE64 = re.compile(rb"[0-9A-Za-z+/]{4,}={0,2}")


class InputForm(StrEnum):
    """How bytes are written; ``auto`` takes hex before base64 before bytes as they are.

    A message that consists of hexadecimal digits only (all fields numeric, bitmap in hex) has to
    be called binary.
    """

    AUTO = "auto"
    HEX = "hex"
    BASE64 = "base64"
    BINARY = "binary"


class BadInput(GatewayError):
    """What was given cannot be read as bytes of a message."""


def given_bytes(given: str, form: InputForm = InputForm.AUTO) -> bytes:
    """Read the bytes of a message from a file's name, ``-`` or hex text; raises `BadInput`."""
    source = _source(given)
    if source is not None:
        return decoded(source, form)
    text = given.encode("utf-8", "replace")
    if form is InputForm.AUTO and not _HEX.fullmatch(_SPACE.sub(b"", text)):
        raise BadInput("there is no such file, and this is not hex text")
    return decoded(text, form)


def given_text(given: str) -> str:
    """Read text from a file's name or ``-``; raises `BadInput`."""
    source = _source(given)
    if source is None:
        raise BadInput("there is no such file")
    try:
        return source.decode("utf-8")
    except UnicodeDecodeError:
        raise BadInput("the text is not UTF-8") from None


def _source(given: str) -> bytes | None:
    """Read standard input or a file; None where there is no file of that name."""
    try:
        if given == STDIN:
            source = sys.stdin.buffer.read(INPUT_BYTES_MAX + 1)
        elif Path(given).is_file():
            with Path(given).open("rb") as file:
                source = file.read(INPUT_BYTES_MAX + 1)
        else:
            return None
    except (OSError, ValueError) as error:  # too long for a name, a NUL in it, no permission
        if isinstance(error, PermissionError):
            raise BadInput("the file may not be read") from None
        return None
    if len(source) > INPUT_BYTES_MAX:
        raise BadInput(f"more than {INPUT_BYTES_MAX} bytes; is this a capture?")
    return source


def decoded(source: bytes, form: InputForm = InputForm.AUTO) -> bytes:
    """Read bytes written in `form`; raises `BadInput`."""
    compact = _SPACE.sub(b"", source)
    if form is InputForm.AUTO:
        form = _form_of(compact)
    if not compact:
        raise BadInput("nothing was given")
    match form:
        case InputForm.HEX:
            if not _HEX.fullmatch(compact):
                raise BadInput("hex text is pairs of hexadecimal digits")
            return bytes.fromhex(compact.decode("ascii"))
        case InputForm.BASE64:
            return _from_base64(compact)
        case _:
            return source


def _form_of(compact: bytes) -> InputForm:
    if _HEX.fullmatch(compact):
        return InputForm.HEX
    if len(compact) % 4 == 0 and _BASE64.fullmatch(compact):
        return InputForm.BASE64
    return InputForm.BINARY


def _from_base64(compact: bytes) -> bytes:
    try:
        return base64.b64decode(compact, validate=True)
    except binascii.Error:
        raise BadInput("this is not base64") from None
