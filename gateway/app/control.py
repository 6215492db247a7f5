"""The running gateway's own socket, for its operator: one question a connection, JSON each way.

The socket lies beside the database and is the gateway's user's alone. Members of a group may be let
in to resolve operations: who they are is the kernel's word (SO_PEERCRED, unix(7)), not theirs.
"""

import asyncio
import grp
import json
import os
import pwd
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from gateway.app.clock import GatewayClock
from gateway.app.futures import resolve
from gateway.iso8583.key_change import ChangedKey
from gateway.terms.errors import LocalError, PeerError, SpecificationError, Unavailable

SUFFIX = ".control"
QUESTION_BYTES_MAX = 8_192  # a reason of 500 characters, each written as an escape of six bytes
ANSWER_BYTES_MAX = 4 * 1024 * 1024  # a page of operations, each with its whole history
ANSWER_SECONDS_MAX = 20.0  # a far side answers within ten
FOR_GROUP = frozenset({"manual"})
KEYS = {"pin": ChangedKey.PIN, "mac": ChangedKey.MAC}

Question = Mapping[str, Any]
Answer = Mapping[str, object]
_UNKNOWN = "the gateway does not answer this; about its clock only with serve --movable-clock"
Desk = Callable[[Question], Awaitable[Answer]]
"""Answers one kind of question; raises `LocalError` or `Unavailable` in words for the operator."""


def control_path(database: Path) -> Path:
    """Give where the gateway of a database listens for its operator."""
    return database.with_name(database.name + SUFFIX)


def ask(database: Path, desk: str, question: Question) -> dict[str, Any]:
    """Ask a desk of the gateway that runs on this database.

    Raises `Unavailable` when no gateway runs or no answer came, and `LocalError` with the
    gateway's words when it refuses.
    """
    line = json.dumps({"ask": desk, **question}).encode() + b"\n"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(ANSWER_SECONDS_MAX)
        try:
            connection.connect(str(control_path(database)))
            connection.sendall(line)
            answer = json.loads(connection.makefile("rb").readline(ANSWER_BYTES_MAX))
        except (OSError, ValueError):
            path = control_path(database)
            rule = f"no gateway answers at {path}: start it, or name the configuration it has"
            raise Unavailable(rule) from None
    if "refused" in answer:
        raise LocalError(str(answer["refused"]))
    if "unavailable" in answer:
        raise Unavailable(str(answer["unavailable"]))
    return dict(answer)


def ask_for_key(database: Path, link: str, key: str) -> str:
    """Have the running gateway ask a far side for a new key; gives its DE 39.

    Raises `Unavailable` when no gateway runs, or no answer came, and `LocalError` for a link that
    there is not.
    """
    return str(ask(database, "key", {"link": link, "key": key})["response_code"])


def let_pass(database: Path, seconds: int) -> str:
    """Let time pass for the running gateway at once; gives its instant then, as RFC 3339.

    Raises `Unavailable` when none runs, and `LocalError` for one whose clock is not moved.
    """
    return str(ask(database, "clock", {"advance_seconds": seconds})["now"])


def announce_day(database: Path, link: str, day: str) -> str:
    """Have the running gateway tell a far side the new business day, MMDD; as `ask_for_key`."""
    return str(ask(database, "cut-over", {"link": link, "day": day})["response_code"])


class ManagedLink(Protocol):
    """A link whose far side may be asked, or told, something by an operator.

    Both raise `Unavailable` where that cannot be said now; `heard` gets the far side's DE 39, or
    nothing when none came.
    """

    def request_key(self, key: ChangedKey, heard: Callable[[str], None]) -> None:
        """Ask the far side for a new key."""

    def announce(self, business_day: str, heard: Callable[[str], None]) -> None:
        """Tell the far side the new business day; raises `PeerError` for one that cannot be."""


