"""A bank core drives the business of its counters over real TCP: once each, and undone by 0420."""

import os
import secrets
import socket
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

import pytest

from gateway.app.specifications import Specifications, shipped_directory
from gateway.hsm.audit import Actor
from gateway.hsm.key_custody import custody
from gateway.hsm.key_purpose import KeyPurpose, Slot
from gateway.hsm.key_store import open_store
from gateway.iso8583.codec import Codec
from gateway.iso8583.frames import FrameReader
from gateway.iso8583.original_data import OriginalData
from gateway.iso8583.private_data import unpack
from gateway.pinblock.formats import FILL_BYTES, PinBlockFormat
from gateway.pinblock.zone import AccountRule, Algorithm, Zone
from gateway.simulators.cipher import ZoneKeys, mac_of, tdes_ecb
from gateway.terms.sides import Side

INSTITUTION = "99000001"  # the bank of the channels through which cards are linked
QINGDAO = "99370201"  # where the bank does everything at its counters
PADS = Zone("core-pads", PinBlockFormat.ISO_1, Algorithm.TDES, AccountRule.NONE)
SLOT = Slot(PADS.name, KeyPurpose.CHANNEL_PIN)
PIN, OTHER_PIN = "738291", "516047"
SECONDS_MAX = 20


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def with_core(port):
    """Give what makes a town's gateway listen for a core whose pads' key is in the social store."""

    def amend(town, text):
        store = town.directory / "keys" / "social"
        actor, now = Actor("test", "test"), datetime.now(UTC)  # noqa: TID251 - a real key store
        with custody(store, Side.SOCIAL, actor, now) as held:
            held.declare(PADS)
            held.generate(SLOT, now.date().replace(year=now.year + 1))
            held.activate(SLOT)
        return text + (
            f'\n[listeners.core-in]\nside = "financial"\nlisten = "127.0.0.1:{port}"\n'
            'peers = ["127.0.0.0/8"]\ndialect = "core"\nmessage_set = "core-channel"\n'
            f'zone = "core"\ninstitution = "{INSTITUTION}"\npin_zone = "{PADS.name}"\n'
        )

    return amend


@dataclass
class Core:
    """A core as a bank would build one: dials, signs on, asks, repeats and reverses."""

    town: object
    port: int
    stans: object = field(default_factory=lambda: count(1))
    institution: str = INSTITUTION

    def __post_init__(self):
        specifications = Specifications(shipped_directory())
        dialect = specifications.dialect("core")
        self.codec = Codec(dialect)
        self.messages = specifications.message_set("core-channel", dialect)
        keys = ZoneKeys.parse(
            (self.town.directory / "keys" / "simulated-core.toml").read_text("utf-8"), "keys"
        )
        self.mac = mac_of(dialect.mac, keys.mac)
        store = open_store(self.town.directory / "keys" / "social", Side.SOCIAL)
        self.pads = Pads(store.key(SLOT).key)

    def word(self, name, who=None, link="", **changes):
        """Word a request with a trace of its own."""
        kind = self.messages.kind(name)
        stan, now = f"{next(self.stans):06d}", datetime.now(UTC)  # noqa: TID251 - a peer's clock
        trace = {
            7: f"{now:%m%d%H%M%S}",
            11: stan,
            12: f"{now:%H%M%S}",
            13: f"{now:%m%d}",
            32: self.institution,
            33: self.institution,
            37: f"63251{secrets.randbelow(10**7):07d}",
            41: "COUNTER1",
        }
        fields = {de: trace[de] for de in kind.trace_fields}
        fields |= {2: who.pan} if who else {}
        private = ({"LK": link} if link else {}) | ({"PF": "IC"} if who else {})
        private |= {usage: value for usage, value in changes.items() if len(usage) == 2}
        private = private if 48 in kind.request_mandatory else {}
        if "pin" in changes:
            fill = os.urandom(FILL_BYTES)
            block = PADS.encipher(self.pads, bytearray(changes["pin"].encode()), "", fill)
            fields |= {52: block, 53: PADS.security_control_information}
        return kind.build(fields | changes.get("fields", {}), private)

    def about(self, name, original, who, link=""):
        """Word a reversal of a request, or an inquiry after it."""
        repeated = {90: OriginalData.of(original).build(), 37: original.text(37), 41: "COUNTER1"}
        return self.word(name, who, link, fields=repeated)

    def reversal(self, original, who, link):
        """Word the reversal of a request."""
        return self.about("reversal", original, who, link)

    def inquire(self, original, who, link=""):
        """Ask what became of a request."""
        return self.ask(self.about("outcome-inquiry", original, who, link))

    @contextmanager
    def dialled(self):
        """Connect and sign on."""
        with socket.create_connection(("127.0.0.1", self.port), SECONDS_MAX) as connection:
            line = Line(self, connection)
            assert line.ask(self.word("sign-on")).text(39) == "00"
            yield line

    def ask(self, request):
        """Ask on a connection of its own; give DE 39 and the subfields of DE 48."""
        with self.dialled() as line:
            answer = line.ask(request)
        return answer.text(39), unpack(answer.text(48))


