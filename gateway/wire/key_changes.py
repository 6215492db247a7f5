"""A far side's new key on a link: read, taken in by the security module, then answered."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import structlog
from twisted.internet.interfaces import IDelayedCall

from gateway.iso8583.key_change import (
    CHECK_VALUE,
    PREVIOUS_MAC_KEY_SECONDS,
    KeyChange,
    read_key_change,
)
from gateway.iso8583.mac import Mac
from gateway.iso8583.message import Message
from gateway.iso8583.message_set import MessageSet
from gateway.iso8583.session import Event
from gateway.terms.errors import PeerError
from gateway.terms.response_codes import ResponseCode
from gateway.wire.line import Line
from gateway.wire.link_mac import LinkMac
from gateway.wire.tally import Tally

log = structlog.get_logger()


class KeyChanged(NamedTuple):
    """What became of a far side's new key: DE 39, its check value and, for a MAC key, its MAC."""

    response_code: ResponseCode
    check_value: str = ""
    mac: Mac | None = None


# Puts a new key into use and then says what became of it.
ChangeKey = Callable[[KeyChange, Callable[[KeyChanged], None]], None]


class KeyTaker:
    """Has each new key taken in; it is in use before the answer says so, and seals the answer."""

    def __init__(
        self,
        link: str,
        message_set: MessageSet,
        change_key: ChangeKey | None,
        use: Callable[[Mac], None],
        tally: Tally,
    ) -> None:
        self._link = link
        self._message_set = message_set
        self._change_key = change_key
        self._use = use
        self._tally = tally

    def take(self, request: Message, reply: Callable[[Message], None]) -> None:
        """Take the key of an 0800 in; `reply` gets the 0810."""
        kind = self._message_set.identify(request)

        def changed(outcome: KeyChanged) -> None:
            if outcome.mac is not None:
                self._use(outcome.mac)
            log.info("key-change", link=self._link, response_code=outcome.response_code.value)
            value = {CHECK_VALUE: outcome.check_value} if outcome.check_value else None
            reply(kind.answer(request, outcome.response_code.value, value))

        try:
            change = read_key_change(request)
        except PeerError as error:
            self._tally.refused += 1
            log.warning("request-refused", link=self._link, reason=str(error))
            changed(KeyChanged(error.response_code))
            return
        if self._change_key is None:
            changed(KeyChanged(ResponseCode.NOT_SUPPORTED))
            return
        self._change_key(change, changed)


class MacChange:
    """Changes the MAC of a link; its connections are changing keys while the old one verifies."""

    def __init__(
        self,
        mac: LinkMac,
        lines: Callable[[], Iterable[Line]],
        reactor: Any,  # noqa: ANN401 - Twisted's
    ) -> None:
        self._mac = mac
        self._lines = lines
        self._reactor = reactor
        self._overlap: IDelayedCall | None = None

    def change(self, mac: Mac, overlap_seconds: float = PREVIOUS_MAC_KEY_SECONDS) -> None:
        """Send under a new MAC key from now on; the one before still verifies for a while."""
        self._mac.change(mac, overlap_seconds)
        self.end()
        self._tell(Event.KEY_CHANGED)
        self._overlap = self._reactor.callLater(overlap_seconds, self._tell, Event.KEY_SETTLED)

    def end(self) -> None:
        """Forget the time that still runs, because the link stops."""
        if self._overlap is not None and self._overlap.active():
            self._overlap.cancel()

    def _tell(self, event: Event) -> None:
        for line in tuple(self._lines()):
            line.apply_if_allowed(event)
