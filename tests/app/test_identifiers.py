"""Fresh references: unique, and sortable by the time they were made."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.app.identifiers import Identifiers
from gateway.terms.numbers import LinkId, OperationId, PinSessionId

AT = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "type_"), [("link", LinkId), ("operation", OperationId), ("pin_session", PinSessionId)]
)
def test_every_kind_has_its_form(kind, type_):
    """Each reference is one that its type accepts."""
    made = getattr(Identifiers(lambda: AT), kind)()

    assert isinstance(made, type_)


def test_references_of_one_millisecond_strictly_increase():
    """Within a millisecond, and when the clock goes back, later is still greater."""
    instants = iter([AT] * 1000 + [AT - timedelta(hours=1)] * 1000)
    identifiers = Identifiers(lambda: next(instants))

    made = [identifiers.request() for _ in range(2000)]

    assert made == sorted(set(made))


@pytest.mark.parametrize(
    ("last", "following"), [("0" * 26, "0" * 25 + "1"), ("07h" + "z" * 23, "07j" + "0" * 23)]
)
def test_what_comes_too_early_follows_the_last(last, following):
    """Where chance or the clock would have it earlier, it is the next in order."""
    identifiers = Identifiers(lambda: datetime(1970, 1, 1, tzinfo=UTC))
    identifiers._last = last
    identifiers._chance = iter(["0" * 16])

    assert identifiers.request() == f"req_{following}"


def test_reference_begins_with_its_time():
    """The first ten characters are milliseconds since 1970 in Crockford's base 32."""
    at = datetime.fromtimestamp(1_469_918_176.385, UTC)  # the example of the ULID specification

    assert Identifiers(lambda: at).request().startswith("req_01aryz6s41")


def test_references_sort_by_time_across_processes():
    """A reference made a millisecond later by another process sorts behind."""
    earlier = Identifiers(lambda: AT).operation()
    later = Identifiers(lambda: AT + timedelta(milliseconds=1)).operation()

    assert earlier.value < later.value


def test_references_of_two_processes_differ():
    """Eighty bits of chance keep apart what is made in one millisecond."""
    assert Identifiers(lambda: AT).link() != Identifiers(lambda: AT).link()