class Pads:
    """The block cipher of the counters' PIN pads."""

    def __init__(self, key):
        self.encrypt = lambda block: tdes_ecb(key).encryptor().update(bytes(block))


class Line:
    """One connection of a core."""

    def __init__(self, core, connection):
        self.core, self.connection = core, connection
        self.reader = FrameReader(core.codec.dialect.framing)
        self.waiting = []

    def say(self, request):
        data = self.core.codec.encode(request, self.core.mac)
        self.connection.sendall(self.core.codec.dialect.framing.frame(data))

    def heard(self):
        """Give the next answer, passing over the gateway's own echoes."""
        while not self.waiting:
            frames = self.reader.feed(self.connection.recv(65_536))
            read = (self.core.codec.read(frame.payload, self.core.mac) for frame in frames)
            self.waiting += [message for message in read if not message.is_request]
        return self.waiting.pop(0)

    def ask(self, request):
        self.say(request)
        return self.heard()


@pytest.fixture(scope="module", name="counters")
def _counters(town_of):
    """Give a town in Qingdao whose gateway listens for a core, and that core."""
    port = free_port()
    town = town_of("qingdao", with_core(port))
    return town, Core(town, port)


@pytest.fixture
def customer(counters, newcomer):
    """Give a customer whose card is linked, and the core."""
    town, core = counters
    citizen = newcomer(of=town).linked(QINGDAO)
    yield core, citizen, town.bureau_peer
    town.at_peace()


def test_pin_is_set_from_the_cores_pads_once(customer):
    """The block is translated in the social module; a repeat is answered and not carried out."""
    core, citizen, bureau = customer
    request = core.word("ss-pin-set", citizen.who, citizen.link, pin=PIN)
    mark = bureau.mark()

    first = core.ask(request)
    again = core.ask(request.as_repeat())

    assert first == again
    assert first[0] == "00"
    assert bureau.accepts(citizen.who, PIN)
    assert bureau.begun(mark) == ["pin-set"]


def test_stored_answer_outlives_a_restart_and_a_changed_body_does_not_pass(customer, counters):
    """Same key, same body: the answer as it was; same key, another body: DE 39 = 94."""
    core, citizen, bureau = customer
    town, _ = counters
    request = core.word("ss-pin-set", citizen.who, citizen.link, pin=PIN)
    first = core.ask(request)
    changed = core.word("ss-pin-set", citizen.who, citizen.link, pin=OTHER_PIN)
    changed = changed.with_fields({de: request.fields[de] for de in (7, 11, 12, 13, 37, 41)})
    town.gateway.kill()
    town.restart_gateway()
    mark = bureau.mark()

    assert core.ask(request.as_repeat()) == first
    assert core.ask(changed) == ("94", {"RC": "IDEMPOTENCY_KEY_REUSED"})
    assert bureau.begun(mark) == []


def test_reversal_links_again_at_both_sides(customer, counters):
    """0420 after an unlinking whose answer was lost: registered again, and answered once."""
    core, citizen, bureau = customer
    town, _ = counters
    unlinking = core.word("unlink", citizen.who, citizen.link)
    removed = core.ask(unlinking)
    gone = (bureau.links(citizen.who), town.core_peer.links(citizen.who))
    reversal = core.reversal(unlinking, citizen.who, citizen.link)

    undone, again = core.ask(reversal), core.ask(reversal.as_repeat())

    assert (removed[0], gone) == ("00", ([], []))
    assert (undone, again) == (("00", {}), ("00", {}))
    assert bureau.links(citizen.who) == town.core_peer.links(citizen.who) == [citizen.link]
    assert core.ask(core.word("query-link", citizen.who, citizen.link))[1] == {"LS": "A"}


