"""Institutions, as their regions' profiles have them on a day."""

from datetime import date

import pytest

from gateway.api.agency_views import agency_view
from gateway.app.specifications import Specifications, shipped_directory
from gateway.regions.explanation import grantings, settings
from gateway.regions.vocabulary import Business, Channel, FeeItem, PinDemand, Proof, Scene

AGENCIES = Specifications(shipped_directory()).catalogue().agencies
TODAY = date(2026, 11, 21)


def view_of(region, on=TODAY):
    """Show the institution of a region."""
    (agency,) = [each for each in AGENCIES.values() if each.profile.region == region]
    return agency_view(agency, on)


@pytest.mark.parametrize(
    ("on", "is_offered", "demand"),
    [
        (date(2014, 6, 30), False, None),
        (date(2014, 7, 1), True, PinDemand.WHEN_SET),
        (date(2015, 7, 1), True, PinDemand.MANDATORY),
    ],
)
def test_institution_shows_its_rules_as_of_the_day(on, is_offered, demand):
    """What is offered online and where a PIN is a must follow the calendar (Xiamen)."""
    view = view_of("xiamen", on)

    assert (Business.SS_PIN_SET in view.operations[Channel.ONLINE_BANK]) is is_offered
    assert view.ss_pin.scenes.get(Scene.PHARMACY) is demand
    assert (view.ss_pin.digits, view.ss_pin.old_pin_required) == (6, False)


@pytest.mark.parametrize("agency", AGENCIES.values(), ids=lambda each: each.profile.region)
def test_http_serves_what_the_command_explains(agency):
    """Every way that the command prints is in the answer, and no other."""
    view = agency_view(agency, TODAY)

    shown = {
        (channel, business, way)
        for channel, offered in view.operations.items()
        for business, ways in offered.items()
        for way in ways
    }
    explained = {
        (each.channel, each.business, each.proofs) for each in grantings(agency.profile, TODAY)
    }
    assert shown == explained


@pytest.mark.parametrize("agency", AGENCIES.values(), ids=lambda each: each.profile.region)
def test_http_has_a_place_for_every_setting(agency):
    """A table of the profile is a member of the answer."""
    view = agency_view(agency, TODAY)
    places = {
        "card_number": "institution", "linking": "mobile_equals_core", "pin": "ss_pin",
        "notice": "enquiries", "terms": "working_days",
    }  # fmt: skip

    tables = {setting.key.partition(".")[0] for setting in settings(agency.profile, TODAY)}

    assert all(getattr(view, places.get(table, table)) is not None for table in tables)


def test_ways_are_told_with_all_of_their_proofs():
    """An agent's way is a list of its own (Fangchenggang)."""
    ways = view_of("fangchenggang").operations[Channel.COUNTER][Business.SS_PIN_UNLOCK]

    papers = (Proof.CITIZEN_ID, Proof.CARD_PRESENT)
    assert set(ways) == {papers, (*papers, Proof.AGENT_ID, Proof.POWER_OF_ATTORNEY)}


def test_terms_fees_and_ecard_are_told_where_there_are_any():
    """Qingdao has terms and fees, Kunming an e-card; who names no fee has the tariff."""
    qingdao, kunming = view_of("qingdao"), view_of("kunming")

    assert qingdao.working_days[Business.CARD_APPLY] == 30
    assert qingdao.fees[FeeItem.PIN_RESET] == "free"
    assert qingdao.ecard is None
    assert kunming.fees[FeeItem.REPLACEMENT] == "tariff"
    assert (kunming.ecard.pin_digits, kunming.ecard.code_life_seconds) == (6, 60)
    assert view_of("fangchenggang").ss_pin.lock_after == 6
