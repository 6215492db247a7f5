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
    "disk-slow": (0.1, 0.45),
    "disk-error": (0.005, 0.02),
    "disk-full": (0.01, 0.05),
    "disk-refuses": (0.02, 0.1),
    "clock-step": (0.01, 0.05),
    "http-request-lost": (0.05, 0.2),
    "http-answer-lost": (0.05, 0.3),
    "second-client-same-key": (0.1, 0.4),
    "module-away": (0.05, 0.3),
    "module-slow": (0.1, 0.4),
    "callback-lost": (0.1, 0.5),
    "callback-answer-lost": (0.1, 0.5),
    "callback-refused": (0.1, 0.5),
    "paused-past-lease": (0.02, 0.1),
}
KINDS = tuple(RATES)
WITH_OTHERS = {"paused-past-lease"}  # where two nodes share the store, and nowhere else
# Bad weather of every kind that a planted mistake needs, so that few histories find it.
BAD_WEATHER = {
    "drop-request": 0.1,
    "drop-answer": 0.25,
    "duplicate-request": 0.1,
    "delay-request": 0.45,
    "delay-answer": 0.4,
    "forged-answer": 0.2,
    "answer-with-another-trace": 0.2,
    "open-code": 0.15,
    "open-code-for-done": 0.15,
    "decline": 0.2,
    "decline-reversal": 0.6,
    "link-down": 0.03,
    "crash": 0.02,
    "disk-slow": 0.1,
    "disk-error": 0.01,
    "disk-full": 0.02,
    "clock-step": 0.1,
    "http-answer-lost": 0.1,
    "second-client-same-key": 0.1,
    "callback-lost": 0.1,
    "callback-answer-lost": 0.1,
    "paused-past-lease": 0.05,
}
BAD_WEATHER_S = 600.0
LASTING_S = (20.0, 120.0, 600.0, 7_200.0, 30 * 3_600.0)  # how long a storm may last
LASTING_SHARED_S = 7_200.0  # leases are renewed all the while
BEGINS_S = 15.0  # in the calm before, cards are linked, so that the storm meets more than links
SHARE = 0.35  # of the kinds that a history has


class Storm:
    """The faults of one history; `without` leaves kinds out, `weather` says how often each is."""

    def __init__(self, seed, without=frozenset(), lasting=None, weather=None, *, is_shared=False):
        chance = Random(seed)  # noqa: S311 - no secret is made of it
        share = chance.choice((0.0, 0.15, SHARE, 0.6))
        rates = weather or _drawn(chance, share)
        self.rates = {
            kind: (rates[kind], Random(seed * 1_009 + number).random)  # noqa: S311
            for number, kind in enumerate(KINDS)
            if rates.get(kind) and kind not in without
        }
        drawn = BAD_WEATHER_S if weather else chance.choice(LASTING_S)
        if is_shared:
            drawn = min(drawn, LASTING_SHARED_S)
        else:
            without = without | WITH_OTHERS
        self.lasting = drawn if lasting is None else min(drawn, lasting)
        self.begins = BEGINS_S if weather else chance.choice((0.0, BEGINS_S, BEGINS_S))
        self.is_on = self.is_over = False
        self.fired = Counter()

    def fires(self, kind):
        """Tell whether the fault strikes here and now."""
        if not self.is_on or kind not in self.rates:
            return False
        rate, chance = self.rates[kind]
        if chance() >= rate:
            return False
        self.fired[kind] += 1
        return True


def _drawn(chance, share):
    return {
        kind: chance.choice(rates) if chance.random() < share else 0
        for kind, rates in RATES.items()
    }