def test_an_unlinking_of_which_one_side_knew_nothing_is_not_taken_back(customer, counters):
    """The link stays away at both sides: a reversal would bring it back at one of them only."""
    core, citizen, bureau = customer
    town, _ = counters
    bureau.fault("link-remove", "decline", response_code="25", when="after")
    unlinking = core.word("unlink", citizen.who, citizen.link)
    removed = core.ask(unlinking)

    refused = core.ask(core.reversal(unlinking, citizen.who, citizen.link))

    assert (removed[0], refused) == ("00", ("40", {"RC": "NOT_OFFERED"}))
    assert town.core_peer.links(citizen.who) == []


def test_reversal_that_overtakes_its_original_bars_it(customer):
    """Unknown original: a tombstone and 0430; the original that comes later is refused."""
    core, citizen, bureau = customer
    original = core.word("unlink", citizen.who, citizen.link)

    reversed_first = core.ask(core.reversal(original, citizen.who, citizen.link))
    late = core.ask(original)

    assert reversed_first[0] == "25"
    assert late == ("22", {"RC": "REVERSED_BEFORE"})
    assert bureau.links(citizen.who) == [citizen.link]


def test_pin_is_never_reversed(customer):
    """A PIN that was set stays set: the reversal is answered, by name."""
    core, citizen, bureau = customer
    request = core.word("ss-pin-set", citizen.who, citizen.link, pin=PIN)
    core.ask(request)

    answer = core.ask(core.reversal(request, citizen.who, citizen.link))

    assert answer == ("40", {"RC": "NOT_OFFERED"})
    assert bureau.accepts(citizen.who, PIN)


def test_what_a_core_may_not_have_is_refused_by_name(customer):
    """Transfers, another's account, another's institution, and what the region does not grant."""
    core, citizen, _ = customer
    link = citizen.link
    other = Core(core.town, core.port, core.stans, "99000009")
    stranger = type(citizen.who)(
        **{name: getattr(citizen.who, name) for name in citizen.who.__dataclass_fields__}
        | {"pan": "6200000000000000018"}
    )

    transfer = {4: "000000000100", 49: "156", 102: citizen.who.card, 103: citizen.who.pan}
    for fields in ({}, transfer):
        asked = core.word("transfer", citizen.who, link, fields=fields)
        assert core.ask(asked) == ("40", {"RC": "MONEY_NEVER_MOVES"})
    assert core.ask(core.word("query-link", stranger, link))[0] == "14"
    assert other.ask(other.word("query-link", citizen.who, link)) == ("58", {"RC": "INSTITUTION"})
    forwarded = core.word("query-link", citizen.who, link, fields={33: "99000009"})
    assert core.ask(forwarded) == ("58", {"RC": "INSTITUTION"})
    unseen = core.word("ss-pin-unlock", citizen.who, link, PF="N")
    assert core.ask(unseen) == ("57", {"RC": "PROOF_MISSING"})


def test_business_of_the_table_is_carried_out_like_over_http(customer):
    """Six wrong PINs lock; the core asks for the state, unlocks, and the PIN works again."""
    core, citizen, bureau = customer
    core.ask(core.word("ss-pin-set", citizen.who, citizen.link, pin=PIN))
    for _ in range(6):
        bureau.accepts(citizen.who, OTHER_PIN)

    locked = core.ask(core.word("ss-pin-state", citizen.who, citizen.link))
    unlocked = core.ask(core.word("ss-pin-unlock", citizen.who, citizen.link))

    assert locked == ("00", {"CS": "N", "PS": "L", "TL": "0"})
    assert unlocked[0] == "00"
    assert bureau.accepts(citizen.who, PIN)


def test_activation_at_the_counter_is_advised_and_the_ss_account_follows(customer, eventually):
    """0320 is answered once it is durable; the bureau hears of it by the region's rule."""
    core, citizen, bureau = customer
    mark = bureau.mark()

    answer = core.ask(
        core.word("account-activated", citizen.who, citizen.link, AT="20261121040000")
    )

    assert answer[0] == "00"
    eventually(lambda: bureau.received(mark, "account-activated"), "the advice")


