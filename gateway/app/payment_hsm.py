"""A payment HSM beside a side's security module, as the settings have it."""

from pathlib import Path

from gateway.app.clock import utc_now
from gateway.app.settings import PayShieldSettings
from gateway.hsm.payshield.framing import Envelope
from gateway.hsm.payshield.host import HostConnection
from gateway.hsm.payshield.key_file import read_hsm_keys
from gateway.hsm.payshield.module import PayShieldModule
from gateway.hsm.payshield.port import PayShieldSecurityModule


def beside(socket: Path, settings: PayShieldSettings) -> PayShieldSecurityModule:
    """Give the client of the module at `socket` with the HSM beside it; nothing is connected yet.

    Raises `SpecificationError` when the HSM's keys are not right.
    """
    host, _, port = settings.address.rpartition(":")
    envelope = Envelope(settings.header_characters, settings.lmk, settings.trailer)
    connection = HostConnection((host.strip("[]"), int(port)), envelope)
    # What is remembered of blocks and cards is by the wall clock, as sessions are.
    module = PayShieldModule(
        connection, read_hsm_keys(settings.keys), lambda: utc_now().timestamp()
    )
    return PayShieldSecurityModule(socket, module)
