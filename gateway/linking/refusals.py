"""What a far side's answer or absence means to a caller, whichever side it is."""

from gateway.financial import answers as core_answers
from gateway.operations.exchange import Exchange
from gateway.social import answers as bureau_answers
from gateway.terms.refusals import Refusal
from gateway.terms.response_codes import ResponseCode
from gateway.terms.sides import Side


def meaning(exchange: Exchange) -> Refusal:
    """Name what the decline of an exchange means."""
    read = bureau_answers.refusal if exchange.side is Side.SOCIAL else core_answers.refusal
    return read(exchange.response_code, exchange.reason)


def unavailable(side: Side) -> Refusal:
    """Name a side that cannot be reached."""
    return Refusal.BUREAU_UNAVAILABLE if side is Side.SOCIAL else Refusal.CORE_UNAVAILABLE


def never_arrived(exchange: Exchange) -> bool:
    """Tell whether an inquiry found that the far side never saw the request, and never will."""
    inquired = exchange.follow_up is not None
    return inquired and exchange.response_code is ResponseCode.ORIGINAL_NOT_FOUND
