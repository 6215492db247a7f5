"""Each region's story over real TCP; Xiamen's is told by the command itself."""

import io

import pytest
from rich.console import Console
from town.ensemble import WarmEnsemble

from gateway.app.stories.playbill import STORIES
from gateway.simulators.population import person

STEPS = {"fangchenggang": 8, "shijiazhuang": 5, "kunming": 6, "qingdao": 7}


@pytest.mark.parametrize("region", STEPS)
def test_story_of_the_region_comes_out(region, tmp_path, warm):
    """Every claim holds, and what is printed has no number and no PIN in full."""
    told = io.StringIO()
    with WarmEnsemble(tmp_path, warm, region=region) as ensemble:
        console = Console(file=told, width=110, highlight=False)
        STORIES[region](ensemble, console, in_short=True).play()

    text = told.getvalue()
    assert f"\n{STEPS[region]}. " in text
    assert "✗" not in text
    for secret in (person(1).card, person(1).pan, person(1).at_bank.mobile, "738291", "804613"):
        assert secret not in text
