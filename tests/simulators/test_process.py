"""A simulator as a process: ready line, how it stops, and what it refuses to start with."""

import json
import signal
import socket

import pytest


@pytest.mark.parametrize("side", ["bureau", "core"])
@pytest.mark.parametrize("signal_", [signal.SIGINT, signal.SIGTERM])
def test_process_says_where_it_is_and_stops_on_a_signal(
    new_process, process_settings, side, signal_
):
    """One line of JSON with both addresses, on which it listens; a signal ends it cleanly."""
    process = new_process(process_settings(side))
    ready = json.loads(process.stdout.readline())
    for address in (ready["iso8583"], ready["control"].removeprefix("http://")):
        host, _, port = address.partition(":")
        socket.create_connection((host, int(port)), timeout=5).close()

    process.send_signal(signal_)

    assert process.wait(10) == 0
    assert process.stderr.read() == ""


def test_process_without_an_embedder_outlives_its_input(new_process, process_settings):
    """Started alone, the end of standard input means nothing."""
    process = new_process(process_settings("core", stop_with_stdin=False))
    json.loads(process.stdout.readline())
    process.stdin.close()

    process.send_signal(signal.SIGTERM)

    assert process.wait(10) == 0


@pytest.mark.parametrize(
    ("side", "changed", "named"),
    [
        ("bureau", {"keys": "/no/such/keys.toml"}, "/no/such/keys.toml"),
        ("bureau", {"region": None}, "region"),
        ("core", {"dialect": "BUREAU"}, "does not have"),
    ],
)
def test_wrong_settings_are_refused_before_anything_is_opened(
    new_process, process_settings, side, changed, named
):
    """The process ends with the file, the key and the rule on its last line."""
    settings = process_settings(side)
    if changed.get("dialect"):
        changed = {"dialect": settings["dialect"].replace("core.toml", "bureau.toml")}
    given = {key: value for key, value in (settings | changed).items() if value is not None}
    process = new_process(given)

    out, errors = process.communicate(timeout=60)

    assert (process.returncode, out) == (1, "")
    assert "SpecificationError" in errors.splitlines()[-1]
    assert named in errors.splitlines()[-1]


def test_port_in_use_is_named(new_process, process_settings):
    """A port that cannot be opened ends the process with the port in the message."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = new_process(process_settings("core", iso8583_port=port))
        _, errors = process.communicate(timeout=60)

    assert process.returncode == 1
    assert f"port {port} of 127.0.0.1 cannot be opened" in errors.splitlines()[-1]
