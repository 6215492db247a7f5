"""One gateway process, wired as `gateway.app.serve` wires it, on a simulated machine."""

from datetime import timedelta
from hashlib import blake2b
from itertools import count

from gateway.app.callbacks import Callbacks, Courier
from gateway.app.card_life import CardLife
from gateway.app.cargo import Cargo
from gateway.app.conductor import RUNNING_MAX, Conductor
from gateway.app.core_channel import CoreChannel, CorePlace
from gateway.app.core_desk import CoreDesk
from gateway.app.core_reversals import CoreReversals
from gateway.app.dialogue import Dialogue, DialogueTable, Station
from gateway.app.identifiers import Identifiers
from gateway.app.intake import Intake
from gateway.app.pins import AcceptedPin
from gateway.app.service import OnlineBanking, Readiness
from gateway.app.traces import TraceNumbers
from gateway.operations.draft import EncipheredPin
from gateway.regions.working_days import WorkingDays
from gateway.terms.errors import RequestRefused
from gateway.terms.refusals import Refusal
from gateway.terms.sides import PinPurpose, Side
from simulation.cluster import LEASE_S, TERMINALS, SimulatedStorage, lease_of
from simulation.counter import INSTITUTION, PAD_CONTROL
from simulation.network import SimulatedLink
from simulation.receiver import TO, Post
from simulation.scheduler import Crashed, Loop, settle
from simulation.shipped import CORE, COUNTER, counter_speech
from simulation.writer import Writer

_REFUSED = 0.15  # of the PINs are too simple
WORKING_DAYS = WorkingDays()
SESSION_LIFE = timedelta(seconds=300)
ANSWER_WAIT_S = 25.0
CRASHES_MAX = 100  # of a history: what crashes on for days shows nothing more
CONTROLS = {PinPurpose.SS_PIN: "1600000000000000", PinPurpose.FINANCIAL_PIN: "2600000000000000"}
CONTROLS[PinPurpose.SS_PIN_PROOF] = CONTROLS[PinPurpose.SS_PIN]


class Node:
    """A process from its start to its end; the machine's clock outlives it."""

    stride_s = 60.0

    def __init__(self, world, machine):
        self.world, self.machine = world, machine
        self.storm = world.storm
        self._may_crash = "crash" in self.storm.rates and world.starts < CRASHES_MAX
        self.name = f"{machine.name}.{world.starts}"
        self.chance = world.chance_of(f"node {world.starts}")
        self.loop = Loop(world.scheduler, machine)
        self.call, self.after = self.loop.enter, self.loop.after
        self.now = machine.now
        self.links = {}
        self.waiting = []  # what is to be told to clients should the process die
        self.service = None
        self.conductor = None
        self.lease = lease_of(machine, is_shared=world.is_shared)
        self.journal = Writer(self, world.disk)
        self.storage = SimulatedStorage(self)
        self.identifiers = SeededIdentifiers(self.now, self.chance)

    # ------------------------------------------------------------ life and death

    @property
    def is_dead(self):
        return self.loop.is_dead

    @property
    def is_open(self):
        """Tell whether HTTP is served."""
        return self.service is not None and not self.is_dead

    def pulse(self, point):
        """Be at a point where the process may die."""
        if self.loop.is_dead:
            raise Crashed
        if self._may_crash and self.storm.fires("crash"):
            self.die(point)
            raise Crashed

    def die(self, point):
        """End here and now: memory and connections are gone, the disk is as it is."""
        if not self.is_dead:
            self.loop.die()
            self.world.scheduler.after(0.0, self.loop.bury)
            self.world.died(self, point)

    def fail(self, error):
        """Stop as `serve` stops when the journal fails."""
        self.die(type(error).__name__)
        raise Crashed

    # ------------------------------------------------------------ time

    def after_in_background(self, delay, call, *args):
        """Let something happen to the process later for which nobody waits."""
        scheduler = self.world.scheduler
        scheduler.in_background(scheduler.elapsed + delay, self.call, call, *args)

    def seconds(self):
        return self.world.scheduler.elapsed

    def call_later(self, delay_s, call):
        self.pulse("before-timer")

        def fire():
            nonlocal weight
            scheduler.foreground += 1 - weight  # what was cancelled was taken off already
            weight = 0
            if self.storm.fires("paused"):
                self.machine.pause(self.chance.choice((1.0, 30.0, 90.0)))
            self.may_be_held()
            if not cancelled:
                self.call(live)

        def live():
            if not cancelled:
                self.world.clock_may_step(self.machine)
                call()

        def cancel():
            nonlocal weight
            scheduler.foreground -= weight
            weight = 0
            cancelled.append(True)

        scheduler, cancelled, weight = self.world.scheduler, [], 1
        scheduler.after(delay_s, fire)
        return cancel

    def may_be_held(self):
        """Be at a point where the process may be held for longer than its lease."""
        if self.storm.fires("paused-past-lease"):
            self.machine.pause(self.chance.uniform(LEASE_S, 3 * LEASE_S))

    # ------------------------------------------------------------ start

    async def start(self):
        """Do what `serve` does, in its order."""
        world = self.world
        if world.is_shared:
            self.lease.join(world.leases)
            self.journal.keep_renewing()
        routes = {
            code: agency.institution.link for code, agency in world.catalogue.agencies.items()
        }
        self.table = DialogueTable(
            CORE, routes, dict.fromkeys(Side, world.limits), lambda: self.lease.lease.is_held
        )
        for name, far_side in world.far_sides.items():
            traces = await self._traces(name)
            self.table.add(name, self._dialogue(far_side.speech, traces))
        courier = Courier(TO, self.read, self.journal, self.now, lambda _: Post(self))
        callbacks = Callbacks({TO.channel: courier})
        self.conductor = Conductor(
            self.journal, self.table, self, self.identifiers.operation, self.fail, callbacks
        )
        for name, far_side in world.far_sides.items():
            dialogue = self.table.dialogue(name)
            link = SimulatedLink(self, far_side, dialogue, self._answered)
            dialogue.link = self.links[name] = link
            self.after(self.chance.choice((0.05, 0.05, 3.0)), link.rise)
        await self.storage.resume_own(await self.storage.left_behind(), self._go_on)
        self.service = self._service()
        self.loop.create_background_task(courier.run())
        self.loop.create_background_task(
            self.storage.take_over(self._go_on, lambda: RUNNING_MAX - self.conductor.running_count)
        )
        world.note("ready", self.name)

    def _dialogue(self, speech, traces):
        station = Station("99990001", "99990001", TERMINALS[self.machine.name])
        return Dialogue(speech.message_set, speech.codec, station, traces)

    async def _traces(self, name):
        terminal = TERMINALS[self.machine.name]
        traces = TraceNumbers(f"stan/{name}", self.journal.reserve, terminal)
        reserved = self.loop.create_future()
        traces.refill(reserved.set_result)
        error = await reserved
        if error is not None:
            self.fail(error)
        return traces

    def _go_on(self, operations, linked):
        for operation in operations:
            self.world.watch.takes_over(self, operation.id.value)
            if operation.link in linked:
                cargo = Cargo.resumed(linked[operation.link], operation)
                self.conductor.resume(operation, cargo)

    def _answered(self, operation, event):
        self.world.watch.believed(self, operation, event)
        self.conductor.answer(operation, event)

    def _service(self):
        intake = Intake(
            conductor=self.conductor,
            read=self.read,
            pins=Module(self),
            catalogue=self.world.catalogue,
            identifiers=self.identifiers,
            is_ready=self.table.is_ready,
            zone=self._zone,
            now=self.now,
            answer_wait_s=ANSWER_WAIT_S,
            institutions={TO.channel: INSTITUTION, COUNTER: INSTITUTION},
        )
        card_life = CardLife(intake, WORKING_DAYS, bytes)
        self.core_channel = CoreChannel(
            CorePlace(COUNTER, INSTITUTION, ANSWER_WAIT_S),
            counter_speech().message_set,
            CoreDesk(intake, card_life),
            CoreReversals(intake, card_life),
            lambda body: blake2b(body, digest_size=32).digest(),
            self.now,
        )
        return OnlineBanking(intake, card_life, SESSION_LIFE, Readiness(dict, bytes))

    def _zone(self, side, agency):
        if side is Side.FINANCIAL:
            return CORE
        return self.world.catalogue.agency(agency).institution.link

    async def read(self, query):
        self.pulse("before-read")
        found = self.loop.create_future()
        self.after(0.001, self._find, found, query)
        return await found

    def _find(self, found, query):
        settle(found, self.world.disk.run(query))


