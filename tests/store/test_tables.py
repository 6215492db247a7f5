"""Tables in groups: nothing but the link reference goes from one to another."""

import pytest
from sqlalchemy import LargeBinary

from gateway.store.tables import metadata

GROUPS = ("operations_", "linking_", "social_", "financial_")
TABLES = sorted(metadata.tables.values(), key=lambda table: table.name)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_table_belongs_to_a_group(table):
    """Its name begins with the room whose data it holds."""
    assert table.name.startswith(GROUPS)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_no_foreign_key_crosses_groups(table):
    """A group could be moved to a database of its own."""
    group = table.name.partition("_")[0]
    targets = {key.column.table.name.partition("_")[0] for key in table.foreign_keys}

    assert targets <= {group}


@pytest.mark.parametrize("group", ["social_", "financial_"])
def test_what_a_side_knows_of_persons_is_sealed(group):
    """A side's table has the link, keyed fingerprints, a flag and one sealed column only."""
    for table in TABLES:
        if table.name.startswith(group):
            columns = {column.name for column in table.columns}
            fingerprints = {"card_fingerprint", "account_fingerprint"}
            assert columns <= {"link", "holds", "sealed"} | fingerprints
            assert isinstance(table.columns["sealed"].type, LargeBinary)


def test_both_sides_and_their_meeting_point_have_tables():
    """Every group is in use."""
    assert {name.partition("_")[0] + "_" for name in metadata.tables} == set(GROUPS)