def test_repeat_while_the_first_is_under_way_gets_the_same_answer(customer):
    """The bureau takes its time; the core repeats on the same line and is answered twice alike."""
    core, citizen, bureau = customer
    bureau.fault("pin-set", "delay", seconds=0.5)
    request = core.word("ss-pin-set", citizen.who, citizen.link, pin=PIN)
    mark = bureau.mark()

    with core.dialled() as line:
        line.say(request)
        line.say(request.as_repeat())
        answers = [line.heard(), line.heard()]

    assert [answer.text(39) for answer in answers] == ["00", "00"]
    assert len({entry["fields"][3]["value"] for entry in bureau.received(mark, "pin-set")}) == 1


def test_pins_are_changed_and_reset_at_the_counter(customer):
    """Six wrong PINs lock what was changed; the clerk has the papers, and the new PIN works."""
    core, citizen, bureau = customer
    changed = core.ask(core.word("ss-pin-change", citizen.who, citizen.link, pin=PIN))
    works = bureau.accepts(citizen.who, PIN)
    for _ in range(6):
        bureau.accepts(citizen.who, OTHER_PIN)

    reset = core.ask(core.word("ss-pin-reset", citizen.who, citizen.link, pin=OTHER_PIN))

    assert (changed[0], works, reset[0]) == ("00", True, "00")
    assert bureau.accepts(citizen.who, OTHER_PIN)


def test_a_pin_is_asked_for_by_the_holders_choice(customer):
    """Qingdao: opted out of, and enabled again, the PIN being the same."""
    core, citizen, bureau = customer
    core.ask(core.word("ss-pin-set", citizen.who, citizen.link, pin=PIN))

    out, back = (
        core.ask(core.word(name, citizen.who, citizen.link))
        for name in ("ss-pin-opt-out", "ss-pin-enable")
    )

    assert [(code, told["PS"]) for code, told in (out, back)] == [("00", "O"), ("00", "E")]
    assert bureau.accepts(citizen.who, PIN)


@pytest.mark.parametrize(
    ("side", "state", "lost", "found"),
    [("ss", "CS", ("T", "F"), ("22", "LOSS_FORMAL")), ("financial", "AS", ("L", "L"), ("00", ""))],
)
def test_each_account_is_lost_and_found_by_itself(customer, side, state, lost, found):
    """For now and back again, then formally; what the other account does is not touched."""
    core, citizen, _ = customer

    def ask(name, **changes):
        return core.ask(core.word(name, citizen.who, citizen.link, **changes))

    temporary = ask(f"{side}-loss-temporary")
    pin = ask("ss-pin-set", pin=PIN)
    cancelled = ask(f"{side}-loss-cancel")
    formal = ask(f"{side}-loss-formal")
    after = ask(f"{side}-loss-cancel")

    assert (temporary, formal) == (("00", {state: lost[0]}), ("00", {state: lost[1]}))
    assert pin[0] == ("41" if side == "ss" else "00")
    assert (cancelled[0], cancelled[1][state] in "NAI") == ("00", True)
    assert (after[0], after[1].get("RC", "")) == found


def test_a_lost_card_is_replaced_and_the_link_leads_to_the_new_one(customer):
    """After the formal loss: ordered with term and fee, waited for, handed over, once each."""
    core, citizen, bureau = customer

    def ask(name, **changes):
        return core.ask(core.word(name, citizen.who, citizen.link, **changes))

    too_early = ask("card-replace", OR="L")
    ask("ss-loss-formal")
    order = core.word("card-replace", citizen.who, citizen.link, OR="L")
    ordered, again = core.ask(order), core.ask(order.as_repeat())
    nothing, waiting = ask("card-collect"), ask("card-progress")
    bureau.make_card(citizen.who)
    collected, progress = ask("card-collect"), ask("card-progress")

    assert too_early == ("22", {"RC": "LOSS_NOT_FORMAL"})
    assert ordered == again
    assert (ordered[0], ordered[1]["OS"], ordered[1]["WD"], ordered[1]["FE"]) == (
        "00",
        "P",
        "7",
        "free",
    )
    assert nothing == ("22", {"RC": "NO_CARD_WAITING"})
    assert (waiting[1]["CS"], waiting[1]["OS"]) == ("F", "P")
    assert (collected[0], collected[1]["CO"]) == ("00", "PLM")
    assert progress == ("00", {"CS": "N", "OS": "N"})


