"""What the core's channel does by itself, before anything is asked of a desk."""

import asyncio
import hashlib
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from gateway.app.core_channel import IN_FLIGHT_MAX, CoreChannel, CorePlace
from gateway.app.specifications import Specifications, shipped_directory
from gateway.iso8583.errors import RefusedMessage
from gateway.iso8583.original_data import OriginalData
from gateway.iso8583.private_data import unpack
from gateway.terms.errors import RequestRefused, Unavailable
from gateway.terms.refusals import Refusal

INSTITUTION = "99000002"
ACCOUNT = "6200000000000000018"
LINK = "lnk_" + "0" * 26
SECONDS_MAX = 5
NOW = datetime(2026, 11, 22, 0, 30, tzinfo=UTC)


@pytest.fixture(scope="module", name="messages")
def _messages():
    specifications = Specifications(shipped_directory())
    return specifications.message_set("core-channel", specifications.dialect("core"))


class SlowDesk:
    """Answers no question before it may, and then with an error."""

    def __init__(self, error):
        self.may_answer = asyncio.Event()
        self.error = error

    async def query(self, *_):
        """Wait, and be of no use."""
        await self.may_answer.wait()
        raise self.error


class Refusing:
    """Reversals that are refused, each for the same reason."""

    def __init__(self, refusal):
        self.refusal = refusal

    async def undo(self, *_):
        """Take nothing back."""
        raise RequestRefused(self.refusal)


def channel_of(messages, desk=None, answer_wait_s=60.0, reversals=None):
    """Give the channel of one core."""
    place = CorePlace("core-in", INSTITUTION, answer_wait_s)
    hashed = lambda data: hashlib.sha256(data).digest()  # noqa: E731 - as the gateway's, without a key
    return CoreChannel(place, messages, desk, reversals, hashed, lambda: NOW)


def word(messages, name, **more):
    """Word a request; all have the same trace."""
    fields = {2: ACCOUNT, 7: "1122003000", 11: "000001", 12: "083000", 13: "1122"}
    fields |= {32: INSTITUTION, 33: INSTITUTION, 37: "632600000001", 41: "COUNTER1"}
    return messages.kind(name).build(
        fields | more.get("fields", {}), more.get("private", {"LK": LINK, "PF": "IC"})
    )


def test_reversal_that_names_itself_is_answered(messages):
    """DE 90 is its own trace: a format error, and no wait for an end that never comes."""
    own = OriginalData("0420", "000001", "1122003000", INSTITUTION, INSTITUTION)
    reversal = word(messages, "reversal", fields={90: own.build()})

    async def answer():
        answered = asyncio.get_running_loop().create_future()
        channel_of(messages).handle(reversal, answered.set_result)
        async with asyncio.timeout(SECONDS_MAX):
            return await answered

    assert asyncio.run(answer()).text(39) == "30"


@pytest.mark.parametrize("refusal", Refusal)
def test_refused_reversal_has_an_answer_that_its_message_allows(messages, refusal):
    """Also where a far side declined what was to take it back; the reason stands in DE 48."""
    original = OriginalData("0300", "000002", "1122002900", INSTITUTION, INSTITUTION)
    reversal = word(messages, "reversal", fields={90: original.build()})

    async def answer():
        answered = asyncio.get_running_loop().create_future()
        channel_of(messages, reversals=Refusing(refusal)).handle(reversal, answered.set_result)
        async with asyncio.timeout(SECONDS_MAX):
            return await answered

    code = asyncio.run(answer()).text(39)

    assert code in messages.kind("reversal").response_codes
    assert (code in {"00", "25"}) == (refusal in {Refusal.ALREADY_SO, Refusal.NOT_FOUND})


