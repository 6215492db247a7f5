"""Nobody but its customer, at their own bank, learns of a link or an operation, or moves it."""

from dataclasses import replace

import pytest
from town.citizen import Citizen

from gateway.api.contract import ENDPOINTS
from gateway.api.examples import REQUEST_EXAMPLES
from gateway.simulators.population import person

UNKNOWN = {"link": "lnk_" + "0" * 26, "operation": "op_" + "0" * 26}
GUARDED = [
    endpoint
    for endpoint in ENDPOINTS
    if "{" in endpoint.path or "link" in REQUEST_EXAMPLES.get(endpoint.body, {})
]
READ = [each for each in GUARDED if each.method == "GET" and not each.path.endswith(".html")]
_OWNER, _OTHER = 901, 902  # of nobody else's tests
STRANGERS = {
    "another customer": lambda owner, other: replace(owner, who=other.who),
    "another customer at the counter": lambda owner, other: replace(
        owner, who=other.who, link=owner.link
    ).at_counter(),
    "the same number at another bank": lambda owner, _other: replace(
        owner, token=owner.town.other_token
    ),
    "another number at another bank": lambda owner, other: replace(
        owner, who=other.who, token=owner.town.other_token
    ),
    "no token": lambda owner, _other: replace(owner, token=" "),
    "a token of nobody": lambda owner, _other: replace(owner, token="x" * 43),
}


@pytest.fixture(scope="module")
def owned(the_town):
    """Give a customer, another one, and the first one's link and operation."""
    the_town.at_peace()
    owner, other = (Citizen(the_town, person(index)) for index in (_OWNER, _OTHER))
    answer = owner.ask_link()
    assert answer.status == 201, answer
    return owner, other, {"link": owner.link, "operation": answer.body["operation"]}


def asked(endpoint, citizen, objects):
    """Ask as a citizen about objects; gives status and body but for the request's id."""
    body = REQUEST_EXAMPLES.get(endpoint.body)
    if body is not None and "link" in body:
        body = body | {"link": objects["link"]}
    path = endpoint.path.format(**objects)
    if endpoint.method == "GET":
        answer = citizen.bank.get(path)
    else:
        answer = citizen.bank.change(endpoint.method, path, body)
    return answer.status, {name: each for name, each in answer.body.items() if name != "instance"}


@pytest.mark.parametrize("relation", STRANGERS)
@pytest.mark.parametrize("endpoint", GUARDED, ids=lambda each: each.operation_id)
def test_stranger_is_answered_as_if_there_were_nothing(owned, endpoint, relation):
    """Who is not its customer cannot tell what is there from what is not; no far side is asked."""
    owner, other, objects = owned
    bureau, core = owner.town.bureau_peer, owner.town.core_peer
    stranger = STRANGERS[relation](owner, other)
    before = bureau.mark(), core.mark()

    answer = asked(endpoint, stranger, objects)

    assert answer == asked(endpoint, stranger, UNKNOWN)
    assert answer[0] == (401 if "token" in relation else 404), answer
    assert bureau.begun(before[0]) == core.begun(before[1]) == []


@pytest.mark.parametrize("endpoint", READ, ids=lambda each: each.operation_id)
def test_its_customer_is_answered_otherwise(owned, endpoint):
    """What strangers are not told of is there, so that the tests above are about something."""
    owner, _other, objects = owned

    assert asked(endpoint, owner, objects)[0] not in {401, 404}