def key_desk(links: Mapping[str, ManagedLink]) -> Desk:
    """Make the desk that asks far sides for new keys."""

    async def desk(question: Question) -> Answer:
        try:
            link, key = links[question["link"]], KEYS[question["key"]]
        except (KeyError, TypeError):
            raise LocalError("the gateway has no such link, or the link no such key") from None
        return await _heard(partial(link.request_key, key))

    return desk


def cut_over_desk(links: Mapping[str, ManagedLink]) -> Desk:
    """Make the desk that tells far sides the new business day."""

    async def desk(question: Question) -> Answer:
        try:
            link, day = links[question["link"]], str(question["day"])
        except (KeyError, TypeError):
            raise LocalError("the gateway has no such link") from None
        try:
            return await _heard(partial(link.announce, day))
        except PeerError as error:
            raise LocalError(str(error)) from None

    return desk


def clock_desk(clock: GatewayClock) -> Desk:
    """Make the desk that lets time pass for a gateway whose clock may be moved."""

    async def desk(question: Question) -> Answer:
        seconds = question.get("advance_seconds", 0)
        if type(seconds) is not int:
            raise LocalError("advance_seconds is a number of seconds")
        clock.advance(timedelta(seconds=seconds))
        return {"now": clock.now().isoformat()}

    return desk


async def _heard(say: Callable[[Callable[[str], None]], None]) -> Answer:
    heard: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    say(resolve(heard))
    code = await heard
    if not code:
        raise Unavailable("the far side did not answer, or the link is down")
    return {"response_code": code}


class Control:
    """Listens for the operators of one gateway: its own user, and `group` where there is one.

    Members of the group are served at the desks in `FOR_GROUP` only. Every desk hears who asks: the
    member `by` of a question is the user's name.
    """

    def __init__(self, desks: Mapping[str, Desk], group: str = "") -> None:
        self._desks = desks
        self._group = group

    async def listen(self, path: Path) -> asyncio.Server:
        """Open the socket; one that a killed gateway left is replaced.

        The database beside it is held by one gateway only, hence so is the socket. Raises
        `SpecificationError` when the path cannot be used.
        """
        sock = _bound(path, self._group)
        return await asyncio.start_unix_server(self._serve, sock=sock, limit=QUESTION_BYTES_MAX)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, ValueError):
            uid = _uid_of_peer(writer.get_extra_info("socket").fileno())
            answer = await self._answer(await reader.readline(), uid)
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        writer.close()

    async def _answer(self, line: bytes, uid: int) -> Answer:
        try:
            question = json.loads(line)
            name = question["ask"]
            desk = self._desks[name]
        except (KeyError, TypeError, ValueError):
            return {"refused": _UNKNOWN}
        if uid not in {0, os.geteuid()} and name not in FOR_GROUP:
            return {"refused": "only the gateway's own user may ask this"}
        try:
            return await desk({**question, "by": _user(uid)})
        except LocalError as error:
            return {"refused": str(error)}
        except Unavailable as error:
            return {"unavailable": str(error)}


def _uid_of_peer(descriptor: int) -> int:
    """Ask the kernel who had connected, as the peer's effective user was then."""
    with socket.socket(fileno=os.dup(descriptor)) as connection:
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    return int(_UCRED.unpack(credentials)[1])


_UCRED = struct.Struct("iii")  # process, user, group


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _bound(path: Path, group: str) -> socket.socket:
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # The mode must be right from the first moment, not after a chmod.
    mask = os.umask(0o177)
    try:
        listening.bind(str(path))
        if group:
            os.chown(path, -1, grp.getgrnam(group).gr_gid)
            path.chmod(0o660)
    except KeyError:
        listening.close()
        rule = "is no group of this machine"
        raise SpecificationError(group, "control_group", rule) from None
    except OSError as error:
        listening.close()
        raise SpecificationError(str(path), "", f"cannot be listened on: {error}") from None
    finally:
        os.umask(mask)
    return listening
