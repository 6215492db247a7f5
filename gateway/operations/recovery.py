"""What an exchange does when its answer is overdue, comes late, or the process restarted."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from gateway.operations.exchange import Exchange, ExchangeEvent, ExchangeState, Recovery
from gateway.terms.response_codes import ResponseCode


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how often, each configurable per far side.

    answer_timeout: above the far side's own host timer (15 to 30 s, ``reference/domain.md``
        4.9) would be safer, but the customer waits in front of a screen.
    repeats_max: repeats of a request before its outcome counts as in doubt.
    secret_life: a PIN block is held in memory no longer than this (DESIGN: 60 s).
    retry_first, retry_max: pause before the next message of a store-and-forward queue, doubled
        each time up to the maximum.
    horizon: after this a person must look; a day covers a far side's night batch.
    message_life: an old request may still be delivered for this long, so that a newer one on
        the same card waits.
    """

    answer_timeout: timedelta = timedelta(seconds=20)
    repeats_max: int = 2
    secret_life: timedelta = timedelta(seconds=60)
    retry_first: timedelta = timedelta(seconds=5)
    retry_max: timedelta = timedelta(minutes=5)
    horizon: timedelta = timedelta(hours=24)
    message_life: timedelta = timedelta(seconds=60)


def overdue(exchange: Exchange, now: datetime, limits: Limits, *, resumed: bool) -> ExchangeEvent:
    """Choose what follows when no definite answer came in time.

    `resumed` says that the process that sent the message is gone, and with it the PIN block:
    then nothing that could have an effect is sent again as new. What is stored and forwarded is
    tried on then, however long the gateway was down.
    """
    sent_at = exchange.sent_at or now
    is_over = not resumed and is_beyond(
        limits.horizon, now - sent_at, tried=_tried_for(exchange, limits)
    )
    if exchange.state is not ExchangeState.SENT:
        return ExchangeEvent.EXPIRE if is_over else _again(exchange, limits)
    may_repeat = not resumed and exchange.attempts <= limits.repeats_max
    match exchange.recovery:
        case Recovery.QUERY:
            return ExchangeEvent.REPEAT if may_repeat else ExchangeEvent.GIVE_UP
        case Recovery.REVERSIBLE:
            return ExchangeEvent.REPEAT if may_repeat else ExchangeEvent.REVERSE
        case Recovery.AT_MOST_ONCE:
            fresh = may_repeat and now - sent_at < limits.secret_life
            return ExchangeEvent.REPEAT if fresh else ExchangeEvent.LOSE_TRACK
        case Recovery.FORWARD | Recovery.REVOCABLE:
            fresh = may_repeat and now - sent_at < limits.secret_life
            return ExchangeEvent.REPEAT if fresh else ExchangeEvent.INQUIRE
        case Recovery.ADVICE | Recovery.AT_LEAST_ONCE:
            # A loss that nobody confirmed is never given up.
            is_over = is_over and exchange.recovery is Recovery.ADVICE
            return ExchangeEvent.EXPIRE if is_over else ExchangeEvent.REPEAT
        case _:
            assert_never(exchange.recovery)


def is_beyond(horizon: timedelta, elapsed: timedelta, *, tried: timedelta) -> bool:
    """Tell whether a person must look, although the wall clock may have been set meanwhile.

    `elapsed` is by the wall clock, `tried` is what the pauses after all attempts come to, by their
    number, which is durable. A clock that was set forward calls nobody before half the horizon was
    really waited; where it shows a time before the first attempt, the attempts count instead.
    """
    if elapsed < timedelta():
        return tried >= horizon
    return elapsed >= horizon and tried >= horizon / 2


def _tried_for(exchange: Exchange, limits: Limits) -> timedelta:
    growing = range(1, min(exchange.attempts, _DOUBLINGS_MAX) + 1)
    pauses = (_store_and_forward_pause(attempts, limits) for attempts in growing)
    longest = limits.answer_timeout + limits.retry_max
    return sum(pauses, timedelta()) + (exchange.attempts - len(growing)) * longest


def is_alarming(exchange: Exchange, limits: Limits) -> bool:
    """Tell whether somebody has to know that what must not get lost stays unconfirmed."""
    return exchange.recovery is Recovery.AT_LEAST_ONCE and exchange.attempts > limits.repeats_max


def _again(exchange: Exchange, limits: Limits) -> ExchangeEvent:
    """Ask anew, or repeat the same: the answer to an old inquiry may be old as well."""
    if exchange.state is not ExchangeState.INQUIRING:
        return ExchangeEvent.REPEAT
    is_enough = exchange.attempts > limits.repeats_max
    if exchange.recovery is Recovery.REVOCABLE and is_enough:
        return ExchangeEvent.REVERSE
    return ExchangeEvent.INQUIRE


def pause(exchange: Exchange, limits: Limits) -> timedelta:
    """How long to wait for the answer to the message just sent, at least one in this state."""
    if exchange.state is ExchangeState.SENT and not exchange.recovery.needs_no_link:
        return limits.answer_timeout
    return _store_and_forward_pause(exchange.attempts, limits)


def _store_and_forward_pause(attempts: int, limits: Limits) -> timedelta:
    doublings = min(attempts - 1, _DOUBLINGS_MAX)
    return limits.answer_timeout + min(limits.retry_first * (1 << doublings), limits.retry_max)


def answered(exchange: Exchange, code: ResponseCode) -> ExchangeEvent | None:
    """Read an answer to the message that is out; None when it leaves the outcome open."""
    if exchange.state is ExchangeState.REVERSING:
        # An unknown original is refused by the far side from then on, so nothing of it stands.
        undone = code in {ResponseCode.APPROVED, ResponseCode.ORIGINAL_NOT_FOUND}
        return ExchangeEvent.CONFIRM_REVERSAL if undone else None
    if code.is_approval:
        return ExchangeEvent.APPROVE
    if exchange.state is ExchangeState.INQUIRING:
        return ExchangeEvent.DECLINE if code in _NOT_DONE else None
    if not code.leaves_outcome_open:
        return ExchangeEvent.DECLINE
    # A question has no effect that could be open: it was simply not answered.
    return ExchangeEvent.GIVE_UP if exchange.recovery is Recovery.QUERY else None


_DOUBLINGS_MAX = 16  # beyond any retry_max, and small enough never to overflow a timedelta

# What an inquiry says of its original: unknown and refused from now on, or declined.
_NOT_DONE = frozenset({ResponseCode.ORIGINAL_NOT_FOUND, ResponseCode.STATE_DOES_NOT_ALLOW})
