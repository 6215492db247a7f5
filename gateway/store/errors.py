"""What the store says of a unit that does not stand, and of a database that is not there."""

from gateway.terms.errors import LocalError, Unavailable


class Conflict(LocalError):
    """A unit breaks a uniqueness rule, such as one active link per card; nothing of it stands."""


class Broken(LocalError):
    """The database did not take a transaction: what is on disk is uncertain until a restart."""


class Changed(LocalError):
    """A row that was to be changed is not there any more as it was: another was faster."""


class Away(Unavailable):
    """The database could not be reached, so that no transaction began."""


class Fenced(LocalError):
    """Another process has taken over what this one held; nothing of it goes through any more."""
