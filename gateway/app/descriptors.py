"""Whether this process may open another file: without one nobody new is let in, no link is made.

What is open goes on. The listening sockets turn away whoever comes meanwhile, without a word and
without spinning, as libuv and Twisted have it; so somebody must say it who can be heard.
"""

import asyncio
import os
import resource

import structlog

log = structlog.get_logger()

LOOK_S = 1.0


class Descriptors:
    """Known by looks, each of which opens a file and closes it."""

    def __init__(self) -> None:
        self.why_none = ""  # nothing while there is one

    async def watch(self) -> None:
        """Look for ever."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_S)

    def look(self) -> None:
        """Know whether one is left, and say so once when that is another answer than before."""
        why = ""
        try:
            os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        except OSError as error:
            limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
            why = f"no file descriptor is left ({error.strerror}; at most {limit})"
        if bool(why) is not bool(self.why_none):
            if why:
                log.error("descriptors-exhausted", why=why)
            else:
                log.info("descriptors-again")
        self.why_none = why
