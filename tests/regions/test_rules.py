"""What the rules of a day answer."""

from datetime import timedelta

import pytest

from gateway.pinblock.policy import PinPolicy
from gateway.regions.rules import LossRules, PinEntry, PinRules
from gateway.regions.vocabulary import (
    Business,
    CardState,
    PinDemand,
    PinState,
    PinStore,
    Scene,
)


def pin_rules(demand, *, initial_is_asked=False):
    """Give the PIN's rules of a region where pharmacies do as `demand` says."""
    return PinRules(
        PinPolicy(),
        PinState.UNSET,
        None,
        initial_is_asked,
        PinStore.HOST,
        set_without_old_pin=True,
        opt_out=True,
        lock_after=6,
        demands={Scene.PHARMACY: demand},
    )


@pytest.mark.parametrize(
    ("demand", "state", "entry"),
    [
        (PinDemand.NOT_ASKED, PinState.LOCKED, PinEntry.NOT_ASKED),
        (PinDemand.SIGNATURE, PinState.ENABLED, PinEntry.SIGNATURE),
        (PinDemand.WHEN_SET, PinState.UNSET, PinEntry.NOT_ASKED),
        (PinDemand.WHEN_SET, PinState.OPTED_OUT, PinEntry.NOT_ASKED),
        (PinDemand.WHEN_SET, PinState.INITIAL, PinEntry.NOT_ASKED),
        (PinDemand.WHEN_SET, PinState.ENABLED, PinEntry.ASKED),
        (PinDemand.WHEN_SET, PinState.LOCKED, PinEntry.REFUSED),
        (PinDemand.MANDATORY, PinState.UNSET, PinEntry.REFUSED),
        (PinDemand.MANDATORY, PinState.ENABLED, PinEntry.ASKED),
        (PinDemand.MANDATORY, PinState.LOCKED, PinEntry.REFUSED),
    ],
)
def test_terminal_asks_by_scene_and_state(demand, state, entry):
    """What a terminal does follows from the scene's demand and the state of the PIN."""
    assert pin_rules(demand).entry(Scene.PHARMACY, state) is entry


@pytest.mark.parametrize(
    ("is_asked", "entry"), [(True, PinEntry.ASKED), (False, PinEntry.NOT_ASKED)]
)
def test_unchanged_initial_pin_counts_only_where_the_region_says_so(is_asked, entry):
    """In one region the initial PIN means that none is enabled, in another it is asked for."""
    rules = pin_rules(PinDemand.WHEN_SET, initial_is_asked=is_asked)

    assert rules.entry(Scene.PHARMACY, PinState.INITIAL) is entry


def test_scene_without_a_rule_does_not_ask():
    """Of a scene that the profile does not name nothing is demanded."""
    rules = pin_rules(PinDemand.MANDATORY)

    assert rules.entry(Scene.BUREAU, PinState.ENABLED) is PinEntry.NOT_ASKED


@pytest.mark.parametrize(
    ("state", "business", "is_allowed"),
    [
        (CardState.NORMAL, Business.ECARD_ISSUE, True),
        (CardState.TEMPORARY_LOSS, Business.SS_LOSS_CANCEL, True),
        (CardState.TEMPORARY_LOSS, Business.SS_PIN_SET, False),
        (CardState.TEMPORARY_LOSS, Business.FINANCIAL_LOSS_FORMAL, True),
        (CardState.FORMAL_LOSS, Business.SS_LOSS_CANCEL, False),
        (CardState.FORMAL_LOSS, Business.FINANCIAL_PIN_RESET, True),
        (CardState.FORMAL_LOSS, Business.ACTIVATE, False),
    ],
)
def test_loss_allows_what_the_region_lists_and_leaves_the_bank_its_own(state, business, is_allowed):
    """The loss of the SS account stops nothing of the bank's but an activation."""
    allowed = {
        CardState.TEMPORARY_LOSS: frozenset({Business.SS_LOSS_CANCEL}),
        CardState.FORMAL_LOSS: frozenset(),
    }
    loss = LossRules(
        timedelta(days=7),
        cancel_before_replacement_only=True,
        formal_can_be_cancelled=False,
        allowed_meanwhile=allowed,
    )

    assert loss.allows(state, business) is is_allowed


def test_fee_that_a_profile_does_not_name_is_the_tariff(xiamen):
    """Nothing is free because a document is silent."""
    rules = xiamen.rules(xiamen.days[-1])

    assert {rules.fee(item) for item in rules.fees} <= {"free", "tariff"}
    assert rules.fee("annual") == "tariff"
