"""Key changes between a link and its side's security module.

A far side's new key goes to the module as it came; the link gets nothing of it but, for a MAC key,
the session's MAC. The module has it on disk, in use, before the 0810 says so.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple, Protocol

import structlog

from gateway.hsm.client import SecurityModule
from gateway.hsm.key_purpose import KeyPurpose
from gateway.hsm.mac import session_macs
from gateway.hsm.protocol import BadRequest, TakeKey
from gateway.iso8583.errors import MacMismatch
from gateway.iso8583.key_change import ChangedKey, KeyChange
from gateway.iso8583.mac import Mac, MacRule
from gateway.terms.errors import GatewayError, LocalError, SpecificationError, Unavailable
from gateway.terms.response_codes import ResponseCode
from gateway.terms.sides import Side
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

    def stop(self) -> object:
        """End the link."""


class KeyChanges:
    """Takes keys in for one link; `rule` is the MAC of its dialect.

    After a new MAC key `changed` gives the other links of the zone theirs.
    """

    def __init__(
        self,
        module: SecurityModule,
        zone: str,
        rule: MacRule,
        changed: Callable[[], Awaitable[object]],
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
        return session_macs(self._rule, session).current

    async def _take(self, change: KeyChange, changed: Callable[[KeyChanged], None]) -> None:
        async with self._in_turn:
            try:
                outcome = await self._outcome(change)
            except Unavailable:
                outcome = KeyChanged(ResponseCode.INOPERATIVE)
            except BadRequest:
                outcome = _REFUSED
            except (GatewayError, ValueError) as error:
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


class _Keyed(NamedTuple):
    """A link, its key changes, and what makes another in its place once it has ended."""

    link: KeyedLink
    changes: KeyChanges
    begin_anew: Callable[[], Awaitable[None]]


class LinkKeys:
    """The MAC keys of all links and listeners, renewed together: several may share a zone."""

    def __init__(self) -> None:
        self._held: dict[str, _Keyed] = {}
        self._ended: set[str] = set()

    def add(
        self,
        name: str,
        link: KeyedLink,
        changes: KeyChanges,
        begin_anew: Callable[[], Awaitable[None]],
    ) -> None:
        """Take a link in, or the one that began anew in its place."""
        self._held[name] = _Keyed(link, changes, begin_anew)
        self._ended.discard(name)

    async def renew(self) -> list[str]:
        """Give each link the MAC of its zone's key in use, and say what became of it.

        A link whose zone has no MAC key any more ends at once, and begins anew when there is one.
        What is not right otherwise changes nothing.
        """
        said = [f"{name} {await self._renew(name)}" for name in tuple(self._held)]
        for line in said:
            log.info("link-key", outcome=line)
        return said

    async def _renew(self, name: str) -> str:
        link, changes, begin_anew = self._held[name]
        try:
            if name in self._ended:
                await begin_anew()
                return "began anew, with a new MAC key"
            is_new = await changes.renew(link)
        except (BadRequest, SpecificationError):
            self._end(name)
            return "has ended: its zone has no MAC key"
        except (GatewayError, ValueError) as error:
            log.error("link-key-not-renewed", link=name, reason=str(error))  # noqa: TRY400 - no key in frames
            return f"goes on with the MAC key it has: {error}"
        return "has a new MAC key" if is_new else "has the MAC key in use"

    def _end(self, name: str) -> None:
        if name in self._ended:
            return
        self._ended.add(name)
        # Twice, so that it is neither the link's MAC nor the one before: from here on nothing is
        # sent and nothing that comes in is believed, while the connections are closed.
        for _ in range(2):
            self._held[name].link.change_mac(_revoked)
        self._held[name].link.stop()


class RevokedKey(MacMismatch, LocalError):
    """A link has no MAC key any more: what would be sent cannot be, what comes is not believed."""


def _revoked(data: bytes) -> bytes:
    del data
    raise RevokedKey("the key was revoked")


class KeyRenewal:
    """Takes up what custodians changed: modules open their stores anew, links take their MACs."""

    def __init__(self, modules: Mapping[Side, SecurityModule], links: LinkKeys) -> None:
        self._modules = modules
        self._links = links
        self._in_turn = asyncio.Lock()

    async def desk(self, question: Mapping[str, object]) -> dict[str, object]:
        """Answer the operator who has changed keys."""
        del question
        return {"said": await self.take_up()}

    async def take_up(self) -> list[str]:
        """Take up the stores as they are on disk, and say what became of each side and link.

        A store that is not right is logged and changes nothing.
        """
        async with self._in_turn:
            said = [await self._open_anew(side) for side in self._modules]
            return [*said, *await self._links.renew()]

    async def _open_anew(self, side: Side) -> str:
        try:
            await self._modules[side].reopen_store()
        except GatewayError as error:
            log.error("keys-not-renewed", side=side.value, reason=str(error))  # noqa: TRY400 - no key in frames
            return f"{side.value} module goes on with the keys it has: {error}"
        return f"{side.value} module has opened its store anew"
