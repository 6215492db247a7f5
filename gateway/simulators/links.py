"""The links that a far side knows, by link reference; no clock and no wire."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(slots=True)
class Link:
    """One link as a far side keeps it: its owner is a card number or an account number."""

    link_id: str
    owner: str
    active: bool = True


class Links:
    """Every link ever registered, and which of them an owner has."""

    def __init__(self) -> None:
        self._by_id: dict[str, Link] = {}
        self._by_owner: dict[str, list[Link]] = {}

    def known(self, link_id: str) -> bool:
        """Tell whether the reference was ever used."""
        return link_id in self._by_id

    def active(self, link_id: str, owner: str) -> Link | None:
        """Find the active link of this owner under this reference."""
        link = self._by_id.get(link_id)
        return link if link is not None and link.active and link.owner == owner else None

    def of(self, owner: str) -> Iterator[Link]:
        """Give an owner's links, oldest first."""
        return iter(self._by_owner.get(owner, ()))

    def has_active(self, owner: str) -> bool:
        """Tell whether an owner has an active link."""
        return any(link.active for link in self.of(owner))

    def hand_over(self, owner: str, heir: str) -> None:
        """Let an owner's active links belong to another from now on."""
        moved = [link for link in self.of(owner) if link.active]
        for link in moved:
            link.owner = heir
        self._by_owner[owner] = [link for link in self.of(owner) if link not in moved]
        self._by_owner.setdefault(heir, []).extend(moved)

    def add(self, link_id: str, owner: str) -> Link:
        """Register a link under a reference never used before."""
        link = Link(link_id, owner)
        self._by_id[link_id] = link
        self._by_owner.setdefault(owner, []).append(link)
        return link
