"""How a request that comes twice is known, and whether it is still the same request."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from gateway.iso8583.mac import MAC_DATA_ELEMENTS
from gateway.iso8583.matching import KeyReader
from gateway.iso8583.message import Message, without_repeat
from gateway.iso8583.original_data import OriginalData

DuplicateKey = tuple[str, ...]
_KEY = KeyReader()


def duplicate_key(request: Message) -> DuplicateKey:
    """Give what a request shares with its repeats.

    Class and function (without the repeat digit), DE 11, 7, 32, 33, 37, 41, normalised as for
    matching.
    """
    return (without_repeat(request.mti), *_KEY(request)[1:])


def original_key(reversal: Message, original: OriginalData) -> DuplicateKey:
    """Give the key of the message that a reversal undoes.

    DE 90 names it but for DE 37 and 41, in which a reversal repeats its original.
    """
    named = {
        7: original.transmission_date_time,
        11: original.stan,
        32: original.acquirer,
        33: original.forwarder,
        37: reversal.text(37),
        41: reversal.text(41),
    }
    return duplicate_key(Message(original.mti, named))


def body_hash(request: Message) -> bytes:
    """Hash everything of a request but repeat digit and MAC: SHA-256, 32 bytes.

    A second request with the same key and another hash is not a repeat (DE 39 answers 94).
    """
    digest = hashlib.sha256(without_repeat(request.mti).encode("ascii"))
    for part in _parts(request):
        # With its length in front, no value can run over into the next.
        digest.update(len(part).to_bytes(4, "big") + part)
    return digest.digest()


def is_near(sent: str, now: datetime, reach: timedelta) -> bool:
    """Tell whether a request was sent (DE 7) within `reach` of now, UTC, before it or after.

    DE 7 has no year: the nearest is meant, so that a reach is less than half a year. A request is
    known again for as long as its key is kept; one sent long before that may have been carried out.
    """
    for year in (now.year - 1, now.year, now.year + 1):
        try:
            at = datetime.strptime(f"{year}{sent}", "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        except ValueError:  # such as 29 February in most years
            continue
        if abs(now - at) <= reach:
            return True
    return False


def _parts(request: Message) -> Iterator[bytes]:
    for data_element in sorted(request.fields.keys() - MAC_DATA_ELEMENTS):
        value = request.fields[data_element]
        yield data_element.to_bytes(2, "big")
        yield value if isinstance(value, bytes) else value.encode("utf-8")
