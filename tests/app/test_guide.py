"""What `gateway run` prints: where everything is and a first request to copy."""

from pathlib import Path

from gateway.app.ensemble import Child, Ensemble
from gateway.app.guide import guide
from gateway.simulators.population import person


def test_guide_holds_what_a_first_request_needs():
    """URLs, the token of each channel, a customer in order, and no placeholder left."""
    ensemble = Ensemble(Path("/somewhere"))
    ensemble.gateway = Child(None, {"http": "http://127.0.0.1:1"})
    ensemble.bureau = Child(None, {"control": "http://127.0.0.1:2"})
    ensemble.core = Child(None, {"control": "http://127.0.0.1:3"})

    text = guide(ensemble)

    who = person(1)
    for part in (ensemble.url, ensemble.token, who.card, who.pan, who.customer, "/somewhere"):
        assert part in text
    for channel, token in ensemble.tokens.items():
        assert any(line.split() == [channel, token] for line in text.splitlines())
    assert "http://127.0.0.1:2/_sim/faults" in text
    assert "http://127.0.0.1:3/_sim/state" in text
    assert '"institution":"99350201"' in text
