"""What can go wrong, and how bad it is in one history.

Each history draws which kinds of fault it has and how often they strike (swarm testing): a
history with everything at once hides what a history with two faults shows.
"""

from collections import Counter
from random import Random  # noqa: TID251 - seeded: every chance of a history repeats

# How often a fault strikes when it may: one of these rates, where the history has it at all.
RATES = {
    "drop-request": (0.05, 0.3, 0.8),
    "drop-answer": (0.05, 0.3, 0.8),
    "duplicate-request": (0.1, 0.5),
    "duplicate-answer": (0.1, 0.5),
    "delay-request": (0.1, 0.5),
    "delay-answer": (0.1, 0.5),
    "corrupt-request": (0.05, 0.3),
    "corrupt-answer": (0.05, 0.3),
    "forged-answer": (0.1, 0.4),
    "answer-on-another-link": (0.1, 0.4),
    "answer-with-another-trace": (0.1, 0.4),
    "open-code": (0.1, 0.5),
    "open-code-for-done": (0.1, 0.5),
    "decline": (0.1, 0.5),
    "decline-reversal": (0.5, 1.0),
    "far-side-crash-before": (0.05, 0.2),
    "far-side-crash-after": (0.05, 0.2),
    "link-down": (0.02, 0.1),
    "half-open": (0.02, 0.1),
    "all-links-down": (0.01, 0.05),
    "crash": (0.002, 0.01, 0.05),
    "crash-in-commit": (0.01, 0.05),
    "outage": (0.1, 0.5),
    "paused": (0.01, 0.05),
    "disk-slow": (0.05, 0.3),
    "disk-error": (0.005, 0.02),
    "disk-full": (0.01, 0.05),
    "disk-refuses": (0.02, 0.1),
    "clock-step": (0.01, 0.05),
    "http-request-lost": (0.05, 0.2),
    "http-answer-lost": (0.05, 0.3),
    "second-client-same-key": (0.1, 0.4),
    "module-away": (0.05, 0.3),
    "module-slow": (0.1, 0.4),
}
KINDS = tuple(RATES)
LASTING_S = (20.0, 120.0, 600.0, 7_200.0, 30 * 3_600.0)  # how long a storm may last
SHARE = 0.35  # of the kinds that a history has


class Storm:
    """The faults of one history; `without` leaves kinds out, for shrinking."""

    def __init__(self, seed, without=frozenset(), lasting=None):
        chance = Random(seed)  # noqa: S311 - no secret is made of it
        share = chance.choice((0.0, 0.15, SHARE, 0.6))
        self.rates = {
            kind: (rate, Random(seed * 1_009 + number))  # noqa: S311
            for number, (kind, rate) in enumerate(_drawn(chance, share))
            if rate and kind not in without
        }
        drawn = chance.choice(LASTING_S)
        self.lasting = drawn if lasting is None else min(drawn, lasting)
        self.is_over = False
        self.fired = Counter()

    def fires(self, kind):
        """Tell whether the fault strikes here and now."""
        if self.is_over:
            return False
        drawn = self.rates.get(kind)
        if drawn is None or drawn[1].random() >= drawn[0]:
            return False
        self.fired[kind] += 1
        return True


def _drawn(chance, share):
    return [
        (kind, chance.choice(rates) if chance.random() < share else 0)
        for kind, rates in RATES.items()
    ]