def test_a_temporary_card_is_handed_over_and_a_card_is_cancelled(customer):
    """At once, and for good."""
    core, citizen, bureau = customer

    temporary = core.ask(core.word("card-temporary", citizen.who, citizen.link))
    cancelled = core.ask(core.word("card-cancel", citizen.who, citizen.link))

    assert (temporary[0], temporary[1]["OS"], temporary[1]["WD"]) == ("00", "H", "0")
    assert cancelled == ("00", {"CS": "C"})
    assert bureau.state(citizen.who)["card_state"] == "cancelled"


def test_a_first_card_is_applied_for_by_its_account(counters, newcomer):
    """The answer names the link; whose account it is the core itself has to confirm."""
    town, core = counters
    who = newcomer(of=town).who
    said = {"IN": QINGDAO, "CU": who.customer, "NM": who.at_bank.name, "MB": who.at_bank.mobile}
    said |= {"ID": who.at_bank.citizen_id}
    application = core.word("card-apply", who, **said)

    applied, again = core.ask(application), core.ask(application.as_repeat())
    stranger = core.ask(core.word("card-apply", who, **said | {"NM": "测试丁"}))
    nowhere = core.ask(core.word("card-apply", who, **said | {"IN": "99999999"}))
    asked = core.inquire(application, who)
    progress = core.ask(core.word("card-progress", who, applied[1]["LK"]))

    assert applied == again == asked
    assert (applied[0], applied[1]["OS"], applied[1]["WD"]) == ("00", "P", "30")
    assert (stranger, nowhere) == (
        ("14", {"RC": "NOT_CONFIRMED"}),
        ("22", {"RC": "UNKNOWN_AGENCY"}),
    )
    assert progress[1]["OS"] == "P"


def test_cancelled_loss_that_is_reversed_stands_again(customer):
    """0420 fails closed: the loss is reported anew, once, however often the core reverses."""
    core, citizen, bureau = customer
    who, link = citizen.who, citizen.link
    core.ask(core.word("ss-loss-temporary", who, link))
    cancelling = core.word("ss-loss-cancel", who, link)
    core.ask(cancelling)
    mark = bureau.mark()
    reversal = core.reversal(cancelling, who, link)

    answers = [
        core.ask(each)
        for each in (reversal, reversal.as_repeat(), core.reversal(cancelling, who, link))
    ]

    assert answers == [("00", {})] * 3
    assert bureau.begun(mark) == ["loss-report"]
    assert bureau.state(who)["card_state"] == "temporary_loss"
    assert core.ask(core.word("ss-pin-set", who, link, pin=PIN))[0] == "41"


def test_what_stands_and_what_leaves_nothing_are_told_apart(customer):
    """A loss report is never taken back; of a question nothing stands."""
    core, citizen, bureau = customer
    who, link = citizen.who, citizen.link
    report, question = (
        core.word("ss-loss-temporary", who, link),
        core.word("ss-pin-state", who, link),
    )
    core.ask(report)
    core.ask(question)

    assert core.ask(core.reversal(report, who, link)) == ("40", {"RC": "NOT_OFFERED"})
    assert core.ask(core.reversal(question, who, link)) == ("00", {})
    assert bureau.state(who)["card_state"] == "temporary_loss"


def test_reversal_of_another_account_or_link_undoes_nothing(customer, newcomer, counters):
    """DE 90 alone does not name the original: DE 2 and LK are those of the original too."""
    core, citizen, bureau = customer
    town, _ = counters
    other = newcomer(of=town).linked(QINGDAO)
    unlinking = core.word("unlink", citizen.who, citizen.link)
    core.ask(unlinking)

    differing = [
        core.ask(core.about(name, unlinking, who, link))
        for name in ("reversal", "outcome-inquiry")
        for who, link in (
            (other.who, citizen.link),
            (citizen.who, other.link),
            (citizen.who, ""),
        )
    ]

    assert differing == [("25", {"RC": "ORIGINAL_DIFFERS"})] * 6
    assert bureau.links(citizen.who) == []
    assert core.inquire(unlinking, citizen.who, citizen.link)[0] == "00"


