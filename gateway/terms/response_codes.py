"""Data element 39: the codes this project speaks and what each means."""

from enum import StrEnum


class ResponseCode(StrEnum):
    """DE 39 response codes with their ISO 8583:1987 meaning.

    Values beyond the 1987 text (75, 94 to A7) are those of Chinese institution links
    (``reference/domain.md`` 4.6).
    """

    APPROVED = "00"
    REFER_TO_ISSUER = "01"
    IDENTITY_NOT_CONFIRMED = "05"
    INVALID_TRANSACTION = "12"
    NO_SUCH_CARD = "14"
    NOT_ACTIVATED = "21"
    STATE_DOES_NOT_ALLOW = "22"
    ORIGINAL_NOT_FOUND = "25"
    FORMAT_ERROR = "30"
    PIN_TRIES_EXCEEDED = "38"
    NOT_SUPPORTED = "40"
    LOST = "41"
    WRONG_PIN = "55"
    NOT_PERMITTED_TO_HOLDER = "57"
    NOT_PERMITTED_TO_TERMINAL = "58"
    RESTRICTED = "62"
    ANSWERED_TOO_LATE = "68"
    CUT_OVER = "90"
    INOPERATIVE = "91"
    NO_ROUTE = "92"
    DUPLICATE = "94"
    MALFUNCTION = "96"
    NO_ANSWER = "98"
    PIN_FORMAT = "99"
    MAC_FAILURE = "A0"
    SECURITY_FAILURE = "A7"

    @property
    def is_approval(self) -> bool:
        """Tell whether the far side carried the request out."""
        return self is ResponseCode.APPROVED

    @property
    def leaves_outcome_open(self) -> bool:
        """Tell whether the far side may or may not have carried the request out."""
        return self in _OPEN


# Sent by a middleman for a host that did not answer it (domain.md 4.6), or for a duplicate
# whose first copy may have been carried out.
_OPEN = frozenset(
    {
        ResponseCode.ANSWERED_TOO_LATE,
        ResponseCode.DUPLICATE,
        ResponseCode.INOPERATIVE,
        ResponseCode.MALFUNCTION,
        ResponseCode.NO_ANSWER,
    }
)
