"""The command `gateway`: what it is asked, its exit status, and errors of one line."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from gateway.app import settings
from gateway.app.command_line import app
from gateway.app.commands import clock, security_module, serve, simulate, store
from gateway.app.commands import run as running
from gateway.app.stories import story
from gateway.store import schema
from gateway.terms.errors import Unavailable


@pytest.fixture
def run(monkeypatch):
    """Give a runner of one command."""
    monkeypatch.setattr(running.signal, "signal", lambda *_: None)

    def run(*arguments):
        return CliRunner().invoke(app, list(map(str, arguments)))

    return run


class Ensemble:
    """An ensemble without processes."""

    def __init__(self, directory, *, region, port, token):
        self.directory, self.told = directory, (region, port, token)

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        pass

    def wait(self):
        raise KeyboardInterrupt


@pytest.fixture
def no_processes(monkeypatch):
    """Put an ensemble without processes in the place of the real one."""
    monkeypatch.setattr(running, "Ensemble", Ensemble)


COMMANDS = get_command(app).commands


def test_help_names_every_command(run):
    """What can be done is found without the manual."""
    shown = run("--help").output

    assert {name for name in COMMANDS if name not in shown} == {"documents"}  # for those at work


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_of_a_command_what_the_command_says_of_itself(run, name):
    """Two places, one sentence; and each command is where the table says."""
    said, _, _ = COMMANDS[name].help.partition(": ")

    assert said in " ".join(run(name, "--help").output.split())


NOTHING = ("pydantic", "sqlalchemy", "starlette", "structlog", "twisted", "gateway.hsm")
SERVER = ("sqlalchemy", "starlette", "uvicorn", "httpx", "gateway.api", "gateway.store")


@pytest.mark.parametrize(
    ("module", "needless"),
    [
        ("gateway.app.command_line", NOTHING),
        ("gateway.app.commands.serve", ("sqlalchemy", "twisted", "gateway.app.serve")),
        ("gateway.app.commands.security_module", (*SERVER, "twisted", "gateway.iso8583.codec")),
        ("gateway.app.commands.simulate", (*SERVER, "gateway.hsm", "gateway.linking")),
        ("gateway.app.serve", ("sqlalchemy", "sqlite3", "markdown_it", "gateway.hsm.payshield")),
        (
            "gateway.app.store_main",
            ("alembic", "psycopg", "pydantic", "starlette", "twisted", "gateway.iso8583.codec"),
        ),
    ],
)
def test_process_loads_only_what_it_needs(module, needless):
    """Help is there at once, a module knows no HTTP, and one gateway's choices cost no other's."""
    listing = f"import sys, {module}; print(*sys.modules)"

    done = subprocess.run(
        [sys.executable, "-c", listing], capture_output=True, text=True, check=True
    )

    assert module in done.stdout.split()
    assert set(needless).isdisjoint(done.stdout.split())


def test_command_that_is_not_there_is_refused_with_the_nearest(run):
    """A slip of the finger needs no manual."""
    result = run("serv")

    assert result.exit_code == 2
    assert "'serve'" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (("serve", "--config", "{}/no.toml"), "no.toml: cannot be read: No such file"),
        (("security-module", "--side", "social", "--key-store", "{}/no", "--socket", "{}/s"), "no"),
        (("simulate", "bureau", "--keys", "{}/no.toml"), "no.toml: "),
    ],
)
def test_what_is_wrong_is_told_in_one_line(tmp_path, arguments, rule):
    """Exit status 2, file and rule on standard error, no traceback."""
    command = [sys.executable, "-m", "gateway", *(each.format(tmp_path) for each in arguments)]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"gateway: {tmp_path}/{rule}")
    assert done.stderr.count("\n") == 1


def test_defect_keeps_its_traceback(run, monkeypatch, tmp_path):
    """What is not an error on purpose is not made to look like one."""

    def defect(*_arguments, **_more):
        raise ZeroDivisionError

    monkeypatch.setattr(security_module, "run", defect)

    result = run(
        "security-module", "--side", "social", "--key-store", tmp_path, "--socket", tmp_path / "s"
    )

    assert isinstance(result.exception, ZeroDivisionError)


@pytest.mark.parametrize("status", [0, 3])
def test_serve_ends_with_the_gateways_status(run, monkeypatch, tmp_path, status):
    """Whoever started the gateway hears how it ended."""
    given = []

    def served(what, store, *, embedded, clock):
        given.append((what, store, embedded, clock.movable))
        return status

    monkeypatch.setattr(serve, "load_settings", lambda file: f"settings of {file.name}")
    monkeypatch.setattr(serve.store_process, "launch", lambda: "store")
    monkeypatch.setattr("gateway.app.serve.serve", served)

    result = run("serve", "--config", tmp_path / "gateway.toml", "--embedded")

    assert result.exit_code == status
    assert given == [("settings of gateway.toml", "store", True, False)]


def test_clock_is_moved_for_a_gateway_that_runs(run, monkeypatch, tmp_path):
    """The command tells the instant that it is for the gateway then."""
    given = []
    monkeypatch.setattr(clock, "load_settings", lambda _: SimpleNamespace(beside=tmp_path))
    monkeypatch.setattr(clock, "let_pass", lambda *asked: given.append(asked) or "then")

    result = run("clock", "--config", tmp_path / "gateway.toml", "--advance-seconds", 86_400)

    assert (result.output, given) == ("then\n", [(tmp_path, 86_400)])


def test_store_upgrade_tells_the_revisions(run, monkeypatch, tmp_path):
    """From which to which, and a repeated command changes nothing."""
    database = settings.StoreSettings(path=tmp_path / "gateway.db")
    monkeypatch.setattr(store, "load_settings", lambda _file: SimpleNamespace(store=database))

    outputs = [run("store", "upgrade", "--config", "gateway.toml").output for _ in range(2)]

    assert outputs == [
        f"schema of an empty database to {schema.HEAD}\n",
        f"schema {schema.HEAD} to {schema.HEAD}\n",
    ]


@pytest.mark.parametrize(("name", "has_region"), [("bureau", True), ("core", False)])
def test_simulator_gets_the_files_of_its_side(run, monkeypatch, tmp_path, name, has_region):
    """A bureau is of a region, a core is not; both speak their own message set."""
    given = []
    monkeypatch.setattr(simulate, "run_simulator", given.append)

    result = run("simulate", name, "--keys", tmp_path / "keys.toml", "--port", 8583)

    (settings,) = given
    assert result.exit_code == 0
    assert (settings.side, settings.iso8583_port, settings.stop_with_stdin) == (name, 8583, False)
    assert settings.message_set.name == settings.dialect.name == f"{name}.toml"
    assert (settings.region is not None) is has_region


@pytest.mark.usefixtures("no_processes")
@pytest.mark.parametrize(
    ("given", "told"),
    [
        ((), ("xiamen", 0, "")),
        (("--region", "kunming", "--port", 8, "--token", "t"), ("kunming", 8, "t")),
    ],
)
def test_run_stays_up_until_it_is_interrupted(run, monkeypatch, given, told):
    """The guide is printed first, and an interrupt is the right way to end it."""
    monkeypatch.setattr(running, "guide", lambda ensemble: str(ensemble.told))

    result = run("run", *given)

    assert (result.exit_code, result.output) == (0, f"{told}\nStopping.\n")


@pytest.mark.usefixtures("no_processes")
@pytest.mark.parametrize("error", [None, story.StepFailed("step 3"), Unavailable("bureau")])
def test_demo_succeeds_only_when_every_step_did(run, monkeypatch, error):
    """Exit status 0 means that each step came out as it should."""

    def play(_story):
        if error:
            raise error

    monkeypatch.setattr(story.Story, "play", play)

    result = run("demo")

    assert result.exit_code == (2 if error else 0)
    assert ("Every step came out" in result.output) is (error is None)
    assert (result.stderr == f"gateway: {error}\n") is (error is not None)
