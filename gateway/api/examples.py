"""Examples of the OpenAPI document: synthetic people, real types.

Answers are rendered from views by the code that renders the real ones, so they cannot go stale.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from http import HTTPStatus

from pydantic import TypeAdapter

from gateway.api.agency_views import (
    ActivationRulesView,
    AgencyView,
    LossRulesView,
    NameView,
    PinRulesView,
    RegionView,
    ReplacementRulesView,
    VoucherRulesView,
)
from gateway.api.bodies import (
    ActivateBody,
    ApplicationBody,
    Body,
    LinkBody,
    PinSessionBody,
    SetPinBody,
    VoucherBody,
)
from gateway.api.businesses import RESOURCES
from gateway.api.card_bodies import (
    ChangeEcardPinBody,
    EcardProofBody,
    FirstMobileBody,
    LossBody,
    MobileBody,
    NewEcardPinBody,
    NewSsPinBody,
    ReplacementBody,
    ResetFinancialPinBody,
    ResetSsPinBody,
    ScanBody,
    ServicesBody,
    SsPinProofBody,
)
from gateway.api.contract import Success
from gateway.api.endpoints import Agencies, Liveness, PublicKeys, Readiness
from gateway.api.fields import JsonObject
from gateway.api.notices import UserMessageView
from gateway.api.service import (
    LinkView,
    OperationView,
    PinSessionView,
    PublicKey,
    ReadinessCheck,
    SsAccountView,
    TimelineEntry,
)
from gateway.api.vocabulary import WEAK_PIN_RULES
from gateway.api.vouchers import VerificationView, VoucherView
from gateway.financial import exchanges as core
from gateway.linking.link import LinkState
from gateway.operations.exchange import Exchange, ExchangeEvent, Recovery
from gateway.operations.facts import OperationKind, OperationState
from gateway.regions.vocabulary import (
    ActivationOrder,
    Business,
    CardState,
    CarryOver,
    Channel,
    FeeItem,
    PinDemand,
    PinState,
    PinStore,
    Proof,
    Scene,
)
from gateway.social import exchanges as bureau
from gateway.terms.numbers import (
    AgencyCode,
    LinkId,
    OperationId,
    Pan,
    PinSessionId,
    SsCardNumber,
)
from gateway.terms.response_codes import ResponseCode
from gateway.terms.sides import PinPurpose

_LINK = LinkId("lnk_01kb3m8y7v2d9q4n6t0s5r1c2e")
_OPERATION = OperationId("op_01kb3m8y7v2d9q4n6t0s5r1c2f")
_SESSION = PinSessionId("pse_01kb3m8y7v2d9q4n6t0s5r1c2g")
# The first person of the simulators, so that requests can be copied.
_INSTITUTION = AgencyCode("99350201")
_CARD = SsCardNumber("T00000001")
_ACCOUNT = Pan("6200000000000000018")
_JWE = "eyJhbGciOiJFQ0RILUVTIiwiZW5jIjoiQTI1NkdDTSIsImtpZCI6Ii4uLiJ9..aXY.Y3Q.dGFn"
_PIN: JsonObject = {"pin_session": _SESSION.value, "encrypted_pin": _JWE}
_PROOF: JsonObject = {"pin_session": "pse_01kb3m8y7v2d9q4n6t0s5r1c2k", "encrypted_pin": _JWE}
_BEGUN = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
_STEP = timedelta(milliseconds=40)

REQUEST_EXAMPLES: dict[type[Body], JsonObject] = {
    LinkBody: {
        "institution": _INSTITUTION.value,
        "ss_card_number": _CARD.value,
        "account": _ACCOUNT.value,
        "mobile": "15400000001",
        "contact_address": "测试路1号",
    },
    ApplicationBody: {
        "institution": _INSTITUTION.value,
        "account": _ACCOUNT.value,
        "name": "测试甲",
        "citizen_id": "350299197109070016",
        "mobile": "15400000001",
    },
    VoucherBody: {"operation": _OPERATION.value, "verification_code": "ABCD-EFGH-IJKL-MNOP"},
    PinSessionBody: {"purpose": "ss-pin"},
    SetPinBody: _PIN,
    NewSsPinBody: {**_PIN, "current_pin": _PROOF},
    ResetSsPinBody: _PIN,
    SsPinProofBody: {"current_pin": _PROOF},
    LossBody: {"current_pin": _PROOF},
    FirstMobileBody: {"mobile": "15400000001"},
    MobileBody: {"mobile": "16400000001", "current_pin": _PROOF},
    ResetFinancialPinBody: _PIN,
    ServicesBody: {"added_services": ["sms"]},
    ReplacementBody: {"reason": "damaged"},
    NewEcardPinBody: _PIN,
    ChangeEcardPinBody: {**_PIN, "current_pin": _PROOF},
    EcardProofBody: {"current_pin": _PROOF},
    ScanBody: {"code": "Q7K2M9X4"},
    ActivateBody: {
        "link": _LINK.value,
        "pin_session": _SESSION.value,
        "encrypted_pin": _JWE,
        "added_services": ["sms"],
    },
}


def success_example(operation_id: str, success: Success, view_type: type) -> object:
    """Give the example of one answer, a `view_type`, as JSON values."""
    view = _view(operation_id, success)
    return _writer(view_type).dump_python(view, mode="json", exclude_none=True)


_writer = cache(TypeAdapter[object])


def _view(operation_id: str, success: Success) -> object:
    if operation_id == "readiness":
        return _readiness(ready=success.status is HTTPStatus.OK)
    return _VIEWS.get(operation_id) or _operation(operation_id, success)


_OPERATIONS: dict[str, tuple[OperationKind, tuple[Exchange, ...]]] = {
    "link": (
        OperationKind.LINK,
        (core.ACCOUNT_INQUIRY, bureau.CARD_INQUIRY, core.REGISTER, bureau.REGISTER),
    ),
    "unlink": (OperationKind.UNLINK, (bureau.REMOVE, core.REMOVE)),
    "set_ss_pin": (OperationKind.SET_SS_PIN, (bureau.SET_PIN,)),
    "activate": (OperationKind.ACTIVATE, (core.ACTIVATE,)),
    "apply": (OperationKind.CARD_APPLY, (core.ACCOUNT_INQUIRY, bureau.APPLY_CARD)),
    "read_operation": (OperationKind.SET_SS_PIN, (bureau.SET_PIN,)),
    **{each.operation_id: (each.kind, each.procedure.exchanges) for each in RESOURCES},
}


def _operation(operation_id: str, success: Success) -> OperationView:
    kind, exchanges = _OPERATIONS[operation_id]
    is_open = success.status is HTTPStatus.ACCEPTED
    is_activation = kind is OperationKind.ACTIVATE and not is_open
    timeline = tuple(_open(exchanges) if is_open else _done(exchanges))
    last = timeline[-1]
    settled = {state.value: state for state in OperationState}
    return OperationView(
        operation=_OPERATION,
        kind=kind,
        state=settled.get(last.what, OperationState.PENDING),
        created_at=_BEGUN,
        updated_at=last.at,
        link=_LINK,
        response_code=last.response_code,
        result=_RESULTS.get(kind),
        ss_account=SsAccountView(OperationState.PENDING, last.at) if is_activation else None,
        timeline=timeline,
    )


_RESULTS = {
    OperationKind.SS_PIN_STATE: {"card_state": "normal", "pin_state": "enabled", "tries_left": "6"},
    OperationKind.CARD_REPLACE: {
        "card_state": "normal",
        "order_state": "in-production",
        "order": "R00000001",
        "due_on": "2026-12-02",
        "fee": "free",
    },
}


def _done(exchanges: tuple[Exchange, ...]) -> Iterator[TimelineEntry]:
    """Tell of exchanges that are approved one after the other."""
    approved = ResponseCode.APPROVED
    at = _BEGUN
    yield TimelineEntry(at, "opened")
    for each in exchanges:
        yield TimelineEntry(at, ExchangeEvent.SEND, each.side, each.message, attempt=1)
        at += _STEP
        answer = TimelineEntry(at, ExchangeEvent.APPROVE, each.side, each.message)
        yield replace(answer, response_code=approved)
    yield TimelineEntry(at, OperationState.SUCCEEDED, response_code=approved)


def _open(exchanges: tuple[Exchange, ...]) -> Iterator[TimelineEntry]:
    """Tell of an answer that does not come; what is sent at most once is given up."""
    first, *_ = exchanges
    yield TimelineEntry(_BEGUN, "opened")
    yield TimelineEntry(_BEGUN, ExchangeEvent.SEND, first.side, first.message, attempt=1)
    again = _BEGUN + timedelta(seconds=15)
    yield TimelineEntry(again, ExchangeEvent.REPEAT, first.side, first.message, attempt=2)
    if first.recovery is Recovery.AT_MOST_ONCE:
        end = again + timedelta(seconds=15)
        yield TimelineEntry(end, ExchangeEvent.LOSE_TRACK, first.side, first.message)
        yield TimelineEntry(end, OperationState.UNKNOWN)


def _readiness(*, ready: bool) -> Readiness:
    full = "" if ready else "the database takes nothing now (OperationalError SQLITE_FULL)"
    return Readiness.of(
        {
            "security-module-social": ReadinessCheck(ready=True),
            "security-module-financial": ReadinessCheck(ready=True),
            "store": ReadinessCheck(ready, full),
            "descriptors": ReadinessCheck(ready=True),
            "link-bureau": ReadinessCheck(
                ready=False, detail="closed: ConnectionLost", required=False
            ),
            "link-core": ReadinessCheck(
                ready=True, detail="signed-on: sign-on-accepted", required=False
            ),
        }
    )


_SESSION_ONLY = ((Proof.SESSION,),)
_ONLINE = {
    Business.LINK: _SESSION_ONLY,
    Business.UNLINK: _SESSION_ONLY,
    Business.QUERY_LINK: _SESSION_ONLY,
    Business.BIND_MOBILE: _SESSION_ONLY,
    Business.CHANGE_MOBILE: ((Proof.SESSION, Proof.SS_PIN),),
    Business.SS_PIN_FIRST_SET: _SESSION_ONLY,
    Business.SS_PIN_SET: _SESSION_ONLY,
    Business.SS_PIN_STATE: _SESSION_ONLY,
    Business.ACTIVATE: _SESSION_ONLY,
    Business.FINANCIAL_SERVICES: _SESSION_ONLY,
    Business.FINANCIAL_LOSS_TEMPORARY: _SESSION_ONLY,
}
_WHILE_LOST = (
    Business.UNLINK, Business.QUERY_LINK, Business.SS_PIN_STATE, Business.CARD_COLLECT,
    Business.CARD_REPLACE, Business.CARD_TEMPORARY, Business.CARD_CANCEL, Business.CARD_PROGRESS,
    Business.ECARD_REVOKE,
)  # fmt: skip
_WHILE_LOST_FOR_NOW = (
    Business.UNLINK, Business.QUERY_LINK, Business.SS_PIN_STATE, Business.SS_LOSS_FORMAL,
    Business.SS_LOSS_CANCEL, Business.CARD_REPLACE, Business.CARD_TEMPORARY, Business.CARD_CANCEL,
    Business.CARD_PROGRESS, Business.ECARD_REVOKE,
)  # fmt: skip
_AGENCY = AgencyView(
    institution=_INSTITUTION,
    name=NameView("厦门市社会保险管理中心", "Xiamen Social Insurance Management Centre"),
    region=RegionView("350200", NameView("厦门", "Xiamen")),
    operations={Channel.ONLINE_BANK: _ONLINE},
    mobile_equals_core=True,
    ss_pin=PinRulesView(
        digits=6,
        weak_pin_rules=tuple(sorted(WEAK_PIN_RULES)),
        advised_pin_rules=(),
        scenes={
            Scene.PHARMACY: PinDemand.MANDATORY,
            Scene.SELF_SERVICE: PinDemand.MANDATORY,
            Scene.HOSPITAL: PinDemand.NOT_ASKED,
        },
        starts=PinState.UNSET,
        initial_is_asked=False,
        store=PinStore.HOST,
        old_pin_required=False,
        opt_out=False,
    ),
    activation=ActivationRulesView(ActivationOrder.FINANCIAL_FIRST, 0),
    loss=LossRulesView(
        None,
        cancel_before_replacement_only=True,
        formal_can_be_cancelled=False,
        allowed_meanwhile={
            CardState.TEMPORARY_LOSS: _WHILE_LOST_FOR_NOW,
            CardState.FORMAL_LOSS: _WHILE_LOST,
        },
    ),
    replacement=ReplacementRulesView(CarryOver.KEPT, CarryOver.ASK_BUREAU, CarryOver.KEPT),
    fees=dict.fromkeys(FeeItem, "tariff"),
    working_days={},
    vouchers=VoucherRulesView(every_business=False, collection_receipt=False),
    enquiries=UserMessageView("咨询电话12333", "Enquiries: 12333"),
)
# The sample keys of RFC 7517, A.1, and RFC 7515, A.3.1; each `kid` is the thumbprint (RFC 7638).
_SOCIAL_KEY = PublicKey(
    kty="EC",
    crv="P-256",
    x="MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
    y="4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    kid="cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s",
    use="enc",
    alg="ECDH-ES",
    purpose=PinPurpose.SS_PIN,
    not_after=datetime(2026, 12, 23, 23, 59, 59, tzinfo=UTC),
)
_FINANCIAL_KEY = replace(
    _SOCIAL_KEY,
    x="f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    y="x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    kid="oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U",
    purpose=PinPurpose.FINANCIAL_PIN,
)
_VIEWS: dict[str, object] = {
    "agencies": Agencies((_AGENCY,)),
    "public_keys": PublicKeys((_SOCIAL_KEY, _FINANCIAL_KEY)),
    "read_link": LinkView(
        link=_LINK,
        state=LinkState.ACTIVE,
        institution=_INSTITUTION,
        ss_card_number=_CARD,
        account=_ACCOUNT,
        created_at=_BEGUN,
    ),
    "open_pin_session": PinSessionView(
        pin_session=_SESSION,
        purpose=PinPurpose.SS_PIN,
        nonce="pN2x0m1wq0s6y2Jb9V3aXw",
        kid=_SOCIAL_KEY.kid,
        expires_at=_BEGUN + timedelta(minutes=5),
    ),
    "voucher": VoucherView(
        operation=_OPERATION,
        business=UserMessageView("领取临时卡", "Obtain a temporary card"),
        institution=_INSTITUTION,
        link=_LINK,
        ss_card_number=_CARD,
        account=_ACCOUNT,
        done_at=_BEGUN,
        verification_code="ABCD-EFGH-IJKL-MNOP",
        result={"order_state": "handed-over", "fee": "free"},
    ),
    "verify_voucher": VerificationView(genuine=True),
    "liveness": Liveness(alive=True),
}
