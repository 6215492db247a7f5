"""``docs/regions.md``: every rule of the seeds, where it is enforced and the test that shows it.

The table is ``specs/rules/seeds.toml``. A rule names keys of its region's profile, or modules, or
says why the gateway does not carry it; a name that leads nowhere is refused.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import ConfigDict, Field, StringConstraints, with_config

from gateway.regions.dated import Source
from gateway.regions.explanation import Granting, Setting, grantings, history, settings
from gateway.regions.profile import RegionProfile
from gateway.regions.vocabulary import Business
from gateway.terms.errors import SpecificationError
from gateway.terms.specification import parse_toml, structure

_STRICT: Final = ConfigDict(extra="forbid")


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class SeedRule:
    """One rule of a seed, with the seed's own phrase, restored where the seed is mis-encoded.

    `keys` are of the region's profile: a setting, or ``business @ channel``. `unbuilt` says what
    of the rule the profile states and no operation carries out.
    """

    id: Annotated[str, StringConstraints(pattern=r"^[A-Z][0-9]{1,2}$")]
    region: str
    says: Annotated[str, Field(min_length=1)]
    source: Source
    keys: tuple[str, ...] = ()
    code: tuple[Annotated[str, StringConstraints(pattern=r"^gateway/[a-z0-9_/]+\.py$")], ...] = ()
    tests: tuple[
        Annotated[str, StringConstraints(pattern=r"^tests/[a-z0-9_/]+\.py::test_\w+$")], ...
    ] = ()
    not_carried: str = ""
    unbuilt: str = ""


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """What the documents leave open; `key` is the setting that answers, if it is one."""

    asks: Annotated[str, Field(min_length=1)]
    answer: Annotated[str, Field(min_length=1)]
    key: str = ""


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class SettingUsed:
    """Where a setting takes effect: the function that reads it, as `reads` if not by its key.

    What is a bureau's or a terminal's to do is read by the simulator of it.
    """

    key: Annotated[str, Field(min_length=1)]
    by: Annotated[str, StringConstraints(pattern=r"^gateway/[a-z0-9_/]+\.py::\w+$")]
    reads: str = ""


@with_config(_STRICT)
@dataclass(frozen=True, slots=True)
class RuleTable:
    """The whole file."""

    rules: Annotated[tuple[SeedRule, ...], Field(min_length=1)]
    questions: tuple[OpenQuestion, ...]
    settings: tuple[SettingUsed, ...]


def parse_rules(text: str, file: str, profiles: Mapping[str, RegionProfile]) -> RuleTable:
    """Parse the table; raises `SpecificationError` for a rule without enforcement or test."""
    table = structure(RuleTable, parse_toml(text, file), file)
    for rule in table.rules:
        _check(rule, file, profiles)
    ids = [rule.id for rule in table.rules]
    if len(set(ids)) != len(ids):
        raise SpecificationError(file, "rules", "each id must occur once")
    known = {key for profile in profiles.values() for key in profile.file.settings()}
    for question in table.questions:
        if question.key and question.key not in known:
            raise SpecificationError(file, "questions", f"no region has {question.key}")
    _check_settings(table, file, profiles)
    return table


def _check_settings(table: RuleTable, file: str, profiles: Mapping[str, RegionProfile]) -> None:
    """See that every setting takes effect somewhere, and nothing is said of one that is not."""
    used = [setting.key for setting in table.settings]
    known = {key for profile in profiles.values() for key in profile.file.settings()}
    keyed = {key for profile in profiles.values() for key in profile.file.keyed()}
    known |= {key.rpartition(".")[0] for key in keyed}
    for key in known.symmetric_difference(used):
        raise SpecificationError(file, "settings", f"{key} must stand here if a region has it")


def _check(rule: SeedRule, file: str, profiles: Mapping[str, RegionProfile]) -> None:
    if rule.region not in profiles:
        raise SpecificationError(file, rule.id, f"there is no region {rule.region}")
    if bool(rule.not_carried) == bool(rule.tests and (rule.keys or rule.code)):
        what = "must name what enforces it and a test, or say why it is not carried"
        raise SpecificationError(file, rule.id, what)
    known = _values(profiles[rule.region])
    for key in rule.keys:
        if key not in known:
            raise SpecificationError(file, rule.id, f"{rule.region} has no {key}")


def _values(profile: RegionProfile) -> dict[str, str]:
    """Give what a profile says by key: values as they follow, proofs of a business on a channel."""
    values: dict[str, str] = {}
    for each in history(profile):
        said = f"{each.value} from {each.since}" if each.since else each.value
        values[each.key] = f"{values[each.key]}, {said}" if each.key in values else said
    for grant in grantings(profile, profile.days[-1]):
        key, way = f"{grant.business} @ {grant.channel}", " + ".join(grant.proofs)
        values[key] = f"{values[key]}, or {way}" if key in values else way
    return values


def regions_markdown(profiles: Mapping[str, RegionProfile], table: RuleTable) -> str:
    """Draw the page: for each region its rules, its values and its grants, as they are last."""
    lines = [_PREFACE, "## What the documents leave open", "", *_questions(table.questions), ""]
    lines += ["## Where each setting takes effect", "", _EFFECT, "", *_effects(table), ""]
    for region, profile in profiles.items():
        name = profile.file.name
        lines += [f"## {name.zh} {name.en} (`{region}`, {profile.file.code})", ""]
        lines += [*_rule_rows(profile, [rule for rule in table.rules if rule.region == region]), ""]
        lines += ["### What the profile says", "", *_setting_rows(profile), ""]
        lines += ["### What is granted, where, on which proofs", "", *_grant_rows(profile), ""]
        lines += ["Not granted anywhere: " + ", ".join(_silent(profile)) + ".", ""]
    return "\n".join(lines)


_PREFACE = """\
# Regions

