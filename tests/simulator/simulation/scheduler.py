"""One clock and one queue for a simulated world, and the event loops that run on them."""

import asyncio
from asyncio import _set_running_loop
from asyncio.tasks import _current_tasks
from collections import deque
from contextlib import suppress
from functools import partial
from heapq import heappop, heappush
from itertools import count


class Crashed(BaseException):
    """The process is gone at this point; nothing in it may catch this."""


def settle(future, result):
    """Settle a future, unless whoever waited has gone."""
    if not future.done():
        future.set_result(result)


class Scheduler:
    """Events in the order of their time; those of one instant in an order of chance."""

    def __init__(self, tie):
        self.elapsed = 0.0  # seconds, monotonic
        self.events = 0
        self.foreground = 0  # events that are waited for, unlike looks that never end
        self.running = None  # the loop that an event has entered
        self.paused_until = 0.0  # as of a machine: never
        self.known_to_asyncio = None  # the loop that was entered last
        self.queue = []
        self.tie = tie
        self.number = count().__next__

    def at(self, due, call, *args):
        """Let a call happen at an instant, or now where that is over."""
        due = max(due, self.elapsed)
        self.foreground += 1
        heappush(self.queue, (due, self.tie(), self.number(), 1, call, args))

    def after(self, delay, call, *args):
        """Let a call happen after a delay."""
        self.foreground += 1
        entry = (self.elapsed + delay, self.tie(), self.number(), 1, call, args)
        heappush(self.queue, entry)

    def in_background(self, due, call, *args):
        """Let a call happen at an instant for which nobody waits."""
        heappush(self.queue, (due, self.tie(), self.number(), 0, call, args))

    def begin(self, loop):
        """Let a loop run, and asyncio know that it is another one than before."""
        self.running = self.known_to_asyncio = loop
        _set_running_loop(loop)

    def end(self):
        """Let no loop run any more."""
        self.running = self.known_to_asyncio = None
        _set_running_loop(None)

    def run_while(self, goes_on):
        """Let one event happen after another, for as long as there are any and it is wanted."""
        queue = self.queue
        while queue and goes_on():
            self.elapsed, _, _, weight, call, args = heappop(queue)
            self.foreground -= weight
            self.events += 1
            call(*args)


class _Ready(partial):
    """A call that a loop makes next; it is almost never cancelled."""

    def cancel(self):
        asyncio.get_running_loop().forget(self)


class _Timer:
    """A call that waits in a loop; asyncio wants to cancel it and to know when it is due.

    `weight` is 1 while somebody waits for it. Its event stays where it is when it is cancelled.
    """

    __slots__ = ("_due", "_loop", "_weight", "args", "call")

    def __init__(self, loop, call, args, due, weight):
        self._loop, self.call, self.args, self._due, self._weight = loop, call, args, due, weight

    def cancel(self):
        if self.call is not None:
            self._loop.scheduler.foreground -= self._weight
        self.call = None

    def cancelled(self):
        return self.call is None

    def when(self):
        return self._due

    def fire(self):
        if self.call is None:
            self._loop.scheduler.foreground += self._weight  # which was taken off already
            return
        self._weight = 0
        self._loop.enter(self._go)

    def _go(self):
        if self.call is not None:  # the process may have been held meanwhile
            self.call(*self.args)


class Loop(asyncio.AbstractEventLoop):
    """The event loop of one simulated process; when the process dies, nothing in it goes on.

    `machine` is what it runs on; while that stands still, what comes from outside waits.
    """

    get_debug = staticmethod(bool)  # asked for every future, so it is a call of C: no

    def __init__(self, scheduler, machine=None):
        self.scheduler = scheduler
        self._machine = machine or scheduler
        self._ready = deque()
        self._tasks = []
        self._background = set()  # tasks that look at something again and again
        self.is_dead = False
        self.create_future = partial(asyncio.Future, loop=self)

    def enter(self, call, *args):
        """Run a call from outside inside the process, and whatever it makes ready."""
        if self.is_dead:
            return
        scheduler = self.scheduler
        if self._machine.paused_until > scheduler.elapsed:
            scheduler.at(self._machine.paused_until, self.enter, call, *args)
            return
        if scheduler.running is self:
            call(*args)
            return
        scheduler.running = self
        if scheduler.known_to_asyncio is not self:
            scheduler.begin(self)
        ready = self._ready
        try:
            call(*args)
            while ready:
                ready.popleft()()
        except Crashed:
            pass
        finally:
            scheduler.running = None

    def after(self, delay, call, *args):
        """Let something of the outside happen to the process after a delay, if it lives then."""
        scheduler = self.scheduler
        due, tie, number = scheduler.elapsed + delay, scheduler.tie(), scheduler.number()
        scheduler.foreground += 1
        heappush(scheduler.queue, (due, tie, number, 1, self.enter, (call, *args)))

    def die(self):
        """Let nothing go on from here."""
        self.is_dead = True
        self._ready.clear()

    def bury(self):
        """Close what a dead process had not finished, as nothing in it may go on."""
        self.scheduler.begin(self)  # what clears up would else make a real loop for itself
        try:
            for task in self._tasks:
                if not task.done():
                    with suppress(RuntimeError, Crashed):
                        task.get_coro().close()
        finally:
            self.scheduler.running = None
        self._tasks.clear()

    def forget(self, ready):
        """Leave out what was to be called next."""
        with suppress(ValueError):
            self._ready.remove(ready)

    def _enter_ready(self):
        self.enter(bool)

    # ------------------------------------------------------------ what asyncio asks of a loop

    def call_soon(self, callback, *args, context=None):  # noqa: ARG002 - no context is used here
        ready = _Ready(callback, *args)
        if not self.is_dead:
            self._ready.append(ready)
            if self.scheduler.running is not self:
                self.scheduler.after(0.0, self._enter_ready)
        return ready

    def call_later(self, delay, callback, *args, context=None):  # noqa: ARG002
        return self.call_at(self.scheduler.elapsed + delay, callback, *args)

    def call_at(self, when, callback, *args, context=None):  # noqa: ARG002
        scheduler = self.scheduler
        endless = self.is_dead or _current_tasks.get(self) in self._background
        timer = _Timer(self, callback, args, when, 0 if endless else 1)
        if not self.is_dead:
            schedule = scheduler.in_background if endless else scheduler.at
            schedule(when, timer.fire)
        return timer

    def time(self):
        return self.scheduler.elapsed

    def create_task(self, coro, **_more):
        task = asyncio.Task(coro, loop=self)
        self._tasks.append(task)
        return task

    def create_background_task(self, coro):
        """Create a task whose pauses nobody waits for."""
        self._background.add(self.create_task(coro))

    def call_exception_handler(self, context):
        """Hear of a task that nobody waits for: those of a dead process are meant to be lost."""
