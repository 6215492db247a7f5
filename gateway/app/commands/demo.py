"""`gateway demo`: the regions' stories, played."""

from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console

from gateway.app.commands.refusals import in_one_line
from gateway.app.commands.run import passing_ensemble
from gateway.app.stories.playbill import STORIES

_SCREEN_COLUMNS = 110  # the longest row of a decoded message


class StoryName(StrEnum):
    """A region with a story, in the order of the seeds."""

    XIAMEN = "xiamen"
    FANGCHENGGANG = "fangchenggang"
    SHIJIAZHUANG = "shijiazhuang"
    KUNMING = "kunming"
    QINGDAO = "qingdao"


app = typer.Typer(add_completion=False)


@app.command()
def demo(
    region: Annotated[
        StoryName | None, typer.Option(help="One region's story, every message in full.")
    ] = None,
) -> None:
    """Play the regions' stories, each against gateway, bureau and core of its own.

    Without a region: Xiamen's with every message in full, then the other four in short.
    """
    console = Console(width=_SCREEN_COLUMNS, highlight=False)
    with in_one_line():
        for each in [region] if region else StoryName:
            in_short = region is None and each is not StoryName.XIAMEN
            console.print(f"[bold magenta]{each.value.capitalize()}\n")
            with passing_ensemble(each) as ensemble:
                STORIES[each](ensemble, console, in_short=in_short).play()
        console.print("Every step came out as it should. 全部步骤符合预期。", style="bold green")
