"""Bytes to JSON values, strictly: RFC 8259 without its liberties.

UTF-8 only, no lone surrogate, no member twice, no NaN or Infinity, bounded nesting. Errors carry
the rule, and a pointer only where it can be built from the API's own names: a member's name may
itself be something that must not be repeated.
"""

import json
import re
from collections import Counter
from collections.abc import Collection
from typing import Any, NoReturn

from gateway.api.problems import FieldError, InvalidRequest

# The deepest body of the API has two levels; as many openings as this bound both depth and
# breadth before the parser sees them.
OPENINGS_MAX = 64


class _DuplicateMember(Exception):
    """An object names a member twice."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        [(name, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise _DuplicateMember(name)
    return members


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


_VALID = "valid JSON (RFC 8259) in UTF-8"
_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
_AS_TEXT = json.JSONEncoder(ensure_ascii=False)
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


def parse(body: bytes, member_names: Collection[str]) -> Any:  # noqa: ANN401 - any JSON value
    """Parse a request body; `member_names` are the names that an error may repeat.

    Raises `InvalidRequest` with the rule that was broken.
    """
    if not body:
        raise _broken("a body: there is none")
    if body.count(b"{") + body.count(b"[") > OPENINGS_MAX:
        raise _broken(f"at most {OPENINGS_MAX} objects and arrays")
    try:
        value = _DECODER.decode(body.decode("utf-8"))
        if _SURROGATE_ESCAPE.search(body):
            # RFC 8259, 8.2: the grammar allows a half of a pair, which is no Unicode text.
            _AS_TEXT.encode(value).encode("utf-8")
    except _DuplicateMember as duplicate:
        known = duplicate.name in member_names
        pointer = f"/{duplicate.name}" if known else ""
        raise _broken("no member twice", pointer) from None
    except json.JSONDecodeError as error:
        raise _broken(f"{_VALID}: broken at character {error.pos + 1}") from None
    except UnicodeDecodeError as error:
        raise _broken(f"{_VALID}: broken at byte {error.start + 1}") from None
    except ValueError:
        # No number, or one longer than Python converts; a lone surrogate.
        raise _broken(_VALID) from None
    return value


def canonical(value: object) -> bytes:
    """Write a JSON value so that equal values are equal bytes: sorted members, no white space."""
    return _ENCODER.encode(value).encode("ascii")


def _broken(rule: str, pointer: str = "") -> InvalidRequest:
    return InvalidRequest(FieldError(rule, pointer=pointer))
