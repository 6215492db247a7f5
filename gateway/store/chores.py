"""What the store does of its own inside a transaction by itself, each found by its name."""

from gateway.store.counters import reserve
from gateway.store.retention import purge
from gateway.store.takeover import claim, fence_dead

__all__ = ["claim", "fence_dead", "purge", "reserve"]
