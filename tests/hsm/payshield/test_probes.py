"""A block is probed with one table only."""

from gateway.hsm.payshield.probes import ProbedBlocks

BLOCK, OTHER = b"12345678", b"87654321"
TABLE, OTHER_TABLE = ("123456", "900305"), ("123456", "900306")


def test_block_is_probed_with_one_table():
    """A second table for the same block is refused, as often as it is tried."""
    probed = ProbedBlocks(900, 10)

    assert probed.allows(BLOCK, TABLE, 0)
    assert not probed.allows(BLOCK, OTHER_TABLE, 1)
    assert not probed.allows(BLOCK, OTHER_TABLE, 2)


def test_same_table_may_be_tried_again():
    """A call that the line swallowed is repeated, even after another table was refused."""
    probed = ProbedBlocks(900, 10)
    probed.allows(BLOCK, TABLE, 0)
    probed.allows(BLOCK, OTHER_TABLE, 1)

    assert probed.allows(BLOCK, TABLE, 2)


def test_other_block_has_a_table_of_its_own():
    """Blocks do not stand in for each other."""
    probed = ProbedBlocks(900, 10)
    probed.allows(BLOCK, TABLE, 0)

    assert probed.allows(OTHER, OTHER_TABLE, 1)


def test_block_is_remembered_for_its_time_at_least():
    """Over the turn of a generation a block is still known, and later forgotten."""
    probed = ProbedBlocks(900, 10)
    probed.allows(OTHER, TABLE, 0)
    probed.allows(BLOCK, TABLE, 899)

    assert not probed.allows(BLOCK, OTHER_TABLE, 1_798)
    assert probed.allows(BLOCK, OTHER_TABLE, 10_000)


def test_block_that_cannot_be_remembered_is_not_probed():
    """With the memory full no new block is probed, and known ones still are."""
    probed = ProbedBlocks(900, 1)
    probed.allows(BLOCK, TABLE, 0)

    assert not probed.allows(OTHER, TABLE, 1)
    assert probed.allows(BLOCK, TABLE, 2)
