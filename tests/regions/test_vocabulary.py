"""The words of a profile: each has its names, and a slip of the pen is none."""

import pytest

from gateway.regions import vocabulary
from gateway.regions.profile import parse_profile
from gateway.regions.vocabulary import Area, Business, Channel, Proof, Scene, Word
from gateway.terms.errors import SpecificationError

GRANT = """
[[grants]]
business = ["{business}"]
channels = ["{channel}"]
proofs = ["{proof}"]
from = 2099-01-01
source = "default: test"
"""
DEMAND = """
[[pin.demands]]
scene = "{scene}"
value = "mandatory"
from = 2099-01-01
source = "default: test"
"""
WORDS = {
    "business": (GRANT, Business),
    "channel": (GRANT, Channel),
    "proof": (GRANT, Proof),
    "scene": (DEMAND, Scene),
}
DEFAULTS = {
    "business": "link", "channel": "counter", "proof": "session", "scene": "pharmacy",
}  # fmt: skip


@pytest.mark.parametrize("place", WORDS)
def test_a_word_is_understood_where_it_may_stand_and_no_other(texts, place):
    """A slip of the pen is found when the profile is loaded, by file and key."""
    template, words = WORDS[place]
    word = list(words)[1]

    assert parse_profile(texts["xiamen"] + template.format(**DEFAULTS | {place: word}), "x.toml")
    wrong = texts["xiamen"] + template.format(**DEFAULTS | {place: "elsewhere"})
    with pytest.raises(SpecificationError) as raised:
        parse_profile(wrong, "region.toml")

    assert raised.value.file == "region.toml"
    assert raised.value.key


@pytest.mark.parametrize("words", Word.__subclasses__(), ids=lambda words: words.__name__)
def test_every_word_has_a_name_in_both_languages_of_its_own(words):
    """No two words of a kind look the same to a customer."""
    assert words.__module__.startswith(vocabulary.__name__.rpartition(".")[0])
    for language in ("zh", "en"):
        said = [getattr(word, language) for word in words]
        assert all(said)
        assert len(set(said)) == len(said)


@pytest.mark.parametrize(
    ("business", "area"),
    [
        (Business.CHANGE_MOBILE, Area.LINKING),
        (Business.SS_PIN_SET, Area.SS),
        (Business.ACTIVATE, Area.FINANCIAL),
        (Business.FINANCIAL_LOSS_CANCEL, Area.FINANCIAL),
        (Business.CARD_REPLACE, Area.CARD),
        (Business.ECARD_CODE, Area.ECARD),
    ],
)
def test_a_business_concerns_one_area(business, area):
    """What a business concerns follows from its name."""
    assert business.area is area
