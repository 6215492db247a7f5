"""Certificate files of a listener: there, readable, and the private key for nobody else."""

import pytest

from gateway.app.certificates import certificates
from gateway.app.settings import TlsSettings
from gateway.terms.errors import SpecificationError


@pytest.fixture
def settings(tmp_path):
    """Give settings whose three files are as they must be."""
    files = {name: tmp_path / f"{name}.pem" for name in ("certificate", "private_key", "trust")}
    for file in files.values():
        file.touch(0o600)
    return TlsSettings(**files, subjects=({"CN": "core-1"},))


def test_files_and_subjects_are_those_of_the_settings(settings):
    """Who may connect is what the configuration says."""
    named = certificates(settings)

    assert (named.certificate, named.private_key, named.trust) == (
        settings.certificate,
        settings.private_key,
        settings.trust,
    )
    assert named.allows([("CN", "core-1")])
    assert not named.allows([("CN", "core-2")])


def test_private_key_that_others_may_read_is_refused(settings):
    """With the remedy, as for a key store."""
    settings.private_key.chmod(0o640)

    with pytest.raises(SpecificationError, match="chmod 600"):
        certificates(settings)


@pytest.mark.parametrize("name", ["certificate", "private_key", "trust"])
def test_file_that_is_not_there_is_named(settings, name):
    """Before anything listens."""
    getattr(settings, name).unlink()

    with pytest.raises(SpecificationError, match=rf"{name}\.pem"):
        certificates(settings)