Generated from `specs/regions` and `specs/rules/seeds.toml`; do not edit. `gateway regions explain`
prints the same of one region as of any day, and `GET /v1/agencies` serves it.

A rule's letter and number are those of the reference on the five documents (X 厦门, F 防城港,
J 石家庄, K 昆明, Q 青岛). What enforces it is a value of the region's profile, or a module. A
source that begins with `default` marks what the document leaves open, and what was assumed.

To add a region: copy the file of one that is like it, give every value its source, run `gateway
regions check FILE`, put the file into `regions/` of your specifications and its name into
`regions` of the configuration. No code changes.
"""


def _questions(questions: Sequence[OpenQuestion]) -> Iterator[str]:
    yield from _head("question", "answer", "setting")
    for each in questions:
        yield _row(
            each.asks, each.answer, _code(each.key) if each.key else "none: a rule everywhere"
        )


_EFFECT = """\
The function that reads it. What is a bureau's or a terminal's to do, the simulator of it does.
Every value is also told by `GET /v1/agencies`.\
"""


def _effects(table: RuleTable) -> Iterator[str]:
    yield from _head("key", "read by")
    for each in table.settings:
        yield _row(_code(each.key), _code(each.by))


def _rule_rows(profile: RegionProfile, rules: Sequence[SeedRule]) -> Iterator[str]:
    values = _values(profile)
    yield from _head("rule", "what it says", "source", "enforced by", "shown by")
    for rule in rules:
        yield _row(
            rule.id, rule.says, rule.source, _enforced(rule, values), _lines(map(_code, rule.tests))
        )


def _enforced(rule: SeedRule, values: Mapping[str, str]) -> str:
    if rule.not_carried:
        return f"not carried: {rule.not_carried}"
    parts = [f"`{key}` = {values[key]}" for key in rule.keys]
    parts += [_code(module) for module in rule.code]
    if rule.unbuilt:
        parts.append(f"**not built:** {rule.unbuilt}")
    return _lines(parts)


def _setting_rows(profile: RegionProfile) -> Iterator[str]:
    yield from _head("key", "value", "from", "source")
    for each in settings(profile, profile.days[-1]):
        yield _row(_code(each.key), each.value, _day(each), each.source)


def _grant_rows(profile: RegionProfile) -> Iterator[str]:
    yield from _head("business", "channel", "proofs", "from", "source")
    for each in grantings(profile, profile.days[-1]):
        business = f"{each.business.zh} {_code(each.business)}"
        channel = f"{each.channel.zh} {_code(each.channel)}"
        yield _row(business, channel, " + ".join(each.proofs), _day(each), each.source)


def _silent(profile: RegionProfile) -> Iterator[str]:
    matrix = profile.spans[-1].matrix
    yield from (_code(business) for business in Business if not matrix.places(business))


def _day(each: Setting | Granting) -> str:
    return each.since.isoformat() if each.since else ""


def _code(text: str) -> str:
    return f"`{text}`"


def _lines(parts: Iterable[str]) -> str:
    return "<br>".join(parts)


def _head(*names: str) -> Iterator[str]:
    yield _row(*names)
    yield "|" + " --- |" * len(names)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
