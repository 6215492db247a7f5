"""Logs: one JSON object a line on standard error, masked by type and without local variables."""

import logging
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import suppress
from typing import Any, TextIO, cast

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import ExcInfo

from gateway.terms.errors import GatewayError

_ALLOWED_CHARACTERS_MAX = 512  # a partner's text in a log line is cut here


def configure(level: str) -> None:
    """Send structlog's and the standard library's lines to standard error as JSON."""
    exceptions = structlog.processors.ExceptionRenderer(_describe)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        exceptions,
        _shorten,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(ensure_ascii=False)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", _StandardError())),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
            foreign_pre_chain=shared,
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


class _StandardError:
    """Standard error, which may be a file on a disk without room: that must stop nothing."""

    def write(self, text: str) -> int:
        """Write what can be written."""
        with suppress(OSError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        """Bring it there."""
        with suppress(OSError):
            sys.stderr.flush()


# Local variables of a frame hold PIN blocks and card numbers: never show them.
_DICTIONARIES = ExceptionDictTransformer(show_locals=False)


def _describe(exc_info: ExcInfo) -> list[dict[str, Any]]:
    """Describe an exception and its causes by kind and frames.

    Only our own errors keep their texts: others may quote what a caller or a peer sent.
    """
    safe = {kind.__name__ for kind in _kinds(GatewayError)}
    described = _DICTIONARIES(exc_info)
    for each in described:
        each |= {"exc_notes": [], "exceptions": []}
        if each["exc_type"] not in safe:
            each["exc_value"] = "(not shown)"
    return described


def _kinds(of: type[Exception]) -> Iterator[type[Exception]]:
    yield of
    for kind in of.__subclasses__():
        yield from _kinds(kind)


def _shorten(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    for name, value in event.items():
        if isinstance(value, str) and len(value) > _ALLOWED_CHARACTERS_MAX:
            event[name] = value[:_ALLOWED_CHARACTERS_MAX] + "…"
    return event
