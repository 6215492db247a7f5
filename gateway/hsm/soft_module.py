"""What each command of the security module does, in software.

What this promises and what it cannot: a PIN is clear in this process only, and in buffers that
are overwritten after use. Copies that the cipher library makes for itself cannot be overwritten
from Python; they live until the memory is used again, in a process that nobody else may read
(`gateway.hsm.module`).
"""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.hsm.attempts import AttemptFile
from gateway.hsm.envelope import (
    EnvelopeRefused,
    SamePin,
    SealedPayload,
    agree_on,
    open_payload,
    read_envelope,
)
from gateway.hsm.key_purpose import KeyPurpose
from gateway.hsm.key_store import KeyStore
from gateway.hsm.limits import BurntIds, RefusedAttempts, TriedBlocks
from gateway.hsm.pin_protocol import EncipheredPin, PinRefusal, SetPin, TranslatePin
from gateway.hsm.protocol import (
    BadRequest,
    Diagnostics,
    KeyTaken,
    PublicKey,
    SessionMacKey,
    TakeKey,
)
from gateway.hsm.store_keeper import StoreKeeper
from gateway.iso8583.key_change import PREVIOUS_MAC_KEY_SECONDS
from gateway.pinblock.formats import FILL_BYTES, MalformedPinBlock, wipe
from gateway.pinblock.policy import Judgement, PinList, PinVerdict, judge
from gateway.pinblock.translation import BoundFormat, check_translation
from gateway.pinblock.zone import Algorithm, Zone

SESSION_SECONDS_MAX = 900  # ceiling for any PIN session; the gateway's own last 300
# As many calls in fifteen minutes are 550 a second, and two ids of each some 110 MB.
BURNT_IDS_MAX = 500_000
TRIED_BLOCKS_MAX = 100_000  # a hundred a second of those fifteen minutes, from PIN pads only
# A person tries a few times; ten in an hour is a program.
REFUSALS_MAX = 10
REFUSALS_SECONDS = 3_600.0
REFUSED_CARDS_MAX = 100_000

PinAnswer = EncipheredPin | PinRefusal

_CANNOT_BIND = "security module: the zone cannot bind this account"
_NO_LIST = PinList()
_REFUSALS = {
    PinVerdict.FORMAT: PinRefusal.FORMAT,
    PinVerdict.TRIVIAL: PinRefusal.TRIVIAL,
    PinVerdict.PERSONAL: PinRefusal.PERSONAL,
}


