"""`gateway regions`: check a profile, explain one, compare two, count the PINs they refuse."""

from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from gateway.app.clock import LOCAL_ZONE, utc_now
from gateway.app.commands.refusals import in_one_line
from gateway.app.specifications import Specifications, shipped_directory
from gateway.app.text_files import read_text
from gateway.regions.explanation import Granting, differences, grantings, settings
from gateway.regions.profile import RegionProfile, parse_profile
from gateway.regions.vocabulary import Business

_SCREEN_COLUMNS = 160  # a phrase of a seed beside its value

app = typer.Typer(help="Region profiles.", no_args_is_help=True, add_completion=False)

_On = Annotated[
    datetime | None, typer.Option("--on", formats=["%Y-%m-%d"], help="As of this day; today.")
]
_Directory = Annotated[Path | None, typer.Option("--specifications", help="Your own specs/.")]


@app.command()
def check(file: Annotated[Path, typer.Argument(help="A region profile, TOML.")]) -> None:
    """Check a profile: every value dated and with its source, no two rules at odds."""
    with in_one_line():
        profile = parse_profile(read_text(file), str(file))
    sources = [each.source for each in settings(profile, profile.days[-1])]
    sources += [grant.source for grant in profile.file.grants]
    defaults = sum(source.startswith("default:") for source in sources)
    typer.echo(
        f"{profile.region}: {len(sources)} values and grants, {defaults} of them defaults; "
        f"rules change on {_days(profile)}"
    )


@app.command()
def explain(
    region: Annotated[str, typer.Argument(help="A region, or the file of a profile.")],
    on: _On = None,
    specifications: _Directory = None,
) -> None:
    """Print what a region's profile says on a day, each value with its source."""
    day = _day(on)
    with in_one_line():
        profile = _profile(region, specifications)
    console = _console()
    name = profile.file.name
    console.print(f"{name.zh} {name.en} ({profile.file.code}), {day:%Y-%m-%d}", style="bold")
    console.print(_settings_table(profile, day))
    console.print(_grants_table(profile, day))
    silent = [each for each in Business if not profile.rules(day).matrix.places(each)]
    console.print(f"Not granted anywhere: {', '.join(silent)}.")


@app.command()
def diff(
    one: Annotated[str, typer.Argument(help="A region, or the file of a profile.")],
    other: Annotated[str, typer.Argument(help="Another one.")],
    on: _On = None,
    specifications: _Directory = None,
) -> None:
    """Print in what two profiles differ on a day; ends with 1 if they do, as `diff` does."""
    day = _day(on)
    with in_one_line():
        ours, theirs = _profile(one, specifications), _profile(other, specifications)
    table = _table("", ours.region, theirs.region)
    for each in differences(ours, theirs, day):
        table.add_row(each.key, each.one or "-", each.other or "-")
    _console().print(table)
    raise typer.Exit(1 if table.rows else 0)


@app.command()
def pins(
    regions: Annotated[list[str] | None, typer.Argument(help="Which regions; all.")] = None,
    pin_list: Annotated[Path | None, typer.Option(help="PINs to refuse, one a line.")] = None,
) -> None:
    """Count the PINs that each region refuses to everybody today; takes a minute for each."""
    from gateway.hsm.pin_list import read_pin_list  # noqa: PLC0415 - loads a cipher library
    from gateway.pinblock.policy import PinHolder, PinList  # noqa: PLC0415
    from gateway.pinblock.share import share  # noqa: PLC0415

    with in_one_line():
        operators = read_pin_list(pin_list) if pin_list else PinList()
        catalogue = Specifications(shipped_directory()).catalogue(regions or ())
    profiles = {each.profile.region: each.profile for each in catalogue.agencies.values()}
    for region, profile in profiles.items():
        counted = share(profile.rules(_day(None)).pin.policy, PinHolder(), operators)
        typer.echo(
            f"{region}: refuses {counted.refused:,} of {counted.all:,} PINs "
            f"({100 * counted.refused / counted.all:.2f} %), advises against "
            f"{counted.advised:,}; a holder's own numbers come on top"
        )


def _console() -> Console:
    """Print as it is: a pattern such as [0-9] is no markup."""
    return Console(width=_SCREEN_COLUMNS, highlight=False, markup=False)


def _table(*columns: str) -> Table:
    """Make a table that folds long phrases, which Chinese has no spaces for."""
    return Table(*(Column(each, overflow="fold") for each in columns))


def _settings_table(profile: RegionProfile, day: date) -> Table:
    table = _table("key", "value", "since", "source")
    for each in settings(profile, day):
        table.add_row(each.key, each.value, _date(each.since), each.source)
    return table


def _grants_table(profile: RegionProfile, day: date) -> Table:
    table = _table("business", "channel", "proofs, all of them", "since", "source")
    former: Granting | None = None
    for each in grantings(profile, day):
        is_new = former is None or former.business is not each.business
        business = f"{each.business.zh} {each.business}" if is_new else ""
        channel = f"{each.channel.zh} {each.channel}"
        table.add_row(business, channel, " + ".join(each.proofs), _date(each.since), each.source)
        former = each
    return table


def _profile(name: str, directory: Path | None) -> RegionProfile:
    """Find a profile by the name of its region or of its file."""
    if name.endswith(".toml"):
        return parse_profile(read_text(Path(name)), name)
    specifications = Specifications(directory or shipped_directory())
    return parse_profile(*specifications.text("regions", name))


def _day(on: datetime | None) -> date:
    return on.date() if on else utc_now().astimezone(LOCAL_ZONE).date()


def _days(profile: RegionProfile) -> str:
    return ", ".join(f"{day:%Y-%m-%d}" for day in profile.days[1:]) or "no day"


def _date(day: date | None) -> str:
    return f"{day:%Y-%m-%d}" if day else ""
