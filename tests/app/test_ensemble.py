"""Processes of an ensemble: ready lines, last words, and nothing left behind."""

import signal

import pytest

from gateway.app import ensemble as module
from gateway.app.ensemble import Ensemble, launch
from gateway.app.settings import load_settings
from gateway.terms.errors import Unavailable
from gateway.terms.sides import Side

READY = 'import sys; print("{\\"iso8583\\": \\"127.0.0.1:1\\"}", flush=True); '


def test_process_that_says_it_is_ready_is_stopped_in_order(tmp_path):
    """Its ready line is read, SIGTERM ends it, and stopping again is nothing."""
    child = launch(tmp_path / "child.log", "-c", READY + "sys.stdin.read()")

    statuses = child.stop(), child.stop()

    assert child.said == {"iso8583": "127.0.0.1:1"}
    assert statuses == (-signal.SIGTERM, -signal.SIGTERM)
    assert child.process.stdin.closed
    assert child.process.stdout.closed


def test_process_that_does_not_stop_is_killed(tmp_path, monkeypatch):
    """Whoever ignores SIGTERM is ended."""
    monkeypatch.setattr(module, "STOP_SECONDS_MAX", 0.05)
    ignoring = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    child = launch(tmp_path / "child.log", "-c", ignoring + READY + "sys.stdin.read()")

    assert child.stop() == -signal.SIGKILL


@pytest.mark.parametrize("seconds", [60.0, 0.05])
def test_process_that_is_not_ready_is_told_with_its_last_words(tmp_path, monkeypatch, seconds):
    """One that ends, or stays mute, is ended and quoted."""
    monkeypatch.setattr(module, "READY_SECONDS_MAX", seconds)
    waiting = "import sys; sys.stdin.read()" if seconds < 1 else ""
    (tmp_path / "child.log").write_text("earlier words\n")

    with pytest.raises(Unavailable, match="child did not start; it said:\nearlier words"):
        launch(tmp_path / "child.log", "-c", waiting)


def test_ensemble_that_does_not_run_has_no_address(tmp_path):
    """Asking for a URL before the start is an error of its own."""
    ensemble = Ensemble(tmp_path)

    for ask in (lambda: ensemble.url, lambda: ensemble.control(Side.SOCIAL)):
        with pytest.raises(Unavailable, match="not running"):
            ask()
    ensemble.stop()


def test_failed_start_leaves_no_process(tmp_path, monkeypatch):
    """When a later process does not start, the earlier ones are ended."""
    started = []

    def start_simulator(self, name, port=0):
        del port
        if name == "core":
            raise Unavailable("no core")
        started.append(launch(self.directory / "bureau.log", "-c", READY + "sys.stdin.read()"))
        return started[0]

    monkeypatch.setattr(Ensemble, "start_simulator", start_simulator)

    with pytest.raises(Unavailable, match="no core"), Ensemble(tmp_path):
        pass

    assert started[0].process.returncode == -signal.SIGTERM


def test_process_that_ends_by_itself_is_named(tmp_path):
    """`wait` ends when one of them does, and says where its words are."""
    ensemble = Ensemble(tmp_path)
    ensemble.bureau = launch(tmp_path / "bureau.log", "-c", READY)

    with pytest.raises(Unavailable, match=r"bureau ended by itself; see .*bureau\.log"):
        ensemble.wait()
    ensemble.stop()


def test_configuration_it_writes_is_one_that_loads(tmp_path):
    """Limits given go to both sides; the token is kept as its digest only."""
    ensemble = Ensemble(tmp_path, limits={"answer_timeout_s": 0.5}, http={"answer_wait_s": 3})
    ensemble.bureau = launch(tmp_path / "bureau.log", "-c", READY)
    ensemble.core = launch(tmp_path / "core.log", "-c", READY)

    ensemble.write_configuration()
    ensemble.stop()

    settings = load_settings(ensemble.configuration)
    assert settings.limits(Side.SOCIAL).answer_timeout_s == 0.5
    assert settings.limits(Side.FINANCIAL).answer_timeout_s == 0.5
    assert settings.http.answer_wait_s == 3
    assert ensemble.token not in ensemble.configuration.read_text("utf-8")
