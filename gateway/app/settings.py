"""The configuration of `gateway serve`: one TOML file, checked as a whole before anything starts.

Paths in it are relative to the file. ``docs/configuration.md`` explains every key.
"""

import re
from datetime import timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from gateway.app.text_files import read_text
from gateway.operations.recovery import Limits
from gateway.regions.vocabulary import Channel
from gateway.terms.sides import Side
from gateway.terms.specification import as_json, broken_rule, parse_toml
from gateway.wire.endpoint_string import is_endpoint_string


class _Strict(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False
    )


def _host_and_port(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if not colon or not host or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > _PORT_MAX:
        raise ValueError("must be host:port, such as 127.0.0.1:8583")
    return value


_PORT_MAX = 65_535
_TLS_FILES = ("certificate", "private_key", "trust")
Address = Annotated[str, AfterValidator(_host_and_port)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
Seconds = Annotated[float, Field(gt=0)]


def _callback_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.username or parts.password or parts.fragment or not parts.hostname:
        raise ValueError("must be an address without user, password and fragment")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname)):
        raise ValueError("must begin with https://; http:// is for loopback only")
    return value


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


Institution = Annotated[str, Field(pattern=r"^[0-9]{8,11}$")]


class CallbackSettings(_Strict):
    """Where a channel hears of outcomes that it was not told at once.

    `secret` is a file of ours alone with one secret of Standard Webhooks a line, the newest first;
    `trust` the certificates that sign the receiver's, where the system does not know them.
    """

    url: Annotated[str, AfterValidator(_callback_url)]
    secret: Path
    trust: Path | None = None


class ChannelSettings(_Strict):
    """A web backend that may call: the SHA-256 of its bearer token, in hexadecimal digits.

    `kind` is where its customers stand, as region profiles have it; `institution` is its bank: the
    station's (DE 32) unless said. `pin_zones` are, for a channel with PIN pads of its own, the
    zones of their keys, by the side that the PIN belongs to.
    """

    token_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    kind: Channel = Channel.ONLINE_BANK
    institution: Institution | None = None
    pin_zones: dict[Side, Name] = Field(default_factory=dict)
    callback: CallbackSettings | None = None


class HttpSettings(_Strict):
    """The HTTP interface for online banking."""

    listen: Address = "127.0.0.1:8080"
    beyond_loopback: bool = False
    answer_wait_s: Annotated[float, Field(gt=0, le=60)] = 25.0
    channels: dict[Name, ChannelSettings] = Field(min_length=1)

    @property
    def pads(self) -> dict[tuple[str, Side], str]:
        """The zones of the channels' PIN pads, by channel and side."""
        return {
            (name, side): zone
            for name, channel in self.channels.items()
            for side, zone in channel.pin_zones.items()
        }

    @property
    def is_on_loopback(self) -> bool:
        """Tell whether nobody beyond this machine can reach it."""
        return _is_loopback(self.listen.rpartition(":")[0].strip("[]"))

    @model_validator(mode="after")
    def _tokens_are_safe(self) -> Self:
        if len({each.token_sha256 for each in self.channels.values()}) < len(self.channels):
            raise ValueError("two channels have one token_sha256; give each a token of its own")
        if not self.is_on_loopback and not self.beyond_loopback:
            raise ValueError(
                "listen is beyond loopback and bearer tokens would cross the network in clear; "
                "put a TLS proxy in front and say beyond_loopback = true"
            )
        return self


class StoreSettings(_Strict):
    """The database: a file of this process's own, or PostgreSQL for any number of nodes.

    `url` is what libpq takes, without a password; `password_file` has the form of ``.pgpass``.
    """

    path: Path | None = None
    url: Annotated[str, Field(min_length=1)] | None = None
    password_file: Path | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.path is None) is (self.url is None):
            raise ValueError("names either path, a file, or url, a PostgreSQL database")
        return self


class NodeSettings(_Strict):
    """What this process is to others that work on the same PostgreSQL database.

    A dead or stopped node is taken over when its lease is at its end.
    """

    name: Name = "gateway"
    lease_s: Annotated[float, Field(ge=2, le=60)] = 10.0


