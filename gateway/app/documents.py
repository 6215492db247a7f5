"""Every document that is generated, so that one command writes and one test compares them all."""

from collections.abc import Mapping

from gateway.api.refusal_catalogue import catalogue
from gateway.app.specifications import Specifications
from gateway.iso8583.message_table import messages_markdown
from gateway.iso8583.session import session_markdown
from gateway.operations.exchange import exchange_markdown

MESSAGE_SETS = ("bureau", "core")


def documents(specifications: Specifications) -> Mapping[str, str]:
    """Give the text of each generated document by its path below ``docs/``."""
    pairs = []
    for name in MESSAGE_SETS:
        dialect = specifications.dialect(name)
        pairs.append((specifications.message_set(name, dialect), dialect))
    return {
        "messages.md": messages_markdown(pairs),
        "refusals.md": catalogue(),
        "machines/exchange.md": exchange_markdown(),
        "machines/link-session.md": session_markdown(),
    }
