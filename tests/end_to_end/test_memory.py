"""The memory of `gateway serve` after PINs were set: blocks and envelopes pass, a clear PIN never.

Six digits stand somewhere in any large memory by chance. So PINs are taken that are nowhere in it
before, in any form; then they are set, and looked for again.
"""

import re
import tomllib
from pathlib import Path

import pytest

from gateway.hsm.data_key import DATA_KEY_FILE, load_data_key
from gateway.pinblock.policy import PinHolder, PinPolicy, PinVerdict, judge
from gateway.terms.sides import Side

PINS = 4
WIDE = "utf-16-le"


def memory(pid):
    """Read all that a process may write to, piece by piece."""
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as mem:
        for line in Path(f"/proc/{pid}/maps").read_text("utf-8").splitlines():
            start, end, rights = re.match(r"(\w+)-(\w+) (\S+)", line).groups()
            if not rights.startswith("rw"):
                continue
            try:
                mem.seek(int(start, 16))
                yield mem.read(int(end, 16) - int(start, 16))
            except (OSError, OverflowError, ValueError):
                continue  # a device, or gone since the list was read


def holding(pid, wanted):
    """Give those of the wanted that stand in a process's memory, by their forms."""
    found = set()
    for piece in memory(pid):
        missing = wanted.keys() - found
        found |= {name for name in missing if any(form in piece for form in wanted[name])}
    return found


def forms(pin):
    """Write a PIN as text, as wide text, and as clear PIN fields of formats 0, 1 and SM4 begin."""
    packed = bytes.fromhex(pin)
    return [pin.encode(), pin.encode(WIDE), b"\x06" + packed, b"\x16" + packed]


def strong_pins(pid):
    """Give PINs that the policy accepts and that are nowhere in the memory of a process."""
    candidates = (f"{738_291 + at * 6_173:06}" for at in range(1, 10))
    strong = [
        pin
        for pin in candidates
        if judge(pin.encode(), PinPolicy(), PinHolder()).verdict is PinVerdict.ACCEPTED
    ]
    present = holding(pid, {pin: forms(pin) for pin in strong})
    return [pin for pin in strong if pin not in present][:PINS]


def test_no_clear_pin_is_in_the_memory_of_the_gateway(town, newcomer):
    """PINs set and PINs refused leave nothing there, while their sessions are found."""
    pid = town.gateway.process.pid
    try:
        pins = strong_pins(pid)
    except PermissionError:
        pytest.skip("this user may not read another process's memory")
    assert len(pins) == PINS
    citizens = [newcomer(fresh=True).linked() for _ in pins]

    sessions = {}
    for citizen, pin in zip(citizens, pins, strict=True):
        session = citizen.session()
        body = citizen.pin_body(pin, session)
        sessions[session["pin_session"]] = [session["pin_session"].encode()]
        assert citizen.send_pin(body).status == 200

    assert holding(pid, sessions), "what passes through the gateway was not found: wrong search"
    assert holding(pid, {pin: forms(pin) for pin in pins}) == set()


def test_no_data_key_is_in_the_memory_of_the_gateway(town):
    """What opens rows at rest is in the store's process alone; what only finds them is here."""
    pid, wanted = town.gateway.process.pid, {}
    for side in Side:
        text = (town.directory / "keys" / side.value / DATA_KEY_FILE).read_text("ascii")
        key = tomllib.loads(text)["key"]
        wanted[f"{side} data key"] = [key.encode(), bytes.fromhex(key)]
        loaded = load_data_key(town.directory / "keys" / side.value / DATA_KEY_FILE, side)
        wanted[f"{side} fingerprint key"] = [loaded.fingerprint_key]

    assert holding(pid, wanted) == {f"{side} fingerprint key" for side in Side}
