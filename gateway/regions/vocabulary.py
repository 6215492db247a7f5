"""The words of a region profile, each with its Chinese and English name.

What is done (`Business`), where (`Channel`), on which proof (`Proof`), in which state a card and
its PIN are, and where a terminal asks for the PIN (`Scene`). Names: ``reference/domain.md`` 1, 3.8.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Self


class Word(StrEnum):
    """A word of the profiles: its value stands in the files, its names in what people read."""

    zh: str
    en: str

    def __new__(cls, word: str, zh: str, en: str) -> Self:
        """Build a member from its value and its two names."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.zh = zh
        member.en = en
        return member


class Area(Word):
    """Which of the two accounts, or the card itself, a business concerns."""

    LINKING = "linking", "账户关联", "Link and contact"
    SS = "ss", "社保账户", "SS account"
    FINANCIAL = "financial", "金融账户", "Financial account"
    CARD = "card", "实体卡", "Card"
    ECARD = "ecard", "电子社保卡", "e-card"


class Business(Word):
    """A business that a region grants on a channel, or does not grant."""

    LINK = "link", "关联银行账户", "Link card and bank account"
    UNLINK = "unlink", "撤销关联", "Unlink"
    QUERY_LINK = "query-link", "查询关联", "Query a link"
    BIND_MOBILE = "bind-mobile", "绑定手机号", "Bind a mobile number"
    CHANGE_MOBILE = "change-mobile", "修改绑定手机号", "Change the bound mobile number"
    SS_PIN_FIRST_SET = "ss-pin-first-set", "首次设立社保密码", "Set the SS PIN for the first time"
    SS_PIN_SET = "ss-pin-set", "免原密码设置社保密码", "Set the SS PIN without the old one"
    SS_PIN_CHANGE = "ss-pin-change", "修改社保密码", "Change the SS PIN"
    SS_PIN_RESET = "ss-pin-reset", "重置社保密码", "Reset the SS PIN"
    SS_PIN_UNLOCK = "ss-pin-unlock", "社保密码解锁", "Unlock the SS PIN"
    SS_PIN_ENABLE = "ss-pin-enable", "启用社保密码", "Enable the SS PIN"
    SS_PIN_OPT_OUT = "ss-pin-opt-out", "停用社保密码", "Choose to use no SS PIN"
    SS_PIN_STATE = "ss-pin-state", "查询社保密码状态", "Query the state of the SS PIN"
    ACTIVATE = "activate", "激活金融账户", "Activate the financial account"
    FINANCIAL_PIN_RESET = "financial-pin-reset", "重置金融密码", "Reset the financial PIN"
    FINANCIAL_SERVICES = "financial-services", "增开附加服务", "Add services to the account"
    SS_LOSS_TEMPORARY = (
        "ss-loss-temporary",
        "社保账户临时挂失",
        "Report the SS account lost for now",
    )
    SS_LOSS_FORMAL = "ss-loss-formal", "社保账户正式挂失", "Report the SS account lost formally"
    SS_LOSS_CANCEL = "ss-loss-cancel", "社保账户解除挂失", "Cancel the loss of the SS account"
    FINANCIAL_LOSS_TEMPORARY = (
        "financial-loss-temporary",
        "金融账户临时挂失",
        "Report the financial account lost for now",
    )
    FINANCIAL_LOSS_FORMAL = (
        "financial-loss-formal",
        "金融账户正式挂失",
        "Report the financial account lost formally",
    )
    FINANCIAL_LOSS_CANCEL = (
        "financial-loss-cancel",
        "金融账户解除挂失",
        "Cancel the loss of the financial account",
    )
    CARD_APPLY = "card-apply", "申领社保卡", "Apply for a card"
    CARD_COLLECT = "card-collect", "领取社保卡", "Collect a card"
    CARD_REPLACE = "card-replace", "补换社保卡", "Replace a card"
    CARD_TEMPORARY = "card-temporary", "领取临时卡", "Obtain a temporary card"
    CARD_CANCEL = "card-cancel", "注销社保卡", "Cancel a card"
    CARD_PROGRESS = "card-progress", "查询制卡进度和卡状态", "Query card production and card state"
    ECARD_ISSUE = "ecard-issue", "签发电子社保卡", "Issue an e-card"
    ECARD_PIN_SET = "ecard-pin-set", "设置电子社保卡密码", "Set the e-card PIN"
    ECARD_PIN_CHANGE = "ecard-pin-change", "修改电子社保卡密码", "Change the e-card PIN"
    ECARD_PIN_RESET = "ecard-pin-reset", "重置电子社保卡密码", "Reset the e-card PIN"
    ECARD_PAYMENT_ENABLE = "ecard-payment-enable", "开通缴费结算", "Enable e-card payment"
    ECARD_CODE = "ecard-code", "电子社保卡二维码", "Use an e-card code"
    ECARD_REVOKE = "ecard-revoke", "解除电子社保卡", "Revoke an e-card"
    ACCOUNT_TRANSFER = "account-transfer", "两账户间转账", "Move money between the two accounts"

    @property
    def area(self) -> Area:
        """Tell what the business concerns; an account transfer would concern the link."""
        return _AREAS.get(self.value.partition("-")[0], Area.LINKING)


