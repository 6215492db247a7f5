"""The documentation page."""

import json
import re
from collections import Counter
from functools import cache
from html import unescape

import pytest

from gateway.api.businesses import RESOURCES
from gateway.api.contract import ENDPOINTS
from gateway.api.docs_page import at_address, render_page
from gateway.api.pages import openapi_page
from gateway.api.problems import NextAction
from gateway.api.vocabulary import ADVICE, TIMELINE_WORDS, WEAK_PIN_RULES
from gateway.terms.refusals import Refusal

DOCUMENT = json.loads(openapi_page().content)
ADDRESS = "http://gateway"


@pytest.fixture
def page(client):
    """Read the page without a token."""
    return client.send("GET", "/docs", {"Authorization": None})


@pytest.fixture
def shown(page):
    """Give what a reader sees: the text without its elements."""
    return _without_elements(page.text)


@cache
def _without_elements(text):
    return unescape(re.sub(r"<style>.*?</style>|<[^>]+>", "", text, flags=re.DOTALL))


def _in_shell(path):
    return path.replace("{link}", "$LINK").replace("{operation}", "$OPERATION")


def test_page_loads_nothing_from_elsewhere(page):
    """No script, no font, no image; the policy forbids them too."""
    own = page.text.replace(ADDRESS, "")

    assert not re.search(r"<(script|link|img|iframe)|url\(|@import|https?://| on\w+=", own)
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"


def test_every_anchor_is_there_once(page):
    """No link within the page leads nowhere, and no two places have one name."""
    anchors = Counter(re.findall(r" id=[\"']?([^\s\"'>]+)", page.text))
    targets = set(re.findall(r"href='#([^']+)'", page.text))

    assert [name for name, times in anchors.items() if times > 1] == []
    assert targets <= set(anchors)


def test_contents_lead_to_every_part(page):
    """Headings of the introduction, endpoints, problems and objects are listed."""
    contents = page.text.partition("<nav")[2].partition("</nav>")[0]
    listed = set(re.findall(r"href='#([^']+)'", contents))

    assert {
        "outcomes",
        "encrypting-a-pin",
        "endpoints",
        "callbacks",
        "problems",
        "objects",
    } <= listed
    assert {endpoint.operation_id for endpoint in ENDPOINTS} <= listed
    assert "OperationView" in listed


def test_introduction_is_rendered(page, shown):
    """Markdown becomes headings, lists and blocks of code; no mark of it is left."""
    assert '<h2 id="outcomes">Outcomes</h2>' in page.text
    assert '<code class="language-js">' in page.text
    assert not re.search(r"^#+ |^- |```|\*\*[A-Za-z]|\]\(", shown, re.MULTILINE)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: e.operation_id)
def test_page_shows_every_endpoint(page, shown, endpoint):
    """Each endpoint has a heading, and a command to try it with ids from the environment."""
    assert f"<code>{endpoint.method} {endpoint.path}</code>" in page.text
    assert f'curl -X {endpoint.method} "{ADDRESS}{_in_shell(endpoint.path)}"' in shown


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: e.operation_id)
def test_command_sends_what_its_endpoint_demands(shown, endpoint):
    """Token, customer, key and body are there where they are needed, and only there."""
    first_line = re.escape(f'curl -X {endpoint.method} "{ADDRESS}{_in_shell(endpoint.path)}"')
    command = re.search(rf"^{first_line}.*?(?<!\\)$", shown, re.MULTILINE | re.DOTALL)[0]

    assert ("Authorization: Bearer $TOKEN" in command) == endpoint.authenticated
    assert ("Customer-Number: C000000001" in command) == endpoint.for_customer
    assert ("Idempotency-Key: $(date +%s)-$RANDOM" in command) == endpoint.changes_state
    assert ("-d '{" in command) == (endpoint.body is not None)


def test_endpoints_stand_in_the_order_of_use(page):
    """A client reads the page from its first call to its last."""
    headings = re.findall(r"<h3 id=(\w+)><code>", page.text)

    assert headings == [
        "agencies",
        "public_keys",
        "link",
        "read_link",
        "unlink",
        "open_pin_session",
        "set_ss_pin",
        "ss_pin_state",
        "activate",
        *(each.operation_id for each in RESOURCES if each.path != "ss-pin"),
        "apply",
        "transfer",
        "read_operation",
        "voucher",
        "voucher_to_print",
        "verify_voucher",
        "liveness",
        "readiness",
        "metrics",
    ]


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: e.operation_id)
def test_endpoint_leads_to_every_refusal(page, endpoint):
    """Each code that an endpoint may answer is a link to its explanation."""
    section = page.text.partition(f"<h3 id={endpoint.operation_id}>")[2].partition("</section>")[0]

    for refusal in endpoint.refusals:
        assert f"<a href='#{refusal.value}'><code>{refusal.value}</code></a>" in section


