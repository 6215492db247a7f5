"""The rules of the five seeds, as the shipped profiles have them.

The rule table (``specs/rules/seeds.toml``) names these tests rule by rule.
"""

from datetime import date, timedelta

import pytest

from gateway.pinblock.policy import PinHolder, PinRule, PinVerdict, judge
from gateway.regions.matrix import Granted, Reason
from gateway.regions.rules import PinEntry
from gateway.regions.vocabulary import (
    ActivationOrder,
    Business,
    CardState,
    CarryOver,
    Channel,
    CodeMode,
    FeeItem,
    PinDemand,
    PinState,
    PinStore,
    Proof,
    RuleForce,
    Scene,
)

TODAY = date(2026, 11, 21)
FIVE = ("fangchenggang", "kunming", "qingdao", "shijiazhuang", "xiamen")
ID, CARD, AGENT = Proof.CITIZEN_ID, Proof.CARD_PRESENT, Proof.AGENT_ID
POWER, COPY = Proof.POWER_OF_ATTORNEY, Proof.CITIZEN_ID_COPY
WINDOW, COUNTER, KIOSK, APP = (
    Channel.BUREAU_WINDOW, Channel.COUNTER, Channel.KIOSK, Channel.APP,
)  # fmt: skip
ONLINE, WEBSITE, STATION = Channel.ONLINE_BANK, Channel.WEBSITE, Channel.STATION
B = Business


@pytest.fixture(scope="module")
def rules(profiles):
    """Give what holds in each region today."""
    return {name: profile.rules(TODAY) for name, profile in profiles.items()}


