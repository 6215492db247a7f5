"""Files that others may read are refused, with the remedy."""

import os
import subprocess
import sys
from threading import Timer

import pytest

from gateway.hsm.private_files import (
    append_private,
    held_alone,
    locked,
    read_private,
    replace_private,
    write_private,
)
from gateway.terms.errors import LocalError, SpecificationError


def test_file_is_made_for_its_owner_only(tmp_path):
    """What is written has mode 0600 and is read back."""
    file = tmp_path / "key"

    write_private(file, "secret 测试\n")

    assert file.stat().st_mode & 0o777 == 0o600
    assert read_private(file) == "secret 测试\n"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o644, 0o620, 0o601])
def test_file_that_others_may_reach_is_refused_with_the_remedy(tmp_path, mode):
    """Any permission of group or others refuses the file and names chmod."""
    file = tmp_path / "key"
    write_private(file, "secret")
    file.chmod(mode)

    with pytest.raises(SpecificationError, match=f"chmod 600 {file}") as caught:
        read_private(file)

    assert "secret" not in str(caught.value)


def test_file_of_somebody_else_is_refused_with_the_remedy(tmp_path, monkeypatch):
    """A file that belongs to another user is refused and chown is named."""
    file = tmp_path / "key"
    write_private(file, "secret")
    monkeypatch.setattr(os, "geteuid", lambda: file.stat().st_uid + 1)

    with pytest.raises(SpecificationError, match="chown"):
        read_private(file)


def test_symbolic_link_is_not_followed(tmp_path):
    """A name that points elsewhere is refused, whatever it points to."""
    write_private(tmp_path / "key", "secret")
    (tmp_path / "link").symlink_to(tmp_path / "key")

    with pytest.raises(SpecificationError, match="cannot be read"):
        read_private(tmp_path / "link")


@pytest.mark.parametrize(("name", "rule"), [("none", "cannot be read"), (".", "regular file")])
def test_what_is_no_file_is_refused(tmp_path, name, rule):
    """A missing file and a directory are refused by name."""
    with pytest.raises(SpecificationError, match=rule):
        read_private(tmp_path / name)


def test_text_that_is_not_utf_8_is_refused(tmp_path):
    """Bytes that are no text are refused."""
    file = tmp_path / "key"
    write_private(file, "")
    file.write_bytes(b"\xff")

    with pytest.raises(SpecificationError, match="UTF-8"):
        read_private(file)


def test_existing_file_is_never_overwritten(tmp_path):
    """A key that is there already stays."""
    write_private(tmp_path / "key", "old")

    with pytest.raises(SpecificationError, match="cannot be made"):
        write_private(tmp_path / "key", "new")

    assert read_private(tmp_path / "key") == "old"


def test_file_is_replaced_whole(tmp_path):
    """The new text takes the place of the old one, for its owner only."""
    file = tmp_path / "keys"
    write_private(file, "old")

    replace_private(file, "new")

    assert read_private(file) == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["keys"]
    assert file.stat().st_mode & 0o777 == 0o600


def test_replacement_that_died_halfway_leaves_the_old_file(tmp_path, monkeypatch):
    """A disk that takes no more keeps what was there, and the next attempt is not in the way."""
    file = tmp_path / "keys"
    write_private(file, "old")
    monkeypatch.setattr(os, "fsync", _full)

    with pytest.raises(LocalError, match=r"keys\.new: cannot be put on disk"):
        replace_private(file, "new")
    monkeypatch.undo()

    assert read_private(file) == "old"
    replace_private(file, "newer")
    assert read_private(file) == "newer"


def _full(_descriptor):
    raise OSError(28, "No space left on device")


def test_text_is_added_at_the_end_of_a_file_that_is_there(tmp_path):
    """Nothing is added to a file that is missing: it would hide its loss."""
    with pytest.raises(SpecificationError, match="cannot be written"):
        append_private(tmp_path / "log", "line")
    write_private(tmp_path / "log", "one\n")

    append_private(tmp_path / "log", "two\n")

    assert read_private(tmp_path / "log") == "one\ntwo\n"


def test_file_beyond_the_limit_is_refused(tmp_path):
    """Nothing is read in part: what is too large is refused."""
    write_private(tmp_path / "log", "four")

    with pytest.raises(SpecificationError, match="larger than 3 bytes"):
        read_private(tmp_path / "log", 3)


def test_writer_keeps_everybody_else_out(tmp_path):
    """While a directory is held for writing, another process gets it neither to read nor write."""
    tmp_path.chmod(0o700)
    code = (
        "import fcntl, os, sys; d = os.open(sys.argv[1], os.O_RDONLY);"
        "fcntl.flock(d, fcntl.LOCK_SH | fcntl.LOCK_NB)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]

    with locked(tmp_path, for_writing=True):
        during = subprocess.run(command, check=False, capture_output=True).returncode
    after = subprocess.run(command, check=False, capture_output=True).returncode

    assert (during, after) == (1, 0)


def test_file_is_held_by_one_process_and_let_go_of_with_it(tmp_path):
    """Whoever comes second waits for the end of the first, or is told the remedy."""
    file = tmp_path / "lock"
    code = (
        "import fcntl, os, sys; d = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o600);"
        "fcntl.flock(d, fcntl.LOCK_EX); print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(file)]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    holder.stdout.readline()

    with pytest.raises(SpecificationError, match="lock: wait for the other"):
        held_alone(file, "wait for the other", seconds_max=0).__enter__()
    ending = Timer(0.1, holder.communicate)
    ending.start()
    with held_alone(file, "wait for the other"):
        held = holder.poll()
    ending.join()

    assert held == 0


def test_file_that_others_may_read_is_held_by_nobody(tmp_path):
    """A lock that another user could hold would keep the module away for good."""
    file = tmp_path / "lock"
    file.touch(0o644)

    with pytest.raises(SpecificationError, match="chmod 600"):
        held_alone(file, "").__enter__()
    with pytest.raises(SpecificationError, match="cannot be made"):
        held_alone(tmp_path / "nowhere" / "lock", "").__enter__()
