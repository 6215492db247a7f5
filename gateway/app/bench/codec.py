"""The strict codec against pyiso8583, which checks neither content nor strays: same bytes.

A 19-field 0200 in ASCII, in BCD and in EBCDIC.
"""

from collections.abc import Callable
from time import process_time

import iso8583

from gateway.app.bench.figures import Figure
from gateway.app.specifications import Specifications, shipped_directory
from gateway.hsm.mac import mac_of
from gateway.iso8583 import private_data
from gateway.iso8583.bitmap import BITMAP_BITS
from gateway.iso8583.codec import Codec
from gateway.iso8583.dialect import Dialect
from gateway.iso8583.field_content import Value
from gateway.iso8583.message import Message
from gateway.terms.errors import LocalError

ROUNDS = 15
SECONDS = 0.1  # a turn of one function; short, so that a slow moment of the machine hits all alike
_TEST_MAC_KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")

Work = Callable[[], object]


def measure(rounds: int = ROUNDS, seconds: float = SECONDS) -> list[Figure]:
    """Measure a 19-field 0200 against pyiso8583, then our own messages with their MAC.

    Raises `LocalError` when the two codecs do not write the same bytes.
    """
    specifications = Specifications(shipped_directory())
    bureau, core, mainframe = map(specifications.dialect, ("bureau", "core", "mainframe-core"))
    compared = {
        **_comparison("0200", bureau, _PURCHASE),
        **_comparison("0200 in BCD", core, _BESIDE_A_PRIMARY_BITMAP),
        **_comparison("0200 in EBCDIC", mainframe, _WITHOUT_MULTIBYTE_TEXT),
    }
    own = {
        f"{name}, {what}": work
        for name, dialect, message in (
            ("bureau 0100 pin-set", bureau, Message("0100", _PIN_SET)),
            ("core 0100 activation", core, Message("0100", _ACTIVATION)),
        )
        for what, work in _with_mac(dialect, message).items()
    }
    works = {**compared, **own}
    turns: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            turns[name].append(_per_second(work, seconds))
    unit = "messages/s"
    return [
        Figure.against(f"codec: {name}", unit, turns[name], turns[f"{name}{_THEIRS}"])
        for name in compared
        if not name.endswith(_THEIRS)
    ] + [Figure.alone(f"codec: {name}", unit, turns[name]) for name in own]


_THEIRS = " by pyiso8583"


def _comparison(name: str, dialect: Dialect, fields: dict[int, Value]) -> dict[str, Work]:
    codec, message = Codec(dialect), Message("0200", fields)
    theirs = dialect.pyiso8583_specification()
    encoded = codec.encode(message)
    document, _ = iso8583.decode(encoded, theirs)
    if bytes(iso8583.encode(document, theirs)[0]) != encoded or codec.decode(encoded) != message:
        raise LocalError("the codecs do not agree on the message to be measured")
    return {
        f"{name}, decode": lambda: codec.decode(encoded),
        f"{name}, decode{_THEIRS}": lambda: iso8583.decode(encoded, theirs),
        f"{name}, encode": lambda: codec.encode(Message("0200", message.fields)),
        # It changes the document that it encodes.
        f"{name}, encode{_THEIRS}": lambda: iso8583.encode(dict(document), theirs),
    }


def _with_mac(dialect: Dialect, message: Message) -> dict[str, Work]:
    codec = Codec(dialect)
    mac = mac_of(dialect.mac, _TEST_MAC_KEY)
    encoded = codec.encode(message, mac)

    return {
        "decode and MAC": lambda: codec.read(encoded, mac),
        "encode and MAC": lambda: codec.encode(message, mac),
    }


def _per_second(work: Work, seconds: float) -> float:
    """Call for about `seconds` of the processor, which other processes do not take from us."""
    count, begun = 0, process_time()
    while True:
        for _ in range(_RUN):
            work()
        count += _RUN
        elapsed = process_time() - begun
        if elapsed >= seconds:
            return count / elapsed


_RUN = 200  # calls between two looks at the clock

# Synthetic, in the style of a purchase on a Chinese institution link: 19 data elements, 320 bytes.
_PURCHASE: dict[int, Value] = {
    2: "6200000000000000013",
    3: "000000",
    4: "000000012345",
    7: "1101093015",
    11: "000017",
    12: "173015",
    13: "1101",
    18: "5912",
    22: "051",
    25: "00",
    32: "99000001",
    37: "530509000017",
    41: "GATEWAY1",
    42: "993502010000001",
    43: "TEST PHARMACY 1          XIAMEN       CN",
    48: private_data.pack(
        {
            "IN": "99350201",
            "LK": "lnk_01k8zq3v5n6w7x8y9zabcdefgh",
            "NM": "测试甲",
            "AD": "测试路1号" + "甲" * 20,
        }
    ),
    49: "156",
    52: bytes.fromhex("0123456789ABCDEF"),
    128: bytes.fromhex("FEDCBA9876543210"),
}
# Where the MAC stands in DE 64 then.
_BESIDE_A_PRIMARY_BITMAP: dict[int, Value] = {
    **{de: value for de, value in _PURCHASE.items() if de <= BITMAP_BITS},
    64: bytes.fromhex("FEDCBA9876543210"),
}
# An EBCDIC link has no Chinese text; DE 33 takes the place of DE 48.
_WITHOUT_MULTIBYTE_TEXT: dict[int, Value] = {
    **{de: value for de, value in _BESIDE_A_PRIMARY_BITMAP.items() if de != 48},  # noqa: PLR2004 - DE 48
    33: "99000001",
}
_TRACE: dict[int, Value] = {de: _PURCHASE[de] for de in (7, 11, 12, 13, 32, 37, 41)}
_LINK = private_data.pack({"IN": "99350201", "LK": "lnk_01k8zq3v5n6w7x8y9zabcdefgh"})
_PIN_SET: dict[int, Value] = {
    3: "920000",
    **_TRACE,
    33: "99000001",
    48: _LINK,
    52: bytes.fromhex("0123456789ABCDEF"),
    53: "1600000000000000",
    100: "99350201",
    102: "T00000019",
}
_ACTIVATION: dict[int, Value] = {
    2: "6200000000000000013",
    3: "940000",
    **_TRACE,
    33: "99000001",
    48: private_data.pack({"LK": "lnk_01k8zq3v5n6w7x8y9zabcdefgh", "SV": "-"}),
    52: bytes.fromhex("0123456789ABCDEF"),
    53: "2600000000000000",
}
