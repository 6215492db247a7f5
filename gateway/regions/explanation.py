"""A profile as rows that people read: what holds on a day, since when, and from where."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from gateway.regions.dated import Dated, in_force
from gateway.regions.matrix import Grant
from gateway.regions.notice import Text
from gateway.regions.profile import RegionProfile
from gateway.regions.vocabulary import Business, Channel, Proof, Word


@dataclass(frozen=True, slots=True)
class Setting:
    """One value in force; `since` is nothing when it always held."""

    key: str
    value: str
    since: date | None
    source: str


@dataclass(frozen=True, slots=True)
class Granting:
    """One way to do a business on a channel: all of its proofs together."""

    business: Business
    channel: Channel
    proofs: tuple[Proof, ...]
    since: date | None
    until: date | None
    source: str


@dataclass(frozen=True, slots=True)
class Difference:
    """A key at which two profiles differ; nothing where a profile is silent."""

    key: str
    one: str | None
    other: str | None


def settings(profile: RegionProfile, on: date) -> Iterator[Setting]:
    """List every value in force on a day, in the order of the file."""
    for key, values in profile.file.settings().items():
        dated: Dated[object] = in_force(values, on)
        yield Setting(key, _said(dated.value), _since(dated.since), dated.source)
    for key, rules in profile.file.keyed().items():
        begun = [rule for rule in rules if rule.since <= on]
        if begun:
            last = begun[-1]
            yield Setting(key, _said(last.value), _since(last.since), last.source)


def history(profile: RegionProfile) -> Iterator[Setting]:
    """List every value of every key, as they follow one another."""
    for key, values in (*profile.file.settings().items(), *profile.file.keyed().items()):
        for dated in values:
            yield Setting(key, _said(dated.value), _since(dated.since), dated.source)


def grantings(profile: RegionProfile, on: date) -> Iterator[Granting]:
    """List every grant in force on a day, by business and channel."""
    held = [grant for grant in profile.file.grants if grant.holds(on)]
    for business in Business:
        for channel in Channel:
            yield from (
                _granting(grant, business, channel)
                for grant in held
                if business in grant.business and channel in grant.channels
            )


def differences(one: RegionProfile, other: RegionProfile, on: date) -> Iterator[Difference]:
    """List the keys and the grants in which two profiles differ on a day."""
    ours, theirs = _comparable(one, on), _comparable(other, on)
    for key in dict.fromkeys((*ours, *theirs)):
        if ours.get(key) != theirs.get(key):
            yield Difference(key, ours.get(key), theirs.get(key))


def _comparable(profile: RegionProfile, on: date) -> Mapping[str, str]:
    values = {setting.key: setting.value for setting in settings(profile, on)}
    ways: dict[str, list[str]] = {}
    for each in grantings(profile, on):
        key = f"{each.business} @ {each.channel}"
        ways.setdefault(key, []).append(" + ".join(each.proofs))
    return values | {key: " | ".join(sorted(found)) for key, found in ways.items()}


def _granting(grant: Grant, business: Business, channel: Channel) -> Granting:
    proofs = tuple(proof for proof in Proof if proof in grant.proofs)
    since = _since(grant.since)
    return Granting(business, channel, proofs, since, grant.until, grant.source)


def _since(day: date) -> date | None:
    return None if day == date.min else day


def _said(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case Word():
            return str(value)
        case Text():
            return f"{value.zh} / {value.en}"
        case dict():
            return "; ".join(f"{key}: {_said(each)}" for key, each in value.items())
        case tuple() | frozenset():
            return ", ".join(sorted(map(str, value))) or "none"
        case _:
            return str(value)
