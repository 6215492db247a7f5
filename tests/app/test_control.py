"""The operator's socket: one question, one answer, for nobody else."""

import asyncio

import pytest

from gateway.app.control import Control, ask, ask_for_key, control_path, key_desk
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


async def asked(database, links, *question):
    """Ask a gateway with these links."""
    server = await Control({"key": key_desk(links)}).listen(control_path(database))
    mode = control_path(database).stat().st_mode & 0o777
    try:
        return mode, await asyncio.to_thread(ask_for_key, database, *question)
    finally:
        server.close()


def test_far_side_is_asked_and_its_answer_given(tmp_path):
    """The link asks for the key that was named; the socket is its owner's only."""
    link = Link("00")

    answer = asyncio.run(asked(tmp_path / "gateway.db", {"bureau": link}, "bureau", "mac"))

    assert (answer, link.asked) == ((0o600, "00"), [ChangedKey.MAC])


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


def test_question_for_no_desk_is_refused(tmp_path):
    """What the gateway does not know is refused, whatever it is."""

    async def asked_elsewhere():
        server = await Control({}).listen(control_path(tmp_path / "gateway.db"))
        try:
            await asyncio.to_thread(ask, tmp_path / "gateway.db", "weather", {})
        finally:
            server.close()

    with pytest.raises(LocalError, match="does not know this question"):
        asyncio.run(asked_elsewhere())


def test_no_gateway_is_told(tmp_path):
    """Without a gateway there is nobody to ask."""
    with pytest.raises(Unavailable, match="no gateway"):
        ask_for_key(tmp_path / "gateway.db", "bureau", "mac")


def test_path_that_cannot_be_used_is_named(tmp_path):
    """A directory that is missing is named before anything is served."""
    with pytest.raises(SpecificationError, match="cannot be listened on"):
        asyncio.run(Control({}).listen(tmp_path / "none" / "gateway.db.control"))
