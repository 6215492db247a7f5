"""Decide, record, act: the one place that carries decisions out, always in this order.

The conductor runs on one thread and never waits: what takes time (the journal, a link, a timer)
calls back. Events of one operation are taken one at a time; while a decision is being made
durable, later events of the operation stand in its queue.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import assert_never

import structlog

from gateway.app.cargo import Cargo, same_asker
from gateway.app.ports import Dialogues, Notices, Recorder, Timers
from gateway.app.running import Running
from gateway.linking.kinds import BESIDE_OTHERS, EXCHANGES, PLANS
from gateway.operations import life
from gateway.operations.draft import EncipheredPin
from gateway.operations.facts import Opened, OperationKind, OperationState, Settled
from gateway.operations.life import Decision, Event, Surroundings
from gateway.operations.notice import Notice, notice_of
from gateway.operations.operation import Operation, evolve, open_operation
from gateway.store.errors import Broken
from gateway.store.unit import LetGo, Progress, Unit
from gateway.terms.errors import LocalError, Unavailable
from gateway.terms.numbers import AgencyCode, LinkId, OperationId
from gateway.terms.refusals import Refusal
from gateway.terms.sides import Side

log = structlog.get_logger()

RUNNING_MAX = 10_000  # operations in memory; about 100 MB, and ten seconds of full load
LATE_ANSWER_WINDOW_S = 600.0  # an unknown outcome may settle by a late answer for this long

SS_FOLLOWS_AFTER_S = "ss_follows_after_s"
"""Detail of an activation: after how many seconds the SS account follows."""


class Conductor:
    """Carries decisions out for every operation that is not at rest."""

    def __init__(
        self,
        journal: Recorder,
        dialogues: Dialogues,
        timers: Timers,
        identify: Callable[[], OperationId],
        fail: Callable[[Exception], None],
        notices: Notices | None = None,
    ) -> None:
        self._journal = journal
        self._dialogues = dialogues
        self._timers = timers
        self._identify = identify
        self._fail = fail
        self._notices = notices
        self._running: dict[OperationId, Running] = {}
        self._busy: dict[LinkId, OperationId] = {}
        self._of_agency: Counter[AgencyCode] = Counter()
        self.settled_total: dict[tuple[OperationKind, OperationState], int] = {}
        self.manual_count = 0  # operations that wait for a person, as the journal has them

    # ------------------------------------------------------------------ from the service

    @property
    def running_count(self) -> int:
        """How many operations are in memory."""
        return len(self._running)

    def has_room(self, agency: AgencyCode) -> bool:
        """Tell whether another operation of an institution may be opened now.

        None has more than the room that is left: however many fall silent, the others go on.
        """
        return self._of_agency[agency] < RUNNING_MAX - self.running_count

    def is_busy(self, link: LinkId) -> bool:
        """Tell whether an operation on this link must be over before another begins."""
        return link in self._busy

    def is_held(self, link: LinkId) -> bool:
        """Tell whether an old PIN message may still be delivered, so that a new one must wait."""
        holder = self._busy.get(link)
        running = self._running.get(holder) if holder else None
        return running is not None and running.operation.state is OperationState.UNKNOWN

    def open(  # noqa: PLR0913 - all of it stands in the opening transaction
        self,
        operation: OperationId,
        opened: Opened,
        cargo: Cargo,
        *,
        pins: Mapping[str, EncipheredPin] | None = None,
        findings: dict[str, object] | None = None,
        records: tuple[object, ...] = (),
        done: Callable[[Operation | Exception], None],
    ) -> None:
        """Open an operation and record its first step together with `records`.

        `done` is called when the opening is durable, or with the reason why nothing of it is.
        Raises `Unavailable` when there is no room for it or no trace number left.
        """
        is_full = self.running_count >= RUNNING_MAX
        if is_full or (opened.kind not in BESIDE_OTHERS and not self.has_room(cargo.card.agency)):
            raise Unavailable(f"{self.running_count} operations are running")
        fresh = open_operation(operation, opened, EXCHANGES[opened.kind])
        if findings:
            fresh = replace(fresh, findings=findings)
        running = Running(fresh, cargo, is_attended=True, begun_at=self._timers.seconds())
        running.pins.update(pins or {})
        decision = self._decide(running, life.Begun())
        self._admit(running)
        try:
            self._record(running, decision, done, records)
        except Unavailable:
            self._dismiss(running)
            raise

    def refuse(
        self,
        operation: OperationId,
        opened: Opened,
        refusal: Refusal,
        records: tuple[object, ...],
        done: Callable[[Operation | Exception], None],
    ) -> None:
        """Record an operation that is refused before anything is sent."""
        fresh = open_operation(operation, opened, EXCHANGES[opened.kind])
        settled = evolve(fresh, Settled(OperationState.FAILED, opened.at, refusal))

        def recorded(error: Exception | None) -> None:
            if error is None:
                self._count(settled)
            done(error or settled)

        self.keep(Unit((Progress(settled, 0),), records, may_be_refused=True), recorded)

    def keep(self, unit: Unit, done: Callable[[Exception | None], None]) -> None:
        """Make durable what no running operation waits for; raises `Unavailable` without room."""

        def recorded(error: Exception | None) -> None:
            if isinstance(error, Broken):
                self._fail(error)
            done(error)

        self._journal.submit(unit, recorded)

    def resume(self, operation: Operation, cargo: Cargo) -> None:
        """Take over an operation that another process left unfinished."""
        running = Running(operation, cargo, recorded=len(operation.facts))
        self._admit(running)
        if operation.state is OperationState.UNKNOWN:
            self._hold(running)
            return
        self._take(running, life.Resumed())

    def resolve(
        self,
        operation: Operation,
        cargo: Cargo,
        event: life.Resolved | life.Withdrawn,
        done: Callable[[Operation | Exception], None],
        records: tuple[object, ...] = (),
    ) -> None:
        """Go on with an operation at rest: from what a person found out, or to take it back.

        `done` is called as by `open`. Raises `Unavailable` as it does.
        """
        running = Running(operation, cargo, recorded=len(operation.facts))
        decision = self._decide(running, event)
        self._admit(running)
        try:
            self._record(running, decision, done, records)
        except Unavailable:
            self._dismiss(running)
            raise

    def withdraw(self, operation: OperationId) -> bool:
        """Have an operation that runs here taken back; tells whether its outcome was open still."""
        running = self._running.get(operation)
        if running is None or running.is_settling or running.operation.state.is_final:
            return False
        running.queue.appendleft(life.Withdrawn())  # before an answer that would settle it
        if not running.is_recording:
            self._next(running)
        return True

    def watch(
        self, operation: OperationId, watcher: Callable[[Operation], bool]
    ) -> Operation | None:
        """Call `watcher` at each durable change until it gives False.

        Gives the operation as it is, if it runs.
        """
        running = self._running.get(operation)
        if running is None:
            return None
        running.watchers.append(watcher)
        return running.operation

    def leave(self, operation: OperationId) -> bool:
        """Wait for it no longer: its outcome is told to its channel from now on.

        Tells whether its outcome is just being recorded without that; then wait for it still.
        """
        running = self._running.get(operation)
        if running is None:
            return False
        is_told_now = running.is_settling and running.is_attended
        running.is_attended = False
        return is_told_now

    # ------------------------------------------------------------------ from the links

    def answer(self, operation: OperationId, event: life.Answered) -> None:
        """Take in the answer of a far side, on time or late."""
        running = self._running.get(operation)
        if running is None:
            log.info("answer-without-operation", operation=str(operation), exchange=event.exchange)
            return
        self._take(running, event)

    def link_is_back(self, side: Side) -> None:
        """Send again at once what is stored and forwarded on this side."""
        for running in tuple(self._running.values()):
            for exchange in running.operation.exchanges.values():
                if exchange.side is side and exchange.is_forwarded:
                    self._take(running, life.Overdue(exchange.name))

    # ------------------------------------------------------------------ decide, record, act

    def _take(self, running: Running, event: Event) -> None:
        running.queue.append(event)
        if not running.is_recording:
            self._next(running)

    def _next(self, running: Running) -> None:
        """Carry out what waits, in order; an event that needs what is not there now goes back."""
        while running.queue and not running.is_recording:
            event = running.queue.popleft()
            try:
                self._carry_out(running, self._decide(running, event))
            except Unavailable:
                running.queue.appendleft(event)
                self._cancel(running, _AGAIN)
                again = partial(self._next, running)
                running.timers[_AGAIN] = self._timers.call_later(_AGAIN_S, again)
                return
            except LocalError as error:
                self._fail(error)
                return

    def _carry_out(self, running: Running, decision: Decision) -> None:
        if decision.facts or decision.records:
            self._record(running, decision, None)
        else:
            self._act(running, decision)

    def _decide(self, running: Running, event: Event) -> Decision:
        agency = running.cargo.card.agency
        around = Surroundings(
            PLANS[running.operation.kind],
            self._dialogues.limits,
            lambda side, at: self._dialogues.allocate(side, agency, at),
            lambda side: self._dialogues.is_ready(side, agency),
            self._identify,
        )
        return life.decide(running.operation, event, self._timers.now(), around)

    def _record(
        self,
        running: Running,
        decision: Decision,
        opened: Callable[[Operation | Exception], None] | None,
        besides: tuple[object, ...] = (),
    ) -> None:
        followers = [
            self._open_follow_up(running, decision, effect)
            for effect in decision.effects
            if isinstance(effect, life.OpenFollowUp)
        ]
        progress = [Progress(decision.operation, running.recorded, running.is_let_go)]
        progress += [Progress(follower.operation, 0) for follower in followers]
        notices = self._notices_of(running, decision)
        running.is_settling = Settled in map(type, decision.facts)
        running.is_recording = True

        def recorded(error: Exception | None) -> None:
            running.is_settling = False
            self._recorded(running, decision, followers, opened, error)
            if notices and error is None and self._notices is not None:
                self._notices.recorded(running.cargo.channel)

        try:
            records = (*besides, *decision.records, *notices)
            unit = Unit(tuple(progress), records, may_be_refused=opened is not None)
            self._journal.submit(unit, recorded)
        except Unavailable:
            running.is_recording = running.is_settling = False
            raise

    def _notices_of(self, running: Running, decision: Decision) -> tuple[Notice, ...]:
        """Write what the channel is told of this decision, unless somebody waits to be told."""
        channel = running.cargo.channel
        if running.is_attended or self._notices is None or not self._notices.wants(channel):
            return ()
        facts = enumerate(decision.operation.facts)
        return tuple(
            notice_of(decision.operation, sequence, channel)
            for sequence, fact in facts
            if sequence >= running.recorded and isinstance(fact, Settled)
        )

    def _recorded(
        self,
        running: Running,
        decision: Decision,
        followers: list[Running],
        opened: Callable[[Operation | Exception], None] | None,
        error: Exception | None,
    ) -> None:
        running.is_recording = False
        if error is not None:
            self._not_recorded(running, opened, error)
            return
        running.recorded = len(decision.operation.facts)
        try:
            self._act(running, decision)
        except LocalError as local:
            self._fail(local)
            return
        if opened is not None:
            opened(decision.operation)
        for follower in followers:
            follower.recorded = len(follower.operation.facts)
            self._admit(follower)
            self._take(follower, life.Woken())
        self._next(running)

    def _not_recorded(
        self,
        running: Running,
        opened: Callable[[Operation | Exception], None] | None,
        error: Exception,
    ) -> None:
        """Tell whoever opened the operation; stop when the journal itself is broken."""
        if opened is None or isinstance(error, Broken):
            self._fail(error)
        if opened is not None:
            self._dismiss(running)
            opened(error)

    def _act(self, running: Running, decision: Decision) -> None:
        before, running.operation = running.operation, decision.operation
        running.take_in(decision.records, self._running.values())
        for effect in decision.effects:
            self._perform(running, effect)
        if running.operation.state is not before.state:
            self._count(running.operation)
            self._count_manual(before.state, running.operation)
        if decision.facts:
            watchers, running.watchers = running.watchers, []
            running.watchers += [each for each in watchers if each(running.operation)]
        if running.operation.is_at_rest:
            self._dismiss(running)
        elif running.operation.state is OperationState.UNKNOWN is not before.state:
            self._hold(running)

    def _perform(self, running: Running, effect: life.Effect) -> None:
        operation = running.operation
        match effect:
            case life.Transmit(exchange=name, is_repeat=is_repeat):
                self._transmit(running, name, is_repeat=is_repeat)
            case life.Watch(exchange=name, due=due):
                # From now on, when the message leaves, and on the monotonic clock alone.
                pause_s = (due - operation.updated_at).total_seconds()
                self._in(running, name, pause_s, partial(self._take, running, life.Overdue(name)))
            case life.WakeAt(at=at):
                self._at(running, "wake", at, life.Woken())
            case life.Forget(exchange=name):
                running.pins.pop(name, None)
                self._cancel(running, name)
            case life.OpenFollowUp():
                pass  # opened with the record, so that both are durable or neither
            case life.Alarm(exchange=name):
                exchange = operation.exchanges[name]
                what = {"message": exchange.message, "attempts": exchange.attempts}
                log.error("unconfirmed", operation=str(operation.id), side=exchange.side, **what)
            case _:
                assert_never(effect)

    def _transmit(self, running: Running, name: str, *, is_repeat: bool) -> None:
        secret_life = self._dialogues.limits(running.operation.exchanges[name].side).secret_life
        errand = running.errand(name, is_repeat=is_repeat, secret_life=secret_life)
        if errand.until is not None and self._timers.seconds() > errand.until:
            # The journal took long, or the process was held: it is too late to send this PIN.
            running.pins.clear()
            running.queue.appendleft(life.Overdue(name, is_spent=True))
            return
        self._dialogues.transmit(errand)

    # ------------------------------------------------------------------ parts

    def _open_follow_up(
        self, running: Running, decision: Decision, effect: life.OpenFollowUp
    ) -> Running:
        at = decision.operation.updated_at
        delay = timedelta(seconds=int(running.operation.details.get(SS_FOLLOWS_AFTER_S, "0")))
        opened = Opened(
            effect.kind,
            running.operation.link,
            at,
            wake_at=at + delay,
            cause=running.operation.id,
            details={"activated_at": at.isoformat(), **same_asker(running.operation)},
        )
        operation = open_operation(effect.operation, opened, EXCHANGES[effect.kind])
        return Running(operation, running.cargo)

    def _in(self, running: Running, name: str, pause_s: float, then: Callable[[], None]) -> None:
        """Call after a pause that no step of the wall clock changes."""
        self._cancel(running, name)

        def fire() -> None:
            running.timers.pop(name, None)
            then()

        running.timers[name] = self._timers.call_later(pause_s, fire)

    def _at(self, running: Running, name: str, due: datetime, event: Event) -> None:
        """Raise an event at an instant of the wall clock, looking at it at every stride."""
        remaining = (due - self._timers.now()).total_seconds()
        then = partial(self._take, running, event)
        if remaining > self._timers.stride_s:
            then = partial(self._at, running, name, due, event)
        self._in(running, name, max(0.0, min(remaining, self._timers.stride_s)), then)

    def _hold(self, running: Running) -> None:
        """Keep an unknown outcome in memory: for late answers, and to hold newer attempts back."""
        limits = self._dialogues.limits(Side.SOCIAL)

        def release() -> None:
            try:
                self._journal.submit(Unit(records=(LetGo(running.operation.id),)), released)
                running.is_let_go = True  # whatever is recorded from now on comes after it
            except Unavailable:
                running.timers["hold"] = self._timers.call_later(_AGAIN_S, release)

        def released(error: Exception | None) -> None:
            if error is not None:
                self._fail(error)
                return
            if self._busy.get(running.operation.link) == running.operation.id:
                del self._busy[running.operation.link]

        hold = limits.message_life.total_seconds()
        running.timers["hold"] = self._timers.call_later(hold, release)
        window = max(LATE_ANSWER_WINDOW_S, hold)
        running.timers["late"] = self._timers.call_later(window, lambda: self._dismiss(running))

    def _cancel(self, running: Running, name: str) -> None:
        cancel = running.timers.pop(name, None)
        if cancel is not None:
            cancel()

    def _admit(self, running: Running) -> None:
        self._running[running.operation.id] = running
        self._of_agency[running.cargo.card.agency] += 1
        if running.operation.kind not in BESIDE_OTHERS:
            self._busy[running.operation.link] = running.operation.id

    def _dismiss(self, running: Running) -> None:
        operation = running.operation
        if self._running.pop(operation.id, None) is not None:
            self._of_agency[running.cargo.card.agency] -= 1
        if self._busy.get(operation.link) == operation.id:
            del self._busy[operation.link]
        for name in tuple(running.timers):
            self._cancel(running, name)
        running.pins.clear()

    def _count_manual(self, before: OperationState, operation: Operation) -> None:
        """Raise the alarm for an operation that needs a person, and end it when one has looked."""
        if operation.state is OperationState.MANUAL:
            self.manual_count += 1
            log.error("operation-manual", operation=str(operation.id), kind=operation.kind.value)
        elif before is OperationState.MANUAL:
            self.manual_count -= 1

    def _count(self, operation: Operation) -> None:
        key = (operation.kind, operation.state)
        self.settled_total[key] = self.settled_total.get(key, 0) + 1


_AGAIN = "again"  # the timer of an event that went back
_AGAIN_S = 1.0  # a reservation of trace numbers takes one commit; a second is ample
