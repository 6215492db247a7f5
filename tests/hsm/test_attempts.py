"""Refused attempts outlive the process that counted them."""

import pytest

from gateway.hsm.attempts import ATTEMPTS_FILE, AttemptFile
from gateway.hsm.limits import RefusedAttempts
from gateway.hsm.private_files import FILE_BYTES_MAX
from gateway.terms.errors import SpecificationError

HOUR = 3600.0
BEGUN = 1_800_000_000.0


def limit(tmp_path):
    """Begin as a new process does."""
    return RefusedAttempts(3, HOUR, 10, AttemptFile(tmp_path / ATTEMPTS_FILE))


def refuse(limit, card, now, times=1):
    """Have a card try and be refused."""
    for _ in range(times):
        assert limit.allows(card, now)
        limit.count(card)


@pytest.mark.parametrize("restarts", [0, 1, 3])
def test_restart_does_not_give_a_card_new_attempts(tmp_path, restarts):
    """Three refusals close the card, however often the process began anew between them."""
    counting = limit(tmp_path)
    for _ in range(3):
        refuse(counting, "card", BEGUN)
        for _ in range(restarts):
            counting = limit(tmp_path)

    assert not counting.allows("card", BEGUN + 10)
    assert counting.allows("other", BEGUN + 10)


@pytest.mark.parametrize(
    ("seconds", "allowed"), [(HOUR - 1, False), (HOUR + 1, False), (2 * HOUR + 1, True)]
)
def test_counts_are_forgotten_as_by_a_process_that_lived(tmp_path, seconds, allowed):
    """Down for a while or not: attempts count for an hour at least, and two at most."""
    refuse(limit(tmp_path), "card", BEGUN, 3)

    assert limit(tmp_path).allows("card", BEGUN + seconds) is allowed


def test_span_before_is_kept_as_well(tmp_path):
    """One refusal in the hour before and two in this one are three, before and after a restart."""
    counting = limit(tmp_path)
    refuse(counting, "card", BEGUN)
    refuse(counting, "card", BEGUN + HOUR, 2)

    assert not counting.allows("card", BEGUN + HOUR + 1)
    assert not limit(tmp_path).allows("card", BEGUN + HOUR + 1)


def test_line_that_was_not_finished_counts_nothing(tmp_path):
    """A process that died while it wrote left half a line."""
    refuse(limit(tmp_path), "card", BEGUN, 2)
    with (tmp_path / ATTEMPTS_FILE).open("a") as file:
        file.write("car")

    assert limit(tmp_path).allows("card", BEGUN + 1)


def test_what_is_added_after_half_a_line_is_counted_whole(tmp_path):
    """The half line is cut off, so that it takes no later refusal with it."""
    refuse(limit(tmp_path), "card", BEGUN, 2)
    with (tmp_path / ATTEMPTS_FILE).open("a") as file:
        file.write("ca")
    refuse(limit(tmp_path), "card", BEGUN)

    assert not limit(tmp_path).allows("card", BEGUN + 1)


def test_more_refusals_than_other_files_may_be_long_are_read(tmp_path):
    """A module that was attacked for an hour can be started again, and has forgotten nothing."""
    card = "f" * 64
    refuse(limit(tmp_path), "card", BEGUN)
    with (tmp_path / ATTEMPTS_FILE).open("a") as file:
        file.write(f"{card}\n" * (1 + FILE_BYTES_MAX // len(card)))

    assert not limit(tmp_path).allows(card, BEGUN + 1)


@pytest.mark.parametrize("text", ["", "card\n", "ends soon\n", "ends 1\na card\n"])
def test_file_that_is_not_right_is_named(tmp_path, text):
    """Nothing is counted on a guess: the module does not start, and says what to do."""
    file = tmp_path / ATTEMPTS_FILE
    file.write_text(text)
    file.chmod(0o600)

    with pytest.raises(SpecificationError, match="all cards begin anew"):
        limit(tmp_path)


def test_file_that_others_may_read_is_refused(tmp_path):
    """It is the module's alone, as everything in its directory."""
    refuse(limit(tmp_path), "card", BEGUN)
    (tmp_path / ATTEMPTS_FILE).chmod(0o644)

    with pytest.raises(SpecificationError, match="chmod 600"):
        limit(tmp_path)


def test_file_holds_references_only(tmp_path):
    """What the gateway calls the card, and times: nothing else is there to be read."""
    refuse(limit(tmp_path), "0f" * 32, BEGUN, 2)

    lines = (tmp_path / ATTEMPTS_FILE).read_text().splitlines()

    assert lines == ["ends 1800003600", "0f" * 32, "0f" * 32]


def test_attempt_that_was_taken_back_counts_no_longer(tmp_path):
    """Counted before its outcome was known, it is gone when that was good, restart or not."""
    counting = limit(tmp_path)
    refuse(counting, "card", BEGUN, 3)
    counting.take_back("card")

    assert counting.allows("card", BEGUN + 1)
    again = limit(tmp_path)
    refuse(again, "card", BEGUN + 1)
    assert not limit(tmp_path).allows("card", BEGUN + 2)


def test_attempt_is_taken_back_though_its_hour_is_over(tmp_path):
    """The outcome may come when a new span of time has begun."""
    counting = limit(tmp_path)
    refuse(counting, "card", BEGUN, 3)
    assert not counting.allows("card", BEGUN + HOUR + 1)
    counting.take_back("card")

    assert counting.allows("card", BEGUN + HOUR + 1)
    assert limit(tmp_path).allows("card", BEGUN + HOUR + 1)


def test_nothing_is_taken_back_from_a_card_without_attempts(tmp_path):
    """A count never goes below nothing, in memory and on disk."""
    counting = limit(tmp_path)
    counting.allows("card", BEGUN)
    counting.take_back("card")
    refuse(counting, "card", BEGUN, 3)

    assert not counting.allows("card", BEGUN)
    assert not limit(tmp_path).allows("card", BEGUN)


def test_file_does_not_grow_with_what_is_taken_back(tmp_path, monkeypatch):
    """It is written anew from time to time, with what still counts."""
    monkeypatch.setattr("gateway.hsm.attempts.TAKEN_BACK_MAX", 5)
    counting = limit(tmp_path)
    refuse(counting, "kept", BEGUN, 2)
    for _ in range(50):
        refuse(counting, "card", BEGUN)
        counting.take_back("card")

    lines = (tmp_path / ATTEMPTS_FILE).read_text().splitlines()
    assert len(lines) <= 1 + 2 + 2 * 6
    refuse(limit(tmp_path), "kept", BEGUN)
    assert not limit(tmp_path).allows("kept", BEGUN)
