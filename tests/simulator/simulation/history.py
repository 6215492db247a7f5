"""One seed, one history: operations through a storm, then calm, then judgement."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import blake2b
from random import Random  # noqa: TID251 - seeded: every chance of a history repeats
from zlib import crc32

from structlog.testing import capture_logs

from gateway.operations.facts import OperationState
from gateway.operations.recovery import Limits
from gateway.simulators.population import person
from gateway.terms.numbers import AgencyCode
from simulation.cluster import Leases, simulated_clock
from simulation.counter import Counters
from simulation.customers import HABITS, Customer, Gone
from simulation.disk import Disk
from simulation.far_side import FarSide
from simulation.faults import Storm
from simulation.invariants import Violation
from simulation.node import Machine, Node
from simulation.operators import Operators
from simulation.receiver import ChannelReceiver, looks_seldom
from simulation.scheduler import Loop, Scheduler
from simulation.shipped import AGENCIES, CORE, counter_speech, shipped, speeches
from simulation.store_disk import StoreDisk
from simulation.watch import Watch

OPERATIONS_MIN = 20  # of each history
CUSTOMERS = (2, 3, 4)
CHANGES_MAX = 5  # that a customer asks for: whoever is refused for ever makes room for another
_SHARED = 0.3  # of the histories have two nodes at once on one store
_REST_S = 7_200.0  # after so long without an event nobody waits for anything
_IDLE_S = 600.0  # five leases: so long a storm goes on for nodes that have nothing to do
_HABITS = ("everything", "everything", "everything", "links", "pins", "businesses", "counter")
EPOCHS = (  # a plain day, the end of a year, and the day before a leap day
    datetime(2026, 11, 21, 4, 0, tzinfo=UTC),
    datetime(2026, 12, 31, 23, 58, tzinfo=UTC),
    datetime(2028, 2, 28, 23, 58, tzinfo=UTC),
)
LIMITS = Limits(retry_max=timedelta(minutes=30))  # fewer messages in long silences
LIMITS_SHARED = replace(LIMITS, horizon=timedelta(hours=1))  # within a storm
EVENTS_MAX = 12_000  # a history that needs more never comes to rest
EVENTS_MAX_SHARED = 40_000  # leases are renewed while a clock that was set back catches up
_STEPS_S = (-86_400, -3_600, -61, -2, 2, 61, 3_600, 86_400)


_person = cache(person)


class World:
    """Everything of one history; `customers` and the words of `Storm` make it smaller.

    `habit` is what its customers do, `nodes` how many share the store; without them it is a matter
    of chance.
    """

    def __init__(self, seed, *, customers=None, store=Disk, habit=None, nodes=None, **storm):
        self.seed = seed
        self.chance = self.chance_of("world")
        shared = self.chance.random() < _SHARED
        self.is_shared = shared if nodes is None else nodes > 1
        self.storm = Storm(seed, is_shared=self.is_shared, **storm)
        self.scheduler = Scheduler(self.chance_of("ties").random)
        self.lines = []
        self.watch = Watch(self)
        self.disk = store(self.watch)
        self.leases = Leases(self)
        self.receiver = ChannelReceiver(self)
        self.limits = LIMITS_SHARED if self.is_shared else LIMITS
        self._events_max = EVENTS_MAX_SHARED if self.is_shared else EVENTS_MAX
        _, self.catalogue, self.places = shipped()
        self.far_sides = {speech.name: FarSide(speech, self) for speech in speeches()}
        self.core = self.far_sides[CORE]
        self.bureaus = [each for each in self.far_sides.values() if each is not self.core]
        self.habits = HABITS[habit or self.chance.choice(_HABITS)]
        epoch = self.chance.choice(EPOCHS)
        self.epoch = epoch
        self.counter = Counters(self, counter_speech())
        self.machines = [Machine(name, self.scheduler, epoch) for name in ("a", "b")]
        self.loop = Loop(self.scheduler)  # that of the customers, which no crash ends
        self.loops = [self.loop]
        self._living = 0
        self.nodes, self.starts, self.deaths = {}, 0, Counter()
        self.customers = []
        for _ in range(customers or self.chance.choice(CUSTOMERS)):
            self._meet()
        self._start_counters()

    def _meet(self):
        """Meet one more customer, of any bureau."""
        who = _person(101 + len(self.customers))
        agency = AgencyCode(self.chance.choice(tuple(AGENCIES)))
        self.customers.append(Customer(self, who, agency))
        return self.customers[-1]

    def chance_of(self, name):
        """Give a stream of chance of its own, so that one part's draws do not move another's."""
        return Random(self.seed << 32 | crc32(name.encode()))  # noqa: S311

    def note(self, *what):
        """Add to the trace, which is what two runs of a seed must have in common."""
        self.lines.append((self.scheduler.elapsed, *what))

    def _start_counters(self):
        """Begin shortly before the trace numbers begin anew, in some histories."""
        if self.chance.random() < 0.3:
            names = [f"stan/{name}" for name in self.far_sides]
            self.disk.begin_counters(names, 999_999 - self.chance.randrange(60))

    # ------------------------------------------------------------ the story

    def play(self):
        """Tell the history to its end; raises `Violation`."""
        with capture_logs() as logged, simulated_clock(self.scheduler), looks_seldom():
            try:
                self._play()
                self.watch.logged(logged)
            finally:
                for loop in self.loops:
                    loop.bury()
                self.scheduler.end()
        return self

    def _play(self):
        for machine in self.machines if self.is_shared else self.machines[:1]:
            self._boot(machine)
        for customer in self.customers:
            self._begin(customer.live(CHANGES_MAX))
        self.scheduler.at(self.storm.begins, self._break)
        self.scheduler.in_background(self.storm.begins + self.storm.lasting, self._calm)
        self._run_through_storm()
        while not self.has_enough:
            self._begin(self._meet().live(CHANGES_MAX))  # the others may have to wait for a person
            self._run_while(lambda: self._living)
        self._run_to_rest()
        self.watch.judge()
        if self.disk.manual():
            self._begin(Operators(self).resolve_all())
            self._run_to_rest()
            self.watch.check(26, not self.disk.manual(), "something is manual for ever")
        self._prove_alive()

    @property
    def has_enough(self):
        """Tell whether there are operations enough, with the one by which each is served again."""
        return len(self.disk.rows) + len(self.customers) >= OPERATIONS_MIN

    def _prove_alive(self):
        """Everybody is served again, and the last PIN set is the one in force."""
        for customer in self.customers:
            life = self._begin(customer.prove_alive())
            self._run_while(lambda: self._living)
            self._judge_proof(customer, life.result())
        self._run_to_rest()
        self.watch.judge()

    def _judge_proof(self, customer, view):
        if view is None or view.state is not OperationState.SUCCEEDED:
            self.watch.fail(21, f"customer {customer.who.index} is not served: {view}")

    def _begin(self, story):
        self._living += 1
        task = self.loop.create_task(story)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task):
        self._living -= 1
        error = task.exception()
        if error is not None and self.watch.broken is None:
            self.watch.broken = error

    def _run_while(self, goes_on):
        scheduler, watch, events_max = self.scheduler, self.watch, self._events_max

        def is_fine():
            if watch.broken is not None:
                raise watch.broken
            if scheduler.events > events_max:
                watch.fail(21, f"no rest after {scheduler.events} events")
            return goes_on()

        scheduler.run_while(is_fine)
        if watch.broken is not None:
            raise watch.broken

    def _run_through_storm(self):
        """Go on until it is over, or has had nothing to strike for long; then it is calm."""
        scheduler, idle_since = self.scheduler, None

        def goes_on():
            nonlocal idle_since
            if self._living or scheduler.foreground or not self.disk.is_at_rest:
                idle_since = None
                return self._living or not self.storm.is_over
            idle_since = scheduler.elapsed if idle_since is None else idle_since
            return not self.storm.is_over and scheduler.elapsed - idle_since < _IDLE_S

        self._run_while(goes_on)
        self._calm()

    def _run_to_rest(self):
        """Go on until nothing waits, or nothing has happened for long."""
        scheduler, quiet_since = self.scheduler, None

        def goes_on():
            nonlocal quiet_since
            if scheduler.foreground:
                quiet_since = None
                return True
            quiet_since = scheduler.elapsed if quiet_since is None else quiet_since
            return not self.disk.is_at_rest and scheduler.elapsed - quiet_since < _REST_S

        self._run_while(goes_on)

    def _break(self):
        self.storm.is_on = True
        self.note("storm")

    def _calm(self):
        if self.storm.is_over:
            return
        self.storm.is_on, self.storm.is_over = False, True
        self.note("calm")
        for node in self.nodes.values():
            for link in node.links.values():
                link.is_deaf = False

    # ------------------------------------------------------------ processes

    def _boot(self, machine):
        self.starts += 1
        node = self.nodes[machine.name if self.is_shared else ""] = Node(self, machine)
        self.loops.append(node.loop)
        self.note("start", node.name)
        node.after(0.0, lambda: node.loop.create_task(node.start()))

    def died(self, node, point):
        """Hear that a process is gone: its clients learn it, and another takes over."""
        self.deaths[point] += 1
        self.note("crash", node.name, point)
        for hear in node.waiting:
            self.scheduler.after(self.chance.uniform(0.0, 2.0), hear, None, Gone())
        away = self.chance.choice((0.2, 5.0, 65.0))
        if self.storm.fires("outage"):
            away = self.chance.choice((1_200.0, 300.0 if self.is_shared else 30 * 3_600.0))
        machine = node.machine if self.is_shared else self.chance.choice(self.machines)
        self.clock_may_step(machine)
        self.scheduler.after(away, self._boot, machine)

    def clock_may_step(self, machine):
        """Set a machine's wall clock, as an operator or a time server might."""
        if self.storm.fires("clock-step"):
            step = self.chance.choice(_STEPS_S)
            machine.set_clock(step)
            self.note("clock", machine.name, step)

    def end_losses_there(self, customer):
        """Let a customer without a link cancel losses at the bureau's and the bank's own window."""
        for far_side in self.far_sides.values():
            for number in (customer.card, customer.who.pan):
                far_side.lost.pop(number, None)
                self.watch.losses.pop(number, None)

    def misdirect(self, node, speech, answer):
        """Let a muddled relay put an answer onto another link."""
        others = [link for name, link in node.links.items() if name != speech.name]
        self.chance.choice(others).take_misdirected(answer)

    # ------------------------------------------------------------ HTTP

    def ask(self, make):
        """Ask the service of a node; gives the future of an answer, as `ask_on_node` does."""
        return self.ask_on_node(lambda node: make(node.service))

    def ask_on_node(self, make):
        """Give the future of an answer; fails with `Gone` when none comes."""
        answered = self.loop.create_future()

        def hear(reply, error):
            def tell():
                if answered.done():
                    return
                if error is not None:
                    answered.set_exception(error)
                else:
                    answered.set_result(reply)

            self.loop.enter(tell)

        self.send(make, hear)
        return answered

    def send(self, make, hear):
        """Send a request to whichever node serves; `hear` gets its answer, or an error."""
        self.scheduler.after(self.chance.uniform(0.001, 0.2), self._serve, make, hear)

    def _serve(self, make, hear):
        serving = [node for node in self.nodes.values() if node.is_open]
        if not serving or self.storm.fires("http-request-lost"):
            self.scheduler.after(3.0, hear, None, Gone())
            return
        node = self.chance.choice(serving)
        node.waiting.append(hear)
        node.call(self._take, node, make, hear)

    def _take(self, node, make, hear):
        task = node.loop.create_task(make(node))

        def finished(done):
            node.waiting.remove(hear)
            reply, error = None, done.exception()
            if error is None:
                reply = done.result()
            if self.storm.fires("http-answer-lost"):
                reply, error = None, Gone()
            self.scheduler.after(self.chance.uniform(0.001, 0.2), hear, reply, error)

        task.add_done_callback(finished)

    # ------------------------------------------------------------ what is told of it

    @property
    def hash(self):
        """Sum the trace up."""
        text = "\n".join(map(repr, self.lines))
        return blake2b(text.encode(), digest_size=8).hexdigest()


def play(seed, **smaller):
    """Tell the history of a seed; raises `Violation`."""
    return World(seed, **smaller).play()


__all__ = ["OPERATIONS_MIN", "Disk", "StoreDisk", "Violation", "World", "play"]