class SoftModule:
    """The commands of one side's module; `clock` gives seconds since the epoch.

    `operators` are PINs refused besides those of any region's rules; `attempts` keeps the refused
    attempts of cards over a restart.
    """

    def __init__(
        self,
        store: KeyStore,
        clock: Callable[[], float],
        operators: PinList = _NO_LIST,
        attempts: AttemptFile | None = None,
    ) -> None:
        self._store = store
        self.keeper: StoreKeeper | None = None
        self._clock = clock
        self._operators = operators
        self._sessions = BurntIds(SESSION_SECONDS_MAX, BURNT_IDS_MAX)
        self._nonces = BurntIds(SESSION_SECONDS_MAX, BURNT_IDS_MAX)
        self._tried = TriedBlocks(SESSION_SECONDS_MAX, TRIED_BLOCKS_MAX)
        self._refused = RefusedAttempts(REFUSALS_MAX, REFUSALS_SECONDS, REFUSED_CARDS_MAX, attempts)

    def begin(self, request: SetPin) -> "PinAttempt":
        """Use the session up and look at the envelope's form; the PIN stays enciphered.

        The three steps of a call, `begin`, `agree` and `finish`, are apart only because that is
        quicker: each of them for many calls in a row takes a third less than call after call, for
        none has to find its code and data in the processor's caches anew.
        """
        now = self._clock()
        # The nonce is burnt as well: it stands inside the envelope, so that no envelope can be
        # tried twice under two session ids with different holders' data.
        unused = self._sessions.burn(request.session, now) and self._nonces.burn(request.nonce, now)
        if not unused or not _is_in_time(request, now):
            return PinAttempt(request, now, PinRefusal.SESSION)
        key = self._store.envelope_key(request.purpose, request.kid)
        # A purpose without a key here is a PIN of the other side.
        if key is None or key.is_over(now):
            return PinAttempt(request, now, PinRefusal.ENVELOPE)
        try:
            sealed = read_envelope(request.envelope, request.kid)
        except EnvelopeRefused:
            return PinAttempt(request, now, PinRefusal.ENVELOPE)
        return PinAttempt(request, now, None, sealed, key.private_key)

    def agree(self, attempt: "PinAttempt") -> AESGCM | None:
        """Agree on the key of an envelope; none where it cannot be opened."""
        if attempt.sealed is None or attempt.private_key is None:
            return None
        try:
            return agree_on(attempt.sealed, attempt.private_key)
        except EnvelopeRefused:
            return None

    def finish(self, attempt: "PinAttempt", content: AESGCM | None) -> PinAnswer:
        """Open the envelope, judge the PIN and encipher it for the zone, or refuse it.

        Raises `LocalError` when the gateway asks for a zone or an account that cannot be.
        """
        if attempt.refusal is PinRefusal.SESSION:
            return attempt.refusal
        card = attempt.request.card
        if not self._refused.allows(card, attempt.now):
            return PinRefusal.RATE_LIMITED
        answer = self._judged_and_enciphered(attempt, content)
        if isinstance(answer, PinRefusal):
            self._refused.count(card)
        return answer

    def translate_pin(self, request: TranslatePin) -> PinAnswer:
        """Decipher a PIN pad's block, judge the PIN and encipher it for the zone, or refuse it.

        A block is tried for one card, zone and holder only, else answers would tell its PIN bit
        by bit. Raises `LocalError` as `set_pin`, and `ForbiddenTranslation`.
        """
        channel, _ = self._store.channel_cipher(request.channel)
        zone, _ = self._store.pin_cipher(request.zone)
        ends = (_bound(channel, request), _bound(zone, request))
        check_translation(*ends)
        if request.account and not any(end.account for end in ends):
            raise BadRequest("security module: account is given, though neither format binds one")
        now = self._clock()
        unused = self._sessions.burn(request.session, now)
        if not unused or not _is_in_time(request, now):
            return PinRefusal.SESSION
        if not self._tried.allows(request.block, _circumstances(request), now):
            return PinRefusal.SESSION
        if not self._refused.allows(request.card, now):
            return PinRefusal.RATE_LIMITED
        answer = self._judged_and_translated(request)
        if isinstance(answer, PinRefusal):
            self._refused.count(request.card)
        return answer

    def mac_key(self, zone_name: str) -> SessionMacKey:
        """Give a zone's MAC key; raises `LocalError` for an unknown zone."""
        held = self._store.mac_key(zone_name)
        now = datetime.fromtimestamp(self._clock(), UTC)
        previous = self._store.previous_mac_key(zone_name, now)
        algorithm = Algorithm(held.record.algorithm)
        # One of another cipher is of no use to a link, whose dialect names one.
        if previous is None or previous.record.algorithm != held.record.algorithm:
            return SessionMacKey(held.key, algorithm)
        ends = previous.record.ends
        # A clock that was put back does not lengthen the time of a key.
        seconds = min((ends - now).total_seconds(), PREVIOUS_MAC_KEY_SECONDS) if ends else 0.0
        return SessionMacKey(held.key, algorithm, previous.key, seconds)

    def take_key(self, request: TakeKey) -> KeyTaken:
        """Take in a far side's new key, pending; raises `LocalError` when no store is kept."""
        taken = self._keeper().take(request)
        self._store = self._keeper().store
        return taken

    def activate_key(self, zone_name: str, purpose: KeyPurpose) -> None:
        """Make a zone's pending key current; raises `LocalError` when there is none."""
        self._keeper().activate(zone_name, purpose)
        self._store = self._keeper().store

    def reopen(self) -> None:
        """Take up the store as it is on disk now; raises `GatewayError` and keeps what it has."""
        self._store = self._keeper().reopened()

    def _keeper(self) -> StoreKeeper:
        if self.keeper is None:
            raise BadRequest("security module: its keys are not changed here")
        return self.keeper

    def public_keys(self) -> tuple[PublicKey, ...]:
        """Give the public half of every current envelope key."""
        return tuple(
            PublicKey(key.purpose, key.kid, key.not_after, key.public_jwk)
            for key in self._store.envelope_keys
        )

    def diagnostics(self) -> Diagnostics:
        """Say which side's keys are here, whether they are test keys, and for which zones."""
        zones = self._store.ledger.zones
        binding = tuple(zone.name for zone in zones if zone.format.binds_account)
        controls = {zone.name: zone.security_control_information for zone in zones}
        store = self._store
        names, pads = store.zone_names, store.pads
        return Diagnostics(store.side, store.stage, names, binding, controls, pads)

    def _judged_and_enciphered(self, attempt: "PinAttempt", content: AESGCM | None) -> PinAnswer:
        request, _, _, sealed, _ = attempt
        if sealed is None or content is None:
            return PinRefusal.ENVELOPE
        try:
            pin = open_payload(sealed, content, request.nonce)
        except EnvelopeRefused:
            return PinRefusal.ENVELOPE
        except SamePin:
            return PinRefusal.SAME
        try:
            judgement = judge(pin, request.policy, request.holder, self._operators)
            if judgement.verdict is not PinVerdict.ACCEPTED:
                return _REFUSALS[judgement.verdict]
            key = self._store.pin_key(request.zone)
            block = key.encipher(pin, request.account, os.urandom(FILL_BYTES))
        except ValueError:
            raise BadRequest(_CANNOT_BIND) from None
        finally:
            wipe(pin)
        return EncipheredPin(block, key.security_control, judgement.advice)

    def _judged_and_translated(self, request: TranslatePin) -> PinAnswer:
        zone, _ = self._store.pin_cipher(request.zone)
        translate = self._store.translator(request.channel, request.zone)
        judgement = Judgement(PinVerdict.FORMAT)

        def accepts(pin: bytearray) -> bool:
            nonlocal judgement
            judgement = judge(pin, request.policy, request.holder, self._operators)
            return judgement.verdict is PinVerdict.ACCEPTED

        try:
            block = translate(request.block, request.account, os.urandom(FILL_BYTES), accepts)
        except MalformedPinBlock:
            return PinRefusal.ENVELOPE
        except ValueError:
            raise BadRequest(_CANNOT_BIND) from None
        if block is None:
            return _REFUSALS[judgement.verdict]
        return EncipheredPin(block, zone.security_control_information, judgement.advice)


class PinAttempt(NamedTuple):
    """A request to set a PIN, begun; one that is not refused has a sealed envelope and its key."""

    request: SetPin
    now: float
    refusal: PinRefusal | None
    sealed: SealedPayload | None = None
    private_key: EllipticCurvePrivateKey | None = None

    def __repr__(self) -> str:
        return "PinAttempt(…)"


def _is_in_time(request: SetPin | TranslatePin, now: float) -> bool:
    # An id is remembered for SESSION_SECONDS_MAX; one that lived longer could come back.
    return now < request.expires_at <= now + SESSION_SECONDS_MAX


def _bound(zone: Zone, request: TranslatePin) -> BoundFormat:
    return BoundFormat(zone.format, request.account if zone.format.binds_account else "")


def _circumstances(request: TranslatePin) -> tuple[str, ...]:
    """Name everything that the answer to an attempt depends on, besides the block."""
    policy, holder = request.policy, request.holder
    rules = (sorted(policy.rules), sorted(policy.advised), policy.listed, policy.initial)
    known = (holder.birth_date, holder.numbers, request.account, request.card)
    return tuple(map(ascii, (request.channel, request.zone, policy.length, *rules, *known)))
