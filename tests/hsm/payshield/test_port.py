"""A side with an HSM: it translates PIN pads' blocks, and the soft module does all the rest."""

import asyncio
import secrets
import time

import pytest

from gateway.hsm.key_store import open_store
from gateway.hsm.payshield.key_file import read_hsm_keys
from gateway.hsm.payshield.module import PayShieldModule
from gateway.hsm.payshield.port import PayShieldSecurityModule
from gateway.hsm.pin_protocol import EncipheredPin, PinRefusal, TranslatePin
from gateway.pinblock.policy import PinHolder, PinPolicy
from gateway.terms.errors import Unavailable
from gateway.terms.sides import Side

PAN = "6200001234567890123"
KEY_FILE = """
probe_key = "{probe}"

[channels.pads]
format = "iso-1"
algorithm = "tdes"
account = "none"
pin_key = "{pads}"

[zones.bureau-0]
format = "iso-0"
algorithm = "tdes"
account = "pan"
pin_key = "{zone}"
"""


class Hsm:
    """A fake HSM with a channel's and a zone's key, and the file of their tokens."""

    def __init__(self, fake, host, directory):
        self.fake, self.host = fake, host
        self.pad_key, self.zone_key, probe = (fake.odd(secrets.token_bytes(16)) for _ in range(3))
        self.file = directory / "hsm-keys.toml"
        self.file.write_text(
            KEY_FILE.format(
                probe=host.add("PVK", probe),
                pads=host.add("TPK", self.pad_key),
                zone=host.add("ZPK", self.zone_key),
            )
        )
        self.file.chmod(0o600)

    def port(self, connection, socket):
        """Give the port of a side as `serve` makes it."""
        hsm = PayShieldModule(connection, read_hsm_keys(self.file), lambda: 1_000.0)
        return PayShieldSecurityModule(socket, hsm)

    def request(self, pin):
        """Ask for a PIN pad's block to be translated."""
        soon = int(time.time()) + 300  # noqa: TID251 - the process's own clock
        block = self.fake.block_of(self.pad_key, pin, "05", "")
        return TranslatePin(
            "pse_1", soon, "pads", block, "bureau-0", PAN, "card", PinPolicy(), PinHolder()
        )


@pytest.fixture
def hsm(fake, host, tmp_path):
    """Give an HSM with keys."""
    return Hsm(fake, host, tmp_path)


def test_hsm_translates_and_the_soft_module_does_the_rest(hsm, host, speaking, social, stores):
    """Two devices and one port: each call goes to the one that can do it."""

    async def story():
        async with speaking(host) as connection:
            port = hsm.port(connection, social.socket)
            answers = [await port.translate_pin(hsm.request(pin)) for pin in ("738291", "123456")]
            mac = await port.session_mac_key("bureau")
            said, keys = await port.diagnostics(), await port.public_keys()
            port.close()
            return answers, mac, said, keys

    (accepted, refused), mac, said, keys = asyncio.run(story())

    assert isinstance(accepted, EncipheredPin)
    assert hsm.fake.pin_of(hsm.zone_key, accepted.block, "01", PAN[-13:-1]) == "738291"
    assert refused is PinRefusal.TRIVIAL
    assert mac.key == open_store(stores[Side.SOCIAL], Side.SOCIAL).mac_key("bureau").key
    assert said.zones == ("bureau", "pads", "bureau-0")
    assert said.pads == ("pads",)
    assert said.binding == ("bureau-0",)
    assert len(keys) == 1


def test_either_device_that_is_away_is_not_ready(hsm, host, speaking, social, tmp_path):
    """Readiness asks both; the soft module's own work goes on without the HSM."""

    async def story():
        async with speaking(host) as connection:
            port = hsm.port(connection, tmp_path / "nobody")
            with pytest.raises(Unavailable, match="security module"):
                await port.diagnostics()
            port.close()
        port = hsm.port(connection, social.socket)
        with pytest.raises(Unavailable, match="payment HSM"):
            await port.diagnostics()
        with pytest.raises(Unavailable, match="payment HSM"):
            await port.translate_pin(hsm.request("738291"))
        assert await port.public_keys()
        port.close()

    asyncio.run(story())
