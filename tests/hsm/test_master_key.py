"""The master key comes from a file or a systemd credential that nobody else can read."""

import os

import pytest

from gateway.hsm.master_key import read_master_key
from gateway.terms.errors import SpecificationError
from gateway.terms.sides import Side

KEY = "0123456789ABCDEF" * 4


@pytest.fixture(name="credential")
def _credential(tmp_path):
    file = tmp_path / "credentials" / "social-master.key"
    file.parent.mkdir()
    file.write_text(KEY)
    file.chmod(0o400)
    return file


def read(tmp_path, credential):
    """Read the social master key of a store that has none of its own."""
    environment = {"CREDENTIALS_DIRECTORY": str(credential.parent)}
    return read_master_key(tmp_path, Side.SOCIAL, environment)


def as_root(monkeypatch):
    """Have every file belong to root, as systemd's credentials do where it can set an ACL."""
    real = os.fstat

    def fstat(descriptor):
        status = list(real(descriptor))
        status[4] = 0
        return os.stat_result(status)

    monkeypatch.setattr(os, "fstat", fstat)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)


def test_credential_of_the_side_is_taken(tmp_path, credential):
    """The credential that is named after the side takes the place of the file."""
    assert read(tmp_path, credential) == bytes.fromhex(KEY)


def test_credential_of_the_other_side_is_not(tmp_path, credential):
    """A unit that was given the other side's key only has none: the file is looked for."""
    environment = {"CREDENTIALS_DIRECTORY": str(credential.parent)}

    with pytest.raises(SpecificationError, match=r"master\.key: cannot be read"):
        read_master_key(tmp_path, Side.FINANCIAL, environment)


def test_file_beside_the_credential_is_refused(tmp_path, credential):
    """A copy on the disk would make the credential pointless."""
    (tmp_path / "master.key").write_text(KEY)

    with pytest.raises(SpecificationError, match="must not be there beside the credential"):
        read(tmp_path, credential)


@pytest.mark.parametrize("mode", [0o440, 0o404, 0o420, 0o401])
def test_credential_of_ours_that_others_may_read_is_refused(tmp_path, credential, mode):
    """A credential that belongs to the unit's user is that user's alone."""
    credential.chmod(mode)

    with pytest.raises(SpecificationError, match="chmod 400"):
        read(tmp_path, credential)


def test_credential_of_root_may_show_the_mask_of_its_acl(tmp_path, credential, monkeypatch):
    """Systemd keeps it with root and lets the unit in by an ACL, seen as the group's right."""
    credential.chmod(0o440)
    as_root(monkeypatch)

    assert read(tmp_path, credential) == bytes.fromhex(KEY)


@pytest.mark.parametrize("mode", [0o444, 0o460, 0o441, 0o450])
def test_credential_of_root_that_others_may_reach_is_refused(
    tmp_path, credential, monkeypatch, mode
):
    """Nobody else may read it, and nobody at all may write it."""
    credential.chmod(mode)
    as_root(monkeypatch)

    with pytest.raises(SpecificationError, match="by the unit's user only"):
        read(tmp_path, credential)


@pytest.mark.parametrize("text", ["", "00" * 31, "zz" * 32])
def test_malformed_master_key_is_refused_without_repeating_it(tmp_path, credential, text):
    """A master key has 64 hexadecimal digits."""
    credential.chmod(0o600)
    credential.write_text(text)

    with pytest.raises(SpecificationError, match="64 hexadecimal digits"):
        read(tmp_path, credential)
