"""Messages to bytes and back: exactly one byte form per message, anything else is refused."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, NoReturn

from gateway.iso8583.bitmap import BITMAP_BITS, TERTIARY, BitmapForm
from gateway.iso8583.dialect import Dialect
from gateway.iso8583.ebcdic import Transcoder
from gateway.iso8583.errors import MacMismatch, MalformedMessage, UnencodableMessage
from gateway.iso8583.field_content import BadContent, Value
from gateway.iso8583.layouts import Layout
from gateway.iso8583.mac import MAC_BYTES, MAC_DATA_ELEMENTS, MAC_PRIMARY, MAC_SECONDARY, Mac
from gateway.iso8583.message import MTI_RULE, MTIS, Message
from gateway.iso8583.plans import DecodePlan, EncodePlan
from gateway.iso8583.subfields import Parts

# A link speaks some twenty layouts. A peer that sends ever new ones is read field by field, which
# costs time but no memory.
PLANS_MAX = 256
# Messages of varied lengths have many layouts; each is about 8 kB and half a millisecond's work.
LAYOUTS_MAX = 1_024
_EBCDIC = Transcoder("cp037")


class Reading(NamedTuple):
    """One data element where it stands in a message; `offset` and `length` in bytes."""

    data_element: int
    offset: int
    length: int
    value: Value


class Codec:
    """The codec of one dialect; `structures` divides the fields that have subfields."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self._forms = dialect.field_forms()
        self.structures = dialect.structures()
        self._mti_raw = {mti: _raw_mti(mti, dialect.numeric) for mti in MTIS}
        self._mtis = {raw: mti for mti, raw in self._mti_raw.items()}
        self._bitmap_at = len(_raw_mti("0000", dialect.numeric))
        self._bitmap = BitmapForm(dialect.bitmap, has_tertiary=dialect.has_tertiary)
        # The usual MAC is over all bytes before it, and nothing stands behind it.
        self._mac_rule = dialect.mac
        self._mac_is_bytes = dialect.binary != "hex"
        self._mac_is_whole = self._mac_is_bytes and dialect.mac.form == "full"
        self._seals_the_end = not dialect.mac.covers and not dialect.has_tertiary
        self._mac_bytes = MAC_BYTES * (2 if dialect.binary == "hex" else 1)
        # The key is what any message begins with, up to the first bitmap, and its length.
        self._key_bytes = self._bitmap_at + self._bitmap.map_bytes
        self._layouts: dict[tuple[str, int], Layout] = {}
        self._decode_plans: dict[str, DecodePlan] = {}
        self._encode_plans: dict[tuple[int, ...], EncodePlan | None] = {}
        self._sealing_plans: dict[tuple[int, ...], EncodePlan | None] = {}

    # ------------------------------------------------------------ decode

    def decode(self, data: bytes) -> Message:
        """Read one message; raises `MalformedMessage` with place, offset and rule.

        The MAC is not looked at: `verify_mac` does that.
        """
        text = data.decode("latin-1")
        layout = self._layouts.get((text[: self._key_bytes], len(text)))
        fields = layout.decode(data, text) if layout is not None else None
        if layout is None or fields is None:
            return self._decode_by_plan(text) or self._decode_slowly(text)
        return Message(layout.mti, fields)

    def _decode_by_plan(self, text: str) -> Message | None:
        at = self._bitmap_at
        mti = self._mtis.get(text[:at])
        start = self._bitmap.end(text, at)
        plan = self._decode_plans.get(text[at:start])
        fields = plan.decode(text, start) if plan and mti else None
        if mti is None or fields is None:
            return None
        self._learn(mti, text)
        return Message(mti, fields)

    def _learn(self, mti: str, text: str) -> None:
        """Keep the layout of a good message for those after it."""
        key = text[: self._key_bytes], len(text)
        if len(self._layouts) < LAYOUTS_MAX and key not in self._layouts:
            places = [reading[:3] for reading in self._readings(text)]
            self._layouts[key] = Layout(mti, text, places, self._forms)

    def _decode_slowly(self, text: str) -> Message:
        mti = self._read_mti(text)
        fields = {reading.data_element: reading.value for reading in self._readings(text)}
        elements, start = self._read_bitmap(text)
        bitmap = text[self._bitmap_at : start]
        if len(self._decode_plans) < PLANS_MAX:
            plan = DecodePlan([self._forms[element] for element in elements], elements)
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
        expected = self.dialect.numeric
        for form in ("bcd", "ascii", "ebcdic"):
            if form != expected and _looks_like(text, form):
                return f"MTI looks like {form.upper()}, dialect says {expected.upper()}"
        if expected == "ascii" and text[4:8] in MTIS:
            return "a length seems to stand before the MTI"
        if text[:1] == "\x60":
            return "a TPDU seems to stand before the MTI"
        return ""

    def _read_bitmap(self, text: str) -> tuple[list[int], int]:
        """Give data elements and where the first of them begins."""
        at = self._bitmap_at
        elements, end = self._bitmap.read(text, at)
        maps = (end - at) // self._bitmap.map_bytes
        rule = self._bitmap_flaw(elements, maps)
        if rule:
            raise MalformedMessage("bitmap", at, rule, self._bitmap.hint(text, at))
        return elements, end

    def _bitmap_flaw(self, elements: list[int], maps: int) -> str:
        if not elements:
            return "no data element is present"
        if TERTIARY in elements:
            return "bit 65 announces a tertiary bitmap, which the dialect does not have"
        unknown = [element for element in elements if element not in self._forms]
        if unknown:
            return f"the dialect does not have DE {unknown[0]}"
        if elements[-1] <= (maps - 1) * BITMAP_BITS:
            return _EMPTY_MAP[maps]
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
        fields = message.fields
        plan = self._sealing_plans.get(tuple(fields))  # never one of fields with a MAC
        body = plan.encode(fields) if plan is not None else None
        if body is None:
            fields = _without_mac(fields)
            if not self._seals_the_end:
                return self._sealed_inside(raw_mti, fields, mac)
            body = self._body(fields, self._sealing_plans)
        data = (raw_mti + body).encode("latin-1")
        code = mac(data)
        if self._mac_is_whole and len(code) == MAC_BYTES:
            return data + code
        return data + self._mac_field(code)

    def _sealed_inside(self, raw_mti: str, fields: Mapping[int, Value], mac: Mac) -> bytes:
        """Write the message with zeros for its MAC, then the MAC in their place."""
        place = self.dialect.mac.data_element_for(fields)
        body = self._body({**fields, place: bytes(MAC_BYTES)}, self._encode_plans)
        data = (raw_mti + body).encode("latin-1")
        covered, at = self._covered(data)
        return data[:at] + self._mac_field(mac(covered)) + data[at + self._mac_bytes :]

    def _mac_field(self, code: bytes) -> bytes:
        field = self._mac_rule.field(code)
        return field if self._mac_is_bytes else field.hex().upper().encode("ascii")

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
        body = bitmap + "".join(
            form.write(fields[element]) for form, element in zip(forms, elements, strict=True)
        )
        if len(plans) < PLANS_MAX and EncodePlan.suits(forms):
            plans.setdefault(tuple(fields), EncodePlan(bitmap, forms, elements))
        return body

    def _write_bitmap(self, elements: list[int]) -> str:
        flaw = self._bitmap_flaw(elements, maps=-(-max(elements, default=0) // BITMAP_BITS))
        if flaw:
            raise UnencodableMessage("bitmap", flaw)
        return self._bitmap.write(elements)

    # ------------------------------------------------------------ MAC

    def read(self, data: bytes, mac: Mac) -> Message:
        """Decode a message and check its MAC.

        Raises `MalformedMessage`, or `MacMismatch` where the MAC is missing or wrong.
        """
        text = data.decode("latin-1")
        layout = self._layouts.get((text[: self._key_bytes], len(text)))
        found = layout.decode(data, text) if layout is not None else None
        if layout is None or found is None:
            message = self._decode_by_plan(text) or self._decode_slowly(text)
        else:
            message = Message(layout.mti, found)
        fields = message.fields
        if not self._seals_the_end:
            self.verify_mac(data, mac)
        elif MAC_SECONDARY not in fields and MAC_PRIMARY not in fields:
            raise MacMismatch("missing")
        elif self._mac_is_bytes:
            # Nothing stands behind the MAC, so it is the last 8 bytes.
            self._mac_rule.verify(data[:-MAC_BYTES], mac, data[-MAC_BYTES:])
        else:
            self._verify_end(data, mac)
        return message

    def _verify_end(self, data: bytes, mac: Mac) -> None:
        """Check the MAC where nothing stands behind it."""
        end = len(data) - self._mac_bytes
        self._mac_rule.verify(data[:end], mac, self._mac_found(data[end:]))

    def verify_mac(self, data: bytes, mac: Mac) -> None:
        """Check the MAC of a message as it came, before it is decoded for use.

        Raises `MacMismatch` where it is missing or wrong, `MalformedMessage` for a message in
        which it cannot be found.
        """
        elements, start = self._elements(data.decode("latin-1"))
        if not self._seals_the_end:
            self._verify_inside(data, mac, elements)
            return
        if elements[-1] not in MAC_DATA_ELEMENTS or len(data) < start + self._mac_bytes:
            raise MacMismatch("missing")
        self._verify_end(data, mac)

    def _elements(self, text: str) -> tuple[Sequence[int], int]:
        """Give data elements and where the first begins, read anew only from a new bitmap."""
        start = self._bitmap.end(text, self._bitmap_at)
        plan = self._decode_plans.get(text[self._bitmap_at : start])
        return (plan.data_elements, start) if plan is not None else self._read_bitmap(text)

    def _verify_inside(self, data: bytes, mac: Mac, elements: Sequence[int]) -> None:
        if MAC_DATA_ELEMENTS.isdisjoint(elements):
            raise MacMismatch("missing")
        covered, at = self._covered(data)
        self.dialect.mac.verify(covered, mac, self._mac_found(data[at : at + self._mac_bytes]))

    def _mac_found(self, raw: bytes) -> bytes:
        if self._mac_bytes == MAC_BYTES:
            return raw
        try:
            return bytes.fromhex(raw.decode("latin-1"))
        except ValueError:
            raise MacMismatch("does not belong to this message") from None

    def _covered(self, data: bytes) -> tuple[bytes, int]:
        """Give the bytes under the MAC of a message that has one, and where the MAC stands."""
        rule = self.dialect.mac
        readings = {reading.data_element: reading for reading in self.readings(data)}
        (at,) = (readings[de].offset for de in MAC_DATA_ELEMENTS if de in readings)
        if not rule.covers:
            return data[:at] + data[at + self._mac_bytes :], at
        covered = (readings[de] for de in rule.covers if de in readings)
        pieces = [data[r.offset : r.offset + r.length] for r in covered]
        return bytes.fromhex(rule.separator).join(pieces), at

    # ------------------------------------------------------------ subfields

    def indicator_bytes(self, data_element: int) -> int:
        """Count the bytes of a length indicator; a fixed field has none."""
        return self._forms[data_element].indicator_bytes

    def unpack(self, message: Message, data_element: int) -> Parts:
        """Give the subfields that the dialect declares for a field; raises `MalformedMessage`.

        Divided subfields are mappings themselves. Offsets of errors count from the field's start.
        """
        try:
            return self.structures[data_element].unpack(message.fields[data_element])
        except BadContent as bad:
            raise MalformedMessage(f"DE {data_element}{bad.part}", bad.offset, bad.rule) from None

    def pack(self, data_element: int, parts: Parts) -> Value:
        """Give the value of a field made of `parts`; raises `UnencodableMessage`."""
        try:
            return self.structures[data_element].pack(parts)
        except BadContent as bad:
            raise UnencodableMessage(f"DE {data_element}{bad.part}", bad.rule) from None


_EMPTY_MAP = {
    2: "bit 1 announces a secondary bitmap, which is empty",
    3: "bit 65 announces a tertiary bitmap, which is empty",
}


def _raw_mti(mti: str, numeric: str) -> str:
    if numeric == "bcd":
        return bytes.fromhex(mti).decode("latin-1")
    return _EBCDIC.raw(mti) if numeric == "ebcdic" else mti


def _looks_like(text: str, numeric: str) -> bool:
    """Tell whether a message begins with an MTI in another form of digits."""
    if numeric == "bcd":
        return "\x01" <= text[0] <= "\x08"
    return (_EBCDIC.text(text[:4]) if numeric == "ebcdic" else text[:4]) in MTIS


def _without_mac(fields: Mapping[int, Value]) -> Mapping[int, Value]:
    if fields.keys().isdisjoint(MAC_DATA_ELEMENTS):
        return fields
    return {de: value for de, value in fields.items() if de not in MAC_DATA_ELEMENTS}
