"""What the module remembers, for how long, and what it does when it cannot remember more."""

from gateway.hsm.limits import BurntIds, RefusedAttempts, TriedBlocks

BLOCK, OTHER = b"12345678", b"87654321"
WAY, OTHER_WAY = ("123456", "900305"), ("123456", "900306")


def test_id_is_used_once():
    """An id burns once; another id is not touched by it."""
    burnt = BurntIds(seconds=900, size_max=10)

    assert [burnt.burn(id_, 0.0) for id_ in ("a", "a", "b")] == [True, False, True]


def test_id_is_remembered_for_its_time_and_then_forgotten():
    """Whenever it burns, an id is remembered for the full time, and at most for twice that."""
    for burnt_at in (0.0, 450.0, 899.0):
        burnt = BurntIds(seconds=900, size_max=10)
        burnt.burn("first", 0.0)
        burnt.burn("a", burnt_at)

        assert not burnt.burn("a", burnt_at + 900)
        assert burnt.burn("a", burnt_at + 2700)


def test_ids_beyond_the_bound_are_refused_until_there_is_room():
    """When nothing more can be remembered, nothing more is let through."""
    burnt = BurntIds(seconds=900, size_max=2)
    burnt.burn("a", 0.0)
    burnt.burn("b", 0.0)

    assert not burnt.burn("c", 1.0)
    assert burnt.burn("c", 901.0)
    assert not burnt.burn("a", 902.0)


def test_card_is_refused_after_its_attempts():
    """The attempts of one card count together, those of another do not."""
    refused = RefusedAttempts(refusals_max=2, seconds=3600, cards_max=10)
    for _ in range(2):
        assert refused.allows("card", 0.0)
        refused.count("card")

    assert not refused.allows("card", 0.0)
    assert refused.allows("other", 0.0)


def test_attempts_are_forgotten_after_their_time():
    """Attempts count for an hour at least, and two at most."""
    refused = RefusedAttempts(refusals_max=1, seconds=3600, cards_max=10)
    refused.allows("card", 0.0)
    refused.count("card")

    assert not refused.allows("card", 3601.0)
    assert refused.allows("card", 7300.0)
    refused.count("card")
    assert refused.allows("card", 20_000.0)


def test_new_cards_are_refused_when_no_more_can_be_counted():
    """A flood of cards does not make the limit forget; known cards go on."""
    refused = RefusedAttempts(refusals_max=5, seconds=3600, cards_max=1)
    refused.allows("known", 0.0)
    refused.count("known")

    assert refused.allows("known", 0.0)
    assert not refused.allows("new", 0.0)


def test_block_is_tried_with_one_way():
    """A second way for the same block is refused, as often as it is tried."""
    tried = TriedBlocks(900, 10)

    assert tried.allows(BLOCK, WAY, 0)
    assert not tried.allows(BLOCK, OTHER_WAY, 1)
    assert not tried.allows(BLOCK, OTHER_WAY, 2)


def test_same_way_may_be_tried_again():
    """A call that the line swallowed is repeated, even after another way was refused."""
    tried = TriedBlocks(900, 10)
    tried.allows(BLOCK, WAY, 0)
    tried.allows(BLOCK, OTHER_WAY, 1)

    assert tried.allows(BLOCK, WAY, 2)


def test_other_block_has_a_way_of_its_own():
    """Blocks do not stand in for each other."""
    tried = TriedBlocks(900, 10)
    tried.allows(BLOCK, WAY, 0)

    assert tried.allows(OTHER, OTHER_WAY, 1)


def test_block_is_remembered_for_its_time_at_least():
    """Over the turn of a generation a block is still known, and later forgotten."""
    tried = TriedBlocks(900, 10)
    tried.allows(OTHER, WAY, 0)
    tried.allows(BLOCK, WAY, 899)

    assert not tried.allows(BLOCK, OTHER_WAY, 1_798)
    assert tried.allows(BLOCK, OTHER_WAY, 10_000)


def test_block_that_cannot_be_remembered_is_not_tried():
    """With the memory full no new block is tried, and known ones still are."""
    tried = TriedBlocks(900, 1)
    tried.allows(BLOCK, WAY, 0)

    assert not tried.allows(OTHER, WAY, 1)
    assert tried.allows(BLOCK, WAY, 2)