def test_outcome_that_comes_after_the_answer_is_asked_after(customer, eventually):
    """98 within the core's time, while the report is under way; the inquiry tells the end."""
    core, citizen, bureau = customer
    bureau.fault("loss-report", "drop_request", times=1_000)
    report = core.word("ss-loss-temporary", citizen.who, citizen.link)

    in_time = core.ask(report)
    meanwhile = core.inquire(report, citizen.who, citizen.link)
    bureau.heal()
    told = eventually(
        lambda: (answer := core.inquire(report, citizen.who, citizen.link))[0] != "98" and answer
    )

    assert in_time == meanwhile == ("98", {"RC": "OUTCOME_PENDING"})
    assert told == core.ask(report.as_repeat()) == ("00", {"CS": "T"})


def test_inquiry_after_what_never_came_bars_it(customer):
    """25 is the last word: the request that comes later is refused."""
    core, citizen, bureau = customer
    original = core.word("unlink", citizen.who, citizen.link)

    assert core.inquire(original, citizen.who, citizen.link)[0] == "25"
    assert core.ask(original) == ("22", {"RC": "REVERSED_BEFORE"})
    assert bureau.links(citizen.who) == [citizen.link]


def test_answer_goes_out_late_and_the_reversal_undoes_it(customer, counters, eventually):
    """The core gives up while the bureau takes its time: 0310 late, of what is undone, and 0430."""
    core, citizen, bureau = customer
    town, _ = counters
    bureau.fault("link-remove", "delay", seconds=0.4)
    mark = bureau.mark()
    unlinking = core.word("unlink", citizen.who, citizen.link)

    with core.dialled() as line:
        line.say(unlinking)
        eventually(lambda: bureau.received(mark, "link-remove"), "the removal")
        line.say(core.reversal(unlinking, citizen.who, citizen.link))
        late, undone = line.heard(), line.heard()

    assert [(each.mti, each.text(39)) for each in (late, undone)] == [
        ("0310", "91"),
        ("0430", "00"),
    ]
    assert bureau.links(citizen.who) == town.core_peer.links(citizen.who) == [citizen.link]


def test_unlinking_under_way_is_taken_back_whatever_happens(customer, counters, eventually):
    """The reversal is durable: 98, the process dies, and both sides have the link again."""
    core, citizen, bureau = customer
    town, _ = counters
    mark = bureau.mark()
    bureau.fault("link-remove", "drop_answer", times=1_000)
    bureau.fault("reversal", "drop_request", times=1_000)
    unlinking = core.word("unlink", citizen.who, citizen.link)
    reversal = core.reversal(unlinking, citizen.who, citizen.link)

    with core.dialled() as line:
        line.say(unlinking)
        eventually(lambda: bureau.received(mark, "link-remove"), "the removal")
        line.say(reversal)
        open_still = {line.heard().text(39), line.heard().text(39)}
    town.gateway.kill()
    bureau.heal()
    town.restart_gateway()
    undone = eventually(
        lambda: (answer := core.ask(reversal.as_repeat()))[0] != "98" and answer, "the end"
    )

    assert (open_still, undone) == ({"98"}, ("00", {}))
    assert core.inquire(unlinking, citizen.who, citizen.link)[1] == {"RC": "REGISTRATION_UNDONE"}
    assert core.ask(core.word("query-link", citizen.who, citizen.link))[1] == {"LS": "A"}
    assert bureau.links(citizen.who) == town.core_peer.links(citizen.who) == [citizen.link]


def test_pin_whose_de_53_is_not_the_zones_is_a_format_error(customer, counters):
    """Another key or format than declared: 30, nothing is sent, and the log names the element."""
    core, citizen, bureau = customer
    town, _ = counters
    mark = bureau.mark()
    wrong = {53: "2600000000000000"}

    answer = core.ask(core.word("ss-pin-set", citizen.who, citizen.link, pin=PIN, fields=wrong))

    assert answer == ("30", {})
    assert bureau.begun(mark) == []
    assert "DE 53: is not what the zone of the PIN pads declares" in town.log()
