"""What `gateway message pcap` does: packets of a capture file, through libpcap."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cypcap

from gateway.app.message_tools.conversation import Conversations, Said
from gateway.app.message_tools.message_input import BadInput
from gateway.app.message_tools.segments import Fragmented, known_link_type, segment_of


@dataclass(slots=True)
class Capture:
    """One capture, pcap or pcapng, and the count of what was in it."""

    file: Path
    conversations: Conversations
    messages: int = 0
    flaws: int = 0
    fragments: int = 0

    def lines(self) -> Iterator[str]:
        """Write every message with time and direction as it is found; raises `BadInput`.

        However long the capture is, only unfinished parts of it are kept in memory.
        """
        for said in self._said():
            self.messages += said.account is not None
            self.flaws += said.is_flaw
            yield from _lines(said)
        yield f"{self.messages} messages, {self.flaws} flaws"
        if self.fragments:
            yield f"{self.fragments} packets are IP fragments, which are not put together"

    def records(self) -> Iterator[dict[str, Any]]:
        """Give the same for JSON, a record for each message or remark; raises `BadInput`."""
        for said in self._said():
            self.messages += said.account is not None
            self.flaws += said.is_flaw
            yield _record(said)
        yield {"messages": self.messages, "flaws": self.flaws, "fragments": self.fragments}

    def _said(self) -> Iterator[Said]:
        try:
            with cypcap.open_offline(str(self.file)) as packets:
                yield from self._packets(packets, int(packets.datalink()))
        except cypcap.Error as error:
            # What was read before is good; libpcap's text names the file and the flaw only.
            yield from self.conversations.end()
            raise BadInput(f"the capture cannot be read: {error.args[1]}") from None
        yield from self.conversations.end()

    def _packets(self, packets: "cypcap.Pcap", link_type: int) -> Iterator[Said]:
        if not known_link_type(link_type):
            raise BadInput(f"link-layer type {link_type} of the capture is not known")
        for header, packet in packets:
            try:
                segment = segment_of(bytes(packet), link_type)
            except Fragmented:
                self.fragments += 1
                continue
            if segment:
                yield from self.conversations.feed(segment, header.ts)


def _record(said: Said) -> dict[str, Any]:
    what = said.account.as_json() if said.account else {"remark": said.remark}
    ends = {"sender": str(said.sender), "receiver": str(said.receiver)}
    return {"time": _time(said), **ends, "flaw": said.is_flaw, **what}


def _time(said: Said) -> str:
    return datetime.fromtimestamp(said.time, UTC).isoformat(timespec="microseconds")


def _lines(said: Said) -> Iterator[str]:
    head = f"{_time(said)} {said.sender} > {said.receiver}"
    if said.account is None:
        yield f"{head}  {said.remark}"
        return
    yield ""
    yield head
    yield from said.account.lines()
