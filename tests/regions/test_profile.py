"""The Xiamen profile as the seed has it, and what a profile file is refused for."""

import tomllib
from datetime import date, timedelta

import pytest

from gateway.pinblock.policy import PinRule
from gateway.regions.matrix import Granted, Reason
from gateway.regions.profile import parse_profile
from gateway.regions.vocabulary import (
    Business,
    Channel,
    PinDemand,
    PinState,
    PinStore,
    Proof,
    Scene,
)
from gateway.terms.errors import SpecificationError
from gateway.terms.numbers import SsCardNumber

TODAY = date(2026, 11, 21)
PAPERS = frozenset({Proof.CITIZEN_ID, Proof.CARD_PRESENT})
INSTITUTION_AGAIN = """
[[institutions]]
code = "99350201"
name = { zh = "测", en = "T" }
link = "b"
source = "default: test"
"""


@pytest.mark.parametrize(
    ("day", "demand"),
    [
        (date(2014, 6, 30), PinDemand.NOT_ASKED),
        (date(2014, 7, 1), PinDemand.WHEN_SET),
        (date(2015, 6, 30), PinDemand.WHEN_SET),
        (date(2015, 7, 1), PinDemand.MANDATORY),
        (TODAY, PinDemand.MANDATORY),
    ],
)
def test_pharmacy_demands_the_pin_from_the_day_the_seed_names(xiamen, day, demand):
    """At a pharmacy the PIN is optional until 2015-06-30 and mandatory from 2015-07-01."""
    assert xiamen.rules(day).pin.demand(Scene.PHARMACY) is demand


def test_pin_rules_are_those_of_the_seed(xiamen):
    """Six digits, kept by the host, no initial PIN, set without the old one."""
    pin = xiamen.rules(TODAY).pin

    assert (pin.policy.length, pin.initial, pin.starts) == (6, None, PinState.UNSET)
    assert (pin.store, pin.set_without_old_pin, pin.lock_after) == (PinStore.HOST, True, None)
    assert pin.policy.rules == frozenset(PinRule)
    assert pin.policy.listed == ("123456",)


def test_region_chooses_for_each_rule_whether_it_refuses_advises_or_is_off(texts):
    """A rule that advises is no refusing one; one that is off or not named is neither."""
    text = texts["xiamen"].replace(' date = "refuse"', ' date = "advise"')
    text = text.replace('run = "refuse"', 'run = "off"')
    text = text.replace('keypad = "refuse", ', "").replace('value = "none"', 'value = "123456"')
    text = text.replace('value = "unset"', 'value = "initial"')

    policy = parse_profile(text, "x.toml").rules(TODAY).pin.policy

    chosen = {PinRule.DATE, PinRule.RUN, PinRule.KEYPAD}
    assert (policy.rules, policy.advised) == (frozenset(PinRule) - chosen, {PinRule.DATE})
    assert policy.initial == "123456"


@pytest.mark.parametrize(
    "business", [Business.LINK, Business.UNLINK, Business.SS_PIN_SET, Business.ACTIVATE]
)
@pytest.mark.parametrize(
    ("channel", "proofs"),
    [(Channel.ONLINE_BANK, frozenset({Proof.SESSION})), (Channel.COUNTER, PAPERS)],
)
def test_each_operation_of_a_bank_is_granted_on_its_proofs(xiamen, business, channel, proofs):
    """Online banking needs the signed-on session, a counter the papers and the card."""
    decision = xiamen.decide(channel, business, proofs, TODAY)

    assert isinstance(decision, Granted)
    assert decision.place.proofs == proofs


def test_pin_is_not_granted_online_before_the_announcement(xiamen):
    """The day before the transition began nothing grants setting a PIN."""
    session = frozenset({Proof.SESSION})

    early = xiamen.decide(Channel.ONLINE_BANK, Business.SS_PIN_SET, session, date(2014, 6, 30))

    assert early.reason is Reason.NOT_YET
    assert not xiamen.rules(date(2014, 6, 30)).matrix.places(Business.SS_PIN_SET)


@pytest.mark.parametrize("order", ["independent", "together"])
def test_delay_is_refused_where_the_ss_account_does_not_come_after(texts, order):
    """A profile cannot say that it follows later and not at all, or at once."""
    text = texts["fangchenggang"].replace('"financial-first"', f'"{order}"')

    with pytest.raises(SpecificationError, match=r"activation\.ss_follows_after_seconds"):
        parse_profile(text, "x.toml")


def test_grant_ends_after_its_last_day(texts):
    """A grant with `until` holds on that day and not on the next."""
    granted = 'business = ["unlink"]\nchannels = ["online-bank"]'
    assert granted in texts["xiamen"]
    text = texts["xiamen"].replace(granted, granted + "\nuntil = 2020-12-31")

    profile = parse_profile(text, "x.toml")
    last, next_ = (profile.rules(date(2020, 12, 31)), profile.rules(date(2021, 1, 1)))

    assert last.matrix.offers(Channel.ONLINE_BANK, Business.UNLINK)
    assert not next_.matrix.offers(Channel.ONLINE_BANK, Business.UNLINK)


def test_ss_account_follows_at_once_where_the_seed_is_silent(xiamen):
    """The stated default holds."""
    rules = xiamen.rules(TODAY).activation

    assert (rules.ss_follows, rules.ss_follows_after) == (True, timedelta(0))