# Region, business, channel, and the proofs that suffice together; none of them can be left out.
GRANTED = [
    # Xiamen
    ("xiamen", B.SS_PIN_FIRST_SET, STATION, {ID, CARD}),
    ("xiamen", B.SS_PIN_FIRST_SET, WINDOW, {ID, CARD}),
    ("xiamen", B.SS_PIN_FIRST_SET, WINDOW, {ID, CARD, AGENT}),
    ("xiamen", B.SS_PIN_CHANGE, WINDOW, {ID, CARD, AGENT}),
    ("xiamen", B.SS_PIN_CHANGE, WEBSITE, {Proof.SESSION, Proof.BOUND_PHONE_CODE}),
    ("xiamen", B.SS_PIN_RESET, KIOSK, {Proof.BOUND_PHONE_CODE}),
    ("xiamen", B.SS_PIN_RESET, STATION, {ID, CARD}),
    ("xiamen", B.SS_PIN_SET, ONLINE, {Proof.SESSION}),
    ("xiamen", B.BIND_MOBILE, STATION, {ID, CARD}),
    ("xiamen", B.CHANGE_MOBILE, WEBSITE, {Proof.SESSION, Proof.SS_PIN}),
    ("xiamen", B.CHANGE_MOBILE, STATION, {ID, CARD, Proof.PHONE_PRESENT}),
    ("xiamen", B.LINK, ONLINE, {Proof.SESSION}),
    ("xiamen", B.UNLINK, ONLINE, {Proof.SESSION}),
    ("xiamen", B.SS_LOSS_TEMPORARY, WEBSITE, {Proof.SS_PIN}),
    ("xiamen", B.SS_LOSS_CANCEL, KIOSK, {Proof.SS_PIN}),
    ("xiamen", B.SS_LOSS_CANCEL, APP, {Proof.SS_PIN}),
    ("xiamen", B.BIND_MOBILE, ONLINE, {Proof.SESSION}),
    ("xiamen", B.SS_PIN_FIRST_SET, ONLINE, {Proof.SESSION}),
    ("xiamen", B.SS_PIN_STATE, ONLINE, {Proof.SESSION}),
    # Fangchenggang
    ("fangchenggang", B.FINANCIAL_PIN_RESET, COUNTER, {ID, CARD}),
    ("fangchenggang", B.SS_LOSS_TEMPORARY, WINDOW, {ID}),
    ("fangchenggang", B.FINANCIAL_LOSS_TEMPORARY, COUNTER, {ID}),
    ("fangchenggang", B.ACTIVATE, COUNTER, {ID, CARD}),
    ("fangchenggang", B.SS_PIN_FIRST_SET, COUNTER, {ID, CARD}),
    ("fangchenggang", B.SS_PIN_CHANGE, Channel.PHARMACY, {ID, CARD}),
    ("fangchenggang", B.SS_PIN_CHANGE, WINDOW, {ID, CARD}),
    ("fangchenggang", B.SS_PIN_CHANGE, COUNTER, {ID, CARD}),
    ("fangchenggang", B.SS_PIN_RESET, COUNTER, {ID, CARD}),
    ("fangchenggang", B.SS_PIN_UNLOCK, WINDOW, {ID, CARD}),
    ("fangchenggang", B.SS_PIN_UNLOCK, COUNTER, {ID, CARD, AGENT, POWER}),
    ("fangchenggang", B.SS_LOSS_TEMPORARY, Channel.HOSPITAL, {ID}),
    ("fangchenggang", B.SS_LOSS_TEMPORARY, WEBSITE, {Proof.SESSION}),
    ("fangchenggang", B.SS_LOSS_CANCEL, WINDOW, {ID, COPY, CARD}),
    ("fangchenggang", B.SS_LOSS_FORMAL, WINDOW, {ID}),
    ("fangchenggang", B.SS_LOSS_FORMAL, WINDOW, {ID, AGENT, POWER}),
    ("fangchenggang", B.CARD_REPLACE, WINDOW, {ID, AGENT, POWER}),
    ("fangchenggang", B.CARD_APPLY, WINDOW, {ID, Proof.PHOTO}),
    ("fangchenggang", B.FINANCIAL_LOSS_FORMAL, COUNTER, {ID}),
    # Shijiazhuang
    ("shijiazhuang", B.ACTIVATE, COUNTER, {ID, CARD}),
    ("shijiazhuang", B.SS_PIN_RESET, KIOSK, {ID, CARD}),
    ("shijiazhuang", B.SS_PIN_RESET, WINDOW, {ID, CARD}),
    ("shijiazhuang", B.FINANCIAL_PIN_RESET, Channel.ATM, {ID}),
    ("shijiazhuang", B.FINANCIAL_PIN_RESET, COUNTER, {ID}),
    ("shijiazhuang", B.SS_PIN_ENABLE, KIOSK, {ID, CARD}),
    # Kunming
    ("kunming", B.ECARD_ISSUE, APP, {Proof.SESSION, Proof.CARD_NUMBER, Proof.FACE}),
    ("kunming", B.ECARD_PIN_SET, APP, {Proof.SESSION, Proof.FACE}),
    ("kunming", B.ECARD_PIN_CHANGE, APP, {Proof.SESSION, Proof.ECARD_PIN}),
    ("kunming", B.ECARD_PIN_RESET, APP, {Proof.SESSION, Proof.FACE}),
    ("kunming", B.ECARD_PIN_RESET, APP, {Proof.SESSION, Proof.BOUND_PHONE_CODE}),
    ("kunming", B.ECARD_PAYMENT_ENABLE, APP, {Proof.SESSION, Proof.BANK_CARD}),
    ("kunming", B.ECARD_CODE, APP, {Proof.SESSION}),
    # Qingdao
    ("qingdao", B.CARD_APPLY, COUNTER, {ID}),
    ("qingdao", B.CARD_APPLY, COUNTER, {Proof.UNIT_LETTER, AGENT, Proof.ROSTER, COPY}),
    ("qingdao", B.CARD_REPLACE, COUNTER, {ID}),
    ("qingdao", B.CARD_TEMPORARY, COUNTER, {ID}),
    ("qingdao", B.CARD_COLLECT, COUNTER, {ID}),
    ("qingdao", B.CARD_CANCEL, COUNTER, {ID, CARD}),
    ("qingdao", B.ACTIVATE, COUNTER, {ID, CARD}),
    ("qingdao", B.SS_PIN_OPT_OUT, COUNTER, {ID, CARD}),
    ("qingdao", B.SS_PIN_ENABLE, COUNTER, {ID, CARD}),
    ("qingdao", B.SS_PIN_UNLOCK, COUNTER, {ID, CARD}),
    ("qingdao", B.SS_LOSS_CANCEL, COUNTER, {ID, CARD}),
    ("qingdao", B.SS_PIN_RESET, COUNTER, {ID, CARD}),
    ("qingdao", B.SS_LOSS_TEMPORARY, COUNTER, {ID}),
    ("qingdao", B.CARD_PROGRESS, COUNTER, {ID}),
    ("qingdao", B.CARD_PROGRESS, WEBSITE, {Proof.SESSION}),
    ("qingdao", B.CARD_PROGRESS, ONLINE, {Proof.SESSION}),
    ("qingdao", B.CARD_PROGRESS, Channel.PHONE, {Proof.CARD_NUMBER}),
    ("qingdao", B.CARD_PROGRESS, KIOSK, {CARD}),
]


