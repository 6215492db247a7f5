"""Components come from custodians, one after the other, or from a file that is no ceremony."""

import pytest

from gateway.app.ceremony import Components, Terminal
from gateway.hsm.key_block import check_value
from gateway.hsm.key_material import UnfitKey, combine, fresh_key
from gateway.pinblock.zone import Algorithm
from gateway.terms.errors import LocalError, SpecificationError

PARTS = [fresh_key(Algorithm.AES, 32) for _ in range(2)]
VALUES = [check_value(Algorithm.AES, part) for part in PARTS]
KEY = bytes(a ^ b for a, b in zip(*PARTS, strict=True))
NAMES = ("测试甲", "测试乙")


class Desk:
    """A terminal whose answers are written down before."""

    def __init__(self, hidden, shown):
        self.hidden, self.shown, self.told = list(hidden), list(shown), []

    def terminal(self):
        return Terminal(self.told.append, lambda _: self.shown.pop(0), lambda _: self.hidden.pop(0))


def test_each_custodian_enters_a_component_and_sees_its_check_value_only():
    """Two custodians make a key; nothing of what they entered is told again."""
    desk = Desk([part.hex() for part in PARTS], VALUES)

    given = Components.from_custodians(NAMES, Algorithm.AES, desk.terminal())

    assert given.key(Algorithm.AES, check_value(Algorithm.AES, KEY)) == KEY
    assert given.custodians == NAMES
    told = "\n".join(desk.told) + repr(given)
    assert all(value in told for value in VALUES)
    assert not any(part.hex()[:6] in told.lower() for part in PARTS)


def test_mistyped_component_may_be_entered_again():
    """Digits in groups are taken; what is no component, or another one, is asked for anew."""
    grouped = " ".join(PARTS[0].hex()[at : at + 4] for at in range(0, 64, 4))
    desk = Desk(["xyz", "00" * 32, grouped, PARTS[1].hex()], VALUES)

    given = Components.from_custodians(NAMES, Algorithm.AES, desk.terminal())

    assert given.parts == tuple(PARTS)
    assert "Refused: not hexadecimal digits." in desk.told
    assert "Refused: every byte is the same." in desk.told


def test_component_that_does_not_fit_its_paper_ends_the_ceremony_after_three_attempts():
    """A wrong check value is refused three times, and then nothing is changed."""
    desk = Desk([PARTS[0].hex()] * 3, [VALUES[1]] * 3)

    with pytest.raises(LocalError, match="nothing was changed"):
        Components.from_custodians(NAMES, Algorithm.AES, desk.terminal())


@pytest.mark.parametrize("names", [("测试甲",), ("测试甲", "测试甲"), tuple("abcdefghi")])
def test_custodians_are_several_and_different(names):
    """One person never has a whole key, under two names neither."""
    with pytest.raises(LocalError, match="different custodians"):
        Components.from_custodians(names, Algorithm.AES, Desk([], []).terminal())


def test_key_with_another_check_value_is_refused():
    """Both components may be right and still not belong together; the value they have is told."""
    given = Components(NAMES, (PARTS[0], fresh_key(Algorithm.AES, 32)))
    found = check_value(Algorithm.AES, combine(Algorithm.AES, given.parts))

    with pytest.raises(UnfitKey, match=f"another check value than expected: {found}"):
        given.key(Algorithm.AES, check_value(Algorithm.AES, KEY))


def table(name=NAMES[0], part=PARTS[0], value=VALUES[0]):
    """Write one component as a file has it."""
    return (
        f'[[components]]\ncustodian = "{name}"\ncomponent = "{part.hex()}"\n'
        f'check_value = "{value}"\n'
    )


@pytest.fixture(name="file")
def _file(tmp_path):
    def write(text, mode=0o600):
        file = tmp_path / "components.toml"
        file.write_text(text)
        file.chmod(mode)
        return file

    return write


def test_file_gives_the_same_components(file):
    """A harness gets the same key as the custodians would."""
    text = table() + table(NAMES[1], PARTS[1], VALUES[1])

    given = Components.from_file(file(text), Algorithm.AES)

    assert given.key(Algorithm.AES, check_value(Algorithm.AES, KEY)) == KEY


@pytest.mark.parametrize(
    ("text", "mode", "rule"),
    [
        (table(), 0o640, "chmod 600"),
        (table(value=VALUES[1]), 0o600, r"components\.0: has another check value"),
        (table() + table(part=PARTS[1], value=VALUES[1]), 0o600, "name a custodian twice"),
        ('[[components]]\ncustodian = "a"\n', 0o600, r"components\.0: needs custodian"),
        ('components = ["a"]', 0o600, r"components\.0: needs custodian"),
        (table(value=VALUES[0]).replace(VALUES[0], "0"), 0o600, "another check value"),
    ],
)
def test_file_that_is_not_right_is_refused_without_repeating_it(file, text, mode, rule):
    """Permissions, check values and custodians are checked as in a ceremony."""
    with pytest.raises(SpecificationError, match=rule) as caught:
        Components.from_file(file(text, mode), Algorithm.AES)

    assert PARTS[0].hex()[:8] not in str(caught.value)