_AREAS: Final = {
    "ss": Area.SS,
    "activate": Area.FINANCIAL,
    "financial": Area.FINANCIAL,
    "card": Area.CARD,
    "ecard": Area.ECARD,
}

# The two accounts are independent and their money cannot move between them (seeds/001: 两个账户完全
# 独立,账户内的资金不能互转): no profile can grant it.
NEVER_GRANTED: Final = frozenset({Business.ACCOUNT_TRANSFER})


class Channel(Word):
    """Where the holder stands when asking."""

    ONLINE_BANK = "online-bank", "网上银行", "Online banking"
    APP = "app", "手机APP", "Authorised mobile app"  # of HRSS, a bank or a third party (seeds/003)
    WEBSITE = "website", "人社网站", "Bureau's web site"
    COUNTER = "counter", "银行网点柜台", "Bank counter"
    BUREAU_WINDOW = "bureau-window", "社保经办机构窗口", "Bureau window"
    STATION = "station", "镇街村居劳动保障机构", "Labour-security station"
    KIOSK = "kiosk", "自助服务终端", "Self-service terminal"
    ATM = "atm", "ATM机", "ATM"
    PHONE = "phone", "服务电话", "Service telephone"
    SMS = "sms", "短信", "Text message"
    PHARMACY = "pharmacy", "定点零售药店", "Designated pharmacy"
    HOSPITAL = "hospital", "定点医疗机构", "Designated hospital"


class Proof(Word):
    """What shows that it is the holder, or somebody for the holder, who asks."""

    SESSION = "session", "已签约并登录", "Signed-on session under contract"
    BOUND_PHONE_CODE = "bound-phone-code", "绑定手机验证码", "Code sent to the bound mobile number"
    FACE = "face", "人脸识别", "Face recognition"
    CITIZEN_ID = "citizen-id", "本人有效身份证件原件", "Holder's valid id, original"
    CITIZEN_ID_COPY = "citizen-id-copy", "本人身份证件复印件", "Copy of the holder's id"
    CARD_PRESENT = "card-present", "社会保障卡", "The card itself"
    CARD_NUMBER = "card-number", "社会保障卡卡号", "Number of the card"
    PHONE_PRESENT = "phone-present", "本人手机", "The holder's mobile phone itself"
    BANK_CARD = (
        "bank-card",
        "银行卡号及银行预留手机号",
        "Bank card number and mobile as the bank has it",
    )
    SS_PIN = "ss-pin", "社保密码", "SS PIN"
    FINANCIAL_PIN = "financial-pin", "金融密码", "Financial PIN"
    ECARD_PIN = "ecard-pin", "电子社保卡密码", "e-card PIN"
    AGENT_ID = "agent-id", "代办人有效身份证件原件", "Agent's valid id, original"
    POWER_OF_ATTORNEY = "power-of-attorney", "委托书", "Power of attorney"
    UNIT_LETTER = "unit-letter", "单位介绍信", "Letter of introduction of the employer or school"
    ROSTER = "roster", "申请办卡人员花名册(电子版)", "Electronic roster of the applicants"
    PHOTO = "photo", "本人电子照片", "Electronic photo of the holder"


# A PIN is proved by its enciphered form in the request that needs it; nobody can attest it.
PIN_PROOFS: Final = frozenset({Proof.SS_PIN, Proof.FINANCIAL_PIN, Proof.ECARD_PIN})
# The businesses on whose way a far side compares a PIN in force: on no other could it be shown.
PIN_IS_COMPARED: Final[Mapping[Proof, tuple[Business, ...]]] = {
    Proof.SS_PIN: (
        Business.SS_PIN_CHANGE,
        Business.SS_PIN_ENABLE,
        Business.SS_PIN_OPT_OUT,
        Business.CHANGE_MOBILE,
        Business.SS_LOSS_TEMPORARY,
        Business.SS_LOSS_FORMAL,
        Business.SS_LOSS_CANCEL,
    ),
    Proof.FINANCIAL_PIN: (),
    Proof.ECARD_PIN: (Business.ECARD_PIN_CHANGE, Business.ECARD_CODE, Business.ECARD_REVOKE),
}


