"""Tags and lengths of BER-TLV (ISO/IEC 8825-1, 8.1; EMV Book 3, annex B), in one form each.

A tag is written here as EMV writes it, in hexadecimal digits: ``9F26``. Raw forms are strings of
one character a byte.
"""

from gateway.iso8583.field_content import BadContent

# A tag is one byte, or more where the last five bits of the first are ones: each but the last has
# its top bit set, and the first of them is not empty (8.1.2.4). EMV numbers some tags below 31 so.
_MORE = 0x1F
_CONSTRUCTED = 0x20
_NOT_LAST = 0x80
_SHORT_MAX = 0x7F  # a length up to here is one byte
_TAG_BYTES_MAX = 3


def is_constructed(tag: str) -> bool:
    """Tell whether the value of a tag is made of further tags (8.1.2.5)."""
    return bool(int(tag[:2], 16) & _CONSTRUCTED)


def raw_tag(tag: str) -> str:
    """Give the raw form of a tag; raises `ValueError` for what is none."""
    try:
        raw = bytes.fromhex(tag).decode("latin-1")
        end = tag_end(raw, 0)
    except (ValueError, IndexError, BadContent):
        end, raw = -1, ""
    if end != len(raw) or tag != tag.upper() or len(tag) != 2 * len(raw):
        raise ValueError("a tag is that of one BER-TLV object, in hexadecimal capitals: 9F26")
    return raw


def tag_end(raw: str, start: int) -> int:
    """Find the end of the tag that begins at `start`; raises `BadContent`."""
    first = ord(raw[start])
    if first in {0x00, 0xFF}:
        raise BadContent(start, "00 and FF are no tags, and nothing fills the gaps")
    end = start + 1
    if first & _MORE != _MORE:
        return end
    while end < len(raw) and end < start + _TAG_BYTES_MAX:
        byte = ord(raw[end])
        end += 1
        if byte == _NOT_LAST and end == start + 2:
            break  # a number that begins with zeros
        if not byte & _NOT_LAST:
            return end
    raise BadContent(start, "not a tag in its shortest form")


def length_at(raw: str, start: int) -> tuple[int, int]:
    """Read the length at `start`; gives it with its end. Raises `BadContent`."""
    first = ord(raw[start]) if start < len(raw) else 0
    if first <= _SHORT_MAX:
        length, end = first, start + 1
    else:
        end = start + 1 + (first & _SHORT_MAX)
        length = int.from_bytes(raw[start + 1 : end].encode("latin-1"))
    if not length or raw[start:end] != raw_length(length):
        raise BadContent(start, "not a length above zero in its shortest form")
    return length, end


def raw_length(length: int) -> str:
    """Give the shortest form of a length up to 65,535 (8.1.3)."""
    if length <= _SHORT_MAX:
        return chr(length)
    count = (length.bit_length() + 7) // 8
    return chr(_NOT_LAST | count) + length.to_bytes(count).decode("latin-1")
