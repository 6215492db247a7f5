"""What a one-time notice is made of."""

import pytest

from gateway.regions.notice import Text, bring, names, working_days_limit
from gateway.regions.vocabulary import Business, Channel, Proof


def test_proofs_are_named_in_one_order():
    """However they are written in a file, customers read them in the vocabulary's order."""
    named = names(frozenset({Proof.AGENT_ID, Proof.CITIZEN_ID}))

    assert [each.zh for each in named] == ["本人有效身份证件原件", "代办人有效身份证件原件"]


def test_a_step_says_where_and_with_what():
    """A step of the procedure names the channel and everything to bring."""
    step = bring(Channel.STATION, {Proof.CITIZEN_ID, Proof.CARD_PRESENT})

    assert step.zh == "通过镇街村居劳动保障机构办理,须提供:本人有效身份证件原件、社会保障卡"
    assert step.en == "Labour-security station, with: Holder's valid id, original, The card itself"


def test_a_step_may_lead_to_another_business():
    """Where the one asked for is not to be had, the other one is named."""
    step = bring(Channel.KIOSK, {Proof.CARD_PRESENT}, Business.SS_PIN_RESET)

    assert step.zh == "通过自助服务终端办理重置社保密码,须提供:社会保障卡"
    assert step.en == "Reset the SS PIN: Self-service terminal, with: The card itself"


@pytest.mark.parametrize(
    ("days", "limit"),
    [
        (0, Text("即时办理", "At once")),
        (20, Text("自受理之日起20个工作日内", "Within 20 working days of acceptance")),
    ],
)
def test_a_limit_is_in_working_days(days, limit):
    """No days are at once."""
    assert working_days_limit(days) == limit
