"""What the gateway may ask of a payment HSM: PIN blocks of channels, MACs, keys, diagnostics.

An HSM opens no JWE, so a PIN comes as a block under a bank PIN pad's channel key. Judging it and
translating it are two commands of the HSM, not one: that the second follows only on the first,
with the same block, is a rule that is kept here, outside the HSM.
"""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from gateway.hsm.attempts import AttemptFile
from gateway.hsm.limits import RefusedAttempts, TriedBlocks
from gateway.hsm.mac import MacPadding
from gateway.hsm.payshield.diagnostics import Diagnose, HsmIdentity
from gateway.hsm.payshield.errors import HostError, pin_refusal
from gateway.hsm.payshield.excluded import excluded_pins
from gateway.hsm.payshield.host import HostConnection
from gateway.hsm.payshield.key_commands import (
    CheckKey,
    ExportedKey,
    ExportKey,
    ExportUnder,
    ImportedKey,
    ImportKey,
)
from gateway.hsm.payshield.keys import HostKey, KeyRole
from gateway.hsm.payshield.mac_commands import GenerateMac, VerifyMac
from gateway.hsm.payshield.pin_commands import (
    EncipheredBlock,
    ExcludedPins,
    ProbeByPvv,
    TranslatedPin,
    TranslatePin,
    TranslateTerminalPin,
    format_code,
)
from gateway.hsm.pin_protocol import EncipheredPin, PinRefusal
from gateway.hsm.soft_module import REFUSALS_MAX, REFUSALS_SECONDS, REFUSED_CARDS_MAX
from gateway.pinblock.policy import PinHolder, PinPolicy
from gateway.pinblock.translation import BoundFormat, check_translation
from gateway.pinblock.zone import AccountRule, Zone
from gateway.terms.errors import LocalError

# A block of format 0 is the same whenever the same PIN comes again, so this is also how long a
# customer whose personal data changed meanwhile could not choose that PIN.
PROBE_SECONDS = 900.0
PROBED_BLOCKS_MAX = 500_000  # some 550 a second over that time, and 150 MB

_MAC_VERIFICATION_FAILED = "01"

E = TypeVar("E")


@dataclass(frozen=True, slots=True, repr=False)
class ChannelKey:
    """A channel that has PIN pads: its zone, and its key in the HSM, a TPK or a ZPK."""

    zone: Zone
    pin_key: HostKey
    role: KeyRole


@dataclass(frozen=True, slots=True, repr=False)
class ZoneKeys:
    """A bureau's or core's zone: its ZPK in the HSM, and its MAC key where the HSM has that."""

    zone: Zone
    pin_key: HostKey
    mac_key: HostKey | None = None
    mac_role: KeyRole = KeyRole.ZAK
    mac_padding: MacPadding = MacPadding.ZEROS


@dataclass(frozen=True, slots=True, repr=False)
class HsmKeys:
    """One side's keys in the HSM. Raises `LocalError` for a zone that an HSM cannot serve.

    `probe_key` is the PVK pair of the probes, a key that is used for nothing else.
    """

    channels: Mapping[str, ChannelKey]
    zones: Mapping[str, ZoneKeys]
    probe_key: HostKey

    def __post_init__(self) -> None:
        zones = [channel.zone for channel in self.channels.values()]
        for zone in (*zones, *(keys.zone for keys in self.zones.values())):
            format_code(zone.format)
            if zone.account is AccountRule.PAN_RIGHTMOST_12:
                raise LocalError("payment HSM: format 4 binds the whole account number there")


@dataclass(frozen=True, slots=True, repr=False)
class PinFromPad:
    """A PIN block from a channel, for a zone.

    `account` is the account that either format binds, empty when neither does. `card` is the
    reference under which refused attempts are counted.
    """

    channel: str
    block: bytes
    zone: str
    account: str
    card: str
    policy: PinPolicy
    holder: PinHolder


