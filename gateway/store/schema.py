"""The schema of a database: made in an empty one, checked at each start, upgraded on command.

Nothing upgrades by itself: a copy of the data is made first, and that is a person's decision.
"""

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from gateway.store.tables import metadata
from gateway.terms.errors import SpecificationError

FIRST = "0001"
REVISIONS = (FIRST, "0002", "0003", "0004", "0005")
"""Every revision in ``migrations``, in order; this release works with the last one only."""

HEAD = REVISIONS[-1]
_UPGRADE = "make a copy of it, then run: gateway store upgrade --config FILE"
_CREATE_VERSION = (  # as alembic makes it
    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
    "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
)


def ensure(engine: Engine, place: str) -> None:
    """Make the schema in an empty database; refuse any but this release's in another.

    Raises `SpecificationError` naming `place` and the remedy.
    """
    with engine.begin() as connection:
        _alone(connection)
        found = stored_revision(connection)
        if found is None:
            metadata.create_all(connection)
            _stamp(connection, HEAD)
        elif found != HEAD:
            raise SpecificationError(place, "store", _why_not(found))


def upgrade(engine: Engine, place: str) -> tuple[str | None, str]:
    """Bring a database up to this release; gives the revisions before and after.

    All of it is one transaction. Raises `SpecificationError` when it is of a newer release.
    """
    with engine.begin() as connection:
        _alone(connection)
        found = stored_revision(connection)
        if found is not None and found not in REVISIONS:
            raise SpecificationError(place, "store", _why_not(found))
        if connection.dialect.name == "postgresql":
            # An index over years of history takes as long as it takes.
            connection.execute(text("SET LOCAL statement_timeout = 0"))
        if found == FIRST and not _has_version(connection):
            _stamp(connection, FIRST)
        _run_migrations(connection)
    return found, HEAD


def stored_revision(connection: Connection) -> str | None:
    """Read a database's revision, or None of an empty one.

    The first release wrote no revision; its tables tell.
    """
    if _has_version(connection):
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return FIRST if inspect(connection).has_table("operations_operations") else None


def _alone(connection: Connection) -> None:
    """Let no other node make or change the schema until this transaction ends."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:ours)"), {"ours": _OURS})


_OURS = 8583_0301  # any number that is nobody else's on the same database


def _has_version(connection: Connection) -> bool:
    return inspect(connection).has_table("alembic_version")


def _stamp(connection: Connection, revision: str) -> None:
    connection.execute(text(_CREATE_VERSION))
    connection.execute(
        text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": revision}
    )


def _why_not(found: str) -> str:
    if found in REVISIONS:
        return f"has the schema of an older release ({found}, not {HEAD}); {_UPGRADE}"
    return f"has the schema of a newer release ({found}, not {HEAD}); run that release"


def _run_migrations(connection: Connection) -> None:
    # Imported here: a gateway that only serves needs none of it.
    from alembic.config import Config  # noqa: PLC0415
    from alembic.runtime.environment import EnvironmentContext  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    place = str(Path(__file__).parent / "migrations")
    script = ScriptDirectory(place, version_locations=[place])
    environment = EnvironmentContext(
        Config(),
        script,
        fn=lambda found, _context: script._upgrade_revs(HEAD, found),  # noqa: SLF001
    )
    with environment:
        environment.configure(connection=connection, target_metadata=metadata)
        environment.run_migrations()
