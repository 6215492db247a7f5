"""The error tree: an error's class says whose fault it is, its text is safe to print.

::

    GatewayError
    ├── PeerError            an ISO 8583 peer broke the protocol; carries the DE 39 to answer
    ├── RequestRefused       the caller asked for something it may not have; carries the refusal
    ├── SpecificationError   a file in specs/ or a configuration is wrong; names file, key, rule
    ├── Unavailable          something we depend on is not there now; may be tried again
    └── LocalError           our own fault

No text in this tree ever holds a value that a peer or a caller sent: only where it stood and
which rule it broke.
"""

from gateway.terms.refusals import Refusal
from gateway.terms.response_codes import ResponseCode


class GatewayError(Exception):
    """Base of every error raised on purpose; never raised itself."""


class PeerError(GatewayError):
    """An ISO 8583 peer broke the protocol; `response_code` is what DE 39 answers it."""

    def __init__(self, text: str, response_code: ResponseCode = ResponseCode.FORMAT_ERROR) -> None:
        super().__init__(text)
        self.response_code = response_code


class RequestRefused(GatewayError):
    """A caller's request is refused for a catalogued reason.

    `pointer` is the JSON pointer (RFC 6901) of the offending member, where there is one, and
    `rule` the rule that it broke.
    """

    def __init__(self, refusal: Refusal, pointer: str = "", rule: str = "") -> None:
        super().__init__(" ".join(filter(None, (refusal.value, pointer, rule))))
        self.refusal = refusal
        self.pointer = pointer
        self.rule = rule


class SpecificationError(GatewayError):
    """A specification or configuration file breaks a rule."""

    def __init__(self, file: str, key: str, rule: str) -> None:
        super().__init__(f"{file}: {key}: {rule}" if key else f"{file}: {rule}")
        self.file = file
        self.key = key
        self.rule = rule


class Unavailable(GatewayError):
    """Something we depend on does not answer now; nothing was changed, so try again."""


class LocalError(GatewayError):
    """The gateway itself is at fault."""
