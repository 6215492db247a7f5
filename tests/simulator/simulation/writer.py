"""The journal of one simulated process, from which a crash takes what is not durable yet."""

from gateway.store.errors import Broken, Fenced
from gateway.terms.errors import Unavailable

_SOON_S = 0.001  # until then a lease is renewed now
_AS_A_WHOLE = 0.5  # how often what a crash cuts short is there, as a whole
WAITING_MAX = 64  # units; far above what a history has waiting, so that only a fault fills it


def _nothing(_connection):
    """Write nothing: the transaction alone renews the lease."""
    return ()


class Writer:
    """The journal of one process: what is submitted is durable a moment later, or never."""

    def __init__(self, node, disk):
        self._node = node
        self._disk = disk
        self._waiting = []
        self._is_busy = False
        self._is_broken = False
        self._renewed_at = 0.0  # when a transaction renewed the lease last

    def submit(self, unit, done):
        self._node.pulse("before-submit")
        if len(self._waiting) >= WAITING_MAX or self._node.storm.fires("disk-full"):
            raise Unavailable("the journal has as much to write as it can take")
        if unit.may_be_refused and self._node.storm.fires("disk-refuses"):
            self._node.after(self._pause(), done, Unavailable("the database takes nothing now"))
            return
        self._waiting.append((unit, done))
        if not self._is_busy:
            self._is_busy = True
            self._node.after(self._pause(), self._commit)
        self._node.pulse("after-submit")

    def _pause(self):
        slow = self._node.storm.fires("disk-slow")
        return self._node.chance.uniform(1.0, 8.0) if slow else 0.002

    def _commit(self):
        batch, self._waiting = self._waiting, []
        node, storm = self._node, self._node.storm
        if self._is_broken or storm.fires("disk-error"):
            self._is_broken = True
            broken = Broken("the database refused a transaction (simulated)")
            node.call(self._tell, [(done, broken) for _, done in batch])
            node.after(0.0, self.lost, broken)
            self._is_busy = False
            return
        # What a crash finds in the middle of a commit is there as a whole or not at all.
        torn = storm.fires("crash-in-commit")
        if not torn or node.chance.random() < _AS_A_WHOLE:
            units = [unit for unit, _ in batch]
            outcomes = self._under_lease(lambda _: self._write(units))
            if outcomes is None:
                outcomes = [Broken("another process has taken over")] * len(batch)
            told = [(done, error) for (_, done), error in zip(batch, outcomes, strict=True)]
            node.may_be_held()  # what was decided is on disk, and is not carried out yet
            node.after(0.001, self._tell, told)
        if torn:
            node.die("crash-in-commit")
        self._is_busy = bool(self._waiting)
        if self._is_busy:
            node.after(self._pause(), self._commit)

    def lost(self, error):
        """Stop the process, as the real journal does when nobody else has."""
        self._node.fail(error)

    def _write(self, units):
        self._disk.writer, self._disk.node = self._node.name, self._node.lease.name
        return self._disk.commit(units)

    def _under_lease(self, work):
        """Do something in a transaction of the node's; None when it was fenced off."""
        if not self._node.world.is_shared:
            return work(None)
        leases = self._node.world.leases
        leases.process = self._node.name
        try:
            with self._node.lease.transaction(leases) as connection:
                self._renewed_at = self._node.seconds()
                return work(connection)
        except Fenced:
            self._is_broken = True
            return None

    # ------------------------------------------------------------ leases

    is_stalled = False  # as the real journal says while the database is away

    def run(self, chore, done):
        """Run a chore of the store by itself in a transaction."""
        self._node.pulse("before-chore")
        self._node.after_in_background(self._pause(), self._run, chore, done)

    def _run(self, chore, done):
        given = None if self._is_broken else self._under_lease(lambda it: [chore(it)])
        if given is None:
            self._node.fail(Broken("another process has taken over"))
        done(given[0])

    def keep_renewing(self):
        """Renew the lease that was just begun, where nothing else does, while the process lives."""
        if self._node.lease.lease.renew_every_s is not None:
            self._renewed_at = self._node.seconds()
            self._renew_when_due()

    def _renew_when_due(self):
        pause = self._node.lease.lease.renew_every_s + self._renewed_at - self._node.seconds()
        if pause < _SOON_S:
            pause = self._node.lease.lease.renew_every_s
            if self._under_lease(_nothing) is None:
                self._node.fail(Broken("another process has taken over"))
        self._node.after_in_background(pause, self._renew_when_due)

    def reserve(self, name, size, done):
        """Run the chore that reserves trace numbers."""
        self._node.pulse("before-reserve")
        if self._node.storm.fires("disk-full"):
            raise Unavailable("the journal has as much to write as it can take")

        def run():
            first = self._disk.reserve(name, size)
            self._node.pulse("after-reserve")
            done(first)

        self._node.after(self._pause(), run)

    def _tell(self, outcomes):
        for done, error in outcomes:
            self._node.pulse("before-told")
            done(error)
