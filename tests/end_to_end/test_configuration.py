"""A wrong configuration: the process does not start, and names file, key and remedy."""

import json
import os
import shutil
import socket
import subprocess
import sys

import pytest


def replaced(old, new):
    def change(text):
        assert old in text
        return text.replace(old, new, 1)

    return change


def with_line(table, line):
    return replaced(f"[{table}]\n", f"[{table}]\n{line}\n")


# How the file is changed, and what standard error must name.
WRONG = {
    "unknown key": (with_line("http", "lisen = 1"), ["gateway.toml", "http.lisen"]),
    "no link for an institution": (
        replaced("[links.bureau]", "[links.elsewhere]"),
        ["gateway.toml", "links.bureau", "99350201"],
    ),
    "zone without keys": (
        replaced('zone = "core"', 'zone = "kore"'),
        ["gateway.toml", "links.core.zone"],
    ),
    "PIN pads without a key": (
        with_line("http.channels.online-bank", 'pin_zones = { social = "bureau" }'),
        ["gateway.toml", "http.channels.online-bank.pin_zones.social", "pin-in"],
    ),
    "the other side's store": (
        replaced('key_store = "keys/social"', 'key_store = "keys/financial"'),
        ["keys/financial", "side", "social"],
    ),
    "database that is none": (
        replaced('path = "gateway.db"', 'path = "gateway.toml"'),
        ["gateway.toml", "store.path"],
    ),
}

LISTENER = """
[listeners.core-in]
side = "financial"
listen = "{}"
peers = ["127.0.0.0/8"]
dialect = "core"
message_set = "core-channel"
zone = "core"
"""


def copy_of(town, directory, change=lambda text: text):
    """Copy a town's keys and configuration, changed; its own database and sockets."""
    shutil.copytree(town.directory / "keys", directory / "keys")
    file = directory / "gateway.toml"
    text = change(town.configuration.read_text("utf-8"))
    file.write_text(text, "utf-8")
    return file


@pytest.fixture
def serve(warm, tmp_path_factory):
    """Give what starts a gateway that must not start; it gives its status and what it said."""

    def run(file):
        said_to = tmp_path_factory.mktemp("said") / "log"
        status, output, said = warm.run(said_to, "serve", "--config", str(file))
        assert output == ""
        return status, said

    return run


@pytest.mark.parametrize("case", WRONG)
def test_wrong_configuration_stops_the_process(town, serve, tmp_path, case):
    """Exit status 2, one line on standard error, no traceback."""
    change, words = WRONG[case]

    status, said = serve(copy_of(town, tmp_path, change))

    assert status == 2
    assert "Traceback" not in said
    for word in words:
        assert word in said


def test_key_that_others_may_read_is_not_used(town, serve, tmp_path):
    """A key file must be its owner's alone; the remedy is the command."""
    file = copy_of(town, tmp_path)
    key = tmp_path / "keys" / "financial" / "master.key"
    key.chmod(0o644)

    status, said = serve(file)

    assert status == 2
    assert f"chmod 600 {key}" in said


def test_database_belongs_to_one_gateway(town, serve):
    """A second gateway on the same configuration stops before it touches anything."""
    status, said = serve(town.configuration)

    assert status == 2
    assert "gateway.db" in said
    assert "another gateway has this database open" in said
    assert town.is_up("link-bureau")


@pytest.mark.parametrize("key", ["http.listen", "listeners.core-in.listen"])
def test_port_in_use_is_named_before_anything_is_done(town, serve, tmp_path, key):
    """The address and the key that says it; nothing was written, and no far side was dialled."""
    accepted = {name: wire.accepted for name, wire in town.wires.items()}
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        changes = {
            "http.listen": replaced('"127.0.0.1:0"', f'"{address}"'),
            "listeners.core-in.listen": lambda text: text + LISTENER.format(address),
        }
        file = copy_of(town, tmp_path, changes[key])
        status, said = serve(file)

    assert status == 2
    for word in (str(file), key, address):
        assert word in said
    assert {name: wire.accepted for name, wire in town.wires.items()} == accepted
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gateway.toml", "keys"]


def test_far_side_that_is_away_is_no_wrong_configuration(town, tmp_path):
    """The gateway starts without its peers, says so on /readyz, and stops when told."""
    address = f'address = "{town.wires["bureau"].address}"'
    file = copy_of(town, tmp_path, replaced(address, 'address = "127.0.0.1:1"'))
    with subprocess.Popen(
        [sys.executable, "-m", "gateway", "serve", "--config", str(file), "--embedded"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        said = json.loads(process.stdout.readline())
        process.stdin.close()
        status = process.wait(30)

    assert said["http"].startswith("http://127.0.0.1:")
    assert status == 0