@pytest.mark.parametrize("name", DOCUMENT["webhooks"])
def test_page_tells_every_callback(page, name):
    """Its headers by rule and meaning, its body by a link, and an example."""
    section = page.text.partition(f">{name}</h3>")[2].partition("</section>")[0]

    for header in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        assert f"<code>{header}</code><br><small>required</small>" in section
    assert "<a href='#NoticeBody'>NoticeBody</a>" in section
    assert f"&quot;type&quot;: &quot;{name}&quot;" in section


@pytest.mark.parametrize("name", DOCUMENT["components"]["schemas"])
def test_page_has_every_member_of_every_schema(page, name):
    """Bodies and views are told by name, type, whether required, rule and meaning."""
    schema = DOCUMENT["components"]["schemas"][name]
    part = page.text.partition(f" id={name}>")[2].partition("</section>")[0]

    for member in schema.get("properties", ()):
        need = "required" if member in schema.get("required", ()) else "optional"
        assert f"<code>{member}</code><br><small>{need}</small>" in part
    for word in schema.get("enum", ()):
        assert f"<code>{word}</code>" in part


@pytest.mark.parametrize(
    "row",
    [
        "string<br><code>^[0-9A-Z]{8,12}$</code><td><p>Social-security card number",
        "string or null<br><code>^[0-9A-Za-z_.-]+$</code><br>1 to 2048 characters<td>",
        "array of <a href='#AddedService'>AddedService</a><br>one of <code>sms</code>, ",
        "<br>at most 3<td>",
        "string or null<br><code>^[^\\x00-",
        "object of object of array of array of <a href='#Proof'>Proof</a> by name by name<td>",
        "string (date-time)<td>",
        "<a href='#PinPurpose'>PinPurpose</a><br>one of <code>ss-pin</code>, ",
    ],
)
def test_member_is_told_with_its_type_and_rule(page, row):
    """Each kind of schema is written for people."""
    assert row in page.text


@pytest.mark.parametrize(
    ("word", "meaning"),
    [
        *((action.value, action.meaning) for action in NextAction),
        *ADVICE.items(),
        *TIMELINE_WORDS.items(),
        *WEAK_PIN_RULES.items(),
    ],
)
def test_page_explains_every_word(shown, word, meaning):
    """Next actions, advice, steps of a timeline and rules for PINs each have a line."""
    assert f"{word}: {meaning.replace('`', '')}" in shown


@pytest.mark.parametrize("refusal", list(Refusal))
def test_page_explains_every_problem_where_its_type_points(page, refusal):
    """`type` of a problem is `/docs#CODE`: the page has that anchor and both messages."""
    assert f"<tr id={refusal.value}>" in page.text
    assert refusal.user_message.zh in page.text


def test_page_escapes_what_it_shows(page):
    """Quotes of the examples do not end an attribute or an element."""
    assert "&quot;purpose&quot;: &quot;ss-pin&quot;" in page.text


def test_no_description_adds_an_element():
    """Markup in any text of the document is shown, not obeyed."""
    evil = "<b onclick=x>&"
    broken = json.loads(json.dumps(DOCUMENT))
    broken["info"] |= {"title": evil, "version": evil, "description": f"## {evil}\n\n`{evil}`"}
    broken["paths"]["/v1/agencies"]["get"]["summary"] = evil
    broken["webhooks"]["operation.settled"]["post"] |= {"summary": evil, "description": evil}
    broken["components"]["schemas"]["Side"] |= {"description": evil, "enum": [evil]}
    broken["components"]["schemas"]["NameView"]["properties"][evil] = {
        "type": "string",
        "pattern": evil,
        "description": evil,
    }

    page = render_page(broken).decode()

    assert "<b " not in page
    assert page.count("&lt;b onclick=x&gt;") >= 10


def test_address_is_escaped():
    """The page stays whole whatever address it is given."""
    page = at_address(render_page(DOCUMENT), "<b>")

    assert b"<b>" not in page
    assert b"&lt;b&gt;/v1/agencies" in page
