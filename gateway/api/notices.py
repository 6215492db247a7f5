"""What a region's matrix says of a business that it does not grant, as problem details show it."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from gateway.regions.matrix import NotGranted, Reason
from gateway.regions.notice import OneTimeNotice, Place, Text
from gateway.regions.vocabulary import Business, Channel, Proof


@dataclass(frozen=True, slots=True)
class UserMessageView:
    """A sentence ready to show to the customer."""

    zh: Annotated[str, Field(description="In Chinese.")]
    en: Annotated[str, Field(description="In English.")]


@dataclass(frozen=True, slots=True)
class PlaceView:
    """A channel that grants the business, and the proofs it asks for together."""

    channel: Channel
    proofs: tuple[Proof, ...]


@dataclass(frozen=True, slots=True)
class NoticeView:
    """The one-time notice (一次性告知单), ready to show or print."""

    reason: UserMessageView
    missing: Annotated[
        tuple[tuple[UserMessageView, ...], ...],
        Field(description="One list for each way to do it here; all that the way still needs."),
    ]
    procedure: tuple[UserMessageView, ...]
    time_limit: UserMessageView
    enquiries: UserMessageView


@dataclass(frozen=True, slots=True)
class NotGrantedView:
    """Why a region does not grant a business on a channel, and what would be granted."""

    reason: Reason
    business: Business
    channel: Channel
    missing: Annotated[
        tuple[tuple[Proof, ...], ...],
        Field(description="One list for each way to do it here; the proofs it still needs."),
    ]
    elsewhere: Annotated[tuple[PlaceView, ...], Field(description="Other channels that grant it.")]
    notice: NoticeView


def not_granted_view(decision: NotGranted) -> NotGrantedView:
    """Show a decision, its proofs in the order of their vocabulary."""
    return NotGrantedView(
        decision.reason,
        decision.business,
        decision.channel,
        tuple(ordered(way) for way in decision.missing),
        tuple(place_view(place) for place in decision.elsewhere),
        _notice_view(decision.notice),
    )


def place_view(place: Place) -> PlaceView:
    """Show a place."""
    return PlaceView(place.channel, ordered(place.proofs))


def ordered(proofs: frozenset[Proof]) -> tuple[Proof, ...]:
    """Give proofs in the order of their vocabulary."""
    return tuple(proof for proof in Proof if proof in proofs)


def _notice_view(notice: OneTimeNotice) -> NoticeView:
    return NoticeView(
        _said(notice.reason),
        tuple(tuple(_said(each) for each in way) for way in notice.missing),
        tuple(_said(step) for step in notice.procedure),
        _said(notice.time_limit),
        _said(notice.enquiries),
    )


def _said(text: Text) -> UserMessageView:
    return UserMessageView(text.zh, text.en)
