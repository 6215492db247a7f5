"""The port between HTTP and the rest of the gateway: commands in, views out.

``gateway.app`` implements `GatewayService`. Views carry the words of the domain; what is sensitive
in them is masked when it is rendered, never before, so that nothing depends on a caller's care.
All instants are aware `datetime` values and are rendered in RFC 3339.
"""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Protocol

from pydantic import Field, PlainSerializer

from gateway.api.agency_views import AgencyView
from gateway.api.fields import (
    AgencyCodeText,
    EcardNumberMasked,
    LinkIdText,
    OperationIdText,
    PanMasked,
    PinSessionIdText,
    SsCardNumberMasked,
)
from gateway.api.problems import AdviceView, RefusalView, advice_view, refusal_view
from gateway.api.vocabulary import TIMELINE_WORDS, explained
from gateway.api.vouchers import Paper, VoucherView
from gateway.linking.link import LinkState
from gateway.operations.facts import OperationKind, OperationState
from gateway.regions.vocabulary import Channel, Proof
from gateway.terms.advice import Advice
from gateway.terms.numbers import (
    Address,
    AgencyCode,
    CitizenId,
    CustomerNumber,
    LinkId,
    Mobile,
    OperationId,
    Pan,
    PersonName,
    PinSessionId,
    SsCardNumber,
)
from gateway.terms.refusals import Refusal
from gateway.terms.sides import PinPurpose, Side
from gateway.terms.values import value


@value(frozen=True, slots=True)
class Caller:
    """Who asks: the channel, the customer it asks for (where one is named), the request's id.

    `kind` is where the customer stands, `proofs` what the channel attests of the customer.
    """

    channel: str
    customer: CustomerNumber | None
    request_id: str
    kind: Channel = Channel.ONLINE_BANK
    proofs: frozenset[Proof] = frozenset({Proof.SESSION})


@value(frozen=True, slots=True)
class IdempotencyKey:
    """A caller's Idempotency-Key and what it was used for.

    `fingerprint` is 32 bytes of keyed BLAKE2b over method, path, customer and canonical body.
    Keyed, because a plain hash of an account number can be searched (PCI DSS 4.0.1, 3.5.1.1).
    Keys of two channels have nothing to do with each other.
    """

    key: str
    fingerprint: bytes


class AddedService(StrEnum):
    """A service of the bank that the customer may choose, at the activation or later."""

    SMS = "sms"
    ONLINE_BANKING = "online-banking"
    WEALTH_ACCOUNT = "wealth-account"


@value(frozen=True, slots=True)
class LinkCommand:
    """Link a social-security card to an account of the caller's customer."""

    institution: AgencyCode
    ss_card_number: SsCardNumber
    account: Pan
    mobile: Mobile
    contact_address: Address | None


@value(frozen=True, slots=True)
class SetPinCommand:
    """A PIN: its session, and the compact JWE made in the browser or a PIN pad's block.

    `pin_block` is hexadecimal, under the key of the channel that calls; one of both is empty.
    """

    pin_session: PinSessionId
    encrypted_pin: str = field(default="", repr=False)
    pin_block: str = field(default="", repr=False)


@value(frozen=True, slots=True)
class ActivateCommand:
    """Activate the linked account under a new financial PIN."""

    link: LinkId
    pin: SetPinCommand
    added_services: tuple[AddedService, ...]


@value(frozen=True, slots=True)
class ApplyCommand:
    """Apply for a first card, for the owner of an account of the caller's customer."""

    institution: AgencyCode
    account: Pan
    name: PersonName
    citizen_id: CitizenId
    mobile: Mobile
    contact_address: Address | None


@value(frozen=True, slots=True)
class BusinessCommand:
    """A business in the life of a card, with what its procedure needs beside the link.

    `words` are open subfields of DE 48, which are recorded; `private` are those that must not be.
    """

    pins: Mapping[PinPurpose, SetPinCommand] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)
    private: Mapping[str, str] = field(default_factory=dict, repr=False)


