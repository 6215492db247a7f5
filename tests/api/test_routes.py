"""Paths to applications: the word before the name, the whole path, nothing in between."""

import asyncio

import pytest

from gateway.api.routes import ROUTE, Routes
from gateway.terms.errors import RequestRefused
from gateway.terms.refusals import Refusal

TEMPLATES = ("/", "/v1/links", "/v1/links/{link}", "/v1/links/{link}/pins/{pin}", "/v1/links/all")


def found(path, kind="http"):
    """Give the template that was matched, the names, and what was sent."""
    said = []

    async def application(scope, _receive, send):
        await send((scope[ROUTE], scope["path_params"]))

    async def send(event):
        said.append(event)

    routes = Routes(dict.fromkeys(TEMPLATES, application))
    asyncio.run(routes({"type": kind, "path": path}, None, send))
    return said[0]


@pytest.mark.parametrize(
    ("path", "template", "names"),
    [
        ("/", "/", {}),
        ("/v1/links", "/v1/links", {}),
        ("/v1/links/lnk_1", "/v1/links/{link}", {"link": "lnk_1"}),
        ("/v1/links/lnk_1/pins/2", "/v1/links/{link}/pins/{pin}", {"link": "lnk_1", "pin": "2"}),
        ("/v1/links/all", "/v1/links/all", {}),
    ],
)
def test_a_path_is_answered_by_its_template(path, template, names):
    """Named segments are told by name; a word of its own comes before a name."""
    assert found(path) == (template, names)


@pytest.mark.parametrize(
    "path", ["", "/v1", "/v1/", "/v1/links/", "/v1/links/1/pins", "/v1/links/1/pins/2/3", "//"]
)
def test_any_other_path_is_not_found(path):
    """Neither half a path nor an empty segment is any path at all."""
    with pytest.raises(RequestRefused) as refused:
        found(path)

    assert refused.value.refusal is Refusal.NOT_FOUND


def test_a_web_socket_is_closed():
    """There is none on any path."""
    assert found("/v1/links", "websocket")["type"] == "websocket.close"
