"""`gateway keys` on real stores: every command, what it prints, and what it never prints."""

import json
import os
import pty
import sys
from datetime import date, timedelta

import pytest
from typer.testing import CliRunner

from gateway.app.clock import utc_now
from gateway.app.commands.keys import app, listing
from gateway.hsm.ciphers import tdes
from gateway.hsm.key_block import Header, KeyUse, check_value, unwrap, wrap
from gateway.hsm.key_material import combine, fresh_key
from gateway.hsm.key_store import open_store
from gateway.pinblock.zone import Algorithm
from gateway.terms.sides import Side

PARTS = [fresh_key(Algorithm.AES, 32) for _ in range(2)]
MASTER = combine(Algorithm.AES, PARTS)
MASTER_VALUE = check_value(Algorithm.AES, MASTER)
ZONE = ("zone", "bureau", "--format", "iso-1", "--account", "none")
PIN = ("--zone", "bureau", "--purpose", "pin")
MAC = ("--zone", "bureau", "--purpose", "mac")
KEK = ("--zone", "bureau", "--purpose", "kek")
KBPK = ("--zone", "bureau", "--purpose", "kbpk")


@pytest.fixture(name="components")
def _components(tmp_path):
    def write(parts, algorithm):
        file = tmp_path / f"{parts[0].hex()[:8]}.toml"
        file.write_text(
            "".join(
                f'[[components]]\ncustodian = "测试{name}"\ncomponent = "{part.hex()}"\n'
                f'check_value = "{check_value(algorithm, part)}"\n'
                for name, part in zip("甲乙丙", parts, strict=False)
            )
        )
        file.chmod(0o600)
        return str(file)

    return write


@pytest.fixture(name="keys")
def _keys(tmp_path, components):
    """Give the command on a live social store that was made from a file of components."""

    def run(*arguments, status=0, operator="测试丁", **options):
        who = ("--store", str(tmp_path / "store"), "--side", "social", "--operator", operator)
        result = CliRunner().invoke(app, [*who, *map(str, arguments)], **options)
        assert result.exit_code == status, result.output
        return result.output

    def two(*arguments, **options):
        """Give a command, and give it once more as another custodian where two are asked for."""
        said = run(*arguments, **options)
        return run(*arguments, operator="测试丙") if said.startswith("proposed: ") else said

    file = components(PARTS, Algorithm.AES)
    assert "no ceremony" in run("create", "--expected", MASTER_VALUE, "--components", file)
    run(*ZONE)
    two.once = run
    return two


def give(keys, components, purpose, algorithm=Algorithm.TDES, length=16):
    """Put a key together from two components and activate it."""
    parts = [fresh_key(algorithm, length) for _ in range(2)]
    key = combine(algorithm, parts)
    file, value = components(parts, algorithm), check_value(algorithm, key)
    cipher = ("--algorithm", algorithm.value)
    keys("import", *purpose, "--expected", value, "--components", file, *cipher)
    keys("rotate", *purpose)
    return key


def test_components_become_a_key_in_use(keys, components, tmp_path):
    """A key that custodians gave is pending, then current, and does what it is for."""
    pin_key = give(keys, components, PIN)

    store = open_store(tmp_path / "store", Side.SOCIAL)

    assert store.pin_cipher("bureau")[1].encrypt(bytes(8)) == tdes(pin_key).encrypt(bytes(8))


def test_list_shows_what_is_to_be_known_of_each_key(keys, components):
    """Usage, zone, state, check value, age and next change, one line a key."""
    pin_key = give(keys, components, PIN)
    keys("generate", *MAC, "--due", "2099-01-02")
    keys("generate", "--zone", "ss-pin", "--purpose", "envelope")

    lines = keys("list").splitlines()

    assert lines[0].endswith(f"master key {MASTER_VALUE}")
    rows = [line.split() for line in lines[2:]]
    assert rows[0][:6] == [
        "bureau/pin",
        "1",
        "current",
        "tdes",
        check_value(Algorithm.TDES, pin_key),
        "0",
    ]
    assert (rows[1][0], rows[1][2], rows[1][-1]) == ("bureau/mac", "pending", "2099-01-02")
    assert rows[2][:4] == ["ss-pin/envelope", "1", "pending", "p-256"]


