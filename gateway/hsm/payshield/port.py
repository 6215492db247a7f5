"""A side's security module of which a payment HSM does what it can: the PIN blocks of PIN pads.

An HSM opens no JWE and gives out no MAC key, so the browser's PINs, the MAC keys of the links and
key changes stay with the soft module, whose process runs beside it (``docs/payshield.md``).
"""

from pathlib import Path

from gateway.hsm.client import SecurityModule
from gateway.hsm.payshield.module import PayShieldModule, PinFromPad
from gateway.hsm.pin_protocol import EncipheredPin, PinRefusal, TranslatePin
from gateway.hsm.protocol import Diagnostics


class PayShieldSecurityModule(SecurityModule):
    """The soft module of a side, with its PIN pads' blocks translated by a payment HSM."""

    def __init__(self, socket_path: Path, hsm: PayShieldModule) -> None:
        super().__init__(socket_path)
        self._hsm = hsm

    async def translate_pin(self, request: TranslatePin) -> EncipheredPin | PinRefusal:
        """Have the HSM judge and translate a block; raises also `HostError`.

        Session and expiry are the gateway's to look at: an HSM knows of neither.
        """
        return await self._hsm.translate_pin(
            PinFromPad(
                channel=request.channel,
                block=request.block,
                zone=request.zone,
                account=request.account,
                card=request.card,
                policy=request.policy,
                holder=request.holder,
            )
        )

    async def diagnostics(self) -> Diagnostics:
        """Ask both how they are; raises `Unavailable` when either is down."""
        await self._hsm.diagnostics()
        said = await super().diagnostics()
        zones = dict.fromkeys((*said.zones, *self._hsm.zones))
        binding = dict.fromkeys((*said.binding, *self._hsm.binding))
        controls = {**said.controls, **self._hsm.controls}
        pads = self._hsm.pads
        return Diagnostics(said.side, said.stage, tuple(zones), tuple(binding), controls, pads)

    async def pads(self) -> tuple[str, ...]:
        """Give the channels whose blocks the HSM takes; it is not asked, for its keys say so."""
        return self._hsm.pads

    def close(self) -> None:
        """Close both connections; calls that wait fail."""
        super().close()
        self._hsm.close()
