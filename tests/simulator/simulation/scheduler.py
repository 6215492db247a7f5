"""One clock and one queue for a simulated world, and the event loops that run on them."""

import asyncio
from asyncio import _set_running_loop
from asyncio.tasks import _current_tasks
from collections import deque
from contextlib import suppress
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
        self._queue = []
        self._tie = tie
        self._numbers = count().__next__

    def at(self, due, call, *args):
        """Let a call happen at an instant, or now where that is over."""
        due = max(due, self.elapsed)
        self.foreground += 1
        heappush(self._queue, (due, self._tie(), self._numbers(), 1, call, args))

    def after(self, delay, call, *args):
        """Let a call happen after a delay."""
        self.foreground += 1
        due = self.elapsed + delay
        heappush(self._queue, (due, self._tie(), self._numbers(), 1, call, args))

    def in_background(self, due, call, *args):
        """Let a call happen at an instant for which nobody waits."""
        heappush(self._queue, (due, self._tie(), self._numbers(), 0, call, args))

    def step(self):
        """Let the next event happen; tells whether there was one."""
        if not self._queue:
            return False
        self.elapsed, _, _, weight, call, args = heappop(self._queue)
        self.foreground -= weight
        self.events += 1
        call(*args)
        return True


class _Handle:
    """A call that waits in a loop; asyncio wants to cancel it and to know when it is due."""

    __slots__ = ("_due", "_loop", "args", "call")

    def __init__(self, loop, call, args, due):
        self._loop, self.call, self.args, self._due = loop, call, args, due

    def cancel(self):
        self.call = None

    def cancelled(self):
        return self.call is None

    def when(self):
        return self._due

    def fire(self):
        if self.call is not None:
            self._loop.enter(self.call, *self.args)


class Loop(asyncio.AbstractEventLoop):
    """The event loop of one simulated process; when the process dies, nothing in it goes on."""

    def __init__(self, scheduler):
        self._scheduler = scheduler
        self._ready = deque()
        self._tasks = []
        self._background = set()  # tasks that look at something again and again
        self.is_dead = False

    def enter(self, call, *args):
        """Run a call from outside inside the process, and whatever it makes ready."""
        if self.is_dead:
            return
        self._scheduler.running = self
        _set_running_loop(self)
        ready = self._ready
        try:
            call(*args)
            while ready and not self.is_dead:
                handle = ready.popleft()
                if handle.call is not None:
                    handle.call(*handle.args)
        except Crashed:
            pass
        finally:
            self._scheduler.running = None
            _set_running_loop(None)

    def bury(self):
        """Close what a dead process had not finished, as nothing in it may go on."""
        self._scheduler.running = self
        _set_running_loop(self)  # what clears up would else make a real loop for itself
        try:
            for task in self._tasks:
                if not task.done():
                    with suppress(RuntimeError, Crashed):
                        task.get_coro().close()
        finally:
            self._scheduler.running = None
            _set_running_loop(None)
        self._tasks.clear()

    def _enter_ready(self):
        self.enter(lambda: None)

    # ------------------------------------------------------------ what asyncio asks of a loop

    def call_soon(self, callback, *args, context=None):  # noqa: ARG002 - no context is used here
        handle = _Handle(self, callback, args, self._scheduler.elapsed)
        if not self.is_dead:
            self._ready.append(handle)
            if self._scheduler.running is not self:
                self._scheduler.after(0.0, self._enter_ready)
        return handle

    def call_later(self, delay, callback, *args, context=None):  # noqa: ARG002
        return self.call_at(self._scheduler.elapsed + delay, callback, *args)

    def call_at(self, when, callback, *args, context=None):  # noqa: ARG002
        handle = _Handle(self, callback, args, when)
        if not self.is_dead:
            endless = _current_tasks.get(self) in self._background
            schedule = self._scheduler.in_background if endless else self._scheduler.at
            schedule(when, handle.fire)
        return handle

    def time(self):
        return self._scheduler.elapsed

    def create_future(self):
        return asyncio.Future(loop=self)

    def create_task(self, coro, **_more):
        task = asyncio.Task(coro, loop=self)
        self._tasks.append(task)
        return task

    def create_background_task(self, coro):
        """Create a task whose pauses nobody waits for."""
        self._background.add(self.create_task(coro))

    def get_debug(self):
        return False

    def call_exception_handler(self, context):
        """Hear of a task that nobody waits for: those of a dead process are meant to be lost."""
