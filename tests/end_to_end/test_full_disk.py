"""A disk without room: new work is refused, nothing acknowledged is lost, and it comes back."""

import resource

import pytest

ROOM = 16 * 1024  # bytes; a few operations


@pytest.fixture
def limited(brief_town):
    """Give the switch that lets no file of the gateway's grow, or any size again."""
    pid = brief_town.gateway.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)

    def switch(*, is_full):
        files = [*brief_town.directory.glob("gateway.db*")]
        size = max(file.stat().st_size for file in files) + ROOM
        limit = (size, before[1]) if is_full else before
        resource.prlimit(pid, resource.RLIMIT_FSIZE, limit)

    yield switch
    resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


def test_a_full_disk_refuses_new_work_and_forgets_nothing(
    brief_town, newcomer, limited, eventually
):
    """Refused with 503, the process stays up, what was acknowledged stands, and it recovers."""
    town, linked, refused = brief_town, [], []
    limited(is_full=True)
    while len(refused) < 3:
        citizen = newcomer(of=town)
        answer = citizen.ask_link()
        (linked if answer.status in {201, 202} else refused).append((citizen, answer))
    limited(is_full=False)

    assert eventually(lambda: newcomer(of=town).ask_link().status == 201)
    assert {answer.status for _, answer in refused} == {503}
    assert town.gateway.process.poll() is None
    for citizen, answer in linked:
        assert citizen.settled(answer)["state"] == "succeeded"
        assert town.bureau_peer.links(citizen.who) == [citizen.link]
    for citizen, _ in refused:
        assert town.bureau_peer.links(citizen.who) == town.core_peer.links(citizen.who) == []