class Scene(Word):
    """Where the card is used and a PIN may be asked for."""

    PHARMACY = "pharmacy", "定点零售药店", "Designated pharmacy"
    COMMUNITY = "community", "社区定点医疗机构", "Community clinic"
    OUT_PATIENT = "out-patient", "门诊", "Out-patient department"
    HOSPITAL = "hospital", "定点医院", "Designated hospital with identity checks"
    SELF_SERVICE = "self-service", "电子社保业务", "Self-service SS business"
    BUREAU = "bureau", "经办窗口", "Business with the card at a window"


class PinDemand(Word):
    """Whether a scene asks for the SS PIN."""

    NOT_ASKED = "not-asked", "不使用密码", "Not asked"
    SIGNATURE = "signature", "不使用密码,核实本人并签字", "Not asked: holder checked and signs"
    WHEN_SET = "when-set", "已启用者须输入", "Asked if enabled"
    MANDATORY = "mandatory", "必须输入", "Mandatory: refused without one"


class PinState(Word):
    """State of the SS PIN; a region decides in which of them a new card starts."""

    UNSET = "unset", "未设立", "None set"
    INITIAL = "initial", "初始密码未修改", "Initial PIN unchanged"
    ENABLED = "enabled", "已启用", "Enabled"
    OPTED_OUT = "opted-out", "持卡人选择不用", "Holder chose none"
    LOCKED = "locked", "已锁定", "Locked"


class CardState(Word):
    """State of the SS account (AAZ502 and ``reference/domain.md`` 3.8)."""

    NOT_ACTIVATED = "not-activated", "未激活", "Not activated"
    NORMAL = "normal", "正常", "Normal"
    TEMPORARY_LOSS = "temporary-loss", "临时挂失", "Temporary loss"
    FORMAL_LOSS = "formal-loss", "正式挂失", "Formal loss"
    LOCKED = "locked", "应用锁定", "Locked"
    CANCELLED = "cancelled", "注销", "Cancelled"


class RuleForce(Word):
    """What a rule about PINs does."""

    REFUSE = "refuse", "拒绝", "Refused"
    ADVISE = "advise", "建议不用", "Advised against"
    OFF = "off", "不限", "Off"


class PinStore(Word):
    """Where the SS PIN is kept; only a host can take one without the old one."""

    HOST = "host", "社保系统", "Bureau's host"
    CHIP = "chip", "卡片芯片", "Chip of the card"


class ActivationOrder(Word):
    """Which account is activated first."""

    FINANCIAL_FIRST = (
        "financial-first",
        "先金融账户,后社保账户",
        "Financial account, then SS account",
    )
    TOGETHER = "together", "同时开通", "Both at once"
    INDEPENDENT = "independent", "互不影响", "Each by itself"


class CarryOver(Word):
    """What becomes of something when the card is replaced."""

    KEPT = "kept", "不变", "Kept"
    DROPPED = "dropped", "须重新办理", "Ends with the old card"
    ASK_BUREAU = "ask-bureau", "以社保机构答复为准", "As the bureau says"


class CodeMode(Word):
    """How an e-card's code is used between two devices (seeds/003)."""

    ACTIVE_SCAN = "active-scan", "主扫模式", "The app scans a trusted code, the holder confirms"
    PASSIVE_SCAN = "passive-scan", "被扫模式", "The handling system scans the app's code"


class FeeItem(Word):
    """What a fee is for."""

    FIRST_CARD = "first-card", "首次发卡工本费", "First card"
    REPLACEMENT = "replacement", "补换卡工本费", "Replacement"
    TEMPORARY_CARD = "temporary-card", "临时卡", "Temporary card"
    OPENING = "opening", "开卡费", "Opening of the financial account"
    ANNUAL = "annual", "年费", "Annual fee of the financial account"
    SMALL_BALANCE = "small-balance", "小额账户管理费", "Small-balance fee"
    PIN_RESET = "pin-reset", "密码重置费", "Reset of the financial PIN"
