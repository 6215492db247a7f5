"""The profiles of all regions, found by the code of an institution."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Self

from gateway.regions.profile import RegionProfile, parse_profile
from gateway.regions.profile_file import Institution
from gateway.terms.errors import RequestRefused, SpecificationError
from gateway.terms.numbers import AgencyCode
from gateway.terms.refusals import Refusal


@dataclass(frozen=True, slots=True)
class Agency:
    """An institution with the profile of its region."""

    institution: Institution
    profile: RegionProfile


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Every institution served, by code."""

    agencies: Mapping[AgencyCode, Agency]

    def agency(self, code: AgencyCode) -> Agency:
        """Find an institution; raises `RequestRefused` (UNKNOWN_AGENCY)."""
        try:
            return self.agencies[code]
        except KeyError:
            raise RequestRefused(Refusal.UNKNOWN_AGENCY) from None

    def reached_over(self, links: Collection[str]) -> Self:
        """Keep the institutions that one of these links leads to."""
        kept = {
            code: each for code, each in self.agencies.items() if each.institution.link in links
        }
        return replace(self, agencies=kept)


def parse_catalogue(texts: Mapping[str, str]) -> Catalogue:
    """Parse profiles given as file name → text; raises `SpecificationError`."""
    agencies: dict[AgencyCode, Agency] = {}
    for file, text in texts.items():
        profile = parse_profile(text, file)
        for institution in profile.institutions:
            code = AgencyCode(institution.code)
            if code in agencies:
                raise SpecificationError(file, "institutions", "code is another region's already")
            agencies[code] = Agency(institution, profile)
    return Catalogue(agencies)