def test_synthetic_card_number_fits(xiamen):
    """A card number with prefix T has the region's form."""
    assert xiamen.card_number_fits(SsCardNumber("T00000019"), TODAY)


def test_region_narrows_the_card_number(texts):
    """A region with nine digits refuses a number with a letter."""
    profile = parse_profile(texts["xiamen"].replace("[0-9A-Z]{8,12}", "[0-9]{9}"), "x.toml")

    assert not profile.card_number_fits(SsCardNumber("T00000019"), TODAY)
    assert profile.card_number_fits(SsCardNumber("900000019"), TODAY)


def test_rules_of_a_day_are_drawn_up_once(xiamen):
    """Two days between which nothing changes have the same rules, not equal ones."""
    assert xiamen.rules(date(2020, 1, 1)) is xiamen.rules(TODAY)
    assert xiamen.rules(date(2015, 6, 30)) is not xiamen.rules(date(2015, 7, 1))
    assert len(xiamen.days) == 3


def test_every_value_has_a_source(texts):
    """Each table with a value, each grant and each institution says where it comes from."""

    def tables(node):
        children = node.values() if isinstance(node, dict) else node
        for child in children:
            if isinstance(child, dict | list):
                yield from tables(child)
        if isinstance(node, dict) and node.keys() & {"value", "business", "link"}:
            yield node

    found = [table for text in texts.values() for table in tables(tomllib.loads(text))]

    assert len(found) > 60
    assert all("source" in table for table in found)


TERM = '\n[[terms]]\nbusiness = "card-replace"\nvalue = {days}\nsource = "default: t"\n'


@pytest.mark.parametrize(
    ("old", "new", "key", "rule"),
    [
        ('region = "xiamen"', "", "region", "is missing"),
        ('code = "350200"', 'code = "3502"', "code", "must be 6 digits"),
        ('code = "99350201"', 'code = "9935020"', "institutions.0.code", "must be 8 digits"),
        ("value = 6", "value = 3", "pin.length.0.value", "greater than or equal to 4"),
        ("value = 6", 'value = 6\nunit = "digits"', "pin.length.0.unit", "no such key"),
        ("value = 6", "value = 6\nfrom = 2014-07-01", "pin.length", "no `from`"),
        ("from = 2015-07-01", "from = 2014-07-01", "pin.demands.pharmacy", "ascend"),
        ("[0-9A-Z]{8,12}", "[0-9", "card_number.0.value", "regular expression"),
        (
            'source = "seeds/000: 原密码',
            'source = "原密码',
            "pin.set_without_old_pin.0.source",
            "must have the form",
        ),
        ('proofs = ["session"]', "proofs = []", "grants.0.proofs", "at least 1"),
        ('["link"]', '["transfer"]', "grants.0.business.0", "'link'"),
        ('["link"]', '["account-transfer"]', "grants.0.business", "two accounts are separate"),
        ('proofs = ["session"]', 'proofs = ["ss-pin"]', "grants.0.proofs", "compared by nobody"),
        ('["link"]', '["ecard-issue"]', "grants.0.business", "`ecard` must say its rules"),
        (
            'business = ["link"]',
            'business = ["link"]\nfrom = 2020-01-02\nuntil = 2020-01-01',
            "grants.0.until",
            "before",
        ),
        ("[[card_number]]", INSTITUTION_AGAIN + "[[card_number]]", "institutions", "once"),
        ("value = { same-digit", "value = { ugly", "pin.weak.0.value.ugly.[key]", "'same-digit'"),
        ('run = "refuse"', 'run = "maybe"', "pin.weak.0.value.run", "'advise'"),
        ("value = 6", "value = 4", "pin.weak", "rule date is for PINs of 6 digits"),
        ("value = 0", "value = -1", "activation.ss_follows_after_seconds.0.value", "0"),
        ('value = "host"', 'value = "chip"', "pin.store", "without the old one"),
        (
            'value = true\nsource = "seeds/000: 原密码',
            'value = false\nsource = "seeds/000: 原密码',
            "pin.set_without_old_pin",
            "ss-pin-set is granted",
        ),
        ('["ss-pin-unlock"]', '["ss-pin-opt-out"]', "pin.opt_out", "ss-pin-opt-out is granted"),
        ('value = "none"', 'value = "123456"', "pin.starts", "must be initial"),
        ("[[card_number]]", TERM.format(days=999) + "[[card_number]]", "terms.0.value", "120"),
        (
            "[[card_number]]",
            TERM.format(days='"7"') + "[[card_number]]",
            "terms.0.value",
            "whole number, without quotes",
        ),
        (
            "value = true",
            'value = "yes"',
            "linking.mobile_equals_core.0.value",
            "true or false, without quotes",
        ),
        (
            "[[card_number]]",
            TERM.format(days=7) * 2 + "[[card_number]]",
            "terms.card-replace",
            "ascend",
        ),
    ],
)
def test_wrong_profile_is_refused_by_file_key_and_rule(texts, old, new, key, rule):
    """A profile that breaks a rule is refused, naming the file, the key and the rule."""
    assert old in texts["xiamen"]

    with pytest.raises(SpecificationError) as refused:
        parse_profile(texts["xiamen"].replace(old, new, 1), "broken.toml")

    assert refused.value.file == "broken.toml"
    assert refused.value.key == key
    assert rule in refused.value.rule
