"""The rooms import only what they may; every kind of violation is found when it is planted."""

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
LINT = Path(sysconfig.get_path("scripts")) / "lint-imports"
LAYERS = "rooms are layers"
PURE = "pure rooms do no input or output"


class Violation(NamedTuple):
    """An import that must be found, and the beginning of the contract that finds it."""

    room: str
    imported: str
    contract: str


PLANTED = [
    Violation("social", "gateway.financial.account", LAYERS),
    Violation("financial", "gateway.social.card", LAYERS),
    Violation("operations", "gateway.regions.profile", LAYERS),
    Violation("iso8583", "gateway.linking.link", LAYERS),
    Violation("pinblock", "gateway.iso8583.message", LAYERS),
    Violation("terms", "gateway.operations.facts", LAYERS),
    Violation("api", "gateway.store.queries", LAYERS),
    Violation("wire", "gateway.hsm.data_key", LAYERS),
    Violation("hsm", "gateway.app.clock", LAYERS),
    Violation("simulators", "gateway.social.card", "simulators share nothing"),
    Violation("simulators", "gateway.operations.exchange", "simulators share nothing"),
    Violation("operations", "asyncio", PURE),
    Violation("linking", "sqlalchemy", PURE),
    Violation("social", "twisted.internet", PURE),
    Violation("regions", "pathlib", PURE),
    Violation("terms", "random", PURE),
    Violation("financial", "time", PURE),
    Violation("pinblock", "secrets", PURE),
    Violation("app", "sqlalchemy", "one door: SQLAlchemy"),
    Violation("api", "sqlalchemy.exc", "one door: SQLAlchemy"),
    Violation("app", "gateway.store.sealing", "one door: the store's process"),
    Violation("app", "alembic", "one door: alembic"),
    Violation("app", "psycopg", "one door: psycopg"),
    Violation("store", "cryptography.fernet", "one door: ciphers"),
    Violation("app", "cryptography.hazmat", "one door: ciphers"),
    Violation("api", "joserfc.jwe", "one door: envelopes"),
    Violation("api", "twisted.internet", "one door: Twisted"),
    Violation("store", "twisted.internet", "one door: Twisted"),
    Violation("hsm", "OpenSSL.crypto", "one door: OpenSSL"),
    Violation("app", "service_identity", "one door: OpenSSL"),
    Violation("wire", "starlette.requests", "one door: Starlette"),
    Violation("api", "httpx", "one door: callbacks"),
    Violation("app", "markdown_it", "one door: Markdown"),
    Violation("simulators", "uvicorn", "one door: what runs a process"),
    Violation("store", "structlog", "one door: only shell rooms write a log"),
    Violation("social", "stdnum.luhn", "one door: check digits"),
    Violation("wire", "iso8583", "one door: pyiso8583"),
    Violation("app", "chinese_calendar", "one door: China's calendar"),
    Violation("api", "cypcap", "one door: libpcap"),
    Violation("linking", "pydantic", "one door: pydantic"),
]
NAMES = [f"{each.room}-{each.imported}" for each in PLANTED]


def lint(directory):
    """Run the contracts over the package in a directory; gives exit code and report."""
    ran = subprocess.run(
        [LINT, "--no-logo", "--no-cache"],
        cwd=directory,
        env={**os.environ, "COLUMNS": "400"},
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.returncode, ran.stdout + ran.stderr


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """Copy the package and its contracts, each time anew."""

    def copy():
        place = tmp_path_factory.mktemp("planted")
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "gateway", place / "gateway", ignore=ignore)
        shutil.copy(ROOT / "pyproject.toml", place)
        return place

    return copy


@pytest.fixture(scope="module")
def report(copied):
    """Plant every violation as a module of its own; gives what is found."""
    place = copied()
    for number, (room, imported, _) in enumerate(PLANTED):
        planted = place / "gateway" / room / f"planted_{number}.py"
        planted.write_text(f"import {imported}\n")
    code, text = lint(place)
    assert code == 1
    return text


def by_contract(text):
    """Cut the report into sections: a contract's name underlined, then what breaks it."""
    sections, lines = {}, text.splitlines()
    name = ""
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if below and set(below) == {"-"} and len(below) == len(line):
            name = line
        sections[name] = sections.get(name, "") + line + "\n"
    return sections


def test_the_rooms_keep_their_contracts():
    """The tree as it stands breaks none of them."""
    code, text = lint(ROOT)

    assert code == 0, text
    assert "0 broken" in text


@pytest.mark.parametrize("number", range(len(PLANTED)), ids=NAMES)
def test_a_planted_violation_is_found(number, report):
    """The report names the planted module under the contract that it breaks."""
    violation = PLANTED[number]
    sections = by_contract(report)
    (section,) = (text for name, text in sections.items() if name.startswith(violation.contract))

    assert f"gateway.{violation.room}.planted_{number} " in section


def test_every_contract_is_broken_by_something(report):
    """No contract is without a violation that proves that it bites."""
    assert "Contracts: 0 kept, " in report


@pytest.mark.parametrize("room", ["utils", "common", "models"])
def test_a_stray_room_is_found(room, copied):
    """The layers are exhaustive: a room that is not on the map is refused."""
    place = copied()
    (place / "gateway" / room).mkdir()
    (place / "gateway" / room / "__init__.py").write_text("")

    code, text = lint(place)

    assert code == 1
    assert f"gateway.{room}" in text
