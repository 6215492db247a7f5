"""Messages to bytes and back: exactly one byte form per message, anything else is refused."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, NoReturn

from gateway.iso8583 import mac as macs
from gateway.iso8583.dialect import BITMAP_BITS, Dialect
from gateway.iso8583.errors import MacMismatch, MalformedMessage, UnencodableMessage
from gateway.iso8583.field_content import Value
from gateway.iso8583.field_form import field_forms
from gateway.iso8583.mac import MAC_DATA_ELEMENTS, Mac
from gateway.iso8583.message import MTI_RULE, MTIS, Message
from gateway.iso8583.plans import DecodePlan, EncodePlan

# A link speaks some twenty layouts. A peer that sends ever new ones is read field by field, which
# costs time but no memory.
PLANS_MAX = 256
_BITMAP_BYTES = BITMAP_BITS // 8
_SECONDARY = 1
_TERTIARY = 65


class Reading(NamedTuple):
    """One data element where it stands in a message; `offset` and `length` in bytes."""

    data_element: int
    offset: int
    length: int
    value: Value


class Codec:
    """The codec of one dialect."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self._forms = field_forms(dialect)
        self._mti_raw = {mti: _raw_mti(mti, dialect.numeric) for mti in MTIS}
        self._mtis = {raw: mti for mti, raw in self._mti_raw.items()}
        self._bitmap_at = len(_raw_mti("0000", dialect.numeric))
        self._decode_plans: dict[str, DecodePlan] = {}
        self._encode_plans: dict[tuple[int, ...], EncodePlan | None] = {}
        self._sealing_plans: dict[tuple[int, ...], EncodePlan | None] = {}

    # ------------------------------------------------------------ decode

    def decode(self, data: bytes) -> Message:
        """Read one message; raises `MalformedMessage` with place, offset and rule.

        The MAC is not looked at: `verify_mac` does that.
        """
        text = data.decode("latin-1")
        at = self._bitmap_at
        mti = self._mtis.get(text[:at])
        # The first bit announces the secondary bitmap.
        start = at + (2 * _BITMAP_BYTES if text[at : at + 1] >= "\x80" else _BITMAP_BYTES)
        plan = self._decode_plans.get(text[at:start])
        if plan and mti:
            fields = plan.decode(text, start)
            if fields is not None:
                return Message(mti, fields)
        return self._decode_slowly(text)

    def _decode_slowly(self, text: str) -> Message:
        mti = self._read_mti(text)
        fields = {reading.data_element: reading.value for reading in self._readings(text)}
        elements, start = self._read_bitmap(text)
        bitmap = text[self._bitmap_at : start]
        if len(self._decode_plans) < PLANS_MAX:
            plan = DecodePlan([self._forms[element] for element in elements])
            self._decode_plans.setdefault(bitmap, plan)
        return Message(mti, fields)

    def readings(self, data: bytes) -> Iterator[Reading]:
        """Read field by field; raises `MalformedMessage` after the last good one.

        The first reading is the MTI, as data element 0.
        """
        text = data.decode("latin-1")
        yield Reading(0, 0, self._bitmap_at, self._read_mti(text))
        yield from self._readings(text)

    def _readings(self, text: str) -> Iterator[Reading]:
        elements, start = self._read_bitmap(text)
        for element in elements:
            value, end = self._forms[element].read(text, start)
            yield Reading(element, start, end - start, value)
            start = end
        if start < len(text):
            raise MalformedMessage("end", start, "bytes follow the last field of the bitmap")

    def _read_mti(self, text: str) -> str:
        mti = self._mtis.get(text[: self._bitmap_at])
        return mti or self._refuse_mti(text)

    def _refuse_mti(self, text: str) -> NoReturn:
        if len(text) < self._bitmap_at:
            raise MalformedMessage("MTI", 0, "the message ends inside the MTI")
        raise MalformedMessage("MTI", 0, MTI_RULE, self._mti_hint(text))

    def _mti_hint(self, text: str) -> str:
        ascii_expected = self.dialect.numeric == "ascii"
        if ascii_expected and "\x01" <= text[0] <= "\x08":
            return "MTI looks like BCD, dialect says ASCII"
        if not ascii_expected and text[:4] in MTIS:
            return "MTI looks like ASCII, dialect says BCD"
        if ascii_expected and text[4:8] in MTIS:
            return "a length seems to stand before the MTI"
        if text[:1] == "\x60":
            return "a TPDU seems to stand before the MTI"
        return ""

    def _read_bitmap(self, text: str) -> tuple[list[int], int]:
        """Give data elements and where the first of them begins."""
        at = self._bitmap_at
        elements = _bits(text[at : at + _BITMAP_BYTES])
        end = at + _BITMAP_BYTES
        if elements[:1] == [_SECONDARY]:
            second = _bits(text[end : end + _BITMAP_BYTES])
            elements = elements[1:] + [BITMAP_BITS + bit for bit in second]
            end += _BITMAP_BYTES
        if len(text) < end:
            raise MalformedMessage("bitmap", at, "the message ends inside the bitmap")
        rule = self._bitmap_flaw(elements, has_secondary=end > at + _BITMAP_BYTES)
        if rule:
            raise MalformedMessage("bitmap", at, rule, _bitmap_hint(text[at : at + _BITMAP_BYTES]))
        return elements, end

    def _bitmap_flaw(self, elements: list[int], *, has_secondary: bool) -> str:
        if not elements:
            return "no data element is present"
        if _TERTIARY in elements:
            return "bit 65 announces a tertiary bitmap, which the dialect does not have"
        unknown = [element for element in elements if element not in self._forms]
        if unknown:
            return f"the dialect does not have DE {unknown[0]}"
        if has_secondary and elements[-1] <= BITMAP_BITS:
            return "bit 1 announces a secondary bitmap, which is empty"
        return self._mac_place_flaw(elements)

    def _mac_place_flaw(self, elements: Iterable[int]) -> str:
        others = set(elements) - MAC_DATA_ELEMENTS
        place = self.dialect.mac.data_element_for(others)
        if MAC_DATA_ELEMENTS.intersection(elements) <= {place}:
            return ""
        return f"the MAC of a message with these fields stands in DE {place}"

    # ------------------------------------------------------------ encode

    def encode(self, message: Message, mac: Mac | None = None) -> bytes:
        """Write one message; with `mac` it gets its MAC in the dialect's data element.

        A MAC that is in the fields already is replaced then. Raises `UnencodableMessage`.
        """
        raw_mti = self._mti_raw.get(message.mti)
        if raw_mti is None:
            raise UnencodableMessage("MTI", MTI_RULE)
        if mac is None:
            return (raw_mti + self._body(message.fields, self._encode_plans)).encode("latin-1")
        fields = _without_mac(message.fields)
        data = (raw_mti + self._body(fields, self._sealing_plans)).encode("latin-1")
        return data + macs.mac_of(data, mac)

    def _body(
        self, fields: Mapping[int, Value], plans: dict[tuple[int, ...], EncodePlan | None]
    ) -> str:
        key = tuple(fields)
        plan = plans.get(key)
        body = plan.encode(fields) if plan else None
        if body is not None:
            return body
        return self._body_slowly(fields, plans)

    def _body_slowly(
        self, fields: Mapping[int, Value], plans: dict[tuple[int, ...], EncodePlan | None]
    ) -> str:
        sealing = plans is self._sealing_plans
        elements = sorted(fields)
        marked = [*elements, self.dialect.mac.data_element_for(elements)] if sealing else elements
        bitmap = self._write_bitmap(marked)
        forms = [self._forms[element] for element in elements]
        body = bitmap + "".join(form.write(fields[form.data_element]) for form in forms)
        if len(plans) < PLANS_MAX and EncodePlan.suits(forms):
            plans.setdefault(tuple(fields), EncodePlan(bitmap, forms))
        return body

    def _write_bitmap(self, elements: list[int]) -> str:
        has_secondary = max(elements, default=0) > BITMAP_BITS
        flaw = self._bitmap_flaw(elements, has_secondary=has_secondary)
        if flaw:
            raise UnencodableMessage("bitmap", flaw)
        bits = [_SECONDARY, *elements] if has_secondary else elements
        size = 2 * BITMAP_BITS if has_secondary else BITMAP_BITS
        number = sum(1 << (size - bit) for bit in bits)
        return number.to_bytes(size // 8, "big").decode("latin-1")

    # ------------------------------------------------------------ MAC

    def verify_mac(self, data: bytes, mac: Mac) -> None:
        """Check the MAC of a message as it came, before it is decoded for use.

        Raises `MacMismatch` where it is missing or wrong, `MalformedMessage` for a bad bitmap.
        """
        elements, start = self._read_bitmap(data.decode("latin-1"))
        # The codec allows a MAC in the last data element only, so it is the last 8 bytes.
        if elements[-1] not in MAC_DATA_ELEMENTS or len(data) < start + macs.MAC_BYTES:
            raise MacMismatch("missing")
        macs.verify(data, mac)


def _raw_mti(mti: str, numeric: str) -> str:
    return bytes.fromhex(mti).decode("latin-1") if numeric == "bcd" else mti


def _bits(raw: str) -> list[int]:
    """List the bits that are set, numbered from 1."""
    number = int.from_bytes(raw.encode("latin-1").ljust(_BITMAP_BYTES, b"\0"), "big")
    return [bit for bit in range(1, BITMAP_BITS + 1) if number >> (BITMAP_BITS - bit) & 1]


def _bitmap_hint(raw: str) -> str:
    if all(character in "0123456789ABCDEFabcdef" for character in raw):
        return "bitmap looks like hex text, dialect says binary"
    return ""


def _without_mac(fields: Mapping[int, Value]) -> Mapping[int, Value]:
    if MAC_DATA_ELEMENTS.isdisjoint(fields):
        return fields
    return {de: value for de, value in fields.items() if de not in MAC_DATA_ELEMENTS}
