"""What a region grants on one day, by channel, business and proofs; and what is needed else."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Final, Self

from pydantic import ConfigDict, Field, with_config

from gateway.regions.dated import Since, Source
from gateway.regions.notice import (
    OneTimeNotice,
    Place,
    Text,
    bring,
    names,
    working_days_limit,
)
from gateway.regions.vocabulary import NEVER_GRANTED, Business, Channel, Proof, Word

# Who shows one of these stands there for somebody else: then only a grant to agents will do.
AGENT_PROOFS: Final = frozenset({Proof.AGENT_ID, Proof.POWER_OF_ATTORNEY, Proof.UNIT_LETTER})


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True)
class Grant:
    """Businesses, each granted on each of the channels for all of the proofs together."""

    business: Annotated[tuple[Business, ...], Field(min_length=1)]
    channels: Annotated[tuple[Channel, ...], Field(min_length=1)]
    proofs: Annotated[frozenset[Proof], Field(min_length=1)]
    source: Source
    since: Since = date.min
    until: date | None = None

    def holds(self, on: date) -> bool:
        """Tell whether the grant is in force; the last day is included."""
        return self.since <= on and (self.until is None or on <= self.until)


class Reason(Word):
    """Why something is not granted."""

    NEVER = (
        "never",
        "社保账户与金融账户相互独立,资金不能互转",
        "The two accounts are separate: no money moves",
    )
    CHIP_PIN = (
        "chip-pin",
        "该地区社保密码存于卡片芯片,不能免原密码设置",
        "This region keeps the SS PIN in the chip; it cannot be set without the old one",
    )
    NOT_OFFERED = "not-offered", "该地区不办理此业务", "This region does not offer it"
    NOT_YET = "not-yet", "该业务尚未开办", "It is not offered yet"
    OTHER_CHANNEL = "other-channel", "该渠道不办理此业务", "It is not offered on this channel"
    NO_AGENT = "no-agent", "该渠道不受理代办", "Nobody may do it for somebody else on this channel"
    PROOF_MISSING = "proof-missing", "材料不齐全", "A proof is missing"


@dataclass(frozen=True, slots=True)
class Granted:
    """The region grants it on these proofs."""

    business: Business
    place: Place


@dataclass(frozen=True, slots=True)
class NotGranted:
    """The region does not grant it: why, what each way here still needs, and where else it goes."""

    business: Business
    channel: Channel
    reason: Reason
    missing: tuple[frozenset[Proof], ...]
    elsewhere: tuple[Place, ...]
    notice: OneTimeNotice


@dataclass(frozen=True, slots=True)
class NoticeRules:
    """What notices say beside the matrix: whom to ask, and how long what takes."""

    enquiries: Text
    working_days: Mapping[Business, int]
    otherwise: Text

    def time_limit(self, business: Business) -> Text:
        """Give the time limit of a business, in words."""
        days = self.working_days.get(business)
        return self.otherwise if days is None else working_days_limit(days)


@dataclass(frozen=True, slots=True, repr=False)
class Matrix:
    """The grants of one day, found by channel and business; made once and asked per request."""

    cells: Mapping[tuple[Channel, Business], tuple[Granted, ...]]
    notices: NoticeRules
    withheld: Mapping[Business, Reason] = field(default_factory=dict)
    begins: Mapping[tuple[Channel, Business], date] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        grants: Sequence[Grant],
        on: date,
        notices: NoticeRules,
        withheld: Mapping[Business, Reason],
    ) -> Self:
        """Draw the matrix of a day up from every grant of a profile."""
        cells: dict[tuple[Channel, Business], tuple[Granted, ...]] = {}
        begins: dict[tuple[Channel, Business], date] = {}
        for grant in sorted(grants, key=lambda each: len(each.proofs)):
            for key in _keys(grant):
                if grant.holds(on):
                    granted = Granted(key[1], Place(key[0], grant.proofs))
                    cells[key] = (*cells.get(key, ()), granted)
                elif on < grant.since:
                    begins[key] = min(grant.since, begins.get(key, grant.since))
        return cls(
            cells, notices, {**dict.fromkeys(NEVER_GRANTED, Reason.NEVER), **withheld}, begins
        )

    def decide(
        self, channel: Channel, business: Business, proofs: frozenset[Proof]
    ) -> Granted | NotGranted:
        """Say whether the proofs suffice; an agent's suffice only where agents are granted."""
        for granted in self._ways(channel, business, proofs):
            if granted.place.proofs <= proofs:
                return granted
        return self._not_granted(channel, business, proofs)

    def offers(self, channel: Channel, business: Business) -> bool:
        """Tell whether the channel grants the business on some proofs."""
        return (channel, business) in self.cells

    def places(self, business: Business) -> tuple[Place, ...]:
        """List where a business is granted, on which proofs, in the vocabulary's order."""
        places = [
            granted.place
            for channel in Channel
            for granted in self.cells.get((channel, business), ())
        ]
        return tuple(places)

    def _ways(
        self, channel: Channel, business: Business, proofs: frozenset[Proof]
    ) -> tuple[Granted, ...]:
        ways = self.cells.get((channel, business), ())
        if AGENT_PROOFS.isdisjoint(proofs):
            return ways
        return tuple(way for way in ways if not AGENT_PROOFS.isdisjoint(way.place.proofs))

    def _not_granted(
        self, channel: Channel, business: Business, proofs: frozenset[Proof]
    ) -> NotGranted:
        reason = self._reason(channel, business, proofs)
        ways = self._ways(channel, business, proofs)
        missing = _shortest(way.place.proofs - proofs for way in ways)
        elsewhere = tuple(place for place in self.places(business) if place.channel is not channel)
        here = tuple(granted.place for granted in self.cells.get((channel, business), ()))
        instead = self.places(Business.SS_PIN_RESET) if reason is Reason.CHIP_PIN else ()
        steps = [bring(place.channel, place.proofs) for place in (*here, *elsewhere)]
        steps += [bring(place.channel, place.proofs, Business.SS_PIN_RESET) for place in instead]
        notice = OneTimeNotice(
            self._sentence(reason, channel, business),
            tuple(names(each) for each in missing),
            tuple(steps),
            self.notices.time_limit(business),
            self.notices.enquiries,
        )
        return NotGranted(business, channel, reason, missing, elsewhere, notice)

    def _reason(self, channel: Channel, business: Business, proofs: frozenset[Proof]) -> Reason:
        if business in self.withheld:
            return self.withheld[business]
        if self._ways(channel, business, proofs):
            return Reason.PROOF_MISSING
        if self.offers(channel, business):
            return Reason.NO_AGENT
        if (channel, business) in self.begins:
            return Reason.NOT_YET
        return Reason.OTHER_CHANNEL if self.places(business) else Reason.NOT_OFFERED

    def _sentence(self, reason: Reason, channel: Channel, business: Business) -> Text:
        if reason is Reason.NOT_YET:
            first = self.begins[channel, business].isoformat()
            zh, en = f"{reason.zh},自{first}起办理", f"{reason.en}, but from {first}"
        else:
            zh, en = reason.zh, reason.en
        return Text(f"{business.zh}({channel.zh}):{zh}。", f"{business.en} ({channel.en}): {en}.")


def _keys(grant: Grant) -> Iterable[tuple[Channel, Business]]:
    return ((channel, business) for channel in grant.channels for business in grant.business)


def _shortest(ways: Iterable[frozenset[Proof]]) -> tuple[frozenset[Proof], ...]:
    """Leave out a way that another one is a part of: nobody is asked for more than is needed."""
    distinct = dict.fromkeys(ways)
    return tuple(way for way in distinct if not any(other < way for other in distinct))
