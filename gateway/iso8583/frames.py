"""Messages in a stream of bytes: frames cut out of it, and written into it."""

from gateway.iso8583.errors import MalformedFrame
from gateway.iso8583.framing import Frame, Framing

_frame = tuple.__new__  # half of the time that the class takes by itself


class FrameWriter:
    """Puts messages into frames; the lengths of bare ones are written once."""

    def __init__(self, framing: Framing) -> None:
        self._framing = framing
        self._is_bare = framing.is_bare
        self._prefixes: dict[int, bytes] = {}  # by payload; as many as there are lengths

    def frame(self, payload: bytes, envelope: bytes = b"") -> bytes:
        """Do what `Framing.frame` does; raises `LocalError` as it does."""
        prefix = self._prefixes.get(len(payload))
        if prefix is not None and not envelope:
            return prefix + payload
        framed = self._framing.frame(payload, envelope)
        if self._is_bare and not envelope:
            self._prefixes[len(payload)] = framed[: -len(payload)]
        return framed


class FrameReader:
    """Cuts the bytes of one connection into frames, however the network split or joined them."""

    def __init__(self, framing: Framing) -> None:
        self._framing = framing
        self._prefix_bytes = framing.prefix_bytes
        self._is_bare = framing.is_bare
        self._lengths: dict[bytes, int] = {}  # by length prefix; as many as there are lengths
        self._rest = b""
        self._error: MalformedFrame | None = None

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes as they came; give the frames that are complete now.

        Raises `MalformedFrame` when the stream cannot be a stream of frames, and again at every
        later call: whoever lost the place in the stream cannot find it again. Frames that were
        complete before the bad one in the same bytes are still given; the error then comes with
        the next call.
        """
        if self._error:
            raise self._error
        frames: list[Frame] = []
        try:
            self._rest = self._cut(self._rest + data, frames)
        except MalformedFrame as error:
            self._error = error
            self._rest = b""
            if not frames:
                raise
        return frames

    @property
    def is_inside_frame(self) -> bool:
        """Tell whether a frame has begun that is not complete."""
        return bool(self._rest)

    @property
    def error(self) -> MalformedFrame | None:
        """What is wrong with the stream, once something is."""
        return self._error

    def _cut(self, data: bytes, frames: list[Frame]) -> bytes:
        """Add the frames that are complete in `data`; give what is left of it."""
        start, end_of_data = 0, len(data)
        while (begin := start + self._prefix_bytes) <= end_of_data:
            prefix = data[start:begin]
            length = self._lengths.get(prefix)
            if length is None:
                length = self._lengths[prefix] = self._framing.length_of(prefix)
            end = begin + length
            if end > end_of_data:
                break
            body = data[begin:end]
            frames.append(_frame(Frame, (body, b"")) if self._is_bare else self._framing.open(body))
            start = end
        return data[start:]
