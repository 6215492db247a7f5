"""What can be wrong with a message or a frame: place and rule, never a value."""

from gateway.terms.errors import LocalError, PeerError
from gateway.terms.response_codes import ResponseCode


class MalformedMessage(PeerError):
    """The bytes of a message do not have the one form that the dialect allows.

    `place` is ``MTI``, ``bitmap``, ``DE 3``, ``DE 48 NM`` or ``end``; `offset` counts bytes from
    the start of the message (of the data element for a subfield of DE 48); `hint` names the usual
    mistake behind it, where there is one.
    """

    def __init__(self, place: str, offset: int, rule: str, hint: str = "") -> None:
        super().__init__(f"{place} at byte {offset}: {rule}" + (f" ({hint})" if hint else ""))
        self.place = place
        self.offset = offset
        self.rule = rule
        self.hint = hint


class MalformedFrame(PeerError):
    """The bytes of a connection cannot be cut into messages; the connection is of no more use.

    `offset` counts bytes from the start of the frame.
    """

    def __init__(self, offset: int, rule: str, hint: str = "") -> None:
        super().__init__(f"frame at byte {offset}: {rule}" + (f" ({hint})" if hint else ""))
        self.offset = offset
        self.rule = rule
        self.hint = hint


class MacMismatch(PeerError):
    """The message authentication code is missing or wrong; DE 39 answers A0."""

    def __init__(self, rule: str) -> None:
        super().__init__(f"MAC: {rule}", ResponseCode.MAC_FAILURE)
        self.rule = rule


class RefusedMessage(PeerError):
    """A well-formed message is outside the message set of its link."""

    def __init__(
        self, place: str, rule: str, response_code: ResponseCode = ResponseCode.FORMAT_ERROR
    ) -> None:
        super().__init__(f"{place}: {rule}", response_code)
        self.place = place
        self.rule = rule


class UnencodableMessage(LocalError):
    """A message of our own does not fit the dialect; `place` as in `MalformedMessage`."""

    def __init__(self, place: str, rule: str) -> None:
        super().__init__(f"{place}: {rule}")
        self.place = place
        self.rule = rule
