"""What is watched of those beside customers: receivers of callbacks, cores, lost cards."""

from collections import defaultdict

from gateway.financial.account import AccountLossKept
from gateway.operations.notice import HORIZON
from gateway.social.card import CardRecord, CardReplaced, SsLossKept
from gateway.terms.sides import Side
from simulation.invariants import Violation
from simulation.shipped import COUNTER


class Outside:
    """Keeps the first breach; `fail` ends the history with it."""

    def __init__(self, world):
        self._world = world
        self.broken = None
        self.losses = defaultdict(list)  # by card or account: references of losses that stand
        self.notices = {}  # by id: what is on disk to be told
        self.noticed_at = {}  # by notice: when it was recorded
        self.openers = {}  # by operation: the process that was asked for it
        self.barred = set()  # keys of a core that were reversed before they came
        self.reversed_by_core = set()
        self.begun = {}  # by key of a core's request without its MTI: what came of it
        self.told_core = {}  # by key of a core's request: the definite answer

    def fail(self, number, text):
        if self.broken is None:
            self.broken = Violation(number, text)
        raise self.broken

    def check(self, number, holds, text):
        if not holds:
            self.fail(number, text)

    def noticed(self, notice):
        """See a notice at the moment it is on disk, with the outcome that it tells of."""
        self.notices[notice.id] = notice.body
        self.noticed_at[notice.id] = self._world.scheduler.elapsed

    def gives_up(self, notice):
        """See a notice given up, which is done at the horizon, by the clock that there is."""
        waited = self._world.scheduler.elapsed - self.noticed_at[notice]
        was_set = self._world.storm.fired["clock-step"]
        fine = was_set or waited >= HORIZON.total_seconds()
        self.check(18, fine, f"{notice} was given up after {waited:.0f} s")

    def told_by_callback(self, notice, body):
        """See what the channel's receiver is told."""
        self.check(18, self.notices.get(notice) == body, f"callback {notice} is not on disk so")

    def _must_be_noticed(self, operation, fact):
        """See that an outcome that cannot be told by word of mouth is told by a callback."""
        if self.openers[operation.id.value] == self._world.disk.writer or operation.details.get(
            "channel"
        ):
            return
        sequence = operation.facts.index(fact)
        name = f"msg_{operation.id.value.removeprefix('op_')}_{sequence}"
        if name not in self.notices:
            self.fail(18, f"nobody is told that {operation.id} is {fact.state}")

    def bars(self, key):
        """Hear that a core was told that its reversal found nothing: nothing may come of it."""
        name = (COUNTER, key)
        self.barred.add(name)
        is_done = self.resources.get(name, "").startswith("op_")
        self.check(8, not is_done, f"the reversal of {key} found nothing, but it was carried out")

    def begun_for_core(self, key, resource):
        """See what a core's request began: one thing, whichever of its repeats it was."""
        known = self.begun.setdefault(key.split("/", 1)[1], resource)
        self.check(11, known == resource, f"request {key} of a core began two operations")

    def counter_reverses(self, key):
        """Hear that a core reverses a request, whose answer may be another one from now on."""
        self.reversed_by_core.add(key)

    def counter_told(self, key, code):
        """See a definite answer to a core: every other one to the same request is the same."""
        known = self.told_core.setdefault(key, code)
        same = known == code or key in self.reversed_by_core
        self.check(11, same, f"the core was answered {known}, then {code}")

    def _loss(self, record):
        """Keep a ledger of losses of our own: a report that is refused ends by itself alone."""
        side = Side.SOCIAL if isinstance(record, CardRecord) else Side.FINANCIAL
        standing = self.losses[self._lost(record.link, side)]
        match record:
            case SsLossKept() | AccountLossKept():
                standing.append(record.loss.reference)
            case CardReplaced():
                standing.clear()
            case _ if record.reference in standing:
                at = standing.index(record.reference)
                del standing[at if record.was_refused else 0 : at + 1]

    def is_lost(self, link, side):
        """Tell whether a loss stands, by what is on disk."""
        return bool(self.losses.get(self._lost(link, side)))

    def _lost(self, link, side):
        """Give the number that a loss is of."""
        disk = self._world.disk
        if side is Side.SOCIAL:
            return disk.cards[link].number.value
        return disk.accounts[link].pan.value
