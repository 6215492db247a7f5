"""A side's security module as a process that `serve` starts, watches and starts again."""

import asyncio
import sys
from collections.abc import Mapping

import structlog

from gateway.app.settings import ModuleSettings, Settings
from gateway.hsm.client import SecurityModule
from gateway.terms.errors import SpecificationError
from gateway.terms.sides import Side

log = structlog.get_logger()

READY_SECONDS_MAX = 20.0  # opening a store takes a tenth of a second; a busy machine is slower
RESTART_SECONDS = 0.5  # pause before a module that died is started again
STOP_SECONDS_MAX = 5.0


def connected(settings: ModuleSettings) -> SecurityModule:
    """Give the client of a side's module, with a payment HSM beside it where that is set.

    Raises `SpecificationError` when the HSM's keys are not right; nothing is connected yet.
    """
    if settings.payshield is None:
        return SecurityModule(settings.socket)
    # Imported here: who has no HSM loads none of its commands.
    from gateway.app.payment_hsm import beside  # noqa: PLC0415

    return beside(settings.socket, settings.payshield)


async def check_pads(settings: Settings, modules: Mapping[Side, SecurityModule]) -> None:
    """Raise `SpecificationError` where a channel's PIN pads have a zone without a key for them."""
    for (name, side), zone in settings.pads.items():
        if zone not in await modules[side].pads():
            is_channel = (name, side) in settings.http.pads
            raise SpecificationError(
                settings.file,
                f"http.channels.{name}.pin_zones.{side.value}"
                if is_channel
                else f"listeners.{name}.pin_zone",
                f"names a zone without a key for PIN pads (pin-in) in the {side.value} security "
                "module; name one that has",
            )


class ModuleProcess:
    """Keeps one embedded security module running until stopped."""

    def __init__(self, side: Side, settings: ModuleSettings) -> None:
        self._side = side
        self._settings = settings
        self._process: asyncio.subprocess.Process | None = None
        self._watcher: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the module and wait until it is ready.

        Raises `SpecificationError` when it refuses: its own words stand on standard error.
        """
        if not await self._launch():
            raise SpecificationError(
                str(self._settings.key_store),
                "",
                f"the {self._side.value} security module does not start; see its message above",
            )
        self._watcher = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """End the module by closing its standard input; kill it if it does not go."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.wait([self._watcher])
        process = self._process
        if process is None or process.returncode is not None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(STOP_SECONDS_MAX):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _launch(self) -> bool:
        settings = self._settings
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "security-module", "--embedded"),
            *("--side", self._side.value),
            *("--key-store", str(settings.key_store)),
            *("--socket", str(settings.socket)),
            *(("--pin-list", str(settings.pin_list)) if settings.pin_list else ()),
            *(("--user", settings.user) if settings.user else ()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(READY_SECONDS_MAX):
                return bool(await self._process.stdout.readline())
        except TimeoutError:
            self._process.kill()
            return False

    async def _watch(self) -> None:
        while True:
            assert self._process is not None
            code = await self._process.wait()
            log.error("security-module-ended", side=self._side.value, exit_status=code)
            await asyncio.sleep(RESTART_SECONDS)
            try:
                if await self._launch():
                    log.info("security-module-restarted", side=self._side.value)
            except OSError as error:
                # No descriptor or no memory for a process just now: the next look tries again.
                why = error.strerror
                log.error("security-module-not-restarted", side=self._side.value, why=why)  # noqa: TRY400
