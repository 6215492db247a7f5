"""The invariants by the numbers of ``docs/evidence.md``, and what is raised when one is broken."""

INVARIANTS = {
    1: "At most once: of each exchange, applied less undone is 0 or 1",
    2: "Agreement when quiet: told and net effect of both sides agree",
    3: "No half link: bureau and core agree on every link",
    4: "No lie: nobody is told an end that is not and does not stay true",
    5: "Durable acknowledgement: what was answered is in the store",
    6: "Write-ahead: no message leaves before its attempt is durable",
    7: "Repeat identity: a repeat differs in MTI and MAC only; no trace number is used twice",
    8: "Reversal discipline: it names a message that may have left, and nobody was told success",
    9: "Late answer: it changes no final state and is stored",
    10: "Correlation: only a genuine answer to the same attempt completes it",
    11: "Idempotency: one execution for a key, whatever happened in between",
    12: "Order: no older operation takes effect on a card after a newer one",
    13: "PIN canary: no PIN or PIN block is stored, logged or sent again by another process",
    14: "Separation: no side hears of the other's numbers, no zone of another's PIN block",
    15: "Authorised: each PIN effect has one session of its own customer, link and purpose",
    17: "Loss report wins: what a loss bars is not begun until both sides say that it is over",
    18: "Notified: what nobody waits for is told by a signed callback, once it is durable",
    20: "Fencing: whoever carries an operation on is its only owner, and nobody else's word stands",
    21: "Liveness: when quiet nothing waits, nothing is in memory, and every card can be served",
    22: "Bounds: when quiet no link awaits anything (the limits themselves: unit tests)",
    23: "Clock-proof: a step of the wall clock makes no message early",
    24: "Conservation: each answer that came is matched, late, duplicate, foreign or spoilt",
    25: "Determinism: one seed, one trace",
    26: "Four eyes: what was manual ends by the word of two persons, never of one",
}


class Violation(AssertionError):
    """An invariant is broken; `number` says which."""

    def __init__(self, number, text):
        super().__init__(f"invariant {number} ({INVARIANTS[number].split(':')[0]}): {text}")
        self.number = number
