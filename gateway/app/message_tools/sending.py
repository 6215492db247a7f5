"""What `gateway message send` does: messages out, each answer described and checked."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.app.message_tools.draft import parse_draft
from gateway.app.message_tools.exchange import Address, Heard, Peer
from gateway.app.message_tools.fitting import Tongue, tongue
from gateway.app.message_tools.message_input import BadInput, InputForm, decoded, given_text
from gateway.app.message_tools.report import Account
from gateway.app.specifications import Specifications
from gateway.app.text_files import read_text
from gateway.hsm.mac import mac_of
from gateway.iso8583.dialect import Dialect
from gateway.iso8583.mac import Mac
from gateway.simulators.cipher import ZoneKeys

_HEX = re.compile(r"[0-9A-Fa-f\s]+")


@dataclass(slots=True)
class Sending:
    """One message ready to be sent; `answered_well` once a well-formed answer has come."""

    tongue: Tongue
    data: bytes
    mac: Mac | None
    answered_well: bool = False

    @classmethod
    def prepare(
        cls, specifications: Specifications, dialect: str, given: str, keys: Path | None
    ) -> "Sending":
        """Read and encode a message; with `keys` it gets its MAC, unless it was given as hex.

        Raises `BadInput`, `SpecificationError` and, naming the field, `UnencodableMessage`.
        """
        spoken = tongue(specifications, dialect)
        mac = _mac(spoken.dialect, keys) if keys else None
        text = given_text(given)
        if _HEX.fullmatch(text):
            return cls(spoken, decoded(text.encode("ascii"), InputForm.HEX), mac)
        message = parse_draft(text).message(spoken.dialect)
        return cls(spoken, spoken.codec.encode(message, mac), mac)

    def lines(self, peer: Peer) -> Iterator[str]:
        """Send, and write what goes out and what comes back, as it happens.

        Raises what `Peer.exchange` raises.
        """
        sent = Account.of(self.tongue, self.data)
        yield "sent"
        yield from sent.lines()
        for heard in peer.exchange(self.data, self.mac):
            yield ""
            yield "the answer" if heard.is_answer else "received, not the answer"
            yield from heard.account.lines()
            yield from self._mac_lines(heard)
            self.answered_well |= heard.is_answer and not heard.mac_flaw
        self.answered_well |= not self.tongue.codec.decode(self.data).is_request

    def _mac_lines(self, heard: Heard) -> Iterator[str]:
        if self.mac is None or heard.account.error:
            return
        yield f"MAC: {heard.mac_flaw}" if heard.mac_flaw else "MAC: good"


def conversation(
    sendings: Sequence[Sending], address: str, timeout_seconds: float
) -> Iterator[str]:
    """Send messages of one dialect over one connection, each after the answer to the one before.

    Ends at the first without a good answer. Raises what `Peer` raises, and `BadInput` for the
    address.
    """
    try:
        where = Address.parse(address)
    except ValueError as error:
        raise BadInput(str(error)) from None
    for sending in sendings:
        sending.tongue.codec.decode(sending.data)  # what is no message is not sent: nothing is
    with Peer(sendings[0].tongue, where, timeout_seconds) as peer:
        for sending in sendings:
            if sending is not sendings[0]:
                yield ""
            yield from sending.lines(peer)
            if not sending.answered_well:
                return


def _mac(dialect: Dialect, keys: Path) -> Mac:
    """Make the MAC of a dialect from a keys file; raises `SpecificationError`."""
    return mac_of(dialect.mac, ZoneKeys.parse(read_text(keys), str(keys)).mac)
