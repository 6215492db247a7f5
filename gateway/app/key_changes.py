"""Key changes between a link and its side's security module.

A far side's new key goes to the module as it came; the link gets nothing of it but, for a MAC key,
the session's MAC. The module has it on disk, in use, before the 0810 says so.
"""

import asyncio
from collections.abc import Callable
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

    def request_key(self, key: ChangedKey, heard: Callable[[str], None]) -> None:
        """Ask the far side for a new key; raises `Unavailable` where that cannot be asked now."""


class KeyChanges:
    """Takes keys in for one link; `rule` is the MAC of its dialect."""

    def __init__(self, module: SecurityModule, zone: str, rule: MacRule) -> None:
        self._module = module
        self._zone = zone
        self._rule = rule
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

    async def _outcome(self, change: KeyChange) -> KeyChanged:
        purpose = _PURPOSE[change.key]
        request = TakeKey(self._zone, purpose, change.enciphered, change.check_value)
        taken = await self._module.take_key(request)
        if taken.check_value is None:
            return _REFUSED
        await self._module.activate_key(self._zone, purpose)
        mac = await self._current_mac() if purpose is KeyPurpose.MAC else None
        return KeyChanged(ResponseCode.APPROVED, taken.check_value, mac)