@value(frozen=True, slots=True)
class TimelineEntry:
    """One step of an operation, masked."""

    at: datetime
    what: Annotated[
        str,
        Field(
            description=explained("What happened, a stable word:", TIMELINE_WORDS),
            json_schema_extra={"enum": list(TIMELINE_WORDS)},
        ),
    ]
    side: Side | None = None
    message: Annotated[str | None, Field(description="Name of the ISO 8583 message.")] = None
    attempt: Annotated[int | None, Field(description="1 for the first sending.")] = None
    response_code: Annotated[str | None, Field(description="Data element 39.")] = None


@value(frozen=True, slots=True)
class SsAccountView:
    """How far the SS account has followed a financial activation: `succeeded` when it has."""

    state: OperationState
    due_at: Annotated[datetime, Field(description="When it follows, by the region's rule.")]


@value(frozen=True, slots=True)
class OneTimeCodeView:
    """A code of the e-card, good for one scan until it expires."""

    code: str = field(repr=False)
    expires_at: datetime


@value(frozen=True, slots=True)
class OperationView:
    """A durable operation: what it is, how far it is, how it got there."""

    operation: OperationIdText
    kind: OperationKind
    state: OperationState
    created_at: datetime
    updated_at: datetime
    link: LinkIdText | None = None
    refusal: Annotated[
        Refusal | None,
        PlainSerializer(
            lambda refusal: refusal and refusal_view(refusal), return_type=RefusalView | None
        ),
        Field(description="Why the operation failed."),
    ] = None
    advice: Annotated[
        Advice | None,
        PlainSerializer(
            lambda advice: advice and advice_view(advice), return_type=AdviceView | None
        ),
        Field(
            description="What the customer had better do about the new PIN; in the first answer "
            "only, for it would tell whoever reads it later what the PIN is like."
        ),
    ] = None
    response_code: Annotated[
        str | None, Field(description="ISO 8583 response code (DE 39) that settled it.")
    ] = None
    result: Annotated[
        Mapping[str, str] | None,
        Field(description="What the far side told: states, counts and dates, each by its word."),
    ] = None
    one_time_code: Annotated[
        OneTimeCodeView | None,
        Field(description="The code to be scanned, in the first answer only: it is never kept."),
    ] = None
    ss_account: Annotated[
        SsAccountView | None,
        Field(description="After an activation: the SS account, which follows by itself."),
    ] = None
    papers: Annotated[
        tuple[Paper, ...],
        Field(
            description="Papers to be printed for the customer now that it is done: the voucher "
            "holds them."
        ),
    ] = ()
    timeline: tuple[TimelineEntry, ...] = ()


@value(frozen=True, slots=True)
class Reply:
    """An operation's present state, and whether an earlier request had begun it."""

    operation: OperationView
    replayed: bool = False


@value(frozen=True, slots=True)
class PinSessionView:
    """A one-time PIN session; opening another one for the same link and purpose ends it."""

    pin_session: PinSessionIdText
    purpose: PinPurpose
    nonce: Annotated[str, Field(description="Goes into the encrypted payload unchanged.")] = field(
        repr=False
    )
    kid: Annotated[str, Field(description="The key of /v1/jwks.json to encrypt under.")]
    expires_at: datetime


@value(frozen=True, slots=True)
class SessionReply:
    """A PIN session, and whether an earlier request had opened it."""

    session: PinSessionView
    replayed: bool = False


@value(frozen=True, slots=True)
class LinkView:
    """A link of a card and an account; both numbers are masked when it is rendered."""

    link: LinkIdText
    state: LinkState
    institution: AgencyCodeText
    ss_card_number: SsCardNumberMasked
    account: PanMasked
    created_at: datetime
    ecard_number: EcardNumberMasked | None = None


