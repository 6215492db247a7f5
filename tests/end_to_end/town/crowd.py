"""Many connections that misbehave in one way, and what a process holds meanwhile."""

import os
import resource
import socket
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, cycle
from math import ceil
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple, Self

_ABORT = struct.pack("ii", 1, 0)  # SO_LINGER: a close sends RST
_TURN_SECONDS = 0.2  # between two words of each
_COME_AGAIN_SECONDS = 10.0
_HEARD_BYTES_MAX = 65_536
_SPARE_DESCRIPTORS = 256


class Crowd:
    """`size` connections to one place; a tenth of them a second come again, until `close`.

    Each says what its `words` give, a piece a turn; then it waits, or `resets` the connection.
    Those that are `deaf` never read. `sources` are the addresses that they come from in turn.
    """

    def __init__(
        self,
        place: tuple[str, int],
        size: int,
        words: Callable[[], Iterable[bytes]],
        *,
        deaf: bool = False,
        resets: bool = False,
        sources: Sequence[str] = ("127.0.0.1",),
    ) -> None:
        self.ended = self.came = 0
        self._place, self._size, self._words = place, size, words
        self._deaf, self._resets, self._sources = deaf, resets, cycle(sources)
        self._members: dict[socket.socket, Iterator[bytes]] = {}
        self._over = Event()
        self._thread = Thread(target=self._live)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let everybody go."""
        self._over.set()
        self._thread.join()

    def _live(self) -> None:
        arrivals = self._size
        while not self._over.is_set():
            for _ in range(min(arrivals, self._size - len(self._members))):
                self._come()
            arrivals = ceil(self._size * _TURN_SECONDS / _COME_AGAIN_SECONDS)
            for member in tuple(self._members):
                if not self._takes_turn(member):
                    self._go(member)
                    self.ended += 1
            self._over.wait(_TURN_SECONDS)
        for member in tuple(self._members):
            self._go(member)

    def _come(self) -> None:
        member = socket.socket()
        if self._deaf:
            member.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        member.bind((next(self._sources), 0))
        member.setblocking(False)
        member.connect_ex(self._place)
        self._members[member] = iter(self._words())
        self.came += 1

    def _takes_turn(self, member: socket.socket) -> bool:
        """Say the next word and listen; tells whether the connection is still there."""
        words = self._members[member]
        word = next(words, b"")
        if not word and self._resets:
            return False
        try:
            if word:
                member.send(word)
                word = b""
            return self._deaf or member.recv(_HEARD_BYTES_MAX) != b""
        except BlockingIOError:
            self._members[member] = chain([word], words) if word else words
            return True
        except OSError:
            return False

    def _go(self, member: socket.socket) -> None:
        del self._members[member]
        if self._resets:
            with suppress(OSError):
                member.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        member.close()


class Held(NamedTuple):
    """What a process holds: descriptors, and mebibytes of memory."""

    descriptors: int
    mebibytes: float

    @classmethod
    def by(cls, pid: int) -> "Held":
        """Look at a process."""
        pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
        descriptors = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
        return cls(descriptors, pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20))


def room_for(connections: int) -> int:
    """Let this process have so many connections where it may; gives how many it can have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _SPARE_DESCRIPTORS
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        soft = limit
    return min(connections, soft - _SPARE_DESCRIPTORS)
