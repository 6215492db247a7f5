"""``docs/refusals.md``, drawn from the table of refusals and the table of their answers."""

from collections.abc import Iterator

from gateway.api.problems import ANSWERS, NextAction
from gateway.terms.advice import Advice
from gateway.terms.refusals import Refusal

_PREFACE = """\
# Refusals

Every request that is not carried out is answered with one of these codes, as problem details
(RFC 9457); an operation that failed shows its code in `refusal`. Codes are stable. The two messages
are ready to show to the customer. Generated from `gateway/terms/refusals.py` and
`gateway/api/problems.py`; `make docs` writes it anew.
"""


def catalogue() -> str:
    """Write the page as Markdown."""
    next_actions = ("", "## Next actions", "", *_next_actions())
    advice = ("", "## Advice", "", _ADVICE, *_advice())
    return "\n".join((_PREFACE, *_refusals(), *next_actions, *advice, ""))


_ADVICE = """\
A request that is carried out may be answered with an `advice` beside: the PIN falls under a rule by
which its region advises and does not refuse. It is in the first answer only and never stored.
"""


def _refusals() -> Iterator[str]:
    yield "| code | status | retryable | next action | 中文 | English |"
    yield "|---|---|---|---|---|---|"
    for refusal in Refusal:
        answer = ANSWERS[refusal]
        retryable = "yes" if refusal.retryable else "no"
        zh, en = refusal.user_message
        yield (
            f"| `{refusal.value}` | {answer.status.value} | {retryable} "
            f"| `{answer.next_action}` | {zh} | {en} |"
        )


def _advice() -> Iterator[str]:
    yield "| code | 中文 | English |"
    yield "|---|---|---|"
    for advice in Advice:
        zh, en = advice.user_message
        yield f"| `{advice.value}` | {zh} | {en} |"


def _next_actions() -> Iterator[str]:
    yield "| next action | what the caller does |"
    yield "|---|---|"
    for action in NextAction:
        yield f"| `{action}` | {action.meaning} |"
