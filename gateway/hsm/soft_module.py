"""What each command of the security module does, in software.

What this promises and what it cannot: a PIN is clear in this process only, and in buffers that
are overwritten after use. Copies that the cipher library makes for itself cannot be overwritten
from Python; they live until the memory is used again, in a process that nobody else may read
(`gateway.hsm.module`).
"""

import secrets
from collections.abc import Callable
from datetime import UTC, date, datetime

from gateway.hsm.envelope import EnvelopeRefused, open_envelope
from gateway.hsm.key_store import KeyStore
from gateway.hsm.limits import BurntIds, RefusedAttempts
from gateway.hsm.protocol import (
    BadRequest,
    Diagnostics,
    EncipheredPin,
    PinRefusal,
    PublicKey,
    SetPin,
)
from gateway.pinblock.formats import FILL_BYTES, wipe
from gateway.pinblock.policy import Judgement, PinList, PinVerdict, judge

SESSION_SECONDS_MAX = 900  # ceiling for any PIN session; the gateway's own last 300
# Two ids for each call: 500,000 calls in fifteen minutes are 550 a second, and some 100 MB.
BURNT_IDS_MAX = 1_000_000
# A person tries a few times; ten in an hour is a program.
REFUSALS_MAX = 10
REFUSALS_SECONDS = 3_600.0
REFUSED_CARDS_MAX = 100_000

_NO_LIST = PinList()
_REFUSALS = {
    PinVerdict.FORMAT: PinRefusal.FORMAT,
    PinVerdict.TRIVIAL: PinRefusal.TRIVIAL,
    PinVerdict.PERSONAL: PinRefusal.PERSONAL,
}


class SoftModule:
    """The commands of one side's module; `clock` gives seconds since the epoch.

    `operators` are PINs refused besides those of any region's rules.
    """

    def __init__(
        self, store: KeyStore, clock: Callable[[], float], operators: PinList = _NO_LIST
    ) -> None:
        self._store = store
        self._clock = clock
        self._operators = operators
        self._burnt = BurntIds(SESSION_SECONDS_MAX, BURNT_IDS_MAX)
        self._refused = RefusedAttempts(REFUSALS_MAX, REFUSALS_SECONDS, REFUSED_CARDS_MAX)

    def set_pin(self, request: SetPin) -> EncipheredPin | PinRefusal:
        """Open the envelope, judge the PIN and encipher it for the zone, or refuse it.

        The session is used up whatever comes of it. Raises `LocalError` when the gateway asks for
        a zone or an account that cannot be.
        """
        now = self._clock()
        if not self._begin_session(request, now):
            return PinRefusal.SESSION
        if not self._refused.allows(request.card, now):
            return PinRefusal.RATE_LIMITED
        answer = self._judged_and_enciphered(request, now)
        if isinstance(answer, PinRefusal):
            self._refused.count(request.card)
        return answer

    def mac_key(self, zone_name: str) -> bytes:
        """Give a zone's MAC key; raises `LocalError` for an unknown zone."""
        return self._store.mac_key(zone_name)

    def public_keys(self) -> tuple[PublicKey, ...]:
        """Give the public half of every current envelope key."""
        return tuple(
            PublicKey(key.purpose, key.kid, key.not_after, key.public_jwk)
            for key in self._store.envelope_keys
        )

    def diagnostics(self) -> Diagnostics:
        """Say which side's keys are here, whether they are test keys, and for which zones."""
        return Diagnostics(self._store.side, self._store.stage, self._store.zone_names)

    def _begin_session(self, request: SetPin, now: float) -> bool:
        # The nonce is burnt as well: it stands inside the envelope, so that no envelope can be
        # tried twice under two session ids with different holders' data.
        unused = [
            self._burnt.burn(f"session {request.session}", now),
            self._burnt.burn(f"nonce {request.nonce}", now),
        ]
        # An id is remembered for SESSION_SECONDS_MAX; one that lived longer could come back.
        return all(unused) and now < request.expires_at <= now + SESSION_SECONDS_MAX

    def _judged_and_enciphered(self, request: SetPin, now: float) -> EncipheredPin | PinRefusal:
        try:
            pin = self._open(request, datetime.fromtimestamp(now, UTC).date())
        except EnvelopeRefused:
            return PinRefusal.ENVELOPE
        try:
            judgement = judge(pin, request.policy, request.holder, self._operators)
            if judgement.verdict is not PinVerdict.ACCEPTED:
                return _REFUSALS[judgement.verdict]
            return self._encipher(request, pin, judgement)
        finally:
            wipe(pin)

    def _open(self, request: SetPin, today: date) -> bytearray:
        key = self._store.envelope_key(request.purpose, request.kid)
        # A purpose without a key here is a PIN of the other side.
        if key is None or today > key.not_after:
            raise EnvelopeRefused
        return open_envelope(request.envelope, key, request.nonce)

    def _encipher(self, request: SetPin, pin: bytearray, judgement: Judgement) -> EncipheredPin:
        zone, cipher = self._store.pin_cipher(request.zone)
        fill = secrets.token_bytes(FILL_BYTES)
        try:
            block = zone.encipher(cipher, pin, request.account, fill)
        except ValueError:
            raise BadRequest("security module: the zone cannot bind this account") from None
        return EncipheredPin(block, zone.security_control_information, judgement.advice)