class RetentionSettings(_Strict):
    """For how many days what is over is kept; then it is deleted a little at a time."""

    keys_days: Annotated[int, Field(ge=1, le=36_500)] = 90
    operations_days: Annotated[int, Field(ge=1, le=36_500)] = 400

    @model_validator(mode="after")
    def _keys_lead_to_operations(self) -> Self:
        if self.keys_days > self.operations_days:
            raise ValueError("keys_days is at most operations_days: a key leads to its operation")
        return self


class StationSettings(_Strict):
    """Who we are on the wire: data elements 32, 33 and 41."""

    acquirer: Institution
    forwarder: Institution
    terminal: Annotated[str, Field(pattern=r"^[0-9A-Z]{8}$")]


def _place(value: str) -> str:
    return value if is_endpoint_string(value) else _host_and_port(value)


def _network(value: str) -> str:
    ip_network(value)
    return value


Network = Annotated[str, AfterValidator(_network)]
# Host and port, or a Twisted endpoint string such as ``tls:host=…:port=…``.
Place = Annotated[str, AfterValidator(_place)]
# Of a certificate's subject, by its short name (RFC 4514, section 3).
Attribute = Annotated[str, Field(pattern=r"^(CN|O|OU|L|ST|C)$")]
Weight = Annotated[int, Field(ge=1, le=100)]
EchoSeconds = Annotated[float, Field(ge=1, le=600)]


def _listed(value: object) -> object:
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


class LinkSettings(_Strict):
    """One outbound ISO 8583 link, to a bureau or to the core: a connection for each address."""

    side: Side
    address: Annotated[tuple[Place, ...], BeforeValidator(_listed), Field(min_length=1)]
    weights: tuple[Weight, ...] = ()
    kind: Literal["duplex", "one-exchange"] = "duplex"
    dialect: Name
    message_set: Name
    zone: Name
    in_flight_max: Annotated[int, Field(ge=1, le=4096)] = 512
    echo_s: EchoSeconds = 60.0

    @model_validator(mode="after")
    def _one_weight_each(self) -> Self:
        if self.weights and len(self.weights) != len(self.address):
            raise ValueError("weights has one number for each address, or is left out")
        return self

    @property
    def has_session(self) -> bool:
        """Tell whether somebody signs on."""
        return self.kind == "duplex"

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """Each address with its weight."""
        return tuple(zip(self.address, self.weights or (1,) * len(self.address), strict=True))


class TlsSettings(_Strict):
    """A listener's certificate, and those that far sides must show; files in PEM.

    `subjects` names attributes of subjects that may connect; none: whoever `trust` signed for.
    """

    certificate: Path
    private_key: Path
    trust: Path
    subjects: tuple[Annotated[dict[Attribute, str], Field(min_length=1)], ...] = ()


class ListenerSettings(_Strict):
    """One inbound ISO 8583 listener: who may connect, and what is spoken.

    With an institution its requests are carried out: a core's, whose DE 32 and 33 hold it, and
    which waits `answer_wait_s` for an answer.
    `pin_zone` is the zone, in the social module, of the PIN pads of its counters.
    """

    side: Side
    listen: Place
    peers: Annotated[tuple[Network, ...], Field(min_length=1)]
    dialect: Name
    message_set: Name
    zone: Name
    connections_max: Annotated[int, Field(ge=1, le=1024)] = 64
    connections_per_peer_max: Annotated[int, Field(ge=1, le=1024)] = 4
    echo_s: EchoSeconds = 60.0
    tls: TlsSettings | None = None
    institution: Institution | None = None
    answer_wait_s: Annotated[float, Field(gt=0, le=60)] = 25.0
    pin_zone: Name | None = None

    @model_validator(mode="after")
    def _pins_of_whom(self) -> Self:
        if self.pin_zone is not None and self.institution is None:
            raise ValueError("pin_zone needs the institution whose PIN pads it is of")
        return self

    @model_validator(mode="after")
    def _tls_once(self) -> Self:
        if self.tls is not None and is_endpoint_string(self.listen):
            raise ValueError("listen must be host:port where there is a table tls")
        return self

    @property
    def has_session(self) -> bool:
        """Tell whether somebody signs on: here, the far side always does."""
        return True


