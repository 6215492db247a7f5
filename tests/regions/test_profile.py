"""The Xiamen profile as the seed has it, and what a profile file is refused for."""

import tomllib
from datetime import date, timedelta
from pathlib import Path

import pytest

from gateway.pinblock.policy import PinRule
from gateway.regions.profile import RegionProfile, parse_profile
from gateway.regions.vocabulary import Channel, Operation, PinDemand, PinStore, Proof, Scene
from gateway.terms.errors import SpecificationError
from gateway.terms.numbers import SsCardNumber

TEXT = (Path(__file__).parents[2] / "specs" / "regions" / "xiamen.toml").read_text("utf-8")
TODAY = date(2026, 11, 21)
INSTITUTION_AGAIN = """
[[institutions]]
code = "99350201"
name = { zh = "测", en = "T" }
link = "b"
source = "default: test"
"""


@pytest.fixture(scope="module")
def xiamen() -> RegionProfile:
    """Give the profile as it is shipped."""
    return parse_profile(TEXT, "xiamen.toml")


@pytest.mark.parametrize(
    ("day", "demand", "required"),
    [
        (date(2014, 6, 30), PinDemand.NOT_ASKED, False),
        (date(2014, 7, 1), PinDemand.WHEN_SET, False),
        (date(2015, 6, 30), PinDemand.WHEN_SET, False),
        (date(2015, 7, 1), PinDemand.MANDATORY, True),
        (TODAY, PinDemand.MANDATORY, True),
    ],
)
def test_pharmacy_demands_the_pin_from_the_day_the_seed_names(xiamen, day, demand, required):
    """At a pharmacy the PIN is optional until 2015-06-30 and mandatory from 2015-07-01."""
    assert xiamen.pin_demand(Scene.PHARMACY, day) is demand
    assert xiamen.pin_required(Scene.PHARMACY, day) is required


def test_scene_without_a_rule_does_not_ask(xiamen):
    """A hospital, of which the profile says nothing, does not ask for the PIN."""
    assert xiamen.pin_demand(Scene.HOSPITAL, TODAY) is PinDemand.NOT_ASKED


def test_pin_rules_are_those_of_the_seed(xiamen):
    """Six digits, kept by the host, no initial PIN, set without the old one."""
    rules = xiamen.pin_rules(TODAY)

    assert (rules.policy.length, rules.initial) == (6, None)
    assert (rules.store, rules.set_without_old_pin) == (PinStore.HOST, True)
    assert rules.policy.rules == frozenset(PinRule)
    assert rules.policy.listed == ("123456",)


def test_region_chooses_for_each_rule_whether_it_refuses_advises_or_is_off():
    """A rule that advises is no refusing one; one that is off or not named is neither."""
    text = TEXT.replace(' date = "refuse"', ' date = "advise"')
    text = text.replace('run = "refuse"', 'run = "off"')
    text = text.replace('keypad = "refuse", ', "").replace('value = "none"', 'value = "123456"')

    policy = parse_profile(text, "x.toml").pin_rules(TODAY).policy

    chosen = {PinRule.DATE, PinRule.RUN, PinRule.KEYPAD}
    assert (policy.rules, policy.advised) == (frozenset(PinRule) - chosen, {PinRule.DATE})
    assert policy.initial == "123456"


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize(
    ("channel", "proofs"),
    [
        (Channel.ONLINE_BANK, {Proof.SESSION}),
        (Channel.COUNTER, {Proof.CITIZEN_ID, Proof.CARD_PRESENT}),
    ],
)
def test_each_operation_is_granted_on_its_proofs(xiamen, operation, channel, proofs):
    """Online banking needs the signed-on session, a counter the papers and the card."""
    (grant,) = xiamen.grants(operation, channel, TODAY)

    assert grant.proofs == proofs
    assert grant in xiamen.offered(TODAY)


def test_pin_is_not_granted_online_before_the_announcement(xiamen):
    """The day before the transition began nothing grants setting a PIN."""
    day = date(2014, 6, 30)

    assert xiamen.grants(Operation.SET_SS_PIN, Channel.ONLINE_BANK, day) == ()
    assert Operation.SET_SS_PIN not in {grant.operation for grant in xiamen.offered(day)}


