"""The running gateway's own socket, for its operator: asks a far side for a new key.

One question a connection, one line of JSON each way. The socket lies beside the database, has mode
0600 and is the operator's alone; what it is asked for changes nothing by itself.
"""

import asyncio
import json
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from gateway.app.key_changes import KeyedLink
from gateway.iso8583.key_change import ChangedKey
from gateway.terms.errors import LocalError, SpecificationError, Unavailable

SUFFIX = ".control"
LINE_BYTES_MAX = 1_024
ANSWER_SECONDS_MAX = 20.0  # a far side answers within ten
KEYS = {"pin": ChangedKey.PIN, "mac": ChangedKey.MAC}


def control_path(database: Path) -> Path:
    """Give where the gateway of a database listens for its operator."""
    return database.with_name(database.name + SUFFIX)


def ask_for_key(database: Path, link: str, key: str) -> str:
    """Have the running gateway ask a far side for a new key; gives its DE 39.

    Raises `Unavailable` when no gateway runs, or no answer came, and `LocalError` for a link that
    there is not.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(ANSWER_SECONDS_MAX)
        try:
            connection.connect(str(control_path(database)))
            connection.sendall(json.dumps({"link": link, "key": key}).encode() + b"\n")
            answer = json.loads(connection.makefile("rb").readline(LINE_BYTES_MAX))
        except (OSError, ValueError):
            raise Unavailable("no gateway with this configuration answers") from None
    if "unknown" in answer:
        raise LocalError("the gateway has no such link, or the link no such key")
    if not answer.get("response_code"):
        raise Unavailable("the far side did not answer, or the link is down")
    return str(answer["response_code"])


class Control:
    """Listens for the operator of one gateway."""

    def __init__(self, links: Mapping[str, KeyedLink]) -> None:
        self._links = links

    async def listen(self, path: Path) -> asyncio.Server:
        """Open the socket; one that a killed gateway left is replaced.

        The database beside it is held by one gateway only, hence so is the socket. Raises
        `SpecificationError` when the path cannot be used.
        """
        return await asyncio.start_unix_server(self._serve, sock=_bound(path), limit=LINE_BYTES_MAX)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, ValueError):
            answer = await self._answer(await reader.readline())
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        writer.close()

    async def _answer(self, line: bytes) -> Mapping[str, object]:
        try:
            question = json.loads(line)
            link, key = self._links[question["link"]], KEYS[question["key"]]
        except (KeyError, TypeError, ValueError):
            return {"unknown": True}
        heard: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        try:
            link.request_key(key, heard.set_result)
        except Unavailable:
            return {"response_code": ""}
        return {"response_code": await heard}


def _bound(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # The mode must be right from the first moment, not after a chmod.
    mask = os.umask(0o177)
    try:
        listening.bind(str(path))
    except OSError as error:
        listening.close()
        raise SpecificationError(str(path), "", f"cannot be listened on: {error}") from None
    finally:
        os.umask(mask)
    return listening
