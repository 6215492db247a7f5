"""The file of a side's keys in the HSM: tokens only, under its LMK, and what each is for.

::

    probe_key = "S1009…"               a PVK pair, made for the probes and nothing else

    [channels.pads]                    PIN pads of a channel (`pin_zones` of the configuration)
    format = "iso-1"
    algorithm = "tdes"
    account = "none"
    role = "TPK"                       or "ZPK"
    pin_key = "S1009…"

    [zones.bureau]                     a far side, by the zone of its link
    format = "iso-0"
    algorithm = "tdes"
    account = "pan"
    pin_key = "S1009…"                 its ZPK
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from gateway.hsm.payshield.keys import BadKey, HostKey, KeyRole
from gateway.hsm.payshield.module import ChannelKey, HsmKeys, ZoneKeys
from gateway.hsm.private_files import read_private
from gateway.pinblock.formats import PinBlockFormat
from gateway.pinblock.zone import AccountRule, Algorithm, Zone
from gateway.terms.errors import LocalError, SpecificationError
from gateway.terms.specification import parse_toml, structure


@dataclass(frozen=True, slots=True)
class _ZoneTable:
    format: PinBlockFormat
    algorithm: Algorithm
    account: AccountRule
    pin_key: str = field(repr=False)
    security_control: str = ""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    def zone(self, name: str) -> Zone:
        """Declare the zone."""
        return Zone(name, self.format, self.algorithm, self.account, self.security_control)


@dataclass(frozen=True, slots=True)
class _ChannelTable(_ZoneTable):
    role: Literal["TPK", "ZPK"] = "TPK"


@dataclass(frozen=True, slots=True)
class _File:
    probe_key: str = field(repr=False)
    channels: dict[str, _ChannelTable]
    zones: dict[str, _ZoneTable]

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}


def read_hsm_keys(file: Path) -> HsmKeys:
    """Read a side's tokens; raises `SpecificationError` naming file, key and rule."""
    tables = structure(_File, parse_toml(read_private(file), str(file)), str(file))
    place = "probe_key"
    try:
        probe_key = HostKey(tables.probe_key)
        channels, zones = {}, {}
        for name, channel in tables.channels.items():
            place = f"channels.{name}"
            key = HostKey(channel.pin_key)
            channels[name] = ChannelKey(channel.zone(name), key, KeyRole[channel.role])
        for name, zone in tables.zones.items():
            place = f"zones.{name}"
            zones[name] = ZoneKeys(zone.zone(name), HostKey(zone.pin_key))
        return HsmKeys(channels, zones, probe_key)
    except (BadKey, LocalError, ValueError) as error:
        raise SpecificationError(str(file), place, str(error)) from None
