"""What was made of files is made anew when they change: a renewed certificate needs no restart."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import structlog
from twisted.internet.interfaces import IStreamClientEndpoint
from zope.interface import implementer

log = structlog.get_logger()
T = TypeVar("T")

_Stamp = tuple[tuple[str, int, int, int], ...]


class Renewed(Generic[T]):
    """Gives what `make` made of the files as they are; directories count with what they hold.

    Files that cannot be used leave what was made before in force, and the log says so: whoever
    renews a certificate replaces it and its key one after the other.
    """

    def __init__(self, files: Sequence[Path], make: Callable[[], T]) -> None:
        self._files = tuple(files)
        self._make = make
        self._stamp = _stamp(self._files)
        self._made = make()

    def get(self) -> T:
        """Give it; some microseconds where nothing has changed."""
        stamp = _stamp(self._files)
        if stamp == self._stamp:
            return self._made
        self._stamp, names = stamp, [str(file) for file in self._files]
        try:
            self._made = self._make()
        except Exception as error:  # noqa: BLE001 - whatever is wrong, the one before is in force
            log.warning("certificates-not-renewed", files=names, why=type(error).__name__)
        else:
            log.info("certificates-renewed", files=names)
        return self._made


@implementer(IStreamClientEndpoint)
class RenewedEndpoint:
    """A client's endpoint that reads files that have changed anew before it connects."""

    def __init__(self, files: Sequence[Path], make: Callable[[], Any]) -> None:
        self._endpoint = Renewed(files, make)

    def connect(self, factory: Any) -> Any:  # noqa: ANN401 - Twisted's
        """Connect; gives Twisted's Deferred of the protocol."""
        return self._endpoint.get().connect(factory)


def _stamp(files: Sequence[Path]) -> _Stamp:
    found = [each for file in files for each in (file, *(file.iterdir() if file.is_dir() else ()))]
    return tuple(sorted(filter(None, map(_stamp_of, found))))


def _stamp_of(file: Path) -> tuple[str, int, int, int] | None:
    try:
        now = file.stat()
    except OSError:  # gone for a moment, while it is replaced
        return None
    return str(file), now.st_mtime_ns, now.st_size, now.st_ino
