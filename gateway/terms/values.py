"""What an operation is made of: values that are frozen to the type checker, and plain as they run.

A frozen dataclass sets each field by a call of `object.__setattr__`, at five times the price of an
assignment. An operation makes some fifty values of two hundred fields, and copies ten: that was a
tenth of the event loop's time, and of the simulator's. mypy refuses an assignment to any of them
as it does for a frozen one. Numbers, keys and what is made once are frozen in earnest.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as value
else:
    from dataclasses import dataclass

    def value(*, frozen: bool, **options: Any) -> Any:  # noqa: ANN401 - any class
        """Make a dataclass that compares, hashes and prints as the frozen one does."""
        assert frozen  # there is no other kind of value
        return dataclass(unsafe_hash=True, **options)


__all__ = ["value"]
