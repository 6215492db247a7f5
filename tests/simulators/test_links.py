"""Links by reference and by owner."""

from gateway.simulators.links import Links


def test_active_link_is_found_by_reference_and_owner():
    """Another owner, an unknown reference and an ended link find nothing."""
    links = Links()
    link = links.add("lnk_1", "T00000001")

    found = [links.active("lnk_1", "T00000001"), links.active("lnk_1", "T00000002")]
    link.active = False

    assert found == [link, None]
    assert links.active("lnk_1", "T00000001") is None
    assert links.known("lnk_1")
    assert not links.known("lnk_2")


def test_owner_has_every_link_it_ever_had():
    """Ended links stay on record, oldest first; one active link is enough to be linked."""
    links = Links()
    first, second = links.add("lnk_1", "T00000001"), links.add("lnk_2", "T00000001")
    first.active = False

    assert list(links.of("T00000001")) == [first, second]
    assert links.has_active("T00000001")
    assert not links.has_active("T00000002")