class PayShieldSettings(_Strict):
    """A payment HSM as it is set up: address, message header, LMK, trailer; and our tokens."""

    address: Address
    header_characters: Annotated[int, Field(ge=3, le=12)] = 8
    lmk: Annotated[str, Field(pattern=r"^([0-9]{2})?$")] = ""
    trailer: Annotated[str, Field(pattern=r"^[ -~]{0,32}$")] = ""
    keys: Path


class ModuleSettings(_Strict):
    """One side's security module: its key store, its socket, and whether `serve` starts it.

    With the driver `payshield` a payment HSM translates the blocks of PIN pads; what it cannot do
    stays with the soft module.

    `pin_list` is the operator's list of PINs to refuse, `user` whom the module becomes where
    `serve` is root's, both for a module that `serve` starts.
    """

    key_store: Path
    socket: Path
    embedded: bool = True
    pin_list: Path | None = None
    user: str = ""
    driver: Literal["soft", "payshield"] = "soft"
    payshield: PayShieldSettings | None = None

    @model_validator(mode="after")
    def _hsm_where_it_drives(self) -> Self:
        if (self.driver == "payshield") is (self.payshield is None):
            raise ValueError('a table payshield is there exactly where driver = "payshield"')
        return self


class LimitSettings(_Strict):
    """Time limits of the exchanges with far sides, as explained in ``operations.recovery``."""

    answer_timeout_s: Seconds = 20.0
    repeats_max: Annotated[int, Field(ge=0, le=5)] = 2
    secret_life_s: Annotated[float, Field(gt=0, le=60)] = 60.0
    retry_first_s: Seconds = 5.0
    retry_max_s: Seconds = 300.0
    horizon_s: Seconds = 86_400.0
    message_life_s: Seconds = 60.0

    def limits(self) -> Limits:
        """Give them as the pure rooms take them."""
        return Limits(
            timedelta(seconds=self.answer_timeout_s),
            self.repeats_max,
            timedelta(seconds=self.secret_life_s),
            timedelta(seconds=self.retry_first_s),
            timedelta(seconds=self.retry_max_s),
            timedelta(seconds=self.horizon_s),
            timedelta(seconds=self.message_life_s),
        )


def _one_core(links: dict[str, LinkSettings]) -> dict[str, LinkSettings]:
    if sum(link.side is Side.FINANCIAL for link in links.values()) != 1:
        raise ValueError("exactly one of them must have side = 'financial', the bank core")
    return links


