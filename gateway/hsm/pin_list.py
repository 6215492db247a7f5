"""The operator's own list of refused PINs: a text file, read when a security module starts.

It is no secret, but only the module may compare a PIN with it, so it belongs to the module's
configuration. It refuses besides the rules of any region, and in every region.
"""

import re
from pathlib import Path

from gateway.pinblock.policy import PinList
from gateway.terms.errors import SpecificationError

PIN_LIST_BYTES_MAX = 8_000_000  # a million PINs of six digits and their line ends
_PIN = re.compile(rb"[0-9]{4,12}")


def read_pin_list(file: Path) -> PinList:
    """Read a list: a PIN of 4 to 12 digits on each line, or nothing, or a comment after ``#``.

    Raises `SpecificationError` with file, line and rule.
    """
    try:
        with file.open("rb") as opened:
            text = opened.read(PIN_LIST_BYTES_MAX + 1)
    except OSError as error:
        raise SpecificationError(str(file), "", f"cannot be read: {error.strerror}") from None
    if len(text) > PIN_LIST_BYTES_MAX:
        raise SpecificationError(str(file), "", f"must have at most {PIN_LIST_BYTES_MAX} bytes")
    lines = [line.partition(b"#")[0].strip() for line in text.splitlines()]
    for number, line in enumerate(lines, 1):
        if line and not _PIN.fullmatch(line):
            raise SpecificationError(str(file), f"line {number}", "must be a PIN of 4 to 12 digits")
    return PinList(tuple(sorted(set(filter(None, lines)))))
