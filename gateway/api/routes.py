"""Which application answers a path: found segment by segment, however many paths there are."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from gateway.terms.errors import RequestRefused
from gateway.terms.refusals import Refusal

_NO_PATH = "there is no such path: /docs lists those there are"
ROUTE = "gateway.route"
"""Under this name a scope holds the template that its path has matched."""


@dataclass(slots=True)
class _Branch:
    """What may follow a beginning of a path, and what answers a path that ends here."""

    words: dict[str, "_Branch"] = field(default_factory=dict)
    anything: "_Branch | None" = None
    route: tuple[str, tuple[str, ...], ASGIApp] | None = None


class Routes:
    """Brings a request to its application, with the named segments as ``path_params``.

    `applications` stand under templates such as ``/v1/links/{link}``. A segment that is a word of
    some template is never a name's, so that a path has one way to go. Raises `RequestRefused`
    (NOT_FOUND) for any other path; a web socket is closed.
    """

    def __init__(self, applications: Mapping[str, ASGIApp]) -> None:
        self._root = _Branch()
        for template, application in applications.items():
            branch, names = self._root, []
            for segment in template.split("/"):
                if not segment.startswith("{"):
                    branch = branch.words.setdefault(segment, _Branch())
                    continue
                names.append(segment[1:-1])
                branch.anything = branch.anything or _Branch()
                branch = branch.anything
            branch.route = (template, tuple(names), application)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await WebSocketClose()(scope, receive, send)
            return
        branch, values = self._root, []
        for segment in scope["path"].split("/"):
            following = branch.words.get(segment)
            if following is None and segment:
                following = branch.anything
                values.append(segment)
            if following is None:
                raise RequestRefused(Refusal.NOT_FOUND, rule=_NO_PATH)
            branch = following
        if branch.route is None:
            raise RequestRefused(Refusal.NOT_FOUND, rule=_NO_PATH)
        scope[ROUTE], names, application = branch.route
        scope["path_params"] = dict(zip(names, values, strict=True))
        await application(scope, receive, send)
