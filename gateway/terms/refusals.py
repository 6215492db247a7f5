"""The catalogue of refusals: a stable code, whether to try again, and words for the customer.

``docs/refusals.md`` is generated from this table.
"""

from enum import Enum
from typing import NamedTuple, Self


class UserMessage(NamedTuple):
    """A sentence ready to show to the customer, in both languages."""

    zh: str
    en: str


class Refusal(Enum):
    """Why a request was not carried out; the member's value is the stable code."""

    user_message: UserMessage
    retryable: bool

    def __new__(cls, code: str, zh: str = "", en: str = "", retryable: bool = False) -> Self:  # noqa: FBT001, FBT002 - written as rows of a table
        """Build a member from code, Chinese text, English text and whether to try again."""
        member = object.__new__(cls)
        member._value_ = code
        member.user_message = UserMessage(zh, en)
        member.retryable = retryable
        return member

    # The request itself
    INVALID_REQUEST = ("INVALID_REQUEST", "请求内容有误。", "The request is not valid.")
    BODY_TOO_LARGE = ("BODY_TOO_LARGE", "请求内容过大。", "The request is too large.")
    BODY_TOO_SLOW = (
        "BODY_TOO_SLOW",
        "请求接收超时,请重试。",
        "The request did not arrive in time.",
        True,
    )
    UNSUPPORTED_MEDIA_TYPE = (
        "UNSUPPORTED_MEDIA_TYPE",
        "请求格式不支持。",
        "Send the body as application/json.",
    )
    METHOD_NOT_ALLOWED = (
        "METHOD_NOT_ALLOWED",
        "不支持该操作。",
        "This method is not offered here.",
    )
    UNAUTHENTICATED = ("UNAUTHENTICATED", "未通过身份验证。", "The channel is not authenticated.")
    NOT_FOUND = ("NOT_FOUND", "未找到相应记录。", "There is no such record.")
    IDEMPOTENCY_KEY_MISSING = (
        "IDEMPOTENCY_KEY_MISSING",
        "请求缺少幂等键。",
        "The Idempotency-Key header is missing.",
    )
    IDEMPOTENCY_KEY_REUSED = (
        "IDEMPOTENCY_KEY_REUSED",
        "幂等键已用于其他请求。",
        "The Idempotency-Key was used with another request.",
    )
    EARLIER_PIN_OPEN = (
        "EARLIER_PIN_OPEN",
        "上一次密码设置的结果尚未确定,请约一分钟后再试。",
        "The outcome of the last PIN setting is open; try again in about a minute.",
        True,
    )
    IN_PROGRESS = (
        "IN_PROGRESS",
        "该请求或该卡的其他业务正在处理中,请稍候。",
        "This request, or another for the same card, is being processed.",
        True,
    )
    INTERNAL_ERROR = (
        "INTERNAL_ERROR",
        "系统异常,请稍后再试。",
        "The gateway failed; repeat the request with the same Idempotency-Key.",
        True,
    )
    # Availability
    OVERLOADED = ("OVERLOADED", "系统繁忙,请稍后再试。", "The system is busy; try again.", True)
    BUREAU_UNAVAILABLE = (
        "BUREAU_UNAVAILABLE",
        "社保系统暂时无法连接,请稍后再试。",
        "The social-security bureau cannot be reached now; nothing was changed.",
        True,
    )
    CORE_UNAVAILABLE = (
        "CORE_UNAVAILABLE",
        "银行系统暂时无法连接,请稍后再试。",
        "The bank's core system cannot be reached now; nothing was changed.",
        True,
    )
    SECURITY_MODULE_UNAVAILABLE = (
        "SECURITY_MODULE_UNAVAILABLE",
        "安全模块暂时不可用,请稍后再试。",
        "The security module cannot be reached now; nothing was changed.",
        True,
    )
    # Linking
    UNKNOWN_AGENCY = (
        "UNKNOWN_AGENCY",
        "所选社保机构不在服务范围。",
        "This institution is not served here.",
    )
    NOT_CONFIRMED = (
        "NOT_CONFIRMED",
        "卡号或账户信息未能通过核验。",
        "Card and account could not be confirmed as the customer's own.",
    )
    ACCOUNT_NOT_USABLE = (
        "ACCOUNT_NOT_USABLE",
        "该银行账户当前不可用。",
        "The bank account cannot be used now.",
    )
    CARD_NOT_USABLE = (
        "CARD_NOT_USABLE",
        "该社保卡当前状态不可办理此业务。",
        "The state of the social-security card does not allow this.",
    )
    ALREADY_LINKED = (
        "ALREADY_LINKED",
        "该社保卡已关联银行账户。",
        "The card is linked to an account already.",
    )
    UNLINKING_OPEN = (
        "UNLINKING_OPEN",
        "解除关联的结果正在核实,核实前不能办理此业务。",
        "Whether the link was removed is being found out; nothing else is done through it before.",
    )
    # PIN
    PIN_SESSION_UNUSABLE = (
        "PIN_SESSION_UNUSABLE",
        "密码设置会话已使用、已失效或用途不符,请重新开始。",
        "The PIN session is used, expired or for another purpose; open a new one.",
    )
    PIN_ENVELOPE = (
        "PIN_ENVELOPE",
        "密码数据无法识别,请重新输入。",
        "The encrypted PIN could not be opened; enter the PIN again.",
    )
    PIN_FORMAT = ("PIN_FORMAT", "密码必须为6位数字。", "The PIN must have exactly six digits.")
    PIN_TRIVIAL = (
        "PIN_TRIVIAL",
        "密码过于简单,请勿使用相同、连续或重复的数字、日期或键盘图形。",
        "The PIN is too simple: repeated or consecutive digits, a date or a keypad pattern.",
    )
    PIN_PERSONAL = (
        "PIN_PERSONAL",
        "密码不能与您的生日、证件号、手机号或卡号相关。",
        "The PIN is taken from your birth date, id, mobile or card number.",
    )
    PIN_RATE_LIMITED = (
        "PIN_RATE_LIMITED",
        "密码设置次数过多,请稍后再试。",
        "Too many PIN attempts for this card; try again later.",
        True,
    )
    # The far side's own answers
    WRONG_PIN = ("WRONG_PIN", "密码错误。", "The PIN is wrong.")
    ALREADY_SO = ("ALREADY_SO", "已是所申请的状态。", "What was asked for is the case already.")
    ACCOUNT_LOST = (
        "ACCOUNT_LOST",
        "该金融账户已挂失。",
        "The financial account has been reported lost.",
    )
    LOSS_FORMAL = (
        "LOSS_FORMAL",
        "正式挂失不能解除,请办理补卡。",
        "A formal loss cannot be cancelled: have the card replaced.",
    )
    LOSS_UNCONFIRMED = (
        "LOSS_UNCONFIRMED",
        "挂失正在登记,登记完成前不能解除关联,请稍后再试。",
        "A loss is being reported over this link; it is kept until the far side has it.",
        True,
    )
    LOSS_NOT_FORMAL = (
        "LOSS_NOT_FORMAL",
        "遗失补卡须先办理正式挂失。",
        "A lost card is replaced after its formal loss was reported.",
    )
    NO_CARD_WAITING = (
        "NO_CARD_WAITING",
        "没有待领取的社保卡。",
        "There is no card waiting to be collected.",
    )
    NO_ECARD = ("NO_ECARD", "尚未签发电子社保卡。", "No e-card is issued for this card.")
    PIN_AS_CARD_PIN = (
        "PIN_AS_CARD_PIN",
        "电子社保卡密码不能与实体社保卡密码相同。",
        "The PIN of the e-card must not be that of the card.",
    )
    CODE_SPENT = (
        "CODE_SPENT",
        "二维码已使用或已失效。",
        "The code is used or expired.",
    )
    REPLACEMENT_BEGUN = (
        "REPLACEMENT_BEGUN",
        "已办理补卡,挂失不能解除。",
        "A replacement was asked for, so the loss cannot be cancelled.",
    )
    MONEY_NEVER_MOVES = (
        "MONEY_NEVER_MOVES",
        "社保账户与金融账户完全独立,资金不能互转。",
        "The SS account and the financial account are independent: no money moves between them.",
    )
    PIN_LOCKED = ("PIN_LOCKED", "社保卡密码已锁定。", "The PIN of the card is locked.")
    CARD_LOST = ("CARD_LOST", "该社保卡已挂失。", "The card has been reported lost.")
    NOT_ACTIVATED = ("NOT_ACTIVATED", "该账户尚未激活。", "The account is not activated.")
    ALREADY_ACTIVE = ("ALREADY_ACTIVE", "该金融账户已激活。", "The account is active already.")
    NOT_OFFERED = (
        "NOT_OFFERED",
        "该地区或渠道不办理此业务。",
        "Not offered in this region or channel.",
    )
    NOT_GRANTED = (
        "NOT_GRANTED",
        "该地区在此渠道不办理此业务,请按告知单办理。",
        "This region does not grant it on this channel; see the notice.",
    )
    PROOF_MISSING = (
        "PROOF_MISSING",
        "材料或身份验证不齐全,请按告知单补充。",
        "A proof that the region asks for is missing; see the notice.",
    )
    DECLINED = (
        "DECLINED",
        "业务未获批准,请咨询社保机构或银行。",
        "The far side declined the request.",
    )
    REGISTRATION_UNDONE = (
        "REGISTRATION_UNDONE",
        "关联未能完成,已撤销。",
        "The link could not be completed on both sides and was undone.",
        True,
    )
