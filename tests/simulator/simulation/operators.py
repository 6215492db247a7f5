"""Two persons of the bank's staff who find out what became of what no far side would tell.

They ask the far sides, which is to look at what stands there; where it cannot stay they have it
undone there by hand. One proposes, the other approves; neither can do it alone.
"""

from gateway.app.manual_desk import ManualDesk
from gateway.operations.exchange import ExchangeState
from gateway.operations.facts import OperationKind, OperationState
from gateway.terms.errors import LocalError

_ANNA, _BORIS = "Anna Test", "Boris Test"
_SAME_PERSON = "  ANNA   test "
# The new card's number is not known here, so that the old card is put back into its place.
_UNDONE_ALWAYS = {OperationKind.CARD_COLLECT}


class Operators:
    """They work in the calm, on whichever node serves."""

    def __init__(self, world):
        self._world = world
        self._watch = world.watch
        self._disk = world.disk

    async def resolve_all(self):
        """Resolve every operation that is manual."""
        for identity in self._disk.manual():
            await self._resolve(identity)

    async def _resolve(self, identity):
        operation = self._disk.operation(identity)
        left = [
            name
            for name, exchange in operation.exchanges.items()
            if exchange.state is ExchangeState.MANUAL
        ]
        stands = [name for name in left if self._watch.net.get((identity.value, name))]
        done = stands == left and operation.kind not in _UNDONE_ALWAYS
        if operation.kind is OperationKind.UNLINK:
            done = not self._is_known(operation.link.value)
        if done and await self._agree(identity, OperationState.SUCCEEDED):
            return
        for name in stands:
            if operation.kind is OperationKind.UNLINK and done and not operation.is_withdrawn:
                # Another unlinking has removed it since, and answers for what this one did. One
                # that is taken back must stand again, so that there the bureau links it by hand.
                self._watch.net[identity.value, name] = 0
                continue
            link, key = self._watch.where[identity.value, name]
            self._world.far_sides[link].undo_by_hand(key)
        agreed = await self._agree(identity, OperationState.FAILED)
        self._watch.check(26, agreed, f"{identity}: nobody can say what became of it")

    def _is_known(self, link):
        """Ask every far side whether it has a link, whoever removed it meanwhile."""
        return any(link in each.active.values() for each in self._world.far_sides.values())

    async def _agree(self, identity, outcome):
        """Propose and approve; tells whether the first was allowed."""
        said = {"operation": identity.value, "as": outcome.value, "reason": "asked by letter"}
        alone = await self._ask(said | {"do": "approve", "by": _BORIS})
        self._watch.check(26, not alone, f"{identity} was resolved by one person")
        if not await self._ask(said | {"do": "propose", "by": _ANNA}):
            return False
        for by in (_ANNA, _SAME_PERSON):
            alone = await self._ask(said | {"do": "approve", "by": by})
            self._watch.check(26, not alone, f"{identity} was resolved by {by}, who proposed it")
        return await self._ask(said | {"do": "approve", "by": _BORIS})

    async def _ask(self, question):
        """Put a question to the desk; tells whether it was granted."""
        try:
            await self._world.ask_on_node(lambda node: desk_of(node).answer(question))
        except LocalError:
            return False
        return True


def desk_of(node):
    """Give the desk of a node, as `serve` makes it."""
    return ManualDesk(node.conductor, node.journal, node.read, node.now)
