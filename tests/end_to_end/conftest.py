"""A town: gateway, bureau and core as processes, a wire to each far side, and its citizens.

Each test has a citizen of its own, so that the order of tests does not matter. Nothing sleeps for
a guessed time: what is waited for is an observable state, with a deadline.
"""

from collections.abc import Callable, Iterator
from itertools import count
from shutil import copytree
from typing import Any

import pytest
from town.citizen import Citizen
from town.counters import QINGDAO, Core, free_port, with_core
from town.ensemble import Town
from town.patience import wait_for
from town.peer import Peer
from town.warm import Warm

from gateway.app.specifications import shipped_directory
from gateway.simulators.population import FRESH_FROM, person

LIMITS = {
    "answer_timeout_s": 0.2,
    "repeats_max": 2,
    "retry_first_s": 0.2,
    "retry_max_s": 0.5,
    "secret_life_s": 2,
    "message_life_s": 1.2,
}
HTTP = {"answer_wait_s": 2}


@pytest.fixture(scope="session")
def eventually() -> Callable[..., Any]:
    """Give the one way of waiting: for a state, with a deadline."""
    return wait_for


_INDEXES = count(1_000)
_FRESH_INDEXES = count(FRESH_FROM)


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """Give what starts gateways and far sides without their imports, which take the most time."""
    warm = Warm()
    yield warm
    warm.close()


@pytest.fixture(scope="session")
def fresh_town(tmp_path_factory, warm) -> Iterator[Callable[..., Town]]:
    """Give the maker of further towns, which it stops in the end."""
    towns: list[Town] = []

    def make(**settings: Any) -> Town:
        settings = {"limits": LIMITS, "http": HTTP} | settings
        town = Town(tmp_path_factory.mktemp("town"), warm, **settings)
        towns.append(town)
        town.start()
        return town

    try:
        yield make
    finally:
        for town in towns:
            town.stop()


@pytest.fixture(scope="session")
def town_of(fresh_town, tmp_path_factory) -> Callable[..., Town]:
    """Give the maker of a town in another region, with its bureau and its profile.

    One whose configuration is amended is made for the asker; the others are shared.
    """
    towns: dict[object, Town] = {}

    def make(region: str, amend: Callable[[Town, str], str] | None = None) -> Town:
        key = region, amend
        if key not in towns:
            specifications = tmp_path_factory.mktemp("specs") / region
            copytree(shipped_directory(), specifications)
            text = (specifications / f"regions/{region}.toml").read_text("utf-8")
            profile = text.replace(f'link = "{region}"', 'link = "bureau"')
            (specifications / "regions/xiamen.toml").write_text(profile, "utf-8")
            more = {"amend": amend} if amend else {}
            towns[key] = fresh_town(specifications=specifications, **more)
        towns[key].at_peace()
        return towns[key]

    return make


@pytest.fixture(scope="session")
def the_town(fresh_town) -> Town:
    return fresh_town()


@pytest.fixture(scope="session")
def the_brief_town(fresh_town) -> Town:
    return fresh_town(lines="pin_session_life_s = 3")


@pytest.fixture
def brief_town(the_brief_town) -> Iterator[Town]:
    """Give a town whose gateway may be killed, and whose PIN sessions last three seconds."""
    the_brief_town.at_peace()
    yield the_brief_town
    the_brief_town.at_peace()


@pytest.fixture
def town(the_town) -> Iterator[Town]:
    """Give the town that all tests share; each leaves it as it found it."""
    the_town.at_peace()
    yield the_town
    the_town.at_peace()


@pytest.fixture
def bureau(town) -> Peer:
    return town.bureau_peer


@pytest.fixture
def core(town) -> Peer:
    return town.core_peer


@pytest.fixture
def newcomer(request) -> Callable[..., Citizen]:
    """Give the maker of citizens whom no other test knows; `fresh` ones have nothing activated.

    The town of all tests is started for those who are of no other.
    """

    def make(*, fresh: bool = False, of: Town | None = None) -> Citizen:
        who = person(next(_FRESH_INDEXES if fresh else _INDEXES))
        return Citizen(of or request.getfixturevalue("town"), who)

    return make


@pytest.fixture
def citizen(newcomer) -> Citizen:
    return newcomer()


@pytest.fixture(scope="session")
def counters(town_of) -> tuple[Town, Core]:
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
