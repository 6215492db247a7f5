"""A region that nobody has heard of is served with one new file, and no new code."""

import shutil

import pytest
from town.ensemble import WarmEnsemble

from gateway.app.online_bank import OnlineBank, call
from gateway.app.specifications import shipped_directory
from gateway.simulators.population import person
from gateway.terms.sides import Side

# Newtown is made up: another institution, another link, 24 hours between the accounts, PINs that
# Xiamen refuses, and unlinking at the counter only.
CHANGES = {
    'region = "xiamen"': 'region = "newtown"',
    'code = "350200"': 'code = "999900"',
    'name = { zh = "厦门", en = "Xiamen" }': 'name = { zh = "测试新城", en = "Newtown" }',
    'code = "99350201"': 'code = "99999901"',
    'link = "bureau"': 'link = "newtown"',
    "value = 0\n": "value = 86400\n",
    'repeated-group = "refuse"': 'repeated-group = "off"',
    'date = "refuse"': 'date = "off"',
    'business = ["unlink"]\nchannels = ["online-bank"]\nproofs = ["session"]': (
        'business = ["unlink"]\nchannels = ["counter"]\nproofs = ["citizen-id"]'
    ),
}


@pytest.fixture(scope="module")
def newtown(tmp_path_factory, warm):
    """Start gateway, bureau and core of Newtown, from the shipped files and its own."""
    directory = tmp_path_factory.mktemp("newtown")
    specifications = directory / "specs"
    shutil.copytree(shipped_directory(), specifications)
    text = (specifications / "regions" / "xiamen.toml").read_text("utf-8")
    for old, new in CHANGES.items():
        assert old in text
        text = text.replace(old, new, 1)
    (specifications / "regions" / "newtown.toml").write_text(text, "utf-8")
    with WarmEnsemble(directory, warm, specifications=specifications, region="newtown") as ensemble:
        yield ensemble


@pytest.fixture(scope="module")
def bank(newtown):
    """Ask for the first customer."""
    return OnlineBank(newtown.url, newtown.token, person(1).customer)


@pytest.fixture(scope="module")
def linked(bank):
    """Link the customer's card in Newtown."""
    who = person(1)
    body = {
        "institution": "99999901",
        "ss_card_number": who.card,
        "account": who.pan,
        "mobile": who.at_bank.mobile,
    }
    return bank.change("POST", "/v1/links", body)


def test_new_region_is_offered(bank):
    """The institution of the new file is the one that is listed, with its own rules."""
    (agency,) = bank.get("/v1/agencies").body["agencies"]

    assert (agency["institution"], agency["region"]["code"]) == ("99999901", "999900")
    assert agency["activation"]["follow_delay_seconds"] == 86_400
    assert "repeated-group" not in agency["ss_pin"]["weak_pin_rules"]


def test_card_is_linked_over_the_link_that_the_file_names(newtown, linked):
    """Both far sides have registered the link, over TCP and in ISO 8583."""
    cards = call(f"{newtown.control(Side.SOCIAL)}/_sim/state?card={person(1).card}").body

    assert linked.status == 201
    assert [each["link"] for each in cards["links"] if each["active"]] == [linked.body["link"]]
    assert "link-newtown" in call(f"{newtown.url}/readyz").body["checks"]


def test_matrix_of_the_file_decides(bank, linked):
    """What Xiamen grants online is refused here, with the way that the file grants."""
    refused = bank.change("DELETE", f"/v1/links/{linked.body['link']}")

    assert (refused.status, refused.body["code"]) == (403, "NOT_GRANTED")
    assert {"channel": "counter", "proofs": ["citizen-id"]} in (
        refused.body["not_granted"]["elsewhere"]
    )


@pytest.mark.parametrize(("pin", "status"), [("123456", 422), ("121212", 200)])
def test_pin_policy_of_the_file_decides(bank, linked, pin, status):
    """A PIN that the file does not refuse is set at the bureau; one that it does is not."""
    link = linked.body["link"]
    session = bank.open_session(link, "ss-pin").body
    body = {"pin_session": session["pin_session"], "encrypted_pin": bank.encrypt(session, pin)}

    assert bank.change("PUT", f"/v1/links/{link}/ss-pin", body).status == status
