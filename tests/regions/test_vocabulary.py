"""The words of a profile: each is understood where it may stand, and no other."""

from pathlib import Path

import pytest

from gateway.regions.profile import parse_profile
from gateway.regions.vocabulary import Channel, Operation, PinDemand, PinStore, Proof, Scene
from gateway.terms.errors import SpecificationError

TEXT = (Path(__file__).parents[2] / "specs" / "regions" / "xiamen.toml").read_text("utf-8")
GRANT = """
[[grants]]
operation = "{operation}"
channel = "{channel}"
proofs = ["{proof}"]
from = 2099-01-01
source = "default: test"
"""
DEMAND = """
[[pin.demands]]
scene = "{scene}"
value = "{demand}"
from = 2099-01-01
source = "default: test"
"""
STORE = """
[[pin.store]]
value = "{store}"
from = 2099-01-01
source = "default: test"
"""
WORDS = {
    "operation": (GRANT, Operation),
    "channel": (GRANT, Channel),
    "proof": (GRANT, Proof),
    "scene": (DEMAND, Scene),
    "demand": (DEMAND, PinDemand),
    "store": (STORE, PinStore),
}
DEFAULTS = {"operation": "link", "channel": "counter", "proof": "session", "scene": "pharmacy",
            "demand": "mandatory", "store": "host"}  # fmt: skip


@pytest.mark.parametrize("place", WORDS)
def test_every_word_is_understood_where_it_may_stand(place):
    """A profile may use each of the words from some day on."""
    template, words = WORDS[place]

    for word in words:
        assert parse_profile(TEXT + template.format(**DEFAULTS | {place: word}), "region.toml")


@pytest.mark.parametrize("place", WORDS)
def test_another_word_is_refused_by_file_and_key(place):
    """A slip of the pen is found when the profile is loaded."""
    template, _ = WORDS[place]

    with pytest.raises(SpecificationError) as raised:
        parse_profile(TEXT + template.format(**DEFAULTS | {place: "elsewhere"}), "region.toml")

    assert raised.value.file == "region.toml"
    assert raised.value.key
