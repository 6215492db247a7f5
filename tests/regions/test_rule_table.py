"""Every rule of the five documents is enforced and shown, or said not to be carried."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from gateway.regions.profile import parse_profile
from gateway.regions.rule_table import parse_rules, regions_markdown
from gateway.terms.errors import SpecificationError

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "specs" / "rules" / "seeds.toml").read_text("utf-8")
# As the reference on the five documents counts them.
COUNTED = {"X": 24, "F": 25, "J": 12, "K": 12, "Q": 18}


@pytest.fixture(scope="module")
def table(profiles):
    """Give the table as it is shipped."""
    return parse_rules(TEXT, "seeds.toml", profiles)


@pytest.fixture(scope="module")
def rules(table):
    """Give its rules."""
    return table.rules


@cache
def names_in(file):
    """Give the names of the tests of a file."""
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return {node.name for node in ast.walk(tree) if isinstance(node, kinds)}


def test_no_rule_of_a_document_is_left_out(rules):
    """The five documents have ninety-one rules, one row for each."""
    expected = [f"{letter}{n}" for letter, count in COUNTED.items() for n in range(1, count + 1)]

    assert [rule.id for rule in rules] == expected


def test_every_test_that_is_named_exists(rules):
    """A row cannot point to a test that was renamed or never written."""
    named = {test for rule in rules for test in rule.tests}

    missing = {
        test
        for test in named
        for file, _, name in [test.partition("::")]
        if not (ROOT / file).is_file() or name not in names_in(file)
    }

    assert len(named) > 30
    assert missing == set()


def test_every_module_that_is_named_exists(rules):
    """Nor to code that is not there."""
    modules = {module for rule in rules for module in rule.code}

    assert modules
    assert {module for module in modules if not (ROOT / module).is_file()} == set()


def functions_of(file, name):
    """Give every function of a name in a file."""
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return [node for node in ast.walk(tree) if isinstance(node, kinds) and node.name == name]


def test_every_setting_is_read_where_it_is_said_to_take_effect(table):
    """A value that nothing reads is decoration; showing it to people is not reading it."""
    unread = []
    for setting in table.settings:
        file, _, name = setting.by.partition("::")
        wanted = setting.reads or setting.key.rpartition(".")[2]
        read = {
            node.attr
            for function in functions_of(file, name)
            for node in ast.walk(function)
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
        }
        if wanted not in read:
            unread.append(setting.key)

    assert unread == []
    assert not any("agency_views" in setting.by for setting in table.settings)


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ('key = "activation.order"\n', 'key = "activation.moon"\n', "settings: activation."),
        ('"pin.demands.pharmacy"', '"pin.demands.moon"', "X1: xiamen has no pin.demands.moon"),
        ('region = "xiamen"', 'region = "atlantis"', "X1: there is no region atlantis"),
        ('keys = ["pin.demands.pharmacy"]\n', "", "X1: must name what enforces it and a test"),
        ('id = "X2"', 'id = "X1"', "rules: each id must occur once"),
        ('not_carried = "a reason, not a rule"', "", "X3: must name what enforces it"),
        ("::test_", "::check_", "rules.0.tests.0"),
        ('key = "pin.lock_after"', 'key = "pin.moon"', "questions: no region has pin.moon"),
    ],
)
def test_row_that_leads_nowhere_is_refused(profiles, old, new, rule):
    """A rule without enforcement, test or reason is found when the table is read."""
    assert old in TEXT

    with pytest.raises(SpecificationError, match=re.escape(rule)):
        parse_rules(TEXT.replace(old, new, 1), "seeds.toml", profiles)


def test_page_has_a_row_for_each_rule_with_value_phrase_and_test(profiles, table):
    """What is enforced is shown as the profile has it, beside the seed's own words."""
    page = regions_markdown(profiles, table)

    (row,) = [line for line in page.splitlines() if line.startswith("| F9 |")]
    assert "连续6次输错密码后自动锁卡" in row
    assert "`pin.lock_after` = 6" in row
    assert "seeds/001: " in row
    assert "when-set from 2014-07-01, mandatory from 2015-07-01" in page
    assert "::test_the_sixth_wrong_pin_in_a_row_locks" in row
    assert all(f"\n| {rule.id} |" in page for rule in table.rules)


def test_page_says_what_is_not_carried_and_what_is_not_built(profiles, table):
    """Nothing is dressed up."""
    page = regions_markdown(profiles, table)

    assert page.count("not carried: ") == sum(bool(rule.not_carried) for rule in table.rules)
    assert page.count("**not built:**") == sum(bool(rule.unbuilt) for rule in table.rules)


def test_page_follows_the_profiles(texts, profiles, table):
    """Another value in a profile is another page: a stale one is found."""
    changed = texts["fangchenggang"].replace(
        'value = 6\nsource = "seeds/001: 连续', 'value = 5\nsource = "seeds/001: 连续'
    )
    other = {**profiles, "fangchenggang": parse_profile(changed, "x.toml")}

    assert "`pin.lock_after` = 5" in regions_markdown(other, table)
