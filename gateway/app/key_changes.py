"""Key changes between a link and its side's security module.

A far side's new key goes to the module as it came; the link gets nothing of it but, for a MAC key,
the session's MAC. The module has it on disk, in use, before the 0810 says so.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

from gateway.hsm.client import SecurityModule
from gateway.hsm.key_purpose import KeyPurpose
from gateway.hsm.mac import mac_of
from gateway.hsm.protocol import BadRequest, TakeKey
from gateway.iso8583.key_change import ChangedKey, KeyChange
from gateway.iso8583.mac import Mac, MacRule
from gateway.terms.errors import GatewayError, Unavailable
from gateway.terms.response_codes import ResponseCode
from gateway.wire.key_changes import KeyChanged

log = structlog.get_logger()

_PURPOSE = {ChangedKey.PIN: KeyPurpose.PIN, ChangedKey.MAC: KeyPurpose.MAC}
_PROBE = b"which key is it"
_REFUSED = KeyChanged(ResponseCode.SECURITY_FAILURE)


class KeyedLink(Protocol):
    """A link whose MAC key can be changed."""

    def mac(self, data: bytes) -> bytes:
        """Compute the MAC that the link sends with now, 8 bytes."""

    def change_mac(self, mac: Mac) -> None:
        """Send under a new MAC key from now on."""


class KeyChanges:
    """Takes keys in for one link; `rule` is the MAC of its dialect.

    After a new MAC key `changed` gives the other links of the zone theirs.
    """

    def __init__(
        self,
        module: SecurityModule,
        zone: str,
        rule: MacRule,
        changed: Callable[[], Awaitable[None]],
    ) -> None:
        self._module = module
        self._zone = zone
        self._rule = rule
        self._changed = changed
        self._running: set[asyncio.Task[None]] = set()
        self._in_turn = asyncio.Lock()

    def take(self, change: KeyChange, changed: Callable[[KeyChanged], None]) -> None:
        """Have the module take a key in and use it, then say what became of it."""
        task = asyncio.ensure_future(self._take(change, changed))
        self._running.add(task)  # the loop keeps only weak references
        task.add_done_callback(self._running.discard)

    async def renew(self, link: KeyedLink) -> bool:
        """Give a link the MAC of the zone's key in use; tells whether that is another one."""
        mac = await self._current_mac()
        is_new = mac(_PROBE) != link.mac(_PROBE)
        if is_new:
            link.change_mac(mac)
        return is_new

    async def _current_mac(self) -> Mac:
        session = await self._module.session_mac_key(self._zone)
        return mac_of(self._rule, session.key)

    async def _take(self, change: KeyChange, changed: Callable[[KeyChanged], None]) -> None:
        async with self._in_turn:
            try:
                outcome = await self._outcome(change)
            except Unavailable:
                outcome = KeyChanged(ResponseCode.INOPERATIVE)
            except BadRequest:
                outcome = _REFUSED
            except GatewayError as error:
                log.warning("key-change-failed", reason=str(error))
                outcome = KeyChanged(ResponseCode.MALFUNCTION)
            changed(outcome)
            if outcome.mac is not None:
                await self._changed()

    async def _outcome(self, change: KeyChange) -> KeyChanged:
        purpose = _PURPOSE[change.key]
        request = TakeKey(self._zone, purpose, change.enciphered, change.check_value)
        taken = await self._module.take_key(request)
        if taken.check_value is None:
            return _REFUSED
        await self._module.activate_key(self._zone, purpose)
        mac = await self._current_mac() if purpose is KeyPurpose.MAC else None
        return KeyChanged(ResponseCode.APPROVED, taken.check_value, mac)


class LinkKeys:
    """The MAC keys of all links and listeners, renewed together: several may share a zone."""

    def __init__(self) -> None:
        self._held: list[tuple[str, KeyedLink, KeyChanges]] = []

    def add(self, name: str, link: KeyedLink, changes: KeyChanges) -> None:
        """Take a link in."""
        self._held.append((name, link, changes))

    async def renew(self) -> None:
        """Give each link the MAC of its zone's key in use; what is not right changes nothing."""
        for name, link, changes in self._held:
            try:
                renewed = await changes.renew(link)
            except (GatewayError, ValueError) as error:
                log.error("link-key-not-renewed", link=name, reason=str(error))  # noqa: TRY400 - no key in frames
            else:
                log.info("link-key", link=name, renewed=renewed)