@pytest.mark.parametrize(("region", "business", "channel", "proofs"), GRANTED)
def test_business_is_granted_on_these_proofs_and_no_fewer(
    profiles, region, business, channel, proofs
):
    """With all proofs it is granted; each one that is left out is what is said to be missing."""
    profile = profiles[region]

    assert isinstance(profile.decide(channel, business, frozenset(proofs), TODAY), Granted)
    for left_out in proofs - {AGENT}:
        fewer = frozenset(proofs - {left_out})
        decision = profile.decide(channel, business, fewer, TODAY)
        assert decision.reason is Reason.PROOF_MISSING
        assert frozenset({left_out}) in decision.missing


NOT_GRANTED = [
    ("xiamen", B.SS_PIN_FIRST_SET, STATION, {ID, CARD, AGENT}, Reason.NO_AGENT),
    ("xiamen", B.SS_PIN_SET, ONLINE, {Proof.SESSION, AGENT}, Reason.NO_AGENT),
    ("xiamen", B.SS_PIN_OPT_OUT, COUNTER, {ID, CARD}, Reason.NOT_OFFERED),
    ("fangchenggang", B.SS_PIN_RESET, Channel.PHARMACY, {ID, CARD}, Reason.OTHER_CHANNEL),
    ("fangchenggang", B.SS_PIN_UNLOCK, COUNTER, {ID, CARD, AGENT}, Reason.PROOF_MISSING),
    ("fangchenggang", B.SS_LOSS_CANCEL, WEBSITE, {Proof.SESSION}, Reason.OTHER_CHANNEL),
    ("fangchenggang", B.ACTIVATE, ONLINE, {Proof.SESSION}, Reason.OTHER_CHANNEL),
    ("shijiazhuang", B.SS_PIN_SET, ONLINE, {Proof.SESSION}, Reason.CHIP_PIN),
    ("shijiazhuang", B.SS_PIN_RESET, COUNTER, {ID, CARD}, Reason.OTHER_CHANNEL),
    ("kunming", B.ECARD_PIN_CHANGE, APP, {Proof.SESSION, Proof.FACE}, Reason.PROOF_MISSING),
    ("kunming", B.ECARD_ISSUE, ONLINE, {Proof.SESSION, Proof.FACE}, Reason.OTHER_CHANNEL),
    ("qingdao", B.CARD_APPLY, COUNTER, {Proof.UNIT_LETTER}, Reason.PROOF_MISSING),
    ("qingdao", B.ECARD_ISSUE, APP, {Proof.SESSION, Proof.FACE}, Reason.NOT_OFFERED),
]


@pytest.mark.parametrize(("region", "business", "channel", "proofs", "reason"), NOT_GRANTED)
def test_silence_of_a_seed_is_no_permission(profiles, region, business, channel, proofs, reason):
    """What a seed does not grant is refused by its reason."""
    decision = profiles[region].decide(channel, business, frozenset(proofs), TODAY)

    assert decision.reason is reason


def test_holder_of_a_chip_pin_is_told_where_it_is_reset(profiles):
    """Setting without the old PIN works for a host only; the notice leads to a reset."""
    profile = profiles["shijiazhuang"]

    decision = profile.decide(ONLINE, B.SS_PIN_SET, frozenset({Proof.SESSION}), TODAY)

    assert [step.zh for step in decision.notice.procedure] == [
        "通过社保经办机构窗口办理重置社保密码,须提供:本人有效身份证件原件、社会保障卡",
        "通过自助服务终端办理重置社保密码,须提供:本人有效身份证件原件、社会保障卡",
    ]


