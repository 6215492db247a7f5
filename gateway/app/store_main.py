"""The store's process: ``python -m gateway.app.store_main DESCRIPTOR``, an inherited socket.

It alone holds the data keys and the database; it knows neither HTTP nor any far side. `serve`
starts it, and it ends with `serve` whatever becomes of that.
"""

import ctypes
import os
import resource
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from gateway.app.database import open_database
from gateway.app.store_process import AWAY, READY, REFUSED
from gateway.hsm.data_key import DataKey, load_data_key
from gateway.linking.kinds import EXCHANGES
from gateway.store.frames import Frames, Item, frame
from gateway.store.host import Host
from gateway.store.journal import Journal
from gateway.store.node import LeasedNode, Membership, Node
from gateway.store.reader import Reader
from gateway.store.sealing import Sealer
from gateway.terms.errors import SpecificationError, Unavailable
from gateway.terms.sides import Side

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4  # prctl(2)
_ORDER_MAX = 65_536  # bytes


def main(line: socket.socket) -> None:
    """Serve the gateway at the other end until it says so; die when it is gone without a word.

    At once, as it did, whatever is in a transaction: that stands as a whole or not at all.
    """
    order = _heard(line)
    if order is None:
        return
    try:
        _serve(line, *order)
    except SpecificationError as error:
        line.sendall(frame([(REFUSED, error.file, error.key, error.rule)]))
    except Unavailable as error:
        line.sendall(frame([(AWAY, str(error))]))


def _heard(line: socket.socket) -> Item | None:
    """Hear what to open; nothing when the gateway never says, for its configuration is wrong."""
    frames = Frames()
    while data := line.recv(_ORDER_MAX):
        for order in frames.take(data):
            return order
    return None


def _serve(
    line: socket.socket,
    files: list[str],
    database: tuple[str | None, ...],
    membership: tuple[Any, ...],
) -> None:
    keys = [load_data_key(Path(file), side) for file, side in zip(files, Side, strict=True)]
    path, url, password_file = database
    store = open_database(_path(path), url, _path(password_file))
    try:
        node = _joined(store.engine, membership) if url else Node()
        is_told = _work(line, store, dict(zip(Side, keys, strict=True)), node)
        if is_told and isinstance(node, LeasedNode):
            with suppress(Unavailable):  # others find the lease at its end
                node.leave(store.engine)
    finally:
        store.close()


def _work(line: socket.socket, store: Any, keys: dict[Side, DataKey], node: Node) -> bool:  # noqa: ANN401 - a database of either kind
    sealer = Sealer(keys[Side.SOCIAL], keys[Side.FINANCIAL])
    host = Host(line, node.lease)
    reader = Reader(store.readers, sealer, EXCHANGES.__getitem__)
    journal = Journal(store.engine, sealer, host.deliver, node, host.lost, lambda: host.is_followed)
    fingerprint_keys = [(side.value, key.fingerprint_key) for side, key in keys.items()]
    line.sendall(frame([(READY, fingerprint_keys)]))
    is_told = host.serve(journal, reader)
    if not is_told:
        die()
    journal.close()
    return is_told


def die() -> None:
    """End here and now."""
    os._exit(os.EX_OK)


def _joined(engine: Any, membership: tuple[Any, ...]) -> LeasedNode:  # noqa: ANN401 - SQLAlchemy's
    node = LeasedNode(Membership(*membership))
    node.join(engine)
    return node


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


def seal() -> None:
    """Die with the parent, leave no core file, and have no other process read this memory.

    Raises `OSError` where the kernel refuses.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    process = ctypes.CDLL(None, use_errno=True)
    for option, value in ((_PR_SET_PDEATHSIG, signal.SIGKILL), (_PR_SET_DUMPABLE, 0)):
        if process.prctl(option, value, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")
    # Ctrl-C of a terminal is for the gateway, which then says so.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


if __name__ == "__main__":
    seal()
    with socket.socket(fileno=int(sys.argv[1])) as inherited:
        main(inherited)
