"""What the control port shows of a card and an account."""

from datetime import UTC, datetime, timedelta

from gateway.simulators.population import person
from gateway.simulators.views import account_view, card_view

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)


def test_card_view_masks_every_number(bureau):
    """Card, id, mobiles and name are masked; states, links and the timer are plain."""
    card = bureau.card(person(2).card, NOW)
    card.contact_mobile = "15400000002"
    card.follows_at = NOW + timedelta(days=1)
    bureau.links.add("lnk_1", card.number)

    view = card_view(card, bureau.links)

    assert (view["card_state"], view["pin_state"]) == ("not_activated", "unset")
    assert view["ss_account_follows_at"] == "2026-11-22T04:00:00+00:00"
    assert view["links"] == [{"link": "lnk_1", "active": True}]
    holder = card.holder
    for secret in (card.number, holder.citizen_id, holder.mobile, "15400000002", holder.name):
        assert secret not in str(view)


def test_account_view_masks_every_number(core):
    """Account, customer, id, mobile and name are masked; whether a PIN is set is plain."""
    account = core.account(person(2).pan)

    view = account_view(account, core.links)

    assert (view["account_state"], view["pin_is_set"], view["services"]) == (
        "not_activated",
        False,
        [],
    )
    holder = account.holder
    for secret in (account.pan, account.customer, holder.citizen_id, holder.mobile, holder.name):
        assert secret not in str(view)