@value(frozen=True, slots=True)
class ReadinessCheck:
    """One thing the gateway needs: whether it is there, and a word about it (no secrets).

    Of what is not required one is enough: without the others the gateway still serves.
    """

    ready: bool
    detail: str = ""
    required: bool = True


@value(frozen=True, slots=True)
class PublicKey:
    """A public key of a security module, as JWK (RFC 7517) with two members of ours.

    A type of its own, so that a private member cannot slip out with a mapping.
    """

    kty: str
    crv: str
    x: str
    y: str
    kid: str
    use: str
    alg: str
    purpose: Annotated[PinPurpose, Field(description="Which PIN this key is for.")]
    not_after: Annotated[datetime, Field(description="Do not use the key after this instant.")]


class CardLifeService(Protocol):
    """What HTTP asks of the life of a card; it raises as `GatewayService` does."""

    async def apply(self, caller: Caller, key: IdempotencyKey, command: ApplyCommand) -> Reply:
        """Apply for a first card; the link that the answer names is that of the application."""
        ...

    async def ask(self, caller: Caller, link: LinkId, kind: OperationKind) -> Reply:
        """Ask a far side about a card or an account; nothing is changed by it."""
        ...

    async def carry_out(
        self,
        caller: Caller,
        key: IdempotencyKey,
        link: LinkId,
        kind: OperationKind,
        command: BusinessCommand,
    ) -> Reply:
        """Carry out a business in the life of a card."""
        ...

    async def voucher(self, caller: Caller, operation: OperationId) -> VoucherView:
        """Give the voucher of a business that was done; `IN_PROGRESS` while it is not."""
        ...

    def is_genuine(self, operation: OperationId, verification_code: str) -> bool:
        """Tell whether a verification code is that of an operation's voucher."""
        ...


class GatewayService(Protocol):
    """What HTTP asks of the gateway.

    Every method that concerns a customer raises `RequestRefused` (`NOT_FOUND` alike for what does
    not exist and for what belongs to another customer or channel); those that change state also
    raise it with `IDEMPOTENCY_KEY_REUSED`, `IN_PROGRESS`, `OVERLOADED`. `Unavailable` says that
    nothing was changed and is answered as `OVERLOADED`.
    """

    @property
    def card_life(self) -> CardLifeService:
        """The businesses in the life of a card."""
        ...

    def agencies(self) -> tuple[AgencyView, ...]:
        """List the institutions served."""
        ...

    async def public_keys(self) -> tuple[PublicKey, ...]:
        """List the modules' public keys; raises `RequestRefused` when a module is away."""
        ...

    async def link(self, caller: Caller, key: IdempotencyKey, command: LinkCommand) -> Reply:
        """Begin to link a card to an account, and wait for the outcome as long as is decent."""
        ...

    async def unlink(self, caller: Caller, key: IdempotencyKey, link: LinkId) -> Reply:
        """Begin to remove a link."""
        ...

    async def read_link(self, caller: Caller, link: LinkId) -> LinkView:
        """Read a link."""
        ...

    async def open_pin_session(
        self, caller: Caller, key: IdempotencyKey, link: LinkId, purpose: PinPurpose
    ) -> SessionReply:
        """Open a one-time PIN session; it ends the earlier one of the same link and purpose."""
        ...

    async def set_ss_pin(
        self, caller: Caller, key: IdempotencyKey, link: LinkId, command: SetPinCommand
    ) -> Reply:
        """Set the SS PIN without the old one."""
        ...

    async def activate(
        self, caller: Caller, key: IdempotencyKey, command: ActivateCommand
    ) -> Reply:
        """Activate the account of a link."""
        ...

    async def read_operation(self, caller: Caller, operation: OperationId) -> OperationView:
        """Read an operation."""
        ...

    def readiness(self) -> Mapping[str, ReadinessCheck]:
        """Say, by name, whether each thing the gateway needs is there."""
        ...

    def metrics(self) -> bytes:
        """Give the metrics in the Prometheus text format, version 0.0.4."""
        ...
