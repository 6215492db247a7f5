"""Every document that is generated, so that one command writes and one test compares them all."""

from collections.abc import Mapping

from gateway.api.business_table import business_markdown
from gateway.api.refusal_catalogue import catalogue
from gateway.app.specifications import Specifications
from gateway.iso8583.message_table import messages_markdown
from gateway.iso8583.session import session_markdown
from gateway.operations.exchange import exchange_markdown
from gateway.regions.profile import parse_profile
from gateway.regions.rule_table import parse_rules, regions_markdown

REGIONS = ("xiamen", "fangchenggang", "shijiazhuang", "kunming", "qingdao")  # as the seeds come
MESSAGE_SETS = {"bureau": "bureau", "core": "core", "core-channel": "core"}


def documents(specifications: Specifications) -> Mapping[str, str]:
    """Give the text of each generated document by its path below ``docs/``."""
    pairs = []
    for name, spoken in MESSAGE_SETS.items():
        dialect = specifications.dialect(spoken)
        pairs.append((specifications.message_set(name, dialect), dialect))
    return {
        "card-life.md": business_markdown(),
        "messages.md": messages_markdown(pairs),
        "refusals.md": catalogue(),
        "regions.md": _regions(specifications),
        "machines/exchange.md": exchange_markdown(),
        "machines/link-session.md": session_markdown(),
    }


def _regions(specifications: Specifications) -> str:
    profiles = {
        region: parse_profile(*specifications.text("regions", region)) for region in REGIONS
    }
    return regions_markdown(profiles, parse_rules(*specifications.text("rules", "seeds"), profiles))
