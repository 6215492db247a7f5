"""PINs between the service and the security modules: each side's module, each side's facts."""

from collections.abc import Callable, Mapping
from dataclasses import field, replace
from datetime import UTC, datetime, time
from types import MappingProxyType
from typing import Self

from gateway.api import service as api
from gateway.financial.account import FinancialAccount
from gateway.hsm import pin_protocol
from gateway.hsm.client import SecurityModule
from gateway.hsm.pin_protocol import PinRefusal, SetPin, TranslatePin
from gateway.hsm.protocol import Diagnostics, PublicKey
from gateway.linking.link import PinSession
from gateway.operations.copies import copier
from gateway.operations.draft import EncipheredPin
from gateway.pinblock.policy import PinAdvice, PinHolder, PinPolicy
from gateway.regions.vocabulary import PIN_IS_COMPARED, Business, Proof
from gateway.social.card import SocialCard
from gateway.terms.advice import Advice
from gateway.terms.errors import RequestRefused, Unavailable
from gateway.terms.refusals import Refusal
from gateway.terms.sides import PinPurpose, Side
from gateway.terms.values import value

PIN_BUSINESSES: Mapping[PinPurpose, tuple[Business, ...]] = {
    PinPurpose.SS_PIN: (Business.SS_PIN_SET, Business.SS_PIN_CHANGE, Business.SS_PIN_RESET),
    PinPurpose.SS_PIN_PROOF: PIN_IS_COMPARED[Proof.SS_PIN],
    PinPurpose.FINANCIAL_PIN: (Business.ACTIVATE, Business.FINANCIAL_PIN_RESET),
    PinPurpose.ECARD_PIN: (
        Business.ECARD_ISSUE,
        Business.ECARD_PIN_SET,
        Business.ECARD_PIN_CHANGE,
        Business.ECARD_PIN_RESET,
    ),
    PinPurpose.ECARD_PIN_PROOF: PIN_IS_COMPARED[Proof.ECARD_PIN],
}
"""What each PIN is asked for: a session is opened where one of these is allowed."""

FINANCIAL_PIN_POLICY = PinPolicy()
"""The bank's own rule for its accounts: every rule there is (no region speaks of this PIN)."""


@value(frozen=True, slots=True)
class AcceptedPin:
    """A PIN for the far side, and what is to be said of it to the customer, once.

    The advice is not recorded: whoever read it later would know what a PIN in force is like.
    """

    enciphered: EncipheredPin
    advice: Advice | None = None

    def beside(self, reply: api.Reply) -> api.Reply:
        """Add the advice to an answer."""
        if self.advice is None:
            return reply
        return replace(reply, operation=replace(reply.operation, advice=self.advice))


PinOutcome = AcceptedPin | Refusal