class Settings(_Strict):
    """The whole configuration."""

    http: HttpSettings
    store: StoreSettings
    node: NodeSettings = NodeSettings()
    retention: RetentionSettings = RetentionSettings()
    station: StationSettings
    links: Annotated[dict[Name, LinkSettings], AfterValidator(_one_core)]
    listeners: dict[Name, ListenerSettings] = Field(default_factory=dict)
    social: ModuleSettings
    financial: ModuleSettings
    social_limits: LimitSettings = LimitSettings()
    financial_limits: LimitSettings = LimitSettings(answer_timeout_s=15.0)
    pin_session_life_s: Annotated[int, Field(gt=0, le=300)] = 300
    specifications: Path | None = None
    regions: tuple[Name, ...] = ()
    calendar: Path | None = None
    control_group: str = ""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    _file: str = PrivateAttr("configuration")

    @field_validator("listeners")
    @classmethod
    def _names_once(
        cls, listeners: dict[str, ListenerSettings], info: ValidationInfo
    ) -> dict[str, ListenerSettings]:
        # Keys and metrics know links and listeners by their names alone; idempotency keys and PIN
        # pads know channels and listeners so.
        http: HttpSettings | None = info.data.get("http")
        taken = {*info.data.get("links", {}), *(http.channels if http else ())}
        twice = sorted(taken & listeners.keys())
        if twice:
            names = ", ".join(twice)
            raise ValueError(f"names differ from those of links and channels, and {names} is one")
        return listeners

    @model_validator(mode="after")
    def _keys_outlive_the_horizon(self) -> Self:
        horizon = max(self.social_limits.horizon_s, self.financial_limits.horizon_s)
        if timedelta(days=self.retention.keys_days) <= timedelta(seconds=horizon):
            raise ValueError(
                "retention.keys_days is longer than every horizon_s: a request may be repeated "
                "for as long as its operation goes on"
            )
        return self

    def model_post_init(self, context: Any) -> None:  # noqa: ANN401 - as pydantic types it
        """Keep the name of the file, for errors that only show when the gateway starts."""
        if context is not None:
            self._file = context

    @property
    def file(self) -> str:
        """Where these settings were read from."""
        return self._file

    @property
    def beside(self) -> Path:
        """Beside what this process keeps its own files, such as its control socket."""
        return self.store.path or Path(self._file).resolve().parent / self.node.name

    def module(self, side: Side) -> ModuleSettings:
        """Give the settings of a side's security module."""
        return self.social if side is Side.SOCIAL else self.financial

    @property
    def pads(self) -> dict[tuple[str, Side], str]:
        """The zones of PIN pads, by channel or core's listener and by side."""
        cores = {
            (name, Side.SOCIAL): listener.pin_zone
            for name, listener in self.listeners.items()
            if listener.pin_zone is not None
        }
        return {**self.http.pads, **cores}

    @property
    def institutions(self) -> dict[str, str]:
        """The bank of each channel and listener; the channels of one share its customers' links."""
        own = self.station.acquirer
        named = {name: channel.institution for name, channel in self.http.channels.items()}
        named |= {name: listener.institution for name, listener in self.listeners.items()}
        return {name: (bank or own).lstrip("0") for name, bank in named.items()}

    def limits(self, side: Side) -> LimitSettings:
        """Give the time limits of a side."""
        return self.social_limits if side is Side.SOCIAL else self.financial_limits

    @property
    def core_link(self) -> str:
        """The name of the link to the core."""
        (core,) = [name for name, link in self.links.items() if link.side is Side.FINANCIAL]
        return core


def load_settings(file: Path) -> Settings:
    """Read a configuration file; raises `SpecificationError` naming file, key and rule."""
    values = parse_toml(read_text(file), str(file))
    try:
        settings = Settings.model_validate_json(as_json(values), strict=True, context=str(file))
    except ValidationError as error:
        raise broken_rule(error, str(file), values) from None
    return _resolved(settings, file.resolve().parent)


def _resolved(settings: Settings, base: Path) -> Settings:
    def module(of: ModuleSettings) -> ModuleSettings:
        paths = {
            "key_store": base / of.key_store,
            "socket": base / of.socket,
            "pin_list": of.pin_list and base / of.pin_list,
            "payshield": of.payshield
            and of.payshield.model_copy(update={"keys": base / of.payshield.keys}),
        }
        return of.model_copy(update=paths)

    def listener(of: ListenerSettings) -> ListenerSettings:
        if of.tls is None:
            return of
        files = {name: base / getattr(of.tls, name) for name in _TLS_FILES}
        return of.model_copy(update={"tls": of.tls.model_copy(update=files)})

    def channel(of: ChannelSettings) -> ChannelSettings:
        if of.callback is None:
            return of
        trust = of.callback.trust and base / of.callback.trust
        files = {"secret": base / of.callback.secret, "trust": trust}
        return of.model_copy(update={"callback": of.callback.model_copy(update=files)})

    channels = {name: channel(each) for name, each in settings.http.channels.items()}
    return settings.model_copy(
        update={
            "http": settings.http.model_copy(update={"channels": channels}),
            "listeners": {name: listener(each) for name, each in settings.listeners.items()},
            "store": settings.store.model_copy(
                update={
                    "path": settings.store.path and base / settings.store.path,
                    "password_file": settings.store.password_file
                    and base / settings.store.password_file,
                }
            ),
            "social": module(settings.social),
            "financial": module(settings.financial),
            "specifications": settings.specifications and base / settings.specifications,
            "calendar": settings.calendar and base / settings.calendar,
        }
    )