@pytest.mark.parametrize("region", FIVE)
@pytest.mark.parametrize("channel", Channel)
def test_no_region_moves_money_between_the_two_accounts(profiles, region, channel):
    """Whatever is proved, and on every channel, a transfer is refused by name."""
    decision = profiles[region].decide(channel, B.ACCOUNT_TRANSFER, frozenset(Proof), TODAY)

    assert decision.reason is Reason.NEVER
    assert "资金不能互转" in decision.notice.reason.zh


PINS = [
    ("xiamen", PinState.UNSET, PinStore.HOST, True, None),
    ("fangchenggang", PinState.INITIAL, PinStore.HOST, True, 6),
    ("shijiazhuang", PinState.INITIAL, PinStore.CHIP, False, None),
    ("kunming", PinState.UNSET, PinStore.HOST, False, None),
    ("qingdao", PinState.UNSET, PinStore.HOST, True, None),
]


@pytest.mark.parametrize(("region", "starts", "store", "without_old", "lock_after"), PINS)
def test_pin_begins_is_kept_and_locks_as_the_region_says(
    rules, region, starts, store, without_old, lock_after
):
    """Six digits everywhere; only Guangxi names the number of wrong tries."""
    pin = rules[region].pin

    assert (pin.policy.length, pin.starts, pin.store) == (6, starts, store)
    assert (pin.set_without_old_pin, pin.lock_after) == (without_old, lock_after)


INITIAL = [
    ("shijiazhuang", "123456", False),
    ("fangchenggang", None, True),
    ("xiamen", None, False),
]


@pytest.mark.parametrize(("region", "initial", "is_asked"), INITIAL)
def test_initial_pin_is_what_the_seed_gives(rules, region, initial, is_asked):
    """Shijiazhuang's means that none is enabled; Guangxi has one and does not say which."""
    pin = rules[region].pin

    assert (pin.initial, pin.initial_is_asked) == (initial, is_asked)


def test_only_qingdao_lets_the_holder_use_no_pin(rules):
    """The holder's choice is a state of its own, and a business at every outlet."""
    assert [region for region in FIVE if rules[region].pin.opt_out] == ["qingdao"]


ENTRIES = [
    ("xiamen", Scene.PHARMACY, PinState.UNSET, PinEntry.REFUSED),
    ("xiamen", Scene.PHARMACY, PinState.ENABLED, PinEntry.ASKED),
    ("xiamen", Scene.SELF_SERVICE, PinState.UNSET, PinEntry.REFUSED),
    ("xiamen", Scene.HOSPITAL, PinState.ENABLED, PinEntry.NOT_ASKED),
    ("shijiazhuang", Scene.PHARMACY, PinState.INITIAL, PinEntry.NOT_ASKED),
    ("shijiazhuang", Scene.BUREAU, PinState.INITIAL, PinEntry.NOT_ASKED),
    ("shijiazhuang", Scene.BUREAU, PinState.ENABLED, PinEntry.ASKED),
    ("shijiazhuang", Scene.HOSPITAL, PinState.ENABLED, PinEntry.ASKED),
    ("fangchenggang", Scene.PHARMACY, PinState.LOCKED, PinEntry.REFUSED),
    ("qingdao", Scene.PHARMACY, PinState.ENABLED, PinEntry.ASKED),
    ("qingdao", Scene.COMMUNITY, PinState.ENABLED, PinEntry.ASKED),
    ("qingdao", Scene.OUT_PATIENT, PinState.ENABLED, PinEntry.ASKED),
    ("qingdao", Scene.OUT_PATIENT, PinState.OPTED_OUT, PinEntry.NOT_ASKED),
    ("qingdao", Scene.HOSPITAL, PinState.ENABLED, PinEntry.SIGNATURE),
]


