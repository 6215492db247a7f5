"""A PIN pad's block becomes the zone's in one call that judges the PIN, or it becomes nothing."""

import asyncio
import secrets
import time

import pytest

from gateway.hsm.client import SecurityModule
from gateway.hsm.key_store import open_store
from gateway.hsm.pin_protocol import (
    EncipheredPin,
    PinRefusal,
    TranslatePin,
    read_translate_pin,
    write_translate_pin,
)
from gateway.hsm.protocol import BadRequest
from gateway.hsm.soft_module import REFUSALS_MAX, SESSION_SECONDS_MAX, SoftModule
from gateway.pinblock.policy import PinHolder, PinPolicy
from gateway.pinblock.translation import ForbiddenTranslation
from gateway.terms.errors import LocalError
from gateway.terms.sides import Side

NOW = 1_800_000_000
PAN = "6200000000000000018"
FORMS = ["iso-0", "iso-1", "iso-3", "iso-4", "iso-4-sm4", "sm4-pan", "sm4-no-pan"]
WITHOUT_ACCOUNT = {"iso-1", "sm4-no-pan"}
HOLDER = PinHolder(None, ("863271",))


@pytest.fixture(scope="module")
def store(many_zones):
    return open_store(many_zones, Side.SOCIAL)


@pytest.fixture
def module(store):
    return SoftModule(store, lambda: float(NOW))


@pytest.fixture
def from_pad(store):
    """Make requests as a PIN pad's block brings them, right in all that a test does not change."""

    def make(source="iso-1", target="iso-1", pin=b"738291", **changes):
        zone, cipher = store.channel_cipher(f"pads-{source}")
        account = "" if {source, target} <= WITHOUT_ACCOUNT else PAN
        bound = "" if source in WITHOUT_ACCOUNT else PAN
        values = {
            "session": f"pse_{secrets.token_hex(13)}",
            "expires_at": NOW + 300,
            "channel": f"pads-{source}",
            "block": zone.encipher(cipher, pin, bound, secrets.token_bytes(8)),
            "zone": target,
            "account": account,
            "card": secrets.token_hex(8),
            "policy": PinPolicy(),
            "holder": HOLDER,
        }
        return TranslatePin(**(values | changes))

    return make


def may(source, target):
    """Say which translations requirement 3-3 of PCI PIN 3.1 permits (and none of sm4-no-pan)."""
    if source == "sm4-no-pan":
        return False
    return source == "iso-1" or target not in WITHOUT_ACCOUNT


@pytest.mark.parametrize("source", FORMS)
@pytest.mark.parametrize("target", FORMS)
def test_block_becomes_the_zones_or_the_request_is_misuse(store, module, from_pad, source, target):
    """Format 1 becomes any; those that bind an account become each other; none goes back to 1."""
    request = from_pad(source, target)

    if not may(source, target):
        with pytest.raises(ForbiddenTranslation):
            module.translate_pin(request)
        return
    answer = module.translate_pin(request)

    zone, cipher = store.pin_cipher(target)
    bound = "" if target in WITHOUT_ACCOUNT else PAN
    assert zone.decipher(cipher, answer.block, bound) == b"738291"
    assert answer.security_control == zone.security_control_information


@pytest.mark.parametrize("source", ["iso-0", "iso-3", "iso-4", "iso-4-sm4", "sm4-pan"])
def test_block_of_another_account_does_not_become_this_ones(store, module, from_pad, source):
    """Under another account a block is no PIN, or by chance another one, never the same."""
    zone, cipher = store.pin_cipher("iso-0")
    others = [f"620000{at * 1111}000000018" for at in range(1, 10)]

    answers = {
        each: module.translate_pin(from_pad(source, "iso-0", account=each)) for each in others
    }

    for account, answer in answers.items():
        if isinstance(answer, PinRefusal):
            continue
        assert zone.decipher(cipher, answer.block, account) != b"738291"


@pytest.mark.parametrize(
    ("pin", "refusal"),
    [
        (b"12345", PinRefusal.FORMAT),
        (b"123456", PinRefusal.TRIVIAL),
        (b"863271", PinRefusal.PERSONAL),
    ],
)
def test_weak_pin_is_refused_in_the_same_call(module, from_pad, pin, refusal):
    """The policy of the region is asked for a PIN pad's PIN as for a browser's."""
    assert module.translate_pin(from_pad(pin=pin)) is refusal


