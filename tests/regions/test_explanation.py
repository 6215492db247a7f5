"""A profile as rows, and two compared."""

from datetime import date

from gateway.regions.explanation import Difference, differences, grantings, history, settings
from gateway.regions.profile import parse_profile
from gateway.regions.vocabulary import Business, Channel, Proof

TODAY = date(2026, 11, 21)


def test_every_value_in_force_is_a_row(xiamen):
    """Values of tables and values for one scene are told alike, with day and source."""
    rows = {row.key: row for row in settings(xiamen, TODAY)}

    assert rows["pin.demands.pharmacy"].value == "mandatory"
    assert rows["pin.demands.pharmacy"].since == date(2015, 7, 1)
    assert rows["pin.length"].since is None
    assert rows["linking.mobile_equals_core"].value == "yes"
    assert rows["notice.enquiries"].value == "咨询电话12333 / Enquiries: 12333"
    assert set(xiamen.file.settings()) <= set(rows)


def test_value_that_has_not_begun_is_no_row(xiamen):
    """Before the announcement nothing is demanded of a pharmacy."""
    keys = {row.key for row in settings(xiamen, date(2014, 6, 30))}

    assert "pin.demands.pharmacy" not in keys


def test_every_value_there_ever_was_is_listed(xiamen):
    """The two rules for pharmacies follow one another."""
    rows = [row for row in history(xiamen) if row.key == "pin.demands.pharmacy"]

    assert [(row.value, row.since.year) for row in rows] == [
        ("when-set", 2014),
        ("mandatory", 2015),
    ]


def test_every_way_is_a_row(xiamen):
    """A business that is granted on two channels in three ways has three rows."""
    rows = [row for row in grantings(xiamen, TODAY) if row.business is Business.SS_PIN_RESET]

    ways = {(row.channel, row.proofs) for row in rows}
    papers = (Proof.CITIZEN_ID, Proof.CARD_PRESENT)
    assert (Channel.BUREAU_WINDOW, papers) in ways
    assert (Channel.BUREAU_WINDOW, (*papers, Proof.AGENT_ID)) in ways
    assert (Channel.KIOSK, (Proof.BOUND_PHONE_CODE,)) in ways
    assert all(row.source.startswith(("seeds/000", "default")) for row in rows)


def test_only_what_differs_is_told(texts, xiamen):
    """A value that was changed, one that is new, and a grant that is gone."""
    text = texts["xiamen"].replace("value = 0\n", "value = 60\n")
    text = text.replace('business = ["unlink"]', 'business = ["card-progress"]')
    text += '\n[[terms]]\nbusiness = "card-apply"\nvalue = 30\nsource = "default: test"\n'

    found = set(differences(xiamen, parse_profile(text, "x.toml"), TODAY))

    assert found == {
        Difference("activation.ss_follows_after_seconds", "0", "60"),
        Difference("terms.card-apply", None, "30"),
        Difference("unlink @ online-bank", "session", None),
        Difference("card-progress @ online-bank", None, "session"),
    }
