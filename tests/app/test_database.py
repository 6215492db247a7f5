"""Opening and upgrading the database that the settings name."""

import pytest

from gateway.app.database import open_database, upgrade_database
from gateway.app.settings import StoreSettings
from gateway.store import schema
from gateway.terms.errors import SpecificationError


def test_a_database_that_cannot_be_reached_is_named(postgresql):
    """Key, and what the server says against it."""
    url = f"host={postgresql.directory} user=gateway dbname=nowhere"

    with pytest.raises(SpecificationError, match="cannot be reached") as refused:
        open_database(None, url)
    assert refused.value.key == "store.url"
    assert 'database "nowhere" does not exist' in refused.value.rule


@pytest.mark.parametrize(("mode", "rule"), [(None, "No such file"), (0o644, "chmod 600")])
def test_a_password_file_that_libpq_would_pass_over_is_refused(tmp_path, mode, rule):
    """Else the server's refusal of nobody's password would be all that is told."""
    file = tmp_path / "pgpass"
    if mode is not None:
        file.touch(mode)

    with pytest.raises(SpecificationError, match=rule) as refused:
        open_database(None, "postgresql://a@h/d", file)
    assert refused.value.key == "store.password_file"


@pytest.mark.parametrize(
    ("url", "rule"),
    [("postgresql://a:secret@h/d", "no password"), ("postgresql//a", "must be such as")],
)
def test_a_url_is_checked_without_repeating_it(url, rule):
    """A password belongs in a file of its own."""
    with pytest.raises(SpecificationError, match=rule) as refused:
        open_database(None, url)
    assert "secret" not in str(refused.value)


def test_a_shared_database_is_upgraded_too(postgresql):
    """An empty one from nothing; a repeated command changes nothing."""
    postgresql.sql("DROP DATABASE IF EXISTS fresh WITH (FORCE)")
    postgresql.sql("CREATE DATABASE fresh")
    settings = StoreSettings(url=postgresql.url("fresh"))

    assert upgrade_database(settings) == (None, schema.HEAD)
    assert upgrade_database(settings) == (schema.HEAD, schema.HEAD)