@pytest.mark.parametrize(("region", "scene", "state", "entry"), ENTRIES)
def test_terminal_asks_for_the_pin_where_the_region_says(rules, region, scene, state, entry):
    """Where it is asked for, where a card without one is refused, and where a signature does."""
    assert rules[region].pin.entry(scene, state) is entry


WEAK = [
    ("xiamen", "123456", PinVerdict.TRIVIAL, False),
    ("xiamen", "900101", PinVerdict.TRIVIAL, False),
    ("fangchenggang", "777777", PinVerdict.ACCEPTED, True),
    ("fangchenggang", "234567", PinVerdict.ACCEPTED, True),
    ("fangchenggang", "529407", PinVerdict.ACCEPTED, False),
    ("shijiazhuang", "777777", PinVerdict.TRIVIAL, False),
    ("shijiazhuang", "234567", PinVerdict.TRIVIAL, False),
    ("shijiazhuang", "123456", PinVerdict.TRIVIAL, False),
    ("qingdao", "777777", PinVerdict.ACCEPTED, True),
]


@pytest.mark.parametrize(("region", "pin", "verdict", "is_advised"), WEAK)
def test_simple_pins_are_refused_or_advised_against(rules, region, pin, verdict, is_advised):
    """What one region forbids another advises against."""
    judgement = judge(pin.encode(), rules[region].pin.policy, PinHolder())

    assert judgement.verdict is verdict
    assert (judgement.advice is not None) is is_advised


@pytest.mark.parametrize("region", ["fangchenggang", "shijiazhuang"])
def test_birth_date_and_phone_number_are_named_by_the_seed(rules, region):
    """Both rules are on, refusing or advising."""
    policy = rules[region].pin.policy

    assert {PinRule.BIRTH_DATE, PinRule.HOLDER_NUMBERS} <= policy.rules | policy.advised


ACTIVATION = [
    ("fangchenggang", ActivationOrder.FINANCIAL_FIRST, timedelta(hours=24)),
    ("shijiazhuang", ActivationOrder.INDEPENDENT, timedelta(0)),
    ("qingdao", ActivationOrder.TOGETHER, timedelta(0)),
    ("xiamen", ActivationOrder.FINANCIAL_FIRST, timedelta(0)),
]


@pytest.mark.parametrize(("region", "order", "delay"), ACTIVATION)
def test_ss_account_follows_as_the_region_says(rules, region, order, delay):
    """At once, or 24 hours after the financial account."""
    activation = rules[region].activation

    assert (activation.order, activation.ss_follows_after) == (order, delay)


def test_temporary_loss_of_guangxi_ends_before_the_replacement_only(rules):
    """Found before the replacement: cancelled."""
    loss = rules["fangchenggang"].loss

    assert loss.cancel_before_replacement_only
    assert not loss.formal_can_be_cancelled


@pytest.mark.parametrize("region", FIVE)
@pytest.mark.parametrize("state", [CardState.TEMPORARY_LOSS, CardState.FORMAL_LOSS])
def test_ss_functions_stop_while_the_card_is_lost(rules, region, state):
    """No PIN is set, nothing is linked and no e-card issued; the card can be replaced."""
    loss = rules[region].loss

    assert not any(
        loss.allows(state, business)
        for business in (B.LINK, B.SS_PIN_SET, B.SS_PIN_RESET, B.ECARD_ISSUE, B.ECARD_CODE)
    )
    assert loss.allows(state, B.CARD_REPLACE)
    assert loss.allows(state, B.SS_LOSS_CANCEL) is (state is CardState.TEMPORARY_LOSS)


CARRIED = [
    ("xiamen", CarryOver.KEPT),
    ("shijiazhuang", CarryOver.KEPT),
    ("fangchenggang", CarryOver.ASK_BUREAU),
    ("kunming", CarryOver.ASK_BUREAU),
    ("qingdao", CarryOver.ASK_BUREAU),
]


@pytest.mark.parametrize(("region", "carried"), CARRIED)
def test_pin_survives_a_replacement_where_the_seed_says_so(rules, region, carried):
    """Where the seed is silent the bureau is asked."""
    assert rules[region].replacement.ss_pin is carried


