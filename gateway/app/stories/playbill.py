"""Which story is which region's, in the order of the seeds."""

from collections.abc import Mapping
from typing import Final

from gateway.app.stories.fangchenggang import FangchenggangStory
from gateway.app.stories.kunming import KunmingStory
from gateway.app.stories.qingdao import QingdaoStory
from gateway.app.stories.shijiazhuang import ShijiazhuangStory
from gateway.app.stories.story import Story
from gateway.app.stories.xiamen import XiamenStory

STORIES: Final[Mapping[str, type[Story]]] = {
    "xiamen": XiamenStory,
    "fangchenggang": FangchenggangStory,
    "shijiazhuang": ShijiazhuangStory,
    "kunming": KunmingStory,
    "qingdao": QingdaoStory,
}
