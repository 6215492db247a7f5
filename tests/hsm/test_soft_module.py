"""One call opens, judges and enciphers; each way of misusing it is refused."""

from datetime import UTC, date, datetime

import pytest

from gateway.hsm.audit import Actor
from gateway.hsm.key_custody import custody
from gateway.hsm.key_purpose import KeyPurpose, Slot
from gateway.hsm.key_store import open_store
from gateway.hsm.pin_protocol import EncipheredPin, PinRefusal
from gateway.hsm.protocol import BadRequest
from gateway.hsm.soft_module import REFUSALS_MAX, SESSION_SECONDS_MAX, SoftModule
from gateway.pinblock.policy import PinHolder
from gateway.terms.errors import LocalError
from gateway.terms.sides import PinPurpose, Side

NOW = 1_800_000_000


def set_pin(module, request):
    """Ask for one PIN to be set, in the three steps of the module."""
    attempt = module.begin(request)
    return module.finish(attempt, module.agree(attempt))


class Clock:
    """A clock that stands still until it is moved."""

    now = float(NOW)

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    """Give a standing clock."""
    return Clock()


@pytest.fixture
def module(stores, clock):
    """Give a social module."""
    return SoftModule(open_store(stores[Side.SOCIAL], Side.SOCIAL), clock)


@pytest.fixture
def request_now(request_for):
    """Make requests whose session ends 300 seconds from the standing clock."""

    def make(pin="738291", **changes):
        return request_for(pin, **({"expires_at": NOW + 300} | changes))

    return make


def test_pin_is_enciphered_for_the_zone(stores, module, request_now):
    """The block deciphers under the zone's key to the PIN, and DE 53 says what it is."""
    zone, cipher = open_store(stores[Side.SOCIAL], Side.SOCIAL).pin_cipher("bureau")

    answer = set_pin(module, request_now())

    assert isinstance(answer, EncipheredPin)
    assert zone.decipher(cipher, answer.block, "") == b"738291"
    assert answer.security_control == "1600000000000000"


def test_financial_pin_is_bound_to_its_card(stores, clock, request_now):
    """The financial side binds the PIN to the card number, as format 0 does."""
    store = open_store(stores[Side.FINANCIAL], Side.FINANCIAL)
    zone, cipher = store.pin_cipher("core")

    answer = set_pin(SoftModule(store, clock), request_now(side=Side.FINANCIAL))

    assert zone.decipher(cipher, answer.block, "6200000000000000005") == b"738291"
    assert answer.security_control == "2600000000000000"


@pytest.mark.parametrize(
    ("pin", "refusal"),
    [
        ("12345", PinRefusal.FORMAT),
        ("1234567", PinRefusal.FORMAT),
        ("12a456", PinRefusal.FORMAT),
        ("", PinRefusal.FORMAT),
        ("123456", PinRefusal.TRIVIAL),
        ("888888", PinRefusal.TRIVIAL),
        ("990030", PinRefusal.PERSONAL),
        ("863271", PinRefusal.PERSONAL),
    ],
)
def test_pin_is_refused_coarsely(module, request_now, pin, refusal):
    """A refused PIN gets its class, and nothing is enciphered."""
    assert set_pin(module, request_now(pin)) is refusal


@pytest.mark.parametrize("pin", ["738291", "123456"])
def test_session_serves_once_whatever_came_of_it(module, request_now, pin):
    """After an accepted as after a refused PIN, the session is used up."""
    first = request_now(pin)
    set_pin(module, first)

    assert set_pin(module, first) is PinRefusal.SESSION
    assert set_pin(module, request_now(session=first.session)) is PinRefusal.SESSION


def test_session_is_used_up_by_an_envelope_that_does_not_open(module, request_now):
    """A session is burnt before anything is looked at."""
    request = request_now(envelope="a.b.c.d.e")

    assert set_pin(module, request) is PinRefusal.ENVELOPE
    assert set_pin(module, request_now(session=request.session)) is PinRefusal.SESSION


def test_envelope_cannot_be_tried_again_under_another_session(module, request_now):
    """One envelope, one probe: its nonce is used up with it, whoever asks about whom."""
    first = request_now()
    set_pin(module, first)

    again = request_now(
        nonce=first.nonce, envelope=first.envelope, holder=PinHolder(None, ("738291",))
    )

    assert set_pin(module, again) is PinRefusal.SESSION


@pytest.mark.parametrize(
    "expires_at", [0, NOW - 1, NOW, NOW + SESSION_SECONDS_MAX + 1, -(10**30), 10**30]
)
def test_session_outside_its_time_is_refused(module, request_now, expires_at):
    """An expired session is refused, and one that would outlive the memory of used ones."""
    assert set_pin(module, request_now(expires_at=expires_at)) is PinRefusal.SESSION


def test_used_session_cannot_come_back_while_it_could_be_valid(module, request_now, clock):
    """A session is remembered for at least as long as any session may last."""
    request = request_now(expires_at=NOW + SESSION_SECONDS_MAX)
    set_pin(module, request)
    clock.now = NOW + SESSION_SECONDS_MAX - 1

    assert set_pin(module, request) is PinRefusal.SESSION
    clock.now = NOW + 2 * SESSION_SECONDS_MAX + 1
    assert set_pin(module, request) is PinRefusal.SESSION  # by then it is over


