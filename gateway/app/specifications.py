"""Reads ``specs/``: dialects, message sets and region profiles, each checked when loaded."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

import gateway
from gateway.app.text_files import read_text
from gateway.iso8583.dialect import Dialect, parse_dialect
from gateway.iso8583.message_set import MessageSet, must_fit, parse_message_set
from gateway.regions.catalogue import Catalogue, parse_catalogue
from gateway.regions.working_days import WorkingDays
from gateway.terms.errors import SpecificationError


def shipped_directory() -> Path:
    """Where the specifications are: in the installed package, or beside it in a checkout."""
    package = Path(gateway.__file__).parent
    inside = package / "specs"
    return inside if inside.is_dir() else package.parent / "specs"


@dataclass(frozen=True, slots=True)
class Specifications:
    """Loads specification files by name from one directory."""

    directory: Path

    def text(self, folder: str, name: str) -> tuple[str, str]:
        """Read a file; gives its text and its name for error messages."""
        file = self.file(folder, name)
        return read_text(file), str(file)

    def file(self, folder: str, name: str) -> Path:
        """Find a file by its name; raises `SpecificationError` with the names there are."""
        file = self.directory / folder / f"{name}.toml"
        if not file.exists():
            known = ", ".join(sorted(other.stem for other in file.parent.glob("*.toml")))
            rule = f"is not there; {folder} there are: {known or 'none'}"
            raise SpecificationError(str(file), "", rule)
        return file

    def dialect(self, name: str) -> Dialect:
        """Load a dialect by its name, with what it extends."""
        return parse_dialect(*self.text("dialects", name), partial(self.text, "dialects"))

    def message_set(self, name: str, dialect: Dialect) -> MessageSet:
        """Load a message set by its name and check it against its dialect."""
        text, file = self.text("messages", name)
        message_set = parse_message_set(text, file)
        must_fit(message_set, dialect, file)
        return message_set

    def catalogue(self, regions: Iterable[str] = ()) -> Catalogue:
        """Load the named region profiles, or every one; raises `SpecificationError` if none."""
        directory = self.directory / "regions"
        names = tuple(regions) or sorted(file.stem for file in directory.glob("*.toml"))
        if not names:
            raise SpecificationError(str(directory), "", "holds no region profile (*.toml)")
        return parse_catalogue(dict(self.text("regions", name)[::-1] for name in names))


def served(
    specifications: Specifications, regions: Collection[str], bureaus: set[str], file: str
) -> Catalogue:
    """Load the regions that are named; without names, those that a bureau's link leads to.

    Raises `SpecificationError` naming `file` for an institution without its link, and, where the
    links say what is served, for a link that leads to no institution.
    """
    found = specifications.catalogue(regions)
    leads_to = {agency.institution.link for agency in found.agencies.values()}
    if not regions:
        for link in sorted(bureaus - leads_to):
            rule = "leads to no institution of any region; give it the name that its profile has"
            raise SpecificationError(file, f"links.{link}", rule)
        return found.reached_over(bureaus)
    for agency in found.agencies.values():
        if agency.institution.link not in bureaus:
            raise SpecificationError(
                file,
                f"links.{agency.institution.link}",
                f"is missing: institution {agency.institution.code} is reached over it; "
                "add the link, or leave its region out of `regions`",
            )
    return found


def due_dates_unknown(
    catalogue: Catalogue, calendar: WorkingDays, today: date
) -> Iterator[tuple[str, str]]:
    """Name each region whose longest term, begun today, cannot be counted to its end, and why."""
    for profile in dict.fromkeys(agency.profile for agency in catalogue.agencies.values()):
        due = calendar.due(today, max(profile.rules(today).working_days.values(), default=0))
        if due.is_provisional:
            yield profile.region, _NOT_PUBLISHED.format(year=due.day.year)


_NOT_PUBLISHED = (
    "terms reach into {year}, whose holidays and working weekends are not known: due dates are "
    "estimates by weekdays until the file that `calendar` names has them"
)


def read_working_days(file: Path | None) -> WorkingDays:
    """Read the operator's calendar, if there is one; raises `SpecificationError`."""
    return WorkingDays() if file is None else WorkingDays.parse(read_text(file), str(file))
