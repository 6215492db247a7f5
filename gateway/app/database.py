"""Opens and upgrades the database of either kind; no other module of this room does."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.store.engine import Database
from gateway.store.schema import ensure, upgrade

if TYPE_CHECKING:
    from gateway.app.settings import StoreSettings
    from gateway.store.postgresql import SharedDatabase


def open_database(
    path: Path | None,
    url: str | None,
    password_file: Path | None = None,
    take: Callable[[Any, str], object] = ensure,
) -> "Database | SharedDatabase":
    """Open the embedded database where there is a path, the shared one else; raises as these do."""
    if path is not None:
        return Database(path, take)
    # Imported here: who has the embedded database loads no driver of another.
    from gateway.store.postgresql import SharedDatabase  # noqa: PLC0415

    return SharedDatabase(url or "", password_file, take)


def upgrade_database(settings: "StoreSettings") -> tuple[str | None, str]:
    """Bring a database up to this release; gives the revisions before and after.

    Raises `SpecificationError` as opening it does, and when it is of a newer release.
    """
    done: list[tuple[str | None, str]] = []

    def take(engine: Any, place: str) -> None:  # noqa: ANN401 - SQLAlchemy's
        done.append(upgrade(engine, place))

    open_database(settings.path, settings.url, settings.password_file, take).close()
    return done[0]
