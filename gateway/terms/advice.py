"""The catalogue of advice: what is said beside an answer that carries out what was asked.

``docs/refusals.md`` shows this table too.
"""

from enum import Enum
from typing import Self

from gateway.terms.refusals import UserMessage


class Advice(Enum):
    """What a customer had better do; the member's value is the stable code."""

    user_message: UserMessage

    def __new__(cls, code: str, zh: str = "", en: str = "") -> Self:
        """Build a member from code, Chinese text and English text."""
        member = object.__new__(cls)
        member._value_ = code
        member.user_message = UserMessage(zh, en)
        return member

    PIN_TRIVIAL_ADVICE = (
        "PIN_TRIVIAL_ADVICE",
        "该密码较为简单,建议更换。",
        "This PIN is simple; better choose another one.",
    )
    PIN_PERSONAL_ADVICE = (
        "PIN_PERSONAL_ADVICE",
        "该密码与您的个人信息相关,建议更换。",
        "This PIN is taken from your own data; better choose another one.",
    )
