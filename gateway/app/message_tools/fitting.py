"""Which dialect a message is in, and how far it goes in each."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from gateway.app.specifications import Specifications
from gateway.iso8583.codec import Codec
from gateway.iso8583.describe import Description, Row, describe
from gateway.iso8583.dialect import Dialect
from gateway.iso8583.errors import MalformedFrame, RefusedMessage
from gateway.iso8583.frames import FrameReader
from gateway.iso8583.framing import Frame, Framing
from gateway.iso8583.message_set import MessageSet, parse_message_set
from gateway.terms.masking import mask, mask_name

_SHOWN_OF_DOUBTFUL = 6  # characters; the shortest SS card number has 8


@dataclass(frozen=True, slots=True)
class Tongue:
    """A dialect ready to be read, and what is said in it, where a message set is known."""

    dialect: Dialect
    codec: Codec
    message_set: MessageSet | None = None

    def describe(self, data: bytes) -> Description:
        """Describe one message; in a bad one, values are kept back, whatever the dialect says.

        Where a message went wrong is not always where it shows: a lost bit of the bitmap turns a
        card number into an amount.
        """
        subfields = self.message_set.private_subfields if self.message_set else {}
        description = describe(self.codec, data, subfields)
        if description.error is None:
            return description
        return replace(description, rows=tuple(_kept_back(row) for row in description.rows))

    def verdict(self, data: bytes) -> str:
        """Say which message of the set this is, or which rule of the set it breaks."""
        if self.message_set is None:
            return ""
        message = self.codec.decode(data)
        if not message.is_request:
            return ""  # which answers are good, its request says
        try:
            kind = self.message_set.identify(message)
            sender = "gateway" if kind.sender == "both" else kind.sender
            self.message_set.check_request(message, sender)
        except RefusedMessage as refused:
            return f"outside the message set {self.message_set.name}: {refused}"
        return f"{kind.name}: {kind.title}"


def _kept_back(row: Row) -> Row:
    if not row.value.isascii():
        return replace(row, value=mask_name(row.value))
    if len(row.value) <= _SHOWN_OF_DOUBTFUL or "*" in row.value:
        return row
    return replace(row, value=mask(row.value))


def tongue(specifications: Specifications, name: str, message_set: str | None = None) -> Tongue:
    """Load a dialect; without `message_set` with the set written for it, or for what it extends."""
    dialect = specifications.dialect(name)
    codec = Codec(dialect)
    if message_set is not None:
        return Tongue(dialect, codec, specifications.message_set(message_set, dialect))
    written_for: dict[str, str] = {}
    for known in _names(specifications, "messages"):
        text = specifications.text("messages", known)
        written_for.setdefault(parse_message_set(*text).dialect, known)
    for spoken in (name, *dialect.extends):  # the nearest first
        if spoken in written_for:
            message_set = written_for[spoken]
            return Tongue(dialect, codec, specifications.message_set(message_set, dialect))
    return Tongue(dialect, codec)


def tongues(specifications: Specifications) -> list[Tongue]:
    """Load every dialect there is, in alphabetical order."""
    return [tongue(specifications, name) for name in _names(specifications, "dialects")]


def _names(specifications: Specifications, folder: str) -> list[str]:
    return sorted(file.stem for file in (specifications.directory / folder).glob("*.toml"))


# ---------------------------------------------------------------- frames


@dataclass(frozen=True, slots=True)
class Framed:
    """Bytes cut into messages; `error` says why the rest is none, `rest` how long it is."""

    payloads: tuple[bytes, ...]
    keep_alives: int
    rest: int
    error: MalformedFrame | None = None

    @property
    def is_whole(self) -> bool:
        """Tell whether the bytes are frames to the last one, with at least one message."""
        return bool(self.payloads) and not self.rest


def cut(dialect: Dialect, data: bytes) -> Framed:
    """Cut bytes into the frames of a dialect."""
    reader = FrameReader(dialect.framing)
    try:
        frames = reader.feed(data)
    except MalformedFrame as error:
        return Framed((), 0, len(data), error)
    rest = len(data) - sum(frame_bytes(dialect.framing, frame) for frame in frames)
    payloads = tuple(frame.payload for frame in frames if not frame.is_keep_alive)
    return Framed(payloads, len(frames) - len(payloads), rest, reader.error)


def frame_bytes(framing: Framing, frame: Frame) -> int:
    """Tell how many bytes a frame took, length prefix and all."""
    return len(framing.keep_alive() if frame.is_keep_alive else framing.frame(frame.payload))


def framed_in(known: Iterable[Tongue], data: bytes) -> list[str]:
    """Name the dialects whose frames these bytes are, to the last one, with a known MTI each."""
    return [each.dialect.name for each in known if _all_begin(each, cut(each.dialect, data))]


def _all_begin(known: Tongue, framed: Framed) -> bool:
    return framed.is_whole and all(known.describe(payload).rows for payload in framed.payloads)
