"""A message as a person reads it."""

import pytest

from gateway.iso8583.describe import describe
from gateway.iso8583.message import Message

FIELDS = {
    3: "310000", 11: "000123", 44: "unknown private data", 52: b"PINBLOCK",
    48: "NM006测试甲ID018350299199001010010CS001NZZ004zzzz", 102: "T00000019",
}  # fmt: skip
CORE = {
    2: "6200000000000000005", 11: "000123", 48: "CU006C00001AS001A", 52: b"PINBLOCK",
}  # fmt: skip


def test_rows_say_where_everything_is(codecs, message_sets):
    """Each row has place, name, offset, length and a value that may be printed."""
    data = codecs["bureau"].encode(Message("0100", FIELDS), lambda _: b"MACMACMA")

    described = describe(codecs["bureau"], data, message_sets["bureau"].private_subfields)

    assert described.error is None
    assert [(r.place, r.offset, r.length, r.value) for r in described.rows] == [
        ("MTI", 0, 4, "0100"),
        ("DE 3", 20, 6, "310000"),
        ("DE 11", 26, 6, "000123"),
        ("DE 44", 32, 22, "****"),
        ("DE 48", 54, 52, ""),
        ("DE 48 NM", 57, 11, "**甲"),
        ("DE 48 ID", 68, 23, "**************0010"),
        ("DE 48 CS", 91, 6, "N"),
        ("DE 48 ZZ", 97, 9, "****"),
        ("DE 52", 106, 8, "****"),
        ("DE 102", 114, 11, "*******19"),
        ("DE 128", 125, 8, "****"),
    ]
    assert described.rows[5].name == "Holder's name"
    assert described.rows[8].name == "Unknown"


def test_bcd_message_is_described_in_its_own_bytes(codecs, message_sets):
    """Offsets count the packed bytes; subfields begin behind the packed length."""
    data = codecs["core"].encode(Message("0100", CORE), lambda _: b"MACMACMA")

    rows = describe(codecs["core"], data, message_sets["core"].private_subfields).rows

    assert [(r.place, r.offset, r.length, r.value) for r in rows] == [
        ("MTI", 0, 2, "0100"),
        ("DE 2", 10, 11, "***************0005"),
        ("DE 11", 21, 3, "000123"),
        ("DE 48", 24, 19, ""),
        ("DE 48 CU", 26, 11, "****01"),
        ("DE 48 AS", 37, 6, "A"),
        ("DE 52", 43, 8, "****"),
        ("DE 64", 51, 8, "****"),
    ]


@pytest.mark.parametrize("name", ["bureau", "core"])
def test_bad_message_is_described_as_far_as_it_can_be_read(codecs, message_sets, name):
    """Cut anywhere, the rows before the cut are there and the error says why it stopped."""
    fields = FIELDS if name == "bureau" else CORE
    data = codecs[name].encode(Message("0100", fields))
    whole = describe(codecs[name], data, message_sets[name].private_subfields).rows

    for end in range(len(data)):
        cut = describe(codecs[name], data[:end], message_sets[name].private_subfields)
        assert cut.error
        assert cut.rows == whole[: len(cut.rows)]


def test_private_data_of_an_unknown_message_set_are_not_shown(codecs):
    """They may be anything, so that they are neither good nor bad; a name may be among them."""
    data = codecs["bureau"].encode(Message("0100", {11: "000123", 48: "NM006测试甲", 102: "T1"}))

    described = describe(codecs["bureau"], data, {})

    assert described.error is None
    assert [(row.place, row.value) for row in described.rows][2:] == [
        ("DE 48", "****"),
        ("DE 102", "**"),
    ]


def test_bad_private_data_ends_the_description(codecs, message_sets):
    """Subfields that cannot be read are an error of DE 48."""
    data = codecs["bureau"].encode(Message("0100", {11: "000123", 48: "garbage", 102: "T1"}))

    described = describe(codecs["bureau"], data, message_sets["bureau"].private_subfields)

    assert described.rows[-1].place == "DE 48"
    assert described.error
    assert described.error.place == "DE 48"


def test_declared_subfields_have_rows_of_their_own(codecs):
    """Positional and tagged subfields stand at their bytes; binary ones are never shown."""
    fields = {
        11: "000123", 61: "01350299199001010010  ", 63: b"SM016" + b"SIXTEEN BYTES!!!",
        90: "010000012311212021030009900000100099000001",
    }  # fmt: skip
    data = codecs["institution"].encode(Message("0420", fields))

    described = describe(codecs["institution"], data, {})

    assert described.error is None
    assert [(r.place, r.offset, r.length, r.value) for r in described.rows[2:7]] == [
        ("DE 61", 26, 25, ""),
        ("DE 61 61.1", 29, 2, "01"),
        ("DE 61 61.2", 31, 20, "****************10  "),
        ("DE 63", 51, 24, ""),
        ("DE 63 SM", 59, 16, "****"),
    ]
    assert data[75 + 10 : 75 + 20] == b"1121202103"
    assert described.rows[10].place == "DE 90 90.3"
    assert (described.rows[10].offset, described.rows[10].length) == (85, 10)


def test_chip_data_is_shown_tag_by_tag_and_masked(codecs):
    """The PAN keeps its last digits, track 2 and cryptogram nothing; templates are opened."""
    codec = codecs["institution"]
    chip = codec.pack(
        55,
        {
            "5A": bytes.fromhex("6200000000000000018F"),
            "57": bytes.fromhex("6200000000000000018D9912"),
            "95": bytes(5),
            "9F1A": "156",
            "71": {"9F18": bytes.fromhex("00000001"), "86": b"SECRET"},
        },
    )

    described = describe(codec, codec.encode(Message("0200", {11: "000123", 55: chip})), {})

    shown = {row.place: row.value for row in described.rows if row.place.startswith("DE 55")}
    assert shown == {
        "DE 55": "",
        "DE 55 5A": "***************0018",
        "DE 55 57": "****",
        "DE 55 95": "0000000000",
        "DE 55 9F1A": "156",
        "DE 55 71": "",
        "DE 55 71 9F18": "00000001",
        "DE 55 71 86": "****",
    }


def test_flaw_in_private_data_is_where_it_is_in_the_message(codecs, message_sets):
    """The offset of a bad subfield counts from the start of the message, like any other."""
    data = codecs["bureau"].encode(Message("0100", {11: "000123", 48: "IN00899350201NM9991"}))

    described = describe(codecs["bureau"], data, message_sets["bureau"].private_subfields)

    assert described.error
    assert described.error.place == "DE 48 NM"
    assert data[described.error.offset :] == b"NM9991"
