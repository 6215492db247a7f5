"""A terminal asks for the PIN where the region says, and tells right from wrong."""

from datetime import date

import pytest

from gateway.regions.profile import parse_profile
from gateway.regions.vocabulary import Scene
from gateway.simulators.pin import PinHash
from gateway.simulators.pin_desk import PinTerms
from gateway.simulators.population import CardState, PinState, person
from gateway.simulators.records import CardRecord
from gateway.simulators.terminal import TerminalAnswer, at_terminal

TODAY = date(2026, 11, 21)
RIGHT, WRONG = "738291", "248163"


@pytest.fixture
def use(specifications):
    """Give what uses a card at a terminal of one region."""

    def use(region, scene, pin_state, pin):
        file = specifications / "regions" / f"{region}.toml"
        rules = parse_profile(file.read_text("utf-8"), region).rules(TODAY).pin
        known = PinHash.of(RIGHT, bytes(16)) if pin_state is not PinState.INITIAL else None
        card = CardRecord("T00000001", person(1).at_bureau, CardState.NORMAL, pin_state, known)
        return at_terminal(card, pin, scene, rules, PinTerms(rules.policy, 6)).answer

    return use


@pytest.mark.parametrize(
    ("region", "scene", "pin_state", "pin", "answer"),
    [
        ("qingdao", Scene.PHARMACY, PinState.ENABLED, RIGHT, TerminalAnswer.ACCEPTED),
        ("qingdao", Scene.PHARMACY, PinState.ENABLED, WRONG, TerminalAnswer.REFUSED),
        ("qingdao", Scene.PHARMACY, PinState.ENABLED, None, TerminalAnswer.REFUSED),
        ("qingdao", Scene.PHARMACY, PinState.OPTED_OUT, None, TerminalAnswer.NOT_ASKED),
        ("qingdao", Scene.HOSPITAL, PinState.ENABLED, None, TerminalAnswer.SIGNATURE),
        ("qingdao", Scene.BUREAU, PinState.ENABLED, None, TerminalAnswer.NOT_ASKED),
        ("shijiazhuang", Scene.HOSPITAL, PinState.INITIAL, None, TerminalAnswer.NOT_ASKED),
        ("shijiazhuang", Scene.HOSPITAL, PinState.ENABLED, RIGHT, TerminalAnswer.ACCEPTED),
        ("fangchenggang", Scene.PHARMACY, PinState.LOCKED, RIGHT, TerminalAnswer.REFUSED),
        ("xiamen", Scene.PHARMACY, PinState.OPTED_OUT, RIGHT, TerminalAnswer.REFUSED),
    ],
)
def test_terminal_answers_as_its_region_has_it(use, region, scene, pin_state, pin, answer):
    """By scene and PIN state no PIN, a signature, the right PIN, or none that can be used."""
    assert use(region, scene, pin_state, pin) is answer
