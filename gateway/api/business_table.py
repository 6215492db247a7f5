"""The businesses in the life of a card as one Markdown document, drawn from their tables."""

from collections.abc import Iterator

from gateway.api.businesses import RESOURCES, Resource
from gateway.linking.procedures import Procedure
from gateway.operations.exchange import Recovery

_SILENCE = {
    Recovery.QUERY: "asked again, then refused; nothing was changed",
    Recovery.AT_MOST_ONCE: "repeated from memory for a minute at most, then unknown",
    Recovery.FORWARD: "repeated, then asked after until known; nothing changes here before",
    Recovery.REVOCABLE: "repeated, asked after, then undone until that is confirmed",
    Recovery.AT_LEAST_ONCE: "in force here at once; repeated without end, with an alarm",
}
_HEAD = """# The life of a card

Drawn from `gateway/linking/procedures.py` and `gateway/api/businesses.py`; do not edit.

A business is one row: the messages in the order in which they are sent, the PINs that go into
them, and what is kept here when it is done. One plan serves all rows; only the last message of a
row has an effect, so that a row is done or not done, never half. Which of them a region grants,
where and on which proof, is in [regions.md](regions.md).

- **A PIN in force** is compared by the bureau before the message that it proves. It is left out
  where nobody shows it, and the region's matrix says where it must be shown.
- **A loss** stands here from the moment it is taken down, before anybody is told and whatever is
  away; that of the SS account and that of the financial account by themselves. Until it is
  cancelled at the far side nothing works but what the region allows. Each report has a reference
  (DE 48, LN); a cancellation names the one that it lifts, so that one that comes late lifts no
  newer loss, here or at the bureau. It stands by the card, or by the account, over whichever link
  it was reported: the next link finds it. A link is not removed while a far side has still to hear
  of a loss over it; one that a far side had before it took a new link, it has cancelled itself.
- **Operations on a card wait for each other**, but for questions and loss reports.
- **A first card** has no number yet: its application's reference stands in the number's place,
  and ends when the card is handed over. Then the card is linked by its number.
- **The new card** takes over what the region says, or else the bureau (DE 48, CO).
- **The e-card** exists once for a card and has its card's state. Its PIN must not be the card's. No
  PIN is kept here to compare with; where the holder types both in one form, the browser puts the
  card's SS PIN beside the new one (`other_than` in the envelope), and the security module compares
  them and refuses equal ones before anything is sent. Without that the platform compares, which
  alone has the PIN. The financial PIN belongs to the other side's module and is compared nowhere.
- **Codes of the e-card** are in the first answer only and never kept.
- **Money never moves** between the two accounts: `POST /v1/transfers` is refused as
  `MONEY_NEVER_MOVES`, and so is DE 3 of a transfer on the core's channel.

| business | asked for below `/v1/links/{link}` | messages | PINs | when no answer comes |
| --- | --- | --- | --- | --- |"""


def business_markdown() -> str:
    """Write what each business says, and what silence means for it."""
    return "\n".join((_HEAD, *map(_row, RESOURCES), ""))


def _row(resource: Resource) -> str:
    procedure = resource.procedure
    messages = ", ".join(f"{each.side}: `{each.message}`" for each in procedure.exchanges)
    pins = ", ".join(_pins(procedure)) or "none"
    asked = f"`{resource.method} {resource.path}`"
    silence = _SILENCE[procedure.exchanges[-1].recovery]
    return f"| `{resource.kind}` | {asked} | {messages} | {pins} | {silence} |"


def _pins(procedure: Procedure) -> Iterator[str]:
    for purpose in procedure.pins.values():
        yield f"`{purpose}`" + (" (where shown)" if purpose.is_proof else "")
