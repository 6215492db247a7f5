"""A node's lease, as both of its processes see it: on the monotonic clock of their machine."""

from time import monotonic

_RENEWALS = 3  # in each lease: one that fails is made up for in time
# What is left of a lease when nothing more is sent under it: a message that is on its way to the
# socket must have left, or have been given up, when another node may take over.
_MARGIN = 0.1


class Lease:
    """For how long a node's name is its own; `lease_s` are seconds.

    The store's process renews it; the gateway's hears of it, later, and so believes no more than
    is so.
    """

    def __init__(self, name: str, lease_s: float) -> None:
        self.name = name
        self.renew_every_s: float | None = lease_s / _RENEWALS
        self._lease_s = lease_s
        self.span = (0.0, 0.0)  # steady since, held until

    def begin(self, started: float) -> None:
        """Hold it anew, from an instant on."""
        self.span = (started, started + self._lease_s)

    def renew(self, started: float) -> None:
        """Hold it for longer, from an instant on; after a gap it is not steady any more."""
        steady_since, held_until = self.span
        if started > held_until:
            steady_since = started
        self.span = (steady_since, started + self._lease_s)

    @property
    def is_held(self) -> bool:
        """Tell whether no other node can have taken over; asked before anything is sent."""
        return monotonic() < self.span[1] - _MARGIN * self._lease_s

    @property
    def may_judge(self) -> bool:
        """Tell whether the node renewed its lease without a gap for as long as a lease.

        After an outage of the database every lease is at its end, and nobody is dead.
        """
        return monotonic() - self.span[0] > self._lease_s


class _Endless(Lease):
    """Of an embedded database: it has one process, which a lock on its file sees to."""

    def __init__(self) -> None:
        super().__init__("", 0.0)
        self.renew_every_s = None

    @property
    def is_held(self) -> bool:
        return True

    @property
    def may_judge(self) -> bool:
        return False


ENDLESS = _Endless()