def test_pin_of_the_other_side_is_refused(stores, module, request_now, seal):
    """The social module opens no financial PIN, whichever key it is enciphered to."""
    financial = open_store(stores[Side.FINANCIAL], Side.FINANCIAL).envelope_keys[0]
    purpose = {"purpose": PinPurpose.FINANCIAL_PIN}
    request = request_now(**purpose)
    nonce = "nonce-for-the-other-side"
    envelope = seal(financial.public_jwk, "738291", nonce)

    assert set_pin(module, request) is PinRefusal.ENVELOPE
    other = request_now(**purpose, nonce=nonce, envelope=envelope, kid=financial.kid)
    assert set_pin(module, other) is PinRefusal.ENVELOPE


def test_session_of_another_key_is_refused(module, request_now):
    """The key that the session named must be the current one."""
    assert set_pin(module, request_now(kid="another")) is PinRefusal.ENVELOPE


def test_key_past_its_last_day_is_not_used(module, request_now, clock):
    """After its last day an envelope key opens nothing any more."""
    clock.now = datetime(2099, 12, 31, 12, tzinfo=UTC).timestamp()
    on_last_day = request_now(expires_at=int(clock.now) + 300)
    assert isinstance(set_pin(module, on_last_day), EncipheredPin)

    clock.now += 86_400
    assert set_pin(module, request_now(expires_at=int(clock.now) + 300)) is PinRefusal.ENVELOPE


def test_card_is_limited_after_refused_attempts(module, request_now, clock):
    """Ten refused PINs close a card for the hour; another card goes on."""
    for _ in range(REFUSALS_MAX):
        assert set_pin(module, request_now("123456", card="card")) is PinRefusal.TRIVIAL

    assert set_pin(module, request_now(card="card")) is PinRefusal.RATE_LIMITED
    assert isinstance(set_pin(module, request_now(card="other")), EncipheredPin)
    clock.now += 7_300
    later = request_now(card="card", expires_at=int(clock.now) + 300)
    assert isinstance(set_pin(module, later), EncipheredPin)


def test_accepted_pins_and_used_sessions_do_not_count_as_attempts(module, request_now):
    """Only what tried a PIN and was refused counts against the card."""
    used = request_now(card="card")
    for _ in range(REFUSALS_MAX + 1):
        assert isinstance(set_pin(module, request_now(card="card")), EncipheredPin)
        set_pin(module, used)

    assert isinstance(set_pin(module, request_now(card="card")), EncipheredPin)


@pytest.mark.parametrize(
    ("changes", "error"),
    [({"zone": "core"}, LocalError), ({"account": "6200000000000000005"}, BadRequest)],
)
def test_zone_or_account_that_cannot_be_is_misuse(module, request_now, changes, error):
    """The other side's zone is unknown here, and the SS PIN is never bound to a bank card."""
    with pytest.raises(error):
        set_pin(module, request_now(**changes))


@pytest.mark.parametrize("pin", ["738291", "123456"])
def test_pin_is_wiped_whatever_came_of_it(stores, clock, watching_list, request_now, pin):
    """The buffer in which the PIN was clear holds zeros when the call is over."""
    operators, looked_up = watching_list
    module = SoftModule(open_store(stores[Side.SOCIAL], Side.SOCIAL), clock, operators)

    set_pin(module, request_now(pin))

    assert looked_up == [(bytearray(6), pin.encode())]


def test_module_shows_only_public_things(module):
    """Public keys and diagnostics say which keys there are, and of which stage."""
    (key,) = module.public_keys()

    assert (key.purpose, key.kid) == (PinPurpose.SS_PIN, key.jwk["kid"])
    assert "d" not in key.jwk
    assert module.diagnostics().stage == "test"
    assert (len(module.mac_key("bureau").key), module.mac_key("bureau").previous) == (16, b"")


def test_link_that_begins_anew_gets_the_mac_key_before_while_it_may_still_come(new_store):
    """Until two minutes after the change, however often the module began anew since."""
    made, clock = datetime(2026, 11, 21, 8, tzinfo=UTC), Clock()
    directory, slot = new_store(Side.SOCIAL), Slot("bureau", KeyPurpose.MAC)
    before = open_store(directory, Side.SOCIAL).mac_key("bureau").key
    with custody(directory, Side.SOCIAL, Actor("u", "o"), made) as held:
        held.generate(slot, date(2099, 1, 1))
        held.activate(slot)
    module = SoftModule(open_store(directory, Side.SOCIAL), clock)

    given = []
    for seconds in (-50, 30, 119, 120):
        clock.now = made.timestamp() + seconds
        given.append(module.mac_key("bureau"))

    assert [key.previous for key in given] == [before, before, before, b""]
    assert [key.previous_seconds for key in given] == [120, 90, 1, 0]
    assert len({key.key for key in given} - {before}) == 1
