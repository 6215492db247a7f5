"""Which exchanges and which plan each kind of operation has."""

from gateway.financial import exchanges as core
from gateway.linking import plans, procedures
from gateway.operations.exchange import Exchange
from gateway.operations.facts import OperationKind
from gateway.operations.life import Plan
from gateway.social import exchanges as bureau

EXCHANGES: dict[OperationKind, tuple[Exchange, ...]] = {
    OperationKind.LINK: (
        core.ACCOUNT_INQUIRY,
        bureau.CARD_INQUIRY,
        core.REGISTER,
        bureau.REGISTER,
    ),
    OperationKind.UNLINK: (bureau.REMOVE, core.REMOVE),
    OperationKind.SET_SS_PIN: (bureau.SET_PIN,),
    OperationKind.ACTIVATE: (core.ACTIVATE,),
    OperationKind.SS_ACCOUNT: (bureau.ACCOUNT_ACTIVATED,),
    **{each.kind: each.exchanges for each in procedures.PROCEDURES},
}

PLANS: dict[OperationKind, Plan] = {
    OperationKind.LINK: plans.link,
    OperationKind.UNLINK: plans.unlink,
    OperationKind.SET_SS_PIN: plans.set_ss_pin,
    OperationKind.ACTIVATE: plans.activate,
    OperationKind.SS_ACCOUNT: plans.ss_account,
    **procedures.PLANS,
}

BARS_WHILE_MANUAL = frozenset({OperationKind.UNLINK})
"""Kinds that others on their link wait for until a person has said what became of them.

Whether the link stands is not known: what is done through it, such as another unlinking, might be
undone or contradicted by what is found out.
"""

BESIDE_OTHERS = frozenset(
    {OperationKind.SS_ACCOUNT}
    | {each.kind for each in procedures.PROCEDURES if each.is_beside_others}
)
"""Kinds that wait for no other operation on their link, nor let one wait."""
