"""Coverage-guided fuzzing of every dialect's codec and framing, for as long as it is told.

``make fuzz SECONDS=600``, or ``python tests/fuzz/fuzz_iso8583.py SECONDS [FOUND]``. It begins from
the saved corpus and keeps what reaches new code, and what breaks a promise, in the directory FOUND
(``var/fuzz``). An input that broke one belongs into the corpus, where a test tries it for ever.

The first byte of an input chooses dialect and target; the rest goes to the codec as a message or to
the frame reader as a stream. Promised is: nothing but the documented refusals is raised; whatever
is accepted re-encodes to the same bytes; a plan reads as field by field; a stream cut anywhere
gives the same frames.
"""

import sys
from contextlib import suppress
from pathlib import Path

try:
    import atheris
except ModuleNotFoundError:  # the test of the corpus needs no fuzzer
    atheris = None

if atheris:
    with atheris.instrument_imports(include=["gateway.iso8583"]):
        from gateway.iso8583.codec import Codec
        from gateway.iso8583.dialect import parse_dialect
        from gateway.iso8583.errors import MacMismatch, MalformedFrame, MalformedMessage
        from gateway.iso8583.frames import FrameReader
else:
    from gateway.iso8583.codec import Codec
    from gateway.iso8583.dialect import parse_dialect
    from gateway.iso8583.errors import MacMismatch, MalformedFrame, MalformedMessage
    from gateway.iso8583.frames import FrameReader

ROOT = Path(__file__).parents[2]
CORPUS = Path(__file__).parent / "corpus"
INPUT_BYTES_MAX = 8192  # longer than the longest frame of any dialect


def _dialect_text(name):
    file = ROOT / "specs" / "dialects" / f"{name}.toml"
    return file.read_text("utf-8"), str(file)


# In a fixed order: the first byte of a saved input means the same for ever. New ones at the end.
DIALECTS = (
    "bureau",
    "core",
    "mainframe-core",
    "bureau-sm4",
    "institution",
    "iso8583-1987-ascii",
    "iso8583-1987-binary",
)
CODECS = [Codec(parse_dialect(*_dialect_text(name), _dialect_text)) for name in DIALECTS]


def check(data):
    """Check every promise for one input; raises `AssertionError` or whatever escaped."""
    if not data:
        return
    codec = CODECS[data[0] % len(CODECS)]
    is_stream = data[0] // len(CODECS) % 2
    (_check_stream if is_stream else _check_message)(codec, data[1:])


def _check_message(codec, data):
    with suppress(MacMismatch, MalformedMessage):
        codec.verify_mac(data, lambda _: bytes(8))
    try:
        message = codec.decode(data)
    except MalformedMessage as refused:
        error = refused
    else:
        error = None
    if error:
        assert 0 <= error.offset <= len(data), "the offset is inside the message"
        return
    assert codec.encode(message) == data, "one byte form per message"
    readings = list(codec.readings(data))
    assert {r.data_element: r.value for r in readings[1:]} == message.fields
    assert codec.decode(data) == message
    for element in codec.structures.keys() & message.fields.keys():
        parts = codec.unpack(message, element)
        assert codec.pack(element, parts) == message.fields[element]


def _check_stream(codec, data):
    whole, halves = _frames(codec, [data]), _frames(codec, [data[:7], data[7:]])
    assert whole == halves, "frames do not depend on where the stream is cut"
    framing = codec.dialect.framing
    for frame in whole:
        if not frame.is_keep_alive:
            framed = framing.frame(frame.payload, frame.envelope)
            assert framed in data, "a frame is written as it was read"


def _frames(codec, pieces):
    reader, frames = FrameReader(codec.dialect.framing), []
    with suppress(MalformedFrame):
        for piece in pieces:
            frames += reader.feed(piece)
    return frames


def main():
    """Fuzz for a number of seconds; the exit status tells whether a promise was broken."""
    seconds, *found = sys.argv[1:]
    directory = Path(found[0] if found else ROOT / "var" / "fuzz")
    directory.mkdir(parents=True, exist_ok=True)
    options = [
        f"-max_total_time={int(seconds)}",
        f"-max_len={INPUT_BYTES_MAX}",
        f"-artifact_prefix={directory}/",
    ]
    atheris.Setup([sys.argv[0], *options, str(directory), str(CORPUS)], check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
