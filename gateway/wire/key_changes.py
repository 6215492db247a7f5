"""A far side's new key on a link: read, taken in by the security module, then answered."""

from collections.abc import Callable
from typing import NamedTuple

import structlog

from gateway.iso8583.key_change import CHECK_VALUE, KeyChange, read_key_change
from gateway.iso8583.mac import Mac
from gateway.iso8583.message import Message
from gateway.iso8583.message_set import MessageSet
from gateway.terms.errors import PeerError
from gateway.terms.response_codes import ResponseCode
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