DAYS = [
    ("qingdao", B.CARD_APPLY, 30),
    ("qingdao", B.CARD_REPLACE, 7),
    ("qingdao", B.CARD_TEMPORARY, 0),
    ("fangchenggang", B.CARD_REPLACE, 20),
    ("xiamen", B.CARD_REPLACE, None),
]


@pytest.mark.parametrize(("region", "business", "days"), DAYS)
def test_terms_are_in_working_days(rules, region, business, days):
    """A region that names no term promises none."""
    assert rules[region].working_days.get(business) == days


FEES = [
    ("fangchenggang", FeeItem.FIRST_CARD, "free"),
    ("fangchenggang", FeeItem.REPLACEMENT, "tariff"),
    ("qingdao", FeeItem.REPLACEMENT, "free"),
    ("qingdao", FeeItem.PIN_RESET, "free"),
    ("qingdao", FeeItem.ANNUAL, "free"),
    ("qingdao", FeeItem.SMALL_BALANCE, "free"),
    ("qingdao", FeeItem.OPENING, "free"),
    ("xiamen", FeeItem.REPLACEMENT, "tariff"),
]


@pytest.mark.parametrize(("region", "item", "fee"), FEES)
def test_fees_are_as_the_region_says(rules, region, item, fee):
    """Free, or what the authority's tariff says."""
    assert rules[region].fee(item) == fee


def test_ecard_has_a_pin_of_its_own_and_follows_the_card(rules):
    """Not the card's PINs, not asked for to show a code; unusable when the card is lost."""
    ecard = rules["kunming"].ecard

    assert Proof.ECARD_PIN not in rules["kunming"].matrix.places(B.ECARD_CODE)[0].proofs
    assert ecard.pin_equals_card_pins is RuleForce.REFUSE
    assert ecard.unusable_in == frozenset(CardState) - {CardState.NORMAL}
    assert ecard.payment_needs_active_account
    assert ecard.code_modes == frozenset(CodeMode)
    assert judge(b"123456", ecard.pin_policy, PinHolder()).verdict is PinVerdict.TRIVIAL


def test_only_kunming_grants_an_ecard(rules):
    """The other seeds do not speak of it."""
    assert [name for name in FIVE if rules[name].matrix.places(B.ECARD_ISSUE)] == ["kunming"]


def test_qingdao_makes_papers_a_duty(rules):
    """Voucher and collection receipt; the third, the one-time notice, is given everywhere."""
    duties = {
        name: (vouchers.every_business, vouchers.collection_receipt)
        for name in FIVE
        for vouchers in [rules[name].vouchers]
    }

    assert duties.pop("qingdao") == (True, True)
    assert set(duties.values()) == {(False, False)}


def test_qingdao_notice_has_all_four_parts_and_the_hotline(profiles):
    """Reason, what is missing, procedure, time limit, and whom to ask, in both languages."""
    decision = profiles["qingdao"].decide(COUNTER, B.CARD_REPLACE, frozenset(), TODAY)
    notice = decision.notice

    assert notice.reason.zh == "补换社保卡(银行网点柜台):材料不齐全。"
    assert [each.zh for way in notice.missing for each in way] == ["本人有效身份证件原件"]
    assert [step.zh for step in notice.procedure] == [
        "通过银行网点柜台办理,须提供:本人有效身份证件原件"
    ]
    assert notice.time_limit.zh == "自受理之日起7个工作日内"
    assert "12345" in notice.enquiries.zh
    assert notice.reason.en == "Replace a card (Bank counter): A proof is missing."


@pytest.mark.parametrize("region", FIVE)
def test_mobile_must_be_the_banks_by_default(rules, region):
    """No seed says whose number it must be; the stricter answer is the stated default."""
    assert rules[region].mobile_equals_core


@pytest.mark.parametrize("region", ["fangchenggang", "shijiazhuang", "kunming", "qingdao"])
def test_hospital_has_no_rule_that_another_region_made(rules, region):
    """Only what the region says of a scene holds there."""
    demand = rules[region].pin.demand(Scene.HOSPITAL)

    assert demand is {
        "shijiazhuang": PinDemand.WHEN_SET,
        "qingdao": PinDemand.SIGNATURE,
    }.get(region, PinDemand.NOT_ASKED)
