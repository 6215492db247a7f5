"""Wires everything by hand and runs it: this module is the architecture on one page."""

import asyncio
import gc
import json
import os
import signal
import sys
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from ipaddress import ip_network
from typing import Any, TypeVar

import structlog
from starlette.types import ASGIApp

from gateway.api.application import create_application
from gateway.api.authentication import Channels, KnownChannel
from gateway.api.service import ReadinessCheck
from gateway.app.callbacks import Callbacks, couriers
from gateway.app.card_life import CardLife
from gateway.app.cargo import Cargo
from gateway.app.clock import LOCAL_ZONE, GatewayClock, LoopTimers
from gateway.app.conductor import RUNNING_MAX, Conductor
from gateway.app.control import Control, clock_desk, control_path, cut_over_desk, key_desk
from gateway.app.core_channel import REACH_MAX, CoreChannel, CorePlace
from gateway.app.core_desk import CoreDesk
from gateway.app.core_reversals import CoreReversals
from gateway.app.descriptors import Descriptors
from gateway.app.dialogue import Dialogue, DialogueTable, Pending, Station, hear
from gateway.app.doors import Doors
from gateway.app.futures import beside
from gateway.app.http_server import HttpServer, url_of
from gateway.app.identifiers import Identifiers
from gateway.app.intake import Intake
from gateway.app.key_changes import KeyChanges, KeyRenewal, LinkKeys
from gateway.app.logs import configure
from gateway.app.manual_desk import ManualDesk
from gateway.app.metrics import GatewayCollector, Sources, exposition
from gateway.app.modules import ModuleProcess, check_pads, connected
from gateway.app.pins import SecurityModules
from gateway.app.reactor import ParentsHand, run_in_reactor
from gateway.app.service import OnlineBanking, Readiness
from gateway.app.settings import LinkSettings, ListenerSettings, Settings
from gateway.app.specifications import (
    Specifications,
    due_dates_unknown,
    read_working_days,
    served,
    shipped_directory,
)
from gateway.app.storage import Storage
from gateway.app.store_process import StoreProcess
from gateway.hsm.client import SecurityModule
from gateway.hsm.mac import SessionMacs, session_macs
from gateway.hsm.protocol import BadRequest
from gateway.iso8583.codec import Codec
from gateway.iso8583.mac import MacRule
from gateway.iso8583.message_set import MessageSet, must_have
from gateway.iso8583.session import TAKING, State
from gateway.operations.operation import Operation
from gateway.store import questions
from gateway.store.found import Linked
from gateway.terms.errors import SpecificationError
from gateway.terms.numbers import AgencyCode, LinkId, OperationId
from gateway.terms.sides import Side
from gateway.wire.exchange_link import ExchangeLink
from gateway.wire.inbound_link import Handler, InboundLink, InboundPlan, not_supported
from gateway.wire.line import SESSION_MESSAGES
from gateway.wire.outbound_link import Address, LinkPlan, OutboundLink

log = structlog.get_logger()
T = TypeVar("T")


def serve(settings: Settings, store: StoreProcess, *, embedded: bool, clock: GatewayClock) -> int:
    """Run the gateway until SIGTERM or SIGINT; gives the process's exit status.

    An embedded one also stops when its standard input ends, so that it never outlives its parent.

    Prints one line when it is ready: ``{"http": "http://…"}``. Raises `SpecificationError` naming
    file, key and remedy when something it needs is wrong.
    """
    configure(settings.log_level)
    return run_in_reactor(
        lambda reactor: Gateway(settings, store, reactor, clock).run(embedded=embedded)
    )