def test_grant_ends_after_its_last_day():
    """A grant with `until` holds on that day and not on the next."""
    until = 'operation = "link"\nchannel = "counter"\nuntil = 2020-12-31'
    text = TEXT.replace('operation = "link"\nchannel = "counter"', until)

    profile = parse_profile(text, "x.toml")

    assert profile.grants(Operation.LINK, Channel.COUNTER, date(2020, 12, 31))
    assert not profile.grants(Operation.LINK, Channel.COUNTER, date(2021, 1, 1))


def test_ss_account_follows_at_once_and_services_are_opt_in(xiamen):
    """Where the seed is silent the stated defaults hold."""
    rules = xiamen.activation_rules(TODAY)

    assert rules.ss_follows_after == timedelta(0)
    assert rules.added_services_opt_in


def test_synthetic_card_number_fits(xiamen):
    """A card number with prefix T has the region's form."""
    assert xiamen.card_number_fits(SsCardNumber("T00000019"), TODAY)


def test_region_narrows_the_card_number():
    """A region with nine digits refuses a number with a letter."""
    profile = parse_profile(TEXT.replace("[0-9A-Z]{8,12}", "[0-9]{9}"), "x.toml")

    assert not profile.card_number_fits(SsCardNumber("T00000019"), TODAY)
    assert profile.card_number_fits(SsCardNumber("900000019"), TODAY)


def test_every_value_has_a_source():
    """Each table with a value, each grant and each institution says where it comes from."""

    def tables(node):
        children = node.values() if isinstance(node, dict) else node
        for child in children:
            if isinstance(child, dict | list):
                yield from tables(child)
        if isinstance(node, dict) and node.keys() & {"value", "operation", "link"}:
            yield node

    found = list(tables(tomllib.loads(TEXT)))

    assert len(found) > 15
    assert all("source" in table for table in found)


@pytest.mark.parametrize(
    ("old", "new", "key", "rule"),
    [
        ('region = "xiamen"', "", "region", "is missing"),
        ('code = "350200"', 'code = "3502"', "code", "pattern"),
        ('code = "99350201"', 'code = "9935020"', "institutions.0.code", "pattern"),
        ("value = 6", "value = 3", "pin.length.0.value", "greater than or equal to 4"),
        ("value = 6", 'value = 6\nunit = "digits"', "pin.length.0.unit", "Unexpected"),
        ("value = 6", "value = 6\nfrom = 2014-07-01", "pin.length", "no `from`"),
        ("from = 2015-07-01", "from = 2014-07-01", "pin.demands (pharmacy)", "ascend"),
        ("[0-9A-Z]{8,12}", "[0-9", "card_number.0.value", "regular expression"),
        (
            'source = "seeds/000: 原密码',
            'source = "原密码',
            "pin.set_without_old_pin.0.source",
            "s",
        ),
        ('proofs = ["session"]', "proofs = []", "grants.0.proofs", "at least 1"),
        ('operation = "link"', 'operation = "transfer"', "grants.0.operation", "'link'"),
        (
            'operation = "link"',
            'operation = "link"\nfrom = 2020-01-02\nuntil = 2020-01-01',
            "grants (link, online-bank)",
            "before",
        ),
        (
            "[[card_number]]",
            INSTITUTION_AGAIN + "[[card_number]]",
            "institutions",
            "once",
        ),
        ("value = { same-digit", "value = { ugly", "pin.weak.0.value.ugly.[key]", "'same-digit'"),
        ('run = "refuse"', 'run = "maybe"', "pin.weak.0.value.run", "'advise'"),
        ("value = 6", "value = 4", "pin.weak", "rule date is for PINs of 6 digits"),
        ("value = 0", "value = -1", "activation.ss_follows_after_seconds.0.value", "0"),
    ],
)
def test_wrong_profile_is_refused_by_file_key_and_rule(old, new, key, rule):
    """A profile that breaks a rule is refused, naming the file, the key and the rule."""
    assert old in TEXT

    with pytest.raises(SpecificationError) as refused:
        parse_profile(TEXT.replace(old, new, 1), "broken.toml")

    assert refused.value.file == "broken.toml"
    assert refused.value.key == key
    assert rule in refused.value.rule
