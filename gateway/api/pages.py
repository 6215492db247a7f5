"""What the interface says of itself: the OpenAPI document, and the same as a page for people.

Drawing them takes most of a second and needs what nothing else does, so that this is imported when
one of them is first asked for.
"""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Final, NamedTuple

from gateway.api.docs_page import CONTENT_SECURITY_POLICY, at_address, render_page
from gateway.api.openapi import document, render_document

_PAGE_HEADERS: Final = MappingProxyType({"Content-Security-Policy": CONTENT_SECURITY_POLICY})


class Page(NamedTuple):
    """The content of a page in UTF-8, its media type and its headers."""

    content: bytes
    media_type: str
    headers: Mapping[str, str]


def openapi_page() -> Page:
    """Give the OpenAPI document, which is the same at every address."""
    return Page(_drawn()[0], "application/json", {})


def docs_page(address: str) -> Page:
    """Give the documentation page; its commands ask the server's own address."""
    return Page(at_address(_drawn()[1], address), "text/html", _PAGE_HEADERS)


@cache
def _drawn() -> tuple[bytes, bytes]:
    """Draw both once for the process: they depend on nothing but the contract."""
    description = document()
    return render_document(description), render_page(description)
