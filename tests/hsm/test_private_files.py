"""Files that others may read are refused, with the remedy."""

import os

import pytest

from gateway.hsm.private_files import read_private, write_private
from gateway.terms.errors import SpecificationError


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