class SeededIdentifiers(Identifiers):
    """The gateway's own references, with chance from the history's seed."""

    def __init__(self, now, chance):
        super().__init__(now)
        self._chance = (f"{chance.getrandbits(80) >> 16:016x}" for _ in count())


class Module:
    """Both security modules: each PIN block is one of a kind, so that it is known wherever it is.

    The envelope is the PIN's own canary: who sees it elsewhere has seen what must not be stored.
    """

    def __init__(self, node):
        self._node = node

    async def kid(self, purpose):
        await self._work()
        return f"{purpose}-key"

    async def encipher(self, order):
        await self._work()
        if self._node.chance.random() < _REFUSED:
            return Refusal.PIN_TRIVIAL
        block = self._node.world.watch.new_pin_block(self._node, order)
        return AcceptedPin(EncipheredPin(block, CONTROLS[order.purpose]))

    async def security_control(self, _channel, _side):
        return PAD_CONTROL

    async def _work(self):
        self._node.pulse("before-module")
        if self._node.storm.fires("module-away"):
            raise RequestRefused(Refusal.SECURITY_MODULE_UNAVAILABLE)
        slow = self._node.storm.fires("module-slow")
        worked = self._node.loop.create_future()
        self._node.after(
            self._node.chance.uniform(0.5, 20.0) if slow else 0.002, settle, worked, None
        )
        await worked


class Machine:
    """A computer: its wall clock, which may be set, and whether its processes are held."""

    def __init__(self, name, scheduler, epoch):
        self.name = name
        self._scheduler = scheduler
        self._epoch = epoch
        self.paused_until = 0.0
        self._shown_at = None  # the clock is asked many times an event
        self._shown = epoch

    def now(self):
        elapsed = self._scheduler.elapsed
        if self._shown_at != elapsed:
            self._shown_at = elapsed
            self._shown = self._epoch + timedelta(seconds=elapsed)
        return self._shown

    def set_clock(self, seconds):
        """Let the clock show so much more from now on."""
        self._epoch += timedelta(seconds=seconds)
        self._shown_at = None

    def pause(self, seconds):
        self.paused_until = self._scheduler.elapsed + seconds
