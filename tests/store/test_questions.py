"""What crosses by its name is answered there by what has that name."""

import inspect
import pickle

import pytest

from gateway.store import chores, questions
from gateway.store.queries import Queries
from gateway.store.questions import Chore, Horizon, Query
from gateway.terms.numbers import SsCardNumber


def made(function, record):
    """Make a question with arguments that are as good as any."""
    known = {
        "number": SsCardNumber("T00000019"),
        "link": record.link_id(1),
        "reference": record.operation().id,
        "references": [record.operation().id],
        "horizon": Horizon(record.now, record.now),
        "after": None,
        "count_max": 1,
        "size": 1,
        "session": None,
    }
    names = inspect.signature(function).parameters
    return function(**{name: known.get(name, "words") for name in names})


ASKING = [
    each
    for name, each in inspect.getmembers(questions, inspect.isfunction)
    if not name.startswith("_") and each.__module__ == questions.__name__ and name != "dataclass"
]


@pytest.mark.parametrize("function", ASKING, ids=lambda each: each.__name__)
def test_each_question_crosses_and_names_what_answers_it(function, record):
    """A name or a number of arguments that nobody there knows would be found by a caller only."""
    asked = pickle.loads(pickle.dumps(made(function, record)))  # noqa: S301 - our own

    place = chores if isinstance(asked, Chore) else Queries
    answering = questions._COMPOSED.get(asked.name) or getattr(place, asked.name)
    inspect.signature(answering).bind("connection", *asked.arguments)


def test_the_link_that_holds_a_card_is_read_whole(store, record):
    """In one trip, or none when no link holds it."""
    store.write(record.linked(1))

    held = store.read(questions.holding(SsCardNumber("T00000019")))

    assert held.link.id == record.link_id(1)
    assert store.read(questions.holding(SsCardNumber("T00000027"))) is None


def test_an_unknown_operation_has_neither_link_nor_follower(store, record):
    """Nothing is found, and nothing fails."""
    unknown = record.operation().id

    assert store.read(questions.with_link(unknown)) == (None, None)
    assert store.read(questions.followed(unknown)) == (None, None)
    assert store.read(questions.with_links([unknown])) == ([], {})


def test_a_question_of_no_name_is_a_mistake_of_ours(store):
    """It fails where it is answered."""
    with pytest.raises(AttributeError):
        store.read(Query("nothing_of_the_kind"))
