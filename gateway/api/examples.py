"""Examples of the OpenAPI document: synthetic people, real types.

Answers are rendered from views by the code that renders the real ones, so they cannot go stale.
"""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus

from pydantic import TypeAdapter

from gateway.api.bodies import ActivateBody, Body, LinkBody, PinSessionBody, SetPinBody
from gateway.api.contract import Success
from gateway.api.endpoints import Agencies, Liveness, PublicKeys, Readiness
from gateway.api.fields import JsonObject
from gateway.api.service import (
    ActivationRulesView,
    AgencyView,
    LinkView,
    NameView,
    OperationKind,
    OperationView,
    PinRulesView,
    PinSessionView,
    PublicKey,
    ReadinessCheck,
    RegionView,
    SsAccountView,
    TimelineEntry,
)
from gateway.linking.link import LinkState
from gateway.operations.facts import OperationState
from gateway.terms.numbers import (
    AgencyCode,
    LinkId,
    OperationId,
    Pan,
    PinSessionId,
    SsCardNumber,
)
from gateway.terms.sides import PinPurpose, Side

_LINK = LinkId("lnk_01kb3m8y7v2d9q4n6t0s5r1c2e")
_OPERATION = OperationId("op_01kb3m8y7v2d9q4n6t0s5r1c2f")
_SESSION = PinSessionId("pse_01kb3m8y7v2d9q4n6t0s5r1c2g")
_KID = "social-2026-11"
_JWE = "eyJhbGciOiJFQ0RILUVTIiwiZW5jIjoiQTI1NkdDTSIsImtpZCI6Ii4uLiJ9..aXY.Y3Q.dGFn"
_BEGUN = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
_SECOND = timedelta(seconds=1)

REQUEST_EXAMPLES: dict[type[Body], JsonObject] = {
    LinkBody: {
        "institution": "99350201",
        "ss_card_number": "T00000019",
        "account": "6200000000000005",
        "mobile": "15400000001",
        "contact_address": "测试路1号",
    },
    PinSessionBody: {"purpose": "ss-pin"},
    SetPinBody: {"pin_session": _SESSION.value, "encrypted_pin": _JWE},
    ActivateBody: {
        "link": _LINK.value,
        "pin_session": _SESSION.value,
        "encrypted_pin": _JWE,
        "added_services": ["sms"],
    },
}


def success_example(operation_id: str, success: Success, view_type: type) -> object:
    """Give the example of one answer, a `view_type`, as JSON values."""
    view = _VIEWS[operation_id] if operation_id in _VIEWS else _operation(operation_id, success)
    adapter: TypeAdapter[object] = TypeAdapter(view_type)
    return adapter.dump_python(view, mode="json", exclude_none=True)


_KINDS = {
    "link": OperationKind.LINK,
    "unlink": OperationKind.UNLINK,
    "set_ss_pin": OperationKind.SET_SS_PIN,
    "activate": OperationKind.ACTIVATE,
    "read_operation": OperationKind.SET_SS_PIN,
}


def _operation(operation_id: str, success: Success) -> OperationView:
    kind = _KINDS[operation_id]
    is_open = success.status is HTTPStatus.ACCEPTED
    is_activation = kind is OperationKind.ACTIVATE and not is_open
    side = Side.FINANCIAL if kind is OperationKind.ACTIVATE else Side.SOCIAL
    return OperationView(
        operation=_OPERATION,
        kind=kind,
        state=OperationState.UNKNOWN if is_open else OperationState.SUCCEEDED,
        created_at=_BEGUN,
        updated_at=_BEGUN + _SECOND,
        link=_LINK,
        response_code=None if is_open else "00",
        ss_account=SsAccountView(OperationState.PENDING, _BEGUN) if is_activation else None,
        timeline=(
            TimelineEntry(_BEGUN, "accepted"),
            TimelineEntry(_BEGUN, "sent", side, attempt=1),
        ),
    )


_VIEWS: dict[str, object] = {
    "agencies": Agencies(
        (
            AgencyView(
                institution=AgencyCode("99350201"),
                name=NameView("厦门市社会保险管理中心", "Xiamen Social Insurance Centre"),
                region=RegionView("350200", NameView("厦门", "Xiamen")),
                operations={"online-banking": ("link", "unlink", "set-ss-pin", "activate")},
                ss_pin=PinRulesView(6, ("same-digit", "run", "birth-date"), ("payment",)),
                activation=ActivationRulesView(ss_account_follows=True),
            ),
        )
    ),
    "public_keys": PublicKeys(
        (
            PublicKey(
                kty="EC",
                crv="P-256",
                # The sample key of RFC 7517, A.1.
                x="MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
                y="4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
                kid=_KID,
                use="enc",
                alg="ECDH-ES",
                purpose=PinPurpose.SS_PIN,
                not_after=datetime(2027, 5, 31, tzinfo=UTC),
            ),
        )
    ),
    "read_link": LinkView(
        link=_LINK,
        state=LinkState.ACTIVE,
        institution=AgencyCode("99350201"),
        ss_card_number=SsCardNumber("T00000019"),
        account=Pan("6200000000000005"),
        created_at=_BEGUN,
    ),
    "open_pin_session": PinSessionView(
        pin_session=_SESSION,
        purpose=PinPurpose.SS_PIN,
        nonce="pN2x0m1wq0s6y2Jb9V3aXw",
        kid=_KID,
        expires_at=_BEGUN + timedelta(minutes=5),
    ),
    "liveness": Liveness(alive=True),
    "readiness": Readiness(ready=True, checks={"journal": ReadinessCheck(ready=True)}),
}