@value(frozen=True, slots=True)
class PinOrder:
    """Everything that a security module needs to open, judge and encipher one PIN.

    `number` is the number of card or account under which refused attempts are counted, and to
    which a zone binds PIN blocks if it binds them to any.
    """

    purpose: PinPurpose
    zone: str
    number: str = field(repr=False)
    policy: PinPolicy
    holder: PinHolder = field(repr=False)
    session: PinSession | None = None
    envelope: str = field(default="", repr=False)
    channel: str = ""
    block: str = field(default="", repr=False)

    @classmethod
    def for_card(cls, card: SocialCard, zone: str, policy: PinPolicy) -> Self:
        """Order an SS PIN; a zone that binds a number binds the card's, never the bank's."""
        numbers = [card.number.value, card.mobile.value]
        born = None
        if card.holder is not None:
            born = card.holder.citizen_id.birth_date
            numbers.append(card.holder.citizen_id.value)
            if card.holder.mobile is not None:
                numbers.append(card.holder.mobile.value)
        holder = PinHolder(born, tuple(dict.fromkeys(numbers)))
        return cls(PinPurpose.SS_PIN, zone, card.number.value, policy, holder)

    @classmethod
    def for_ecard(cls, card: SocialCard, zone: str, policy: PinPolicy) -> Self:
        """Order a PIN of the e-card, which is another one than the card's."""
        return replace(cls.for_card(card, zone, policy), purpose=PinPurpose.ECARD_PIN)

    @classmethod
    def for_account(cls, account: FinancialAccount, zone: str) -> Self:
        """Order a financial PIN, bound to the account's own number."""
        numbers, born = [account.pan.value], None
        if account.owner is not None:
            born = account.owner.citizen_id.birth_date
            numbers.append(account.owner.citizen_id.value)
            if account.owner.mobile is not None:
                numbers.append(account.owner.mobile.value)
        holder = PinHolder(born, tuple(numbers))
        pan = account.pan.value
        return cls(PinPurpose.FINANCIAL_PIN, zone, pan, FINANCIAL_PIN_POLICY, holder)

    def as_proof(self) -> Self:
        """Take the PIN for the one in force: it has a length, and no other rule concerns it."""
        is_ecard = self.purpose is PinPurpose.ECARD_PIN
        purpose = PinPurpose.ECARD_PIN_PROOF if is_ecard else PinPurpose.SS_PIN_PROOF
        return replace(self, purpose=purpose, policy=PinPolicy(self.policy.length, frozenset()))

    def with_entry(self, session: PinSession, channel: str, entry: api.SetPinCommand) -> "PinOrder":
        """Add what a channel sent, an envelope or a block, and the session it must belong to."""
        if entry.pin_block:
            return self.with_block(session, channel, entry.pin_block)
        return self.with_envelope(session, entry.encrypted_pin)

    def with_block(self, session: PinSession, channel: str, block: str) -> Self:
        """Add the PIN block of a channel's PIN pad, hexadecimal, and the session it is for."""
        return replace(self, session=session, channel=channel, block=block)

    def with_envelope(self, session: PinSession, envelope: str) -> "PinOrder":
        """Add what the customer's browser sent, and the session that it must belong to."""
        return _copy(self, {"session": session, "envelope": envelope})  # once for every PIN


_copy = copier(PinOrder)


