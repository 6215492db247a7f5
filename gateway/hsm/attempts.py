"""The refused attempts of cards on disk, so that who restarts the module does not clear them.

::

    ends 1800003600          when the present span of time is over, in seconds since the epoch
    before 3 5f0c…           refusals of the span before, by card
    5f0c…                    one refusal of the present span
    back 5f0c…               one of them was none after all

Cards stand there under the keyed fingerprint by which the gateway names them: no number and
nothing of a PIN. A line is handed to the kernel when the refusal is answered, so it outlives the
process, however that ends; the last ones may be lost when the machine itself does.
"""

import os
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from gateway.hsm.private_files import read_private, replace_private
from gateway.terms.errors import LocalError, SpecificationError

ATTEMPTS_FILE = "attempts.log"
# A span counts 100,000 cards and ten refusals of each (soft_module), in lines of 65 bytes, beside
# the counts of the span before: 73 MB. What the module may write it must be able to read.
ATTEMPTS_BYTES_MAX = 96 << 20

# A line that takes one back stands with the one that it takes back, 135 bytes: 14 MB, then the file
# is written anew without them.
TAKEN_BACK_MAX = 100_000

_ENDS = re.compile(r"ends ([0-9]{1,12})")
_BEFORE = re.compile(r"before ([0-9]{1,3}) ([0-9A-Za-z_.:-]{1,128})")
_NOW = re.compile(r"([0-9A-Za-z_.:-]{1,128})")
_BACK = re.compile(r"back ([0-9A-Za-z_.:-]{1,128})")


class Attempts(NamedTuple):
    """What was counted: refusals by card in the present span, which ends, and in the one before."""

    ends: float
    before: dict[str, int]
    now: dict[str, int]


class AttemptFile:
    """One module's file of refused attempts; made when the first span begins."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._descriptor = -1
        self._taken_back = 0

    def read(self) -> Attempts:
        """Read what was counted; raises `SpecificationError` for a file that is not right."""
        if not self._file.exists():
            return Attempts(0.0, {}, {})
        *whole, unfinished = read_private(self._file, ATTEMPTS_BYTES_MAX).split("\n")
        first, *lines = whole or [""]
        ends = _ENDS.fullmatch(first)
        before: dict[str, int] = {}
        now: Counter[str] = Counter()
        for line in lines:
            if older := _BEFORE.fullmatch(line):
                before[older[2]] = int(older[1])
            elif _NOW.fullmatch(line):
                now[line] += 1
            elif taken_back := _BACK.fullmatch(line):
                now[taken_back[1]] -= 1
            else:
                ends = None
        if ends is None:
            rule = "is not a file of attempts; without it, all cards begin anew"
            raise SpecificationError(str(self._file), "", rule)
        self._open()
        # Of a machine that died while it wrote: what is added next would run on from it.
        length = os.fstat(self._descriptor).st_size - len(unfinished.encode())
        os.ftruncate(self._descriptor, length)
        return Attempts(float(ends[1]), before, dict(+now))

    def write(self, attempts: Attempts) -> None:
        """Write the file anew: a span of time begins, or much was taken back."""
        ends, before, now = attempts
        lines = [f"ends {ends:.0f}", *(f"before {count} {card}" for card, count in before.items())]
        lines += [card for card, count in now.items() for _ in range(count)]
        replace_private(self._file, "\n".join((*lines, "")))
        self._taken_back = 0
        self._open()

    @property
    def is_full_of_nothing(self) -> bool:
        """Tell whether so much was taken back that the file had better be written anew."""
        return self._taken_back >= TAKEN_BACK_MAX

    def add(self, card: str) -> None:
        """Add one refusal; raises `LocalError` when it cannot be written."""
        self._append(card)

    def take_back(self, card: str) -> None:
        """Take a refusal of the present span back; raises as `add`."""
        self._append(f"back {card}")
        self._taken_back += 1

    def _append(self, line: str) -> None:
        try:
            os.write(self._descriptor, f"{line}\n".encode("ascii"))
        except OSError as error:
            raise LocalError(f"{self._file}: cannot be written: {error.strerror}") from None

    def _open(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self._descriptor = os.open(self._file, flags)
