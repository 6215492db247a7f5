"""What the gateway ships, as the simulated world has it: a region, its bureaus, and a core."""

from functools import cache
from zlib import crc32

from gateway.app.specifications import Specifications, shipped_directory
from gateway.iso8583.codec import Codec
from gateway.regions.catalogue import parse_catalogue
from gateway.terms.sides import Side
from simulation.businesses import places_of
from simulation.far_side import Speech

CORE = "core"
COUNTER = "counter"  # the listener over which the core asks
_COLLECTED = """
[[grants]]
business = ["card-collect"]
channels = ["bureau-window"]
proofs = ["citizen-id"]
source = "default: simulated, for the region hands cards over at its own windows only"
"""
_DIALECTS = {"core-channel": "core"}
AGENCIES = {  # institution → link, and after how many seconds the SS account follows there
    "99350201": ("bureau-1", 0),
    "99350202": ("bureau-2", 1_800),
    "99350203": ("bureau-3", 45),
}


@cache
def shipped():
    specifications = Specifications(shipped_directory())
    spoken = {}
    for name in ("bureau", "core", "core-channel"):
        dialect = specifications.dialect(_DIALECTS.get(name, name))
        spoken[name] = (Codec(dialect), specifications.message_set(name, dialect))
    text, _ = specifications.text("regions", "xiamen")
    texts = {}
    for code, (link, delay) in AGENCIES.items():
        own = text.replace('"99350201"', f'"{code}"').replace('link = "bureau"', f'link = "{link}"')
        old = "[[activation.ss_follows_after_seconds]]\nvalue = 0"
        assert old in own
        own = own.replace(old, old[:-1] + str(delay))
        texts[f"{code}.toml"] = own + _COLLECTED
    catalogue = parse_catalogue(texts)
    return spoken, catalogue, places_of(catalogue)


def mac_of(name):
    """Make a MAC that differs by key and by each bit: nobody here looks for two alike."""
    first, second = crc32(name.encode()), crc32(name.encode()[::-1])
    return lambda data: b"%08x" % (crc32(data, first) ^ second)


@cache
def speeches():
    spoken, _, _ = shipped()
    names = [link for link, _ in AGENCIES.values()]
    speeches = [Speech(name, Side.SOCIAL, *spoken["bureau"], mac_of(name)) for name in names]
    return (Speech(CORE, Side.FINANCIAL, *spoken["core"], mac_of(CORE)), *speeches)


@cache
def counter_speech():
    """Give how the core speaks that asks the gateway."""
    spoken, _, _ = shipped()
    return Speech(COUNTER, Side.FINANCIAL, *spoken["core-channel"], mac_of(COUNTER))
