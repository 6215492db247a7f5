"""The operator's socket: one question, one answer, for nobody else."""

import asyncio
import grp
import os
import pwd
from datetime import datetime, timedelta

import pytest

from gateway.app.clock import GatewayClock, utc_now
from gateway.app.control import (
    Control,
    announce_day,
    ask,
    ask_for_key,
    clock_desk,
    control_path,
    cut_over_desk,
    key_desk,
    let_pass,
)
from gateway.iso8583.errors import RefusedMessage
from gateway.iso8583.key_change import ChangedKey
from gateway.terms.errors import LocalError, SpecificationError, Unavailable


class Link:
    """A link whose far side answers at once, or that is down."""

    def __init__(self, code):
        self.code, self.asked = code, []

    def request_key(self, key, heard):
        if self.code is None:
            raise Unavailable("link is closed")
        self.asked.append(key)
        heard(self.code)

    def announce(self, day, heard):
        if day == "0230":
            raise RefusedMessage("DE 15", "a day")
        self.request_key(day, heard)


async def asked(database, links, *question, say=ask_for_key):
    """Ask a gateway with these links."""
    desks = {"key": key_desk(links), "cut-over": cut_over_desk(links)}
    server = await Control(desks).listen(control_path(database))
    mode = control_path(database).stat().st_mode & 0o777
    try:
        return mode, await asyncio.to_thread(say, database, *question)
    finally:
        server.close()


def test_far_side_is_asked_and_its_answer_given(tmp_path):
    """The link asks for the key that was named; the socket is its owner's only."""
    link = Link("00")

    answer = asyncio.run(asked(tmp_path / "gateway.db", {"bureau": link}, "bureau", "mac"))

    assert (answer, link.asked) == ((0o600, "00"), [ChangedKey.MAC])


def test_every_desk_hears_from_the_kernel_who_asks(tmp_path):
    """What the question itself says of its author counts for nothing."""
    database = tmp_path / "gateway.db"

    async def main():
        async def desk(question):
            return {"by": question["by"]}

        server = await Control({"who": desk}).listen(control_path(database))
        try:
            return await asyncio.to_thread(ask, database, "who", {"by": "somebody else"})
        finally:
            server.close()

    assert asyncio.run(main())["by"] == pwd.getpwuid(os.geteuid()).pw_name


def test_members_of_a_group_are_let_in_to_resolve(tmp_path):
    """The socket has the group's rights from then on; a group that there is not is refused."""
    own = grp.getgrgid(os.getegid())
    path = control_path(tmp_path / "gateway.db")

    async def main():
        server = await Control({}, own.gr_name).listen(path)
        mode = path.stat()
        server.close()
        with pytest.raises(SpecificationError, match="control_group: is no group"):
            await Control({}, "no-such-group").listen(path)
        return mode

    found = asyncio.run(main())

    assert (found.st_mode & 0o777, found.st_gid) == (0o660, own.gr_gid)


@pytest.mark.parametrize(
    ("code", "question", "error"),
    [
        (None, ("bureau", "mac"), Unavailable),
        ("", ("bureau", "mac"), Unavailable),
        ("00", ("core", "mac"), LocalError),
        ("00", ("bureau", "kek"), LocalError),
    ],
)
def test_question_that_cannot_be_asked_is_refused(tmp_path, code, question, error):
    """A link that is down or silent may be tried again; one that is not there may not."""
    with pytest.raises(error):
        asyncio.run(asked(tmp_path / "gateway.db", {"bureau": Link(code)}, *question))


def test_far_side_is_told_the_business_day(tmp_path):
    """What it answers is what the operator reads."""
    link = Link("00")

    answer = asyncio.run(
        asked(tmp_path / "gateway.db", {"core": link}, "core", "1122", say=announce_day)
    )

    assert (answer[1], link.asked) == ("00", ["1122"])


@pytest.mark.parametrize(
    ("code", "question", "error"),
    [
        (None, ("core", "1122"), Unavailable),
        ("", ("core", "1122"), Unavailable),
        ("00", ("bureau", "1122"), LocalError),
        ("00", ("core", "0230"), LocalError),
    ],
)
def test_business_day_that_cannot_be_told_is_refused(tmp_path, code, question, error):
    """A link that is down, one that is not there, a day that is none."""
    links = {"core": Link(code)}

    with pytest.raises(error):
        asyncio.run(asked(tmp_path / "gateway.db", links, *question, say=announce_day))


@pytest.fixture
def ask_clock(tmp_path):
    """Give what asks a gateway with a movable clock to let time pass."""

    async def asking(seconds):
        desk = {"clock": clock_desk(GatewayClock(movable=True))}
        server = await Control(desk).listen(control_path(tmp_path / "gateway.db"))
        try:
            return await asyncio.to_thread(let_pass, tmp_path / "gateway.db", seconds)
        finally:
            server.close()

    return lambda seconds: asyncio.run(asking(seconds))


def test_time_passes_for_a_gateway_on_request(ask_clock):
    """It answers with its instant then."""
    then = datetime.fromisoformat(ask_clock(86_400))

    assert timedelta(hours=23, minutes=59) < then - utc_now() <= timedelta(days=1)


@pytest.mark.parametrize("seconds", [-1, 400_000_000, 1.5, True, "60"])
def test_time_that_cannot_pass_is_refused(ask_clock, seconds):
    """It never goes back, nor beyond what any term needs, and is a number of seconds."""
    with pytest.raises(LocalError):
        ask_clock(seconds)


def test_question_for_no_desk_is_refused(tmp_path):
    """What the gateway does not know is refused, whatever it is."""

    async def asked_elsewhere():
        server = await Control({}).listen(control_path(tmp_path / "gateway.db"))
        try:
            await asyncio.to_thread(ask, tmp_path / "gateway.db", "weather", {})
        finally:
            server.close()

    with pytest.raises(LocalError, match="does not answer this"):
        asyncio.run(asked_elsewhere())


def test_no_gateway_is_told(tmp_path):
    """Without a gateway there is nobody to ask."""
    with pytest.raises(Unavailable, match="no gateway"):
        ask_for_key(tmp_path / "gateway.db", "bureau", "mac")


def test_path_that_cannot_be_used_is_named(tmp_path):
    """A directory that is missing is named before anything is served."""
    with pytest.raises(SpecificationError, match="cannot be listened on"):
        asyncio.run(Control({}).listen(tmp_path / "none" / "gateway.db.control"))