class PayShieldModule:
    """One side's keys in a payment HSM; `clock` gives seconds since the epoch.

    `attempts` keeps the refused attempts of cards over a restart.

    Every call raises `Unavailable` when the HSM is, and `LocalError` for misuse.
    """

    def __init__(
        self,
        host: HostConnection,
        keys: HsmKeys,
        clock: Callable[[], float],
        attempts: AttemptFile | None = None,
    ) -> None:
        self._host = host
        self._keys = keys
        self._clock = clock
        self._probed = TriedBlocks(PROBE_SECONDS, PROBED_BLOCKS_MAX)
        self._refused = RefusedAttempts(REFUSALS_MAX, REFUSALS_SECONDS, REFUSED_CARDS_MAX, attempts)

    async def translate_pin(self, request: PinFromPad) -> EncipheredPin | PinRefusal:
        """Have a PIN judged and its block translated for a zone, or refuse it."""
        channel = _known(self._keys.channels, request.channel)
        target = _known(self._keys.zones, request.zone)
        source = _source(channel, target.zone, request)
        # An HSM that is away costs a card none of its attempts.
        await self._host.reach()
        now = self._clock()
        if not self._refused.allows(request.card, now):
            return PinRefusal.RATE_LIMITED
        excluded = excluded_pins(request.policy, request.holder)
        if not self._probed.allows(request.block, excluded, now):
            return PinRefusal.SESSION
        # Counted before the HSM hears of it, so that neither many at once nor a process that ends
        # meanwhile have more; what is accepted is taken back. What fails otherwise stays counted,
        # for the HSM may have judged the PIN.
        self._refused.count(request.card)
        answer = await self._judged_and_translated(source, target, ExcludedPins(excluded))
        if isinstance(answer, PinRefusal):
            return answer
        if answer.pin_digits != request.policy.length:
            return PinRefusal.FORMAT
        self._refused.take_back(request.card)
        return EncipheredPin(answer.block, target.zone.security_control_information)

    async def generate_mac(self, zone: str, data: bytes) -> bytes:
        """Give the 8-byte retail MAC of data under a zone's MAC key."""
        return await self._host.ask(self._mac(zone, data))

    async def verify_mac(self, zone: str, data: bytes, mac: bytes) -> bool:
        """Tell whether a MAC of 8 bytes is right."""
        try:
            await self._host.ask(VerifyMac(self._mac(zone, data), mac))
        except HostError as error:
            if error.error_code == _MAC_VERIFICATION_FAILED:
                return False
            raise
        return True

    async def import_key(self, command: ImportKey, check_value: str) -> ImportedKey:
        """Bring a key from under a ZMK under the LMK; raises `LocalError` when it is another.

        `check_value` is what the other party said, 6 hexadecimal digits.
        """
        imported = await self._host.ask(command)
        if not hmac.compare_digest(imported.check_value, check_value.upper()):
            raise LocalError("payment HSM: check value of the imported key differs")
        return imported

    async def export_key(self, role: KeyRole, key: HostKey, under: ExportUnder) -> ExportedKey:
        """Give a key under a ZMK."""
        return await self._host.ask(ExportKey(role, key, under))

    async def check_value(self, role: KeyRole, key: HostKey) -> str:
        """Give the check value of a key, 6 hexadecimal digits."""
        return await self._host.ask(CheckKey(role, key))

    @property
    def pads(self) -> tuple[str, ...]:
        """The channels that it has keys of."""
        return tuple(self._keys.channels)

    @property
    def zones(self) -> tuple[str, ...]:
        """The channels and zones that it has keys of."""
        return (*self._keys.channels, *self._keys.zones)

    @property
    def binding(self) -> tuple[str, ...]:
        """Those of them that bind PIN blocks to an account."""
        return tuple(zone.name for zone in self._declared if zone.format.binds_account)

    @property
    def controls(self) -> Mapping[str, str]:
        """DE 53 of each of them."""
        return {zone.name: zone.security_control_information for zone in self._declared}

    @property
    def _declared(self) -> tuple[Zone, ...]:
        channels, zones = self._keys.channels.values(), self._keys.zones.values()
        return (*(each.zone for each in channels), *(each.zone for each in zones))

    def close(self) -> None:
        """Close the connection; calls that wait fail."""
        self._host.close()

    async def diagnostics(self) -> HsmIdentity:
        """Ask the HSM what it is; also the probe of its health."""
        return await self._host.ask(Diagnose())

    async def _judged_and_translated(
        self, source: EncipheredBlock, target: ZoneKeys, excluded: ExcludedPins
    ) -> TranslatedPin | PinRefusal:
        translate = TranslateTerminalPin if source.role is KeyRole.TPK else TranslatePin
        try:
            await self._host.ask(ProbeByPvv(source, self._keys.probe_key, excluded))
            return await self._host.ask(translate(source, target.pin_key, target.zone.format))
        except HostError as error:
            refusal = pin_refusal(error)
            if refusal is None:
                raise
            return refusal

    def _mac(self, zone: str, data: bytes) -> GenerateMac:
        keys = _known(self._keys.zones, zone)
        if keys.mac_key is None:
            raise LocalError("payment HSM: no MAC key for this zone")
        return GenerateMac(keys.mac_key, keys.mac_role, keys.mac_padding, data)


def _source(channel: ChannelKey, target: Zone, request: PinFromPad) -> EncipheredBlock:
    """Take the request's block, if it may become the zone's; raises `ForbiddenTranslation`."""
    check_translation(_bound(channel.zone, request), _bound(target, request))
    if request.account and not (channel.zone.format.binds_account or target.format.binds_account):
        raise LocalError("payment HSM: account is given, though neither format binds one")
    return EncipheredBlock(
        channel.pin_key, channel.role, channel.zone.format, request.block, request.account
    )


def _bound(zone: Zone, request: PinFromPad) -> BoundFormat:
    return BoundFormat(zone.format, request.account if zone.format.binds_account else "")


def _known(entries: Mapping[str, E], name: str) -> E:
    if name not in entries:
        raise LocalError("payment HSM: no key for this channel or zone")
    return entries[name]