def test_list_marks_what_is_overdue(keys, tmp_path):
    """A key in use on the day of its change is overdue; one that is gone never is."""
    keys("generate", *MAC, "--due", "2099-01-02")
    keys("generate", *PIN, "--due", "2099-01-02")
    keys("retire", *PIN, "--version", "1")
    ledger = open_store(tmp_path / "store", Side.SOCIAL).ledger

    marked = [line for line in listing(ledger, date(2099, 1, 2)) if "OVERDUE" in line]

    assert [line.split()[0] for line in marked] == ["bureau/mac"]


def test_key_comes_and_leaves_as_a_key_block(keys, components, tmp_path):
    """Under the zone's KBPK a key of the far side comes in, and one of ours goes out."""
    kbpk = give(keys, components, KBPK, Algorithm.AES, 32)
    theirs = fresh_key(Algorithm.TDES, 16)
    file = tmp_path / "block"
    file.write_text(wrap(kbpk, Header(KeyUse("M3", "T", "C"), "E"), theirs) + "\n")

    value = check_value(Algorithm.TDES, theirs)
    keys("import-block", *MAC, "--expected", value, file)
    keys("rotate", *MAC)
    keys("generate", *PIN, "--exportable")
    header, ours = unwrap(kbpk, keys("export", *PIN).strip())

    assert open_store(tmp_path / "store", Side.SOCIAL).mac_key("bureau").key == theirs
    assert header.use == KeyUse("P0", "T", "D")
    assert check_value(Algorithm.TDES, ours) in keys("list")


def test_enciphered_key_comes_in_under_the_kek(keys, components, tmp_path):
    """As it would by 0800: hexadecimal digits, TDES in ECB mode under the zone's KEK."""
    kek, theirs = give(keys, components, KEK), fresh_key(Algorithm.TDES, 16)
    file = tmp_path / "enciphered"
    file.write_text(tdes(kek).encrypt(theirs).hex())

    said = keys("import-enciphered", *MAC, "--expected", check_value(Algorithm.TDES, theirs), file)

    assert said.startswith("bureau/mac version 1 pending, check value ")


def test_compromised_key_is_gone_at_once_and_never_comes_back(keys, components):
    """The drill: revoke, see that it is revoked, and that the same key is refused."""
    parts = [fresh_key(Algorithm.TDES, 16) for _ in range(2)]
    value = check_value(Algorithm.TDES, combine(Algorithm.TDES, parts))
    again = ("import", *PIN, "--expected", value, "--components", components(parts, Algorithm.TDES))
    keys(*again)
    keys("rotate", *PIN)

    keys("revoke", *PIN, "--version", "1", "--reason", "drill")

    assert "revoked" in keys("list")
    assert "used in one place and once" in keys(*again, status=2)


def test_every_action_is_in_the_audit_with_who_did_it(keys):
    """The operating system's user and the operator stand in each line; refusals as well."""
    keys("generate", *PIN)
    keys("rotate", *MAC, status=2)

    lines = keys("audit").splitlines()

    assert all("(测试丁)" in line for line in lines[:-1])
    assert "generate done key=bureau/pin version=1" in lines[-3]
    assert "rotate refused" in lines[-2]
    assert lines[-1].startswith("7 lines; last ")


