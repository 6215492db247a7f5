"""What is shipped in `specs/` is read by name, and what is missing is named."""

from datetime import date

import pytest

import gateway
from gateway.app.specifications import (
    Specifications,
    due_dates_unknown,
    read_working_days,
    served,
    shipped_directory,
)
from gateway.regions.working_days import WorkingDays
from gateway.terms.errors import SpecificationError
from gateway.terms.numbers import AgencyCode


@pytest.mark.parametrize("name", ["bureau", "core"])
def test_every_shipped_dialect_and_message_set_fits(specifications, name):
    """The files that are shipped load and belong together."""
    dialect = specifications.dialect(name)

    assert specifications.message_set(name, dialect).dialect == dialect.name


def test_shipped_regions_make_the_catalogue(specifications):
    """The institutions of the five regions are served, or of those that are named only."""
    five = ["99130101", "99350201", "99370201", "99450601", "99530101"]

    assert set(specifications.catalogue().agencies) == {AgencyCode(code) for code in five}
    assert list(specifications.catalogue(["xiamen"]).agencies) == [AgencyCode("99350201")]
    with pytest.raises(SpecificationError, match=r"atlantis\.toml: is not there; regions there"):
        specifications.catalogue(["atlantis"])


def test_installed_package_brings_its_own_specifications(tmp_path, monkeypatch):
    """In an installed package they are inside it; in a checkout beside it."""
    beside = shipped_directory()
    (tmp_path / "specs").mkdir()
    monkeypatch.setattr(gateway, "__file__", str(tmp_path / "__init__.py"))

    assert (beside / "dialects").is_dir()
    assert shipped_directory() == tmp_path / "specs"


def test_missing_file_is_named(specs_copy):
    """An error says which file is not there."""
    (specs_copy / "dialects" / "core.toml").unlink()

    with pytest.raises(
        SpecificationError, match=r"core\.toml: is not there; dialects there are: bureau"
    ):
        Specifications(specs_copy).dialect("core")


def test_file_that_is_no_text_is_named(specs_copy):
    """A file in another encoding is refused in one line."""
    (specs_copy / "dialects" / "core.toml").write_bytes(b"name = '\xff'")

    with pytest.raises(SpecificationError, match=r"core\.toml: is not UTF-8 text"):
        Specifications(specs_copy).dialect("core")


def test_message_set_of_another_dialect_is_refused(specifications):
    """A link cannot speak one dialect with the words of another."""
    with pytest.raises(SpecificationError, match="dialect"):
        specifications.message_set("core", specifications.dialect("bureau"))


def test_directory_without_regions_is_refused(tmp_path):
    """A gateway that serves nobody is a wrong path in the configuration."""
    with pytest.raises(SpecificationError, match=r"regions: holds no region profile"):
        Specifications(tmp_path).catalogue()


def test_regions_that_nobody_names_are_those_that_have_a_bureau(specifications):
    """Five profiles are shipped; a bank that is linked to two bureaus serves two."""
    catalogue = served(specifications, (), {"bureau", "kunming"}, "gateway.toml")

    regions = {agency.profile.region for agency in catalogue.agencies.values()}
    assert regions == {"xiamen", "kunming"}


@pytest.mark.parametrize(
    ("regions", "bureaus", "key"),
    [
        ((), {"bureau", "kunmign"}, "links.kunmign"),
        (("xiamen", "kunming"), {"bureau"}, "links.kunming"),
    ],
)
def test_link_and_region_that_do_not_find_each_other_are_named(
    specifications, regions, bureaus, key
):
    """A slip in a link's name takes no region away in silence."""
    with pytest.raises(SpecificationError) as refused:
        served(specifications, regions, bureaus, "gateway.toml")

    assert (refused.value.file, refused.value.key) == ("gateway.toml", key)


def test_region_whose_terms_run_into_an_unknown_year_is_named(specifications):
    """As soon as a due date can only be estimated the operator hears of it."""
    catalogue = specifications.catalogue()
    early, late = (
        list(due_dates_unknown(catalogue, WorkingDays(), date(2026, month, 10)))
        for month in (3, 12)
    )

    assert early == []
    assert {region for region, _ in late} == {"fangchenggang", "qingdao"}
    assert all("reach into 2027" in reason and "`calendar`" in reason for _, reason in late)


def test_operators_calendar_is_read_or_the_file_is_named(tmp_path):
    """Without a file the published years are known; a wrong one is refused by its name."""
    file = tmp_path / "days.toml"

    assert read_working_days(None).added == {}
    with pytest.raises(SpecificationError, match=r"days\.toml: cannot be read"):
        read_working_days(file)
    file.write_text('[years.2050]\nsource = "t"\nholidays = []\nworking_weekends = []\n', "utf-8")
    assert list(read_working_days(file).added) == [2050]
