"""A profile's file, as it is written."""

from dataclasses import fields

import pytest

from gateway.regions.dated import Dated
from gateway.regions.profile_file import ProfileFile


@pytest.fixture(scope="module")
def file(xiamen):
    """Give Xiamen's file."""
    return xiamen.file


def test_every_dated_value_is_listed_by_its_key(file):
    """Whoever explains or compares profiles misses no setting."""
    listed = {id(value) for values in file.settings().values() for value in values}
    tables = [file, *(getattr(file, field.name) for field in fields(ProfileFile))]

    found = [
        value
        for table in tables
        if hasattr(table, "__dataclass_fields__")
        for field in fields(table)
        if isinstance(getattr(table, field.name), tuple)
        for value in getattr(table, field.name)
        if isinstance(value, Dated)
    ]

    assert len(found) > 20
    assert {id(value) for value in found} == listed
    assert file.settings()["pin.length"][0].value == 6


def test_values_for_one_scene_are_listed_by_scene(file):
    """The two rules for pharmacies are one key with two days."""
    days = [rule.since.year for rule in file.keyed()["pin.demands.pharmacy"]]

    assert days == [2014, 2015]
