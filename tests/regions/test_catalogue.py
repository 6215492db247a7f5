"""Institutions are found by code."""

from pathlib import Path

import pytest

from gateway.regions.catalogue import parse_catalogue
from gateway.terms.errors import RequestRefused, SpecificationError
from gateway.terms.numbers import AgencyCode
from gateway.terms.refusals import Refusal

TEXT = (Path(__file__).parents[2] / "specs" / "regions" / "xiamen.toml").read_text("utf-8")


def test_institution_is_found_with_its_region():
    """The code of the Xiamen centre leads to its name, its route and its region's profile."""
    agency = parse_catalogue({"xiamen.toml": TEXT}).agency(AgencyCode("99350201"))

    assert agency.institution.name.zh == "厦门市社会保险管理中心"
    assert (agency.institution.link, agency.profile.file.code) == ("bureau", "350200")


def test_unknown_institution_is_refused():
    """A code that no profile has is refused by the catalogued reason."""
    with pytest.raises(RequestRefused) as refused:
        parse_catalogue({"xiamen.toml": TEXT}).agency(AgencyCode("99999999"))

    assert refused.value.refusal is Refusal.UNKNOWN_AGENCY


def test_institutions_are_kept_that_a_link_leads_to():
    """Where no region is named, those are served that have a bureau."""
    catalogue = parse_catalogue({"xiamen.toml": TEXT})

    assert catalogue.reached_over({"bureau", "other"}) == catalogue
    assert catalogue.reached_over({"other"}).agencies == {}


def test_two_regions_cannot_claim_one_institution():
    """The second file with the same institution code is named in the refusal."""
    with pytest.raises(SpecificationError, match=r"other\.toml: institutions"):
        parse_catalogue({"xiamen.toml": TEXT, "other.toml": TEXT})