class SecurityModules:
    """Both sides' modules; a PIN goes to the module of its own side only.

    `fingerprints` are each side's keyed hashes of bytes, `outside` gives an instant as the modules'
    clocks have it, `pads` are the zones of the channels that have PIN pads.
    """

    def __init__(
        self,
        modules: Mapping[Side, SecurityModule],
        fingerprints: Mapping[Side, Callable[[bytes], bytes]],
        outside: Callable[[datetime], datetime],
        pads: Mapping[tuple[str, Side], str] = MappingProxyType({}),
    ) -> None:
        self._modules = modules
        self._fingerprints = fingerprints
        self._outside = outside
        self._pads = pads
        self._said: dict[Side, Diagnostics] = {}

    async def kid(self, purpose: PinPurpose) -> str:
        """Give the key under which a PIN is to be encrypted; raises `RequestRefused`."""
        for key in await self._keys(purpose.side):
            if key.purpose is purpose.key:
                return key.kid
        raise RequestRefused(Refusal.SECURITY_MODULE_UNAVAILABLE)

    async def public_keys(self) -> tuple[api.PublicKey, ...]:
        """Give every public key as a JWK with its purpose and last day."""
        return tuple([_jwk(key) for side in Side for key in await self._keys(side)])

    async def security_control(self, channel: str, side: Side) -> str:
        """Give DE 53 that a channel's PIN blocks come with; raises `RequestRefused`."""
        zone = self._pad(channel, side)
        try:
            said = await self._diagnostics(side, zone)
        except Unavailable:
            raise RequestRefused(Refusal.SECURITY_MODULE_UNAVAILABLE) from None
        return said.controls.get(zone, "")

    async def encipher(self, order: PinOrder) -> PinOutcome:
        """Open, judge and encipher a PIN in one call; raises `RequestRefused`."""
        if order.session is None:
            raise RequestRefused(Refusal.PIN_SESSION_UNUSABLE)
        try:
            ask = self._translated if order.block else self._opened
            answer = await ask(order, order.session)
        except Unavailable:
            raise RequestRefused(Refusal.SECURITY_MODULE_UNAVAILABLE) from None
        if answer is PinRefusal.SAME and order.purpose is not PinPurpose.ECARD_PIN:
            return Refusal.PIN_ENVELOPE  # nobody asks for another PIN beside
        if isinstance(answer, PinRefusal):
            return _REFUSALS[answer]
        enciphered = EncipheredPin(answer.block, answer.security_control)
        return AcceptedPin(enciphered, _ADVICE[answer.advice] if answer.advice else None)

    async def _opened(
        self, order: PinOrder, session: PinSession
    ) -> pin_protocol.EncipheredPin | PinRefusal:
        side = order.purpose.side
        request = SetPin(
            purpose=order.purpose.key,
            session=session.id.value,
            nonce=session.nonce,
            expires_at=self._expiry(session),
            kid=session.kid,
            envelope=order.envelope,
            zone=order.zone,
            account=await self._account(order, side, order.zone),
            card=self._reference(order),
            policy=order.policy,
            holder=order.holder,
        )
        return await self._modules[side].set_pin(request)

    async def _translated(
        self, order: PinOrder, session: PinSession
    ) -> pin_protocol.EncipheredPin | PinRefusal:
        side = order.purpose.side
        zone = self._pad(order.channel, side, order.purpose)
        request = TranslatePin(
            session=session.id.value,
            expires_at=self._expiry(session),
            channel=zone,
            block=bytes.fromhex(order.block),
            zone=order.zone,
            account=await self._account(order, side, zone, order.zone),
            card=self._reference(order),
            policy=order.policy,
            holder=order.holder,
        )
        return await self._modules[side].translate_pin(request)

    async def _account(self, order: PinOrder, side: Side, *zones: str) -> str:
        """Give the number that PIN blocks are bound to, where one of the zones binds any.

        A zone's rule never changes, so what the module said of it once is kept.
        """
        said = await self._diagnostics(side, *zones)
        return order.number if set(zones).intersection(said.binding) else ""

    async def _diagnostics(self, side: Side, *zones: str) -> Diagnostics:
        said = self._said.get(side)
        if said is None or not set(zones).issubset(said.zones):
            said = self._said[side] = await self._modules[side].diagnostics()
        return said

    def _pad(self, channel: str, side: Side, purpose: PinPurpose | None = None) -> str:
        zone = self._pads.get((channel, side))
        if zone is None:
            rule = "only from a channel with PIN pads of its own"
            place = "/current_pin" if purpose and purpose.is_proof else ""
            raise RequestRefused(Refusal.INVALID_REQUEST, f"{place}/pin_block", rule)
        return zone

    def _expiry(self, session: PinSession) -> int:
        return int(self._outside(session.expires_at).timestamp())

    def _reference(self, order: PinOrder) -> str:
        """Name a card to its module the same whichever link leads to it, but not by its number."""
        fingerprint = self._fingerprints[order.purpose.side]
        return fingerprint(f"PIN attempts {order.number}".encode()).hex()

    async def _keys(self, side: Side) -> tuple[PublicKey, ...]:
        try:
            return await self._modules[side].public_keys()
        except Unavailable:
            raise RequestRefused(Refusal.SECURITY_MODULE_UNAVAILABLE) from None


_ADVICE = {
    PinAdvice.TRIVIAL: Advice.PIN_TRIVIAL_ADVICE,
    PinAdvice.PERSONAL: Advice.PIN_PERSONAL_ADVICE,
}
_REFUSALS = {
    PinRefusal.SESSION: Refusal.PIN_SESSION_UNUSABLE,
    PinRefusal.ENVELOPE: Refusal.PIN_ENVELOPE,
    PinRefusal.FORMAT: Refusal.PIN_FORMAT,
    PinRefusal.TRIVIAL: Refusal.PIN_TRIVIAL,
    PinRefusal.PERSONAL: Refusal.PIN_PERSONAL,
    PinRefusal.SAME: Refusal.PIN_AS_CARD_PIN,
    PinRefusal.RATE_LIMITED: Refusal.PIN_RATE_LIMITED,
}


def _jwk(key: PublicKey) -> api.PublicKey:
    end_of_day = datetime.combine(key.not_after, time.max, UTC).replace(microsecond=0)
    return api.PublicKey(
        kty=key.jwk["kty"],
        crv=key.jwk["crv"],
        x=key.jwk["x"],
        y=key.jwk["y"],
        kid=key.kid,
        use=key.jwk["use"],
        alg=key.jwk["alg"],
        purpose=key.purpose,
        not_after=end_of_day,
    )