@pytest.mark.parametrize("block", [bytes(8), b"\xff" * 8, bytes(16), bytes(7)])
def test_what_is_no_block_of_the_channel_has_one_answer(module, from_pad, block):
    """Garbage and other sizes are refused alike."""
    assert module.translate_pin(from_pad(block=block)) is PinRefusal.ENVELOPE


@pytest.mark.parametrize(
    "changes",
    [
        {"channel": "iso-1"},  # a far side's zone: its key only enciphers
        {"channel": "pads-iso-1", "zone": "pads-iso-1"},  # a channel's: its key only deciphers
        {"channel": "core"},
        {"zone": "core"},  # of the other side
        {"account": PAN},  # neither format binds one, so it could not be checked
    ],
)
def test_zone_or_account_that_cannot_be_is_misuse(module, from_pad, changes):
    """Each key serves one direction, and nothing of the other side is known here."""
    with pytest.raises(LocalError):
        module.translate_pin(from_pad(**changes))


def test_session_serves_once_and_in_its_time(module, from_pad):
    """As for the browser's envelope: used up whatever came of it, and never after its end."""
    used = from_pad(pin=b"123456")
    module.translate_pin(used)

    assert module.translate_pin(from_pad(session=used.session)) is PinRefusal.SESSION
    for expires_at in (NOW, NOW + SESSION_SECONDS_MAX + 1):
        assert module.translate_pin(from_pad(expires_at=expires_at)) is PinRefusal.SESSION


@pytest.mark.parametrize(
    "other",
    [
        {"holder": PinHolder(None, ("738291",))},
        {"policy": PinPolicy(listed=("738291",))},
        {"policy": PinPolicy(initial="738291")},
        {"card": "another"},
        {"zone": "iso-0", "account": PAN},
    ],
)
def test_block_is_tried_in_one_way_only(module, from_pad, other):
    """A block with other data of the holder would tell its PIN: the second way is refused."""
    first = from_pad()
    module.translate_pin(first)
    again = first._replace(session="pse_another")
    third = first._replace(session="pse_third", **other)

    assert isinstance(module.translate_pin(again), EncipheredPin)
    assert module.translate_pin(third) is PinRefusal.SESSION


def test_card_is_limited_over_both_ways_in(module, from_pad):
    """Refused PIN blocks count against the card as refused envelopes do."""
    for _ in range(REFUSALS_MAX):
        module.translate_pin(from_pad(pin=b"123456", card="card"))

    assert module.translate_pin(from_pad(card="card")) is PinRefusal.RATE_LIMITED


@pytest.mark.parametrize("pin", [b"738291", b"123456"])
def test_pin_is_wiped_whatever_came_of_it(store, watching_list, from_pad, pin):
    """The buffer in which the PIN was clear holds zeros when the call is over."""
    operators, looked_up = watching_list
    module = SoftModule(store, lambda: float(NOW), operators)

    module.translate_pin(from_pad(pin=pin))

    assert looked_up == [(bytearray(6), pin)]


def test_request_survives_the_way(from_pad):
    """A request is read as it was written, with a block of either size."""
    for source in ("iso-1", "iso-4"):
        request = from_pad(source, "iso-0")
        assert read_translate_pin(write_translate_pin(request)) == request


@pytest.mark.parametrize("block", [b"", b"00" * 7, b"00" * 24, b"zz" * 8, b"0" * 15])
def test_block_of_another_form_is_not_read(from_pad, block):
    """A block has 8 or 16 bytes, in hexadecimal digits."""
    channel, _, *rest = write_translate_pin(from_pad()).split(b"\n")

    with pytest.raises(BadRequest):
        read_translate_pin(b"\n".join((channel, block, *rest)))


def test_block_is_translated_over_the_socket(zone_module, store, from_pad):
    """The real process does it for its client, and answers a forbidden translation as misuse."""

    async def scenario():
        client = SecurityModule(zone_module.socket)
        soon = int(time.time()) + 300  # noqa: TID251 - the process's own clock
        answer = await client.translate_pin(from_pad("iso-0", "iso-4", expires_at=soon))
        with pytest.raises(BadRequest):
            await client.translate_pin(from_pad("iso-0", "iso-1", expires_at=soon))
        client.close()
        return answer

    answer = asyncio.run(scenario())

    zone, cipher = store.pin_cipher("iso-4")
    assert zone.decipher(cipher, answer.block, PAN) == b"738291"