def test_nobody_acts_without_a_name(keys):
    """An action without an operator is refused; looking is free."""
    assert "say who you are" in keys("generate", *PIN, status=2, operator=" ")
    assert keys("list", operator=" ")


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (("import", *PIN, "--expected", "000000"), "give either --custodian"),
        (("generate", "--zone", "core", "--purpose", "pin"), "no such zone"),
        (("generate", "--zone", "financial-pin", "--purpose", "envelope"), "no such PIN"),
        (("retire", *PIN, "--version", "1"), "no key of this version"),
        (("import-block", *PIN, "--expected", "000000", "/no/such"), "cannot be read"),
        (("export", *PIN), "no pending key"),
        (ZONE, "declared already"),
        (("zone", "x", "--format", "iso-0", "--account", "none"), "binds an account"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(keys, arguments, rule):
    """A refusal is a sentence and status 2, never a traceback."""
    said = keys(*arguments, status=2).strip().splitlines()

    assert len(said) == 1
    assert rule in said[0]


def test_store_must_be_named():
    """Without store and side there is nothing to work on."""
    result = CliRunner().invoke(app, ["list"])

    assert (result.exit_code, "say which store" in result.output) == (2, True)


def test_component_is_drawn_into_a_file_and_never_shown(tmp_path):
    """Its check value is printed, the digits are for the custodian's paper."""
    file = tmp_path / "component"
    result = CliRunner().invoke(
        app, ["component", str(file), "--algorithm", "tdes", "--bytes", "16"]
    )

    part = bytes.fromhex(file.read_text())

    assert result.output == f"check value {check_value(Algorithm.TDES, part)}\n"
    assert file.stat().st_mode & 0o777 == 0o600


def test_ceremony_on_a_terminal_echoes_nothing(tmp_path):
    """Two custodians at a real terminal: the store is made and no digit of theirs is shown."""
    arguments = [
        *("--store", str(tmp_path / "store"), "--side", "social", "--operator", "测试丁"),
        *("create", "--expected", MASTER_VALUE, "--custodian", "甲", "--custodian", "乙"),
    ]
    code = f"from gateway.app.commands.keys import app; app({json.dumps(arguments)})"
    answers = {
        b"Component: ": [part.hex().encode() for part in PARTS],
        b"paper: ": [check_value(Algorithm.AES, part).encode() for part in PARTS],
    }

    process, terminal = pty.fork()
    if process == 0:
        os.execv(sys.executable, [sys.executable, "-c", code])  # noqa: S606 - our own command
    shown = b""
    while chunk := _read(terminal):
        shown += chunk
        for prompt, values in answers.items():
            if shown.endswith(prompt) and values:
                os.write(terminal, values.pop(0) + b"\n")
    _, status = os.waitpid(process, 0)
    os.close(terminal)

    assert os.waitstatus_to_exitcode(status) == 0, shown.decode()
    assert f"created; master key check value {MASTER_VALUE}" in shown.decode()
    assert not any(part.hex()[:6] in shown.decode().lower() for part in PARTS)
    assert open_store(tmp_path / "store", Side.SOCIAL).ledger.side is Side.SOCIAL


def _read(terminal):
    try:
        return os.read(terminal, 4096)
    except OSError:  # the other end is closed: Linux says EIO
        return b""


@pytest.mark.parametrize("action", ["rotate", "retire", "revoke"])
def test_two_people_put_a_live_key_in_use_or_take_it_away(keys, action):
    """The first proposes, however often; another one carries it out; the audit names both."""
    keys("generate", *PIN)
    more = {"rotate": (), "retire": ("--version", "1")}.get(
        action, ("--version", "1", "--reason", "drill")
    )
    command = (action, *PIN, *more)

    first = [keys.once(*command) for _ in range(2)]
    states = keys("list")
    second = keys.once(*command, operator="测试丙")

    assert all(said.startswith("proposed: bureau/pin version 1 is to be ") for said in first)
    assert " pending " in states
    assert "version 1" in second
    assert "proposed" not in second
    audit = keys("audit")
    assert f"(测试丁) {action} proposed key=bureau/pin version=1" in audit
    assert f"(测试丙) {action} done key=bureau/pin version=1" in audit


def test_approval_is_for_one_key_and_one_time(keys):
    """What was approved of one key is not of its successor, nor once more."""
    keys("generate", *PIN)
    keys("rotate", *PIN)
    keys("generate", *PIN)

    for operator in ("测试丙", "测试丙"):
        assert keys.once("rotate", *PIN, operator=operator).startswith("proposed: ")
    assert "version 2 current" in keys.once("rotate", *PIN)


def test_approval_comes_within_a_day(keys, monkeypatch):
    """A proposal of the day before yesterday is nobody's any more."""
    keys("generate", *PIN)
    keys.once("rotate", *PIN)
    later = utc_now() + timedelta(days=1, seconds=1)
    monkeypatch.setattr("gateway.app.commands.keys.utc_now", lambda: later)

    assert keys.once("rotate", *PIN, operator="测试丙").startswith("proposed: ")
    assert "version 1 current" in keys.once("rotate", *PIN)
