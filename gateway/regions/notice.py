"""The one-time notice 一次性告知单: why not, what is missing, how it goes on, how long it takes.

Qingdao demands it of every business that cannot be done on the spot (seeds/004: 告知不能办理的原因,
需补充的材料、办事流程、办事时限); the gateway gives it for every region.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from pydantic import ConfigDict, Field, with_config

from gateway.regions.vocabulary import Business, Channel, Proof


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True)
class Text:
    """A text in both languages."""

    zh: Annotated[str, Field(min_length=1)]
    en: Annotated[str, Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Place:
    """A channel where something is granted, and the proofs that it asks for together there."""

    channel: Channel
    proofs: frozenset[Proof]


@dataclass(frozen=True, slots=True)
class OneTimeNotice:
    """What a customer is told, once and in full; each of `missing` is one way, all of it needed."""

    reason: Text
    missing: tuple[tuple[Text, ...], ...]
    procedure: tuple[Text, ...]
    time_limit: Text
    enquiries: Text


def names(proofs: Iterable[Proof]) -> tuple[Text, ...]:
    """Name proofs in the order of their vocabulary."""
    ordered = sorted(proofs, key=list(Proof).index)
    return tuple(Text(proof.zh, proof.en) for proof in ordered)


def bring(channel: Channel, proofs: Iterable[Proof], instead: Business | None = None) -> Text:
    """Say that a business, or another one `instead`, is done on a channel with these proofs."""
    needed = names(proofs)
    zh, en = "、".join(each.zh for each in needed), ", ".join(each.en for each in needed)
    what, other = (instead.zh, f"{instead.en}: ") if instead else ("", "")
    return Text(f"通过{channel.zh}办理{what},须提供:{zh}", f"{other}{channel.en}, with: {en}")


def working_days_limit(days: int) -> Text:
    """Word a time limit in working days; none means at once."""
    if days == 0:
        return Text("即时办理", "At once")
    return Text(f"自受理之日起{days}个工作日内", f"Within {days} working days of acceptance")