class Gateway:
    """One gateway process: what it holds and in which order it starts and stops."""

    def __init__(
        self,
        settings: Settings,
        store: StoreProcess,
        reactor: Any,  # noqa: ANN401 - Twisted's
        clock: GatewayClock,
    ) -> None:
        self._settings = settings
        self._reactor = reactor
        self._loop = asyncio.get_running_loop()
        self._storage = Storage(settings, store, self._fail)
        self._specifications = Specifications(settings.specifications or shipped_directory())
        bureaus = {name for name, link in settings.links.items() if link.side is Side.SOCIAL}
        self._catalogue = served(self._specifications, settings.regions, bureaus, settings.file)
        self._working_days = read_working_days(settings.calendar)
        self._clock, self._now = clock, clock.now
        self._identifiers = Identifiers(self._now)
        self._stop = asyncio.Event()
        self._hangup = asyncio.Event()
        self._links: dict[str, OutboundLink[Pending] | ExchangeLink[Pending]] = {}
        self._listeners: dict[str, InboundLink] = {}
        self._doors = Doors(settings, reactor)
        self._descriptors = Descriptors()
        self._cores: dict[str, CoreChannel] = {}
        self._keys = LinkKeys()
        self._modules: dict[Side, SecurityModule] = {}
        self._module_is_ready = dict.fromkeys(Side, False)

    async def run(self, *, embedded: bool) -> int:
        """Start everything in order, serve, and stop everything in the reverse order."""
        if embedded:
            await self._loop.connect_read_pipe(lambda: ParentsHand(self._stop), sys.stdin)
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._stop.set)
        async with AsyncExitStack() as stack:
            await self._doors.take(stack)
            await _each(self._storage.open(stack), self._start_modules(stack))
            table = await self._prepare_links()
            conductor = self._conductor(table)
            for name, settings in self._settings.links.items():
                await self._start_link(stack, name, settings, conductor, table)
            await self._begin_to_resume(stack, conductor)
            service = self._service(conductor, table)
            for name, listener in self._settings.listeners.items():
                await self._start_listener(stack, name, listener)
            await self._start_http(stack, self._application(conductor, service))
            self._loop.add_signal_handler(signal.SIGHUP, self._hangup.set)
            renewal = KeyRenewal(self._modules, self._keys)
            await self._start_control(stack, conductor, renewal)
            taking_over = beside(
                "take-over",
                self._storage.take_over(
                    partial(_go_on, conductor), lambda: RUNNING_MAX - conductor.running_count
                ),
            )
            purging = beside("purge", self._storage.purge(self._settings.retention, self._now))
            renewing = beside("key-renewal", self._renew_keys(renewal))
            watching = beside("module-watch", self._watch_modules())
            counting = beside("descriptor-watch", self._descriptors.watch())
            telling = beside("callbacks", self._callbacks.run())
            await self._stop.wait()
            telling.cancel()
            await asyncio.wait([telling])
            for task in (watching, counting, renewing, taking_over, purging):
                task.cancel()
        log.info("stopped")
        return 0

    # ------------------------------------------------------------------ security modules

    async def _start_modules(self, stack: AsyncExitStack) -> None:
        embedded = [side for side in Side if self._settings.module(side).embedded]
        processes = [ModuleProcess(side, self._settings.module(side)) for side in embedded]
        for process in processes:
            stack.push_async_callback(process.stop)
        await _each(*(process.start() for process in processes))
        for side in Side:
            module = connected(self._settings.module(side))
            stack.callback(module.close)
            self._modules[side] = module
        await check_pads(self._settings, self._modules)

    async def _watch_modules(self) -> None:
        """Ask each module every few seconds how it is, for readiness."""
        while True:
            for side, module in self._modules.items():
                try:
                    self._module_is_ready[side] = bool(await module.diagnostics())
                except Exception:  # noqa: BLE001 - whatever is wrong, it is not ready
                    self._module_is_ready[side] = False
            await asyncio.sleep(_MODULE_LOOK_SECONDS)

    async def _start_control(
        self, stack: AsyncExitStack, conductor: Conductor, renewal: KeyRenewal
    ) -> None:
        path = control_path(self._settings.beside)
        manual = ManualDesk(conductor, self._storage.journal, self._storage.read, self._now)
        desks = {
            "key": key_desk(self._links),
            "cut-over": cut_over_desk(self._links),
            "keys": renewal.desk,
            "manual": manual.answer,
        }
        if self._clock.movable:
            desks["clock"] = clock_desk(self._clock)
        control = await Control(desks, self._settings.control_group).listen(path)
        stack.callback(path.unlink, missing_ok=True)
        stack.callback(control.close)

    async def _renew_keys(self, renewal: KeyRenewal) -> None:
        """On SIGHUP take up what custodians changed."""
        while True:
            await self._hangup.wait()
            self._hangup.clear()
            await renewal.take_up()

    # ------------------------------------------------------------------ links

    async def _prepare_links(self) -> DialogueTable:
        today = self._now().astimezone(LOCAL_ZONE).date()
        for region, reason in due_dates_unknown(self._catalogue, self._working_days, today):
            log.warning("due-dates-unknown", region=region, reason=reason)
        agencies = {
            code: agency.institution.link for code, agency in self._catalogue.agencies.items()
        }
        limits = {side: self._settings.limits(side).limits() for side in Side}
        node = self._storage.node
        table = DialogueTable(self._settings.core_link, agencies, limits, lambda: node.is_held)
        station = Station(**self._settings.station.model_dump())
        for name, settings in self._settings.links.items():
            traces = await self._storage.traces(name, self._settings.station.terminal)
            codec, message_set = self._spoken(settings)
            table.add(name, Dialogue(message_set, codec, station, traces))
        return table

    def _spoken(self, settings: LinkSettings | ListenerSettings) -> tuple[Codec, MessageSet]:
        dialect = self._specifications.dialect(settings.dialect)
        message_set = self._specifications.message_set(settings.message_set, dialect)
        if settings.has_session:
            must_have(message_set, SESSION_MESSAGES, f"messages/{settings.message_set}.toml")
        return Codec(dialect), message_set

    async def _start_link(
        self,
        stack: AsyncExitStack,
        name: str,
        settings: LinkSettings,
        conductor: Conductor,
        table: DialogueTable,
    ) -> None:
        dialogue = table.dialogue(name)
        rule = dialogue.codec.dialect.mac
        macs = await self._macs(f"links.{name}", settings, rule)
        changes = self._changes(settings, rule)

        def became(state: State) -> None:
            if state is State.SIGNED_ON:
                conductor.link_is_back(settings.side)

        plan: LinkPlan[Pending] = LinkPlan(
            name=name,
            addresses=tuple(Address(*address) for address in settings.addresses),
            codec=dialogue.codec,
            message_set=dialogue.message_set,
            mac=macs.previous or macs.current,
            network_message=lambda kind: dialogue.network_message(kind, self._now()),
            answered=hear(settings.side, dialogue, conductor.answer),
            became=became,
            answer_seconds_max=table.limits(settings.side).answer_timeout.total_seconds(),
            in_flight_max=settings.in_flight_max,
            change_key=changes.take,
            echo_seconds=settings.echo_s,
        )
        kind = ExchangeLink if settings.kind == "one-exchange" else OutboundLink
        try:
            link = kind(plan, self._reactor)
        except ValueError as error:
            raise self._bad_address(f"links.{name}.address", error) from None
        if macs.previous is not None:
            link.change_mac(macs.current, macs.previous_seconds)  # what is under way has the old
        anew = partial(self._start_link, stack, name, settings, conductor, table)
        self._keys.add(name, link, changes, anew)
        dialogue.link = link
        self._links[name] = link
        stack.push_async_callback(lambda: link.stop().asFuture(self._loop))
        link.start()

    async def _start_listener(
        self, stack: AsyncExitStack, name: str, settings: ListenerSettings
    ) -> None:
        codec, message_set = self._spoken(settings)
        traces = await self._storage.traces(f"listener/{name}", self._settings.station.terminal)
        dialogue = Dialogue(
            message_set, codec, Station(**self._settings.station.model_dump()), traces
        )
        changes = self._changes(settings, codec.dialect.mac)
        macs = await self._macs(f"listeners.{name}", settings, codec.dialect.mac)
        plan = InboundPlan(
            name=name,
            peers=tuple(map(ip_network, settings.peers)),
            codec=codec,
            message_set=message_set,
            mac=macs.previous or macs.current,
            network_message=lambda kind: dialogue.network_message(kind, self._now()),
            handler=self._handler(stack, name, settings, message_set),
            connections_max=settings.connections_max,
            connections_per_peer_max=settings.connections_per_peer_max,
            change_key=changes.take,
            echo_seconds=settings.echo_s,
        )
        link = InboundLink(plan, self._reactor)
        if macs.previous is not None:
            link.change_mac(macs.current, macs.previous_seconds)
        anew = partial(self._start_listener, stack, name, settings)
        self._keys.add(name, link, changes, anew)
        stack.push_async_callback(lambda: link.stop().asFuture(self._loop))
        door = await self._doors.of(name)
        link.start(door)
        self._listeners[name] = link
        log.info("listening", listener=name, port=door.number)

    def _changes(self, settings: LinkSettings | ListenerSettings, rule: MacRule) -> KeyChanges:
        return KeyChanges(self._modules[settings.side], settings.zone, rule, self._keys.renew)

    def _bad_address(self, key: str, error: Exception) -> SpecificationError:
        return SpecificationError(self._settings.file, key, f"cannot be used: {error}")

    async def _macs(
        self, key: str, settings: LinkSettings | ListenerSettings, mac: MacRule
    ) -> SessionMacs:
        try:
            session = await self._modules[settings.side].session_mac_key(settings.zone)
            return session_macs(mac, session)
        except ValueError as error:
            rule = f"names a zone whose MAC key is not for {mac.algorithm}: {error}"
            raise SpecificationError(self._settings.file, f"{key}.zone", rule) from None
        except BadRequest:
            store = self._settings.module(settings.side).key_store
            rule = f"names a zone that has no keys in {store}; name one that has"
            raise SpecificationError(self._settings.file, f"{key}.zone", rule) from None

    # ------------------------------------------------------------------ operations

    def _conductor(self, table: DialogueTable) -> Conductor:
        timers = LoopTimers(self._loop, self._clock)
        storage = self._storage
        channels = self._settings.http.channels
        self._callbacks = Callbacks(couriers(channels, storage.read, storage.journal, self._now))
        identify = self._identifiers.operation
        return Conductor(storage.journal, table, timers, identify, self._fail, self._callbacks)

    async def _begin_to_resume(self, stack: AsyncExitStack, conductor: Conductor) -> None:
        """Go on with what was left unfinished; very much of it beside new requests.

        Until it is resumed, the database keeps its links from other operations.
        """
        left = await self._storage.left_behind()
        resuming = asyncio.create_task(self._resume(conductor, left))
        await asyncio.wait({resuming}, timeout=_RESUME_SECONDS)
        if resuming.done():
            resuming.result()
            return

        def ended(task: "asyncio.Task[None]") -> None:
            error = None if task.cancelled() else task.exception()
            if isinstance(error, Exception):
                self._fail(error)

        resuming.add_done_callback(ended)
        stack.callback(resuming.cancel)

    async def _resume(self, conductor: Conductor, left: list[OperationId]) -> None:
        conductor.manual_count = await self._storage.read(questions.manual_count())
        await self._storage.resume_own(left, partial(_go_on, conductor))
        if left:
            log.info("resumed", operations=len(left))

    def _fail(self, error: Exception) -> None:
        """Stop at once: what is on disk is right, what is in memory may not be."""
        log.critical("journal-failed", error=str(error))
        sys.stderr.flush()
        os._exit(os.EX_IOERR)

    def _handler(
        self, stack: AsyncExitStack, name: str, settings: ListenerSettings, message_set: MessageSet
    ) -> Handler:
        if settings.institution is None:
            return not_supported(message_set)
        reach = min(REACH_MAX, timedelta(days=self._settings.retention.keys_days) / 2)
        place = CorePlace(name, settings.institution, settings.answer_wait_s, reach)
        parts = (*self._for_cores, self._fingerprint, lambda: self._clock.outside(self._now()))
        channel = CoreChannel(place, message_set, *parts)
        self._cores[name] = channel
        stack.push_async_callback(channel.close)
        return channel.handle

    # ------------------------------------------------------------------ http

    def _service(self, conductor: Conductor, table: DialogueTable) -> OnlineBanking:
        """Put the parts together; a core's desk stands beside online banking."""
        fingerprints = {side: self._storage.fingerprint(side) for side in Side}
        self._fingerprint = fingerprints[Side.FINANCIAL]
        intake = Intake(
            conductor=conductor,
            read=self._storage.read,
            pins=SecurityModules(
                self._modules, fingerprints, self._clock.outside, self._settings.pads
            ),
            catalogue=self._catalogue,
            identifiers=self._identifiers,
            is_ready=table.is_ready,
            zone=self._zone,
            now=self._now,
            answer_wait_s=self._settings.http.answer_wait_s,
            institutions=self._settings.institutions,
        )
        card_life = CardLife(intake, self._working_days, fingerprints[Side.SOCIAL])
        self._for_cores = CoreDesk(intake, card_life), CoreReversals(intake, card_life)
        session_life = timedelta(seconds=self._settings.pin_session_life_s)
        readiness = Readiness(self._checks, lambda: exposition(self._collector))
        return OnlineBanking(intake, card_life, session_life, readiness)

    def _application(self, conductor: Conductor, service: OnlineBanking) -> ASGIApp:
        self._collector = GatewayCollector(
            conductor,
            self._links.values(),
            self._listeners.values(),
            Sources(
                self._reactor.seconds,
                self._callbacks.counts,
                lambda: {name: core.failures for name, core in self._cores.items()},
                lambda: self._storage.journal.silent_s,
                lambda: bool(self._descriptors.why_none),
            ),
        )
        channels = {
            name: KnownChannel(bytes.fromhex(channel.token_sha256), channel.kind)
            for name, channel in self._settings.http.channels.items()
        }
        # Kept with the financial data key, because fingerprints are compared across restarts.
        fingerprint_key = self._fingerprint(b"idempotency-key fingerprints")
        return create_application(
            service, Channels(channels), self._identifiers.request, fingerprint_key
        )

    def _zone(self, side: Side, agency: AgencyCode) -> str:
        name = self._settings.core_link
        if side is Side.SOCIAL:
            name = self._catalogue.agency(agency).institution.link
        return self._settings.links[name].zone

    def _checks(self) -> Mapping[str, ReadinessCheck]:
        checks = {
            f"security-module-{side.value}": ReadinessCheck(ready)
            for side, ready in self._module_is_ready.items()
        }
        why = self._storage.why_unusable
        checks["store"] = ReadinessCheck(not why, why)
        why = self._descriptors.why_none
        checks["descriptors"] = ReadinessCheck(not why, why)
        for name, link in self._links.items():
            # One that is full is there: the others must not be taken away for its sake.
            why = f"{link.state.value}: {link.reason}"
            checks[f"link-{name}"] = ReadinessCheck(link.state in TAKING, why, required=False)
        return checks

    async def _start_http(self, stack: AsyncExitStack, application: ASGIApp) -> None:
        server = HttpServer(application)
        serving = asyncio.create_task(server.serve(sockets=[self._doors.http]))

        async def stop() -> None:
            server.should_exit = True
            await serving

        stack.push_async_callback(stop)
        gc.freeze()  # what is here now stays: no collection need look at it again
        gc.set_threshold(_COLLECTED_AFTER)
        url = url_of(self._doors.http)
        sys.stdout.write(json.dumps({"http": url}) + "\n")
        sys.stdout.flush()
        log.info("ready", http=url.removeprefix("http://"))


async def _each(*steps: Coroutine[Any, Any, None]) -> None:
    """Take steps at the same time, each to its end; raises what the first of them raised."""
    for outcome in await asyncio.gather(*steps, return_exceptions=True):
        if outcome is not None:
            raise outcome


def _go_on(conductor: Conductor, operations: list[Operation], linked: dict[LinkId, Linked]) -> None:
    for operation in operations:
        found = linked.get(operation.link)
        if found is not None:
            conductor.resume(operation, Cargo.resumed(found, operation))


# New objects that outlive their makers, each some 100 bytes. A request makes hundreds and is gone
# with them: after each 700, as Python has it, collecting was 5 % of the loop's time.
_COLLECTED_AFTER = 10_000
_MODULE_LOOK_SECONDS = 2.0
_RESUME_SECONDS = 1.0  # then requests are taken
