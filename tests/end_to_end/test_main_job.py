"""The main job, as a client does it: link, set the SS PIN without the old one, activate, unlink."""


def test_customer_links_sets_a_pin_and_unlinks(citizen, bureau, core):
    """A linked customer's new PIN is accepted at a pharmacy; an unlinked one leaves nothing."""
    linked = citizen.ask_link()
    pin = citizen.set_pin("738291")
    accepted = bureau.accepts(citizen.who, "738291")
    unlinked = citizen.unlink()

    assert (linked.status, pin.status, accepted, unlinked.status) == (201, 200, True, 200)
    assert bureau.links(citizen.who) == core.links(citizen.who) == []