@pytest.mark.parametrize(
    "private",
    [{"LK": LINK, "PF": "Z"}, {"LK": "lnk_" + "!" * 26, "PF": "I"}],
    ids=["a proof of no meaning", "no link"],
)
def test_what_cannot_be_read_is_the_cores_mistake(messages, private):
    """A format error, and not a malfunction of ours; nobody is asked."""
    request = word(messages, "query-link", private=private)

    async def answer():
        answered = asyncio.get_running_loop().create_future()
        channel_of(messages).handle(request, answered.set_result)
        async with asyncio.timeout(SECONDS_MAX):
            return await answered

    assert asyncio.run(answer()).text(39) == "30"


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("query-link", {7: "1008002959"}),
        ("query-link", {7: "0106003100"}),
        ("reversal", {90: OriginalData("0100", "000002", "1008002959", "1", "1").build()}),
        ("outcome-inquiry", {90: OriginalData("0100", "000002", "1008002959", "1", "1").build()}),
    ],
    ids=["old", "of the future", "undoes what is old", "asks after what is old"],
)
def test_what_was_sent_so_long_ago_that_it_is_forgotten_is_refused(messages, name, fields):
    """A recorded request is not carried out again; of one that was, nobody says that it never came.

    The year of DE 7 is the nearest.
    """
    reversal = word(messages, name, fields=fields)
    near = word(messages, "query-link", fields={7: "0106003000"})
    desk = SlowDesk(RequestRefused(Refusal.NOT_FOUND))
    desk.may_answer.set()

    async def answer(request):
        answered = asyncio.get_running_loop().create_future()
        channel_of(messages, desk).handle(request, answered.set_result)
        async with asyncio.timeout(SECONDS_MAX):
            return await answered

    assert asyncio.run(answer(reversal)).text(39) == "30"
    assert asyncio.run(answer(near)).text(39) == "14"


def test_repeats_are_messages_that_wait_like_any_other(messages):
    """However often a core repeats what is under way, only so many messages are kept."""
    request = word(messages, "query-link")

    async def answers():
        desk, given, last = SlowDesk(Unavailable("full")), [], asyncio.Event()

        def reply(answer):
            given.append(answer)
            if len(given) > IN_FLIGHT_MAX:
                last.set()

        channel = channel_of(messages, desk)
        for _ in range(IN_FLIGHT_MAX + 1):
            channel.handle(request, reply)
        at_once = len(given)
        desk.may_answer.set()
        async with asyncio.timeout(SECONDS_MAX):
            await last.wait()
        return given[:at_once], given[at_once:]

    at_once, later = asyncio.run(answers())

    assert [unpack(answer.text(48)) for answer in at_once] == [{"RC": "OVERLOADED"}]
    assert {answer.text(39) for answer in later} == {"91"}


@pytest.mark.parametrize(
    ("error", "answered", "failures", "event"),
    [
        (TypeError(ACCOUNT), ("96", {}), 1, "core-request-failed"),
        (LookupError(ACCOUNT), ("96", {}), 1, "core-request-failed"),
        (RefusedMessage("DE 53", "of no meaning"), ("30", {}), 0, "core-request-malformed"),
        (RequestRefused(Refusal.CARD_LOST), ("41", {"RC": "CARD_LOST"}), 0, None),
    ],
    ids=["a mistake", "another", "the core's", "a refusal"],
)
def test_mistake_of_ours_is_seen_and_answered_all_the_same(
    messages, error, answered, failures, event
):
    """96, a count and a log line with the frames for ours; the element for the core's."""
    request, desk = word(messages, "query-link"), SlowDesk(error)
    desk.may_answer.set()
    channel = channel_of(messages, desk)

    async def answer():
        answer = asyncio.get_running_loop().create_future()
        channel.handle(request, answer.set_result)
        async with asyncio.timeout(SECONDS_MAX):
            return await answer

    with capture_logs() as logged:
        told = asyncio.run(answer())

    assert (told.text(39), unpack(told.text(48))) == answered
    assert channel.failures == failures
    assert [line["event"] for line in logged] == ([event] if event else [])
    assert all(line.get("exc_info", True) for line in logged)
    assert "DE 53" in str(logged) or event != "core-request-malformed"


def test_core_is_answered_in_its_own_time(messages):
    """98 when that is over, once; the repeat is told what became of it."""
    request, desk = word(messages, "query-link"), SlowDesk(RequestRefused(Refusal.CARD_LOST))

    async def answers():
        channel, heard = channel_of(messages, desk, 0.01), asyncio.Queue()

        async def ask():
            channel.handle(request.as_repeat(), heard.put_nowait)
            return await heard.get()

        async with asyncio.timeout(SECONDS_MAX):
            in_time = await ask()
            desk.may_answer.set()
            while (later := await ask()).text(39) == "98":
                pass
        return in_time, later, heard.empty()

    in_time, later, is_all = asyncio.run(answers())

    assert (in_time.text(39), unpack(in_time.text(48))) == ("98", {"RC": "OUTCOME_PENDING"})
    assert (later.text(39), is_all) == ("41", True)
