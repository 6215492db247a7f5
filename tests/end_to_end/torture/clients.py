"""Backends that repeat unanswered requests with their keys, and what they were told."""

import http.client
from dataclasses import dataclass, field
from typing import Any

from gateway.terms.errors import Unavailable

GONE = (Unavailable, http.client.HTTPException, ConnectionError)


@dataclass
class Diary:
    """Every change that was answered, with the request, so that it can be sent again."""

    entries: list[tuple[Any, tuple, Any]] = field(default_factory=list)
    citizens: list[Any] = field(default_factory=list)


class Client:
    """A backend that repeats an unanswered request with its key, as every backend must."""

    def __init__(self, citizen, diary, eventually):
        self._citizen = citizen
        self._diary = diary
        self._eventually = eventually
        self._keys = (f"{citizen.who.customer}-{number}" for number in range(1_000_000))

    def live(self):
        """Link, set the PIN, activate, and now and then unlink."""
        citizen = self._citizen
        self._diary.citizens.append(citizen)
        linked = self._change("POST", "/v1/links", citizen.link_body())
        if linked["state"] != "succeeded":
            return
        citizen.link = linked["link"]
        path = f"/v1/links/{citizen.link}/ss-pin"
        self._change("PUT", path, lambda: citizen.pin_body("738291", self._session("ss-pin")))
        self._change("POST", "/v1/activations", self._activation)
        if citizen.who.index % 2:
            self._change("DELETE", f"/v1/links/{citizen.link}", None)

    def _activation(self):
        body = self._citizen.pin_body("738291", self._session("financial-pin"))
        return body | {"link": self._citizen.link}

    def _session(self, purpose):
        def ask():
            answer = self._citizen.bank.open_session(self._citizen.link, purpose)
            return answer.body if answer.status == 201 else None

        return self._eventually(lambda: reaching(ask))

    def _change(self, method, path, body):
        """Send one change until it is answered for good; a fresh PIN envelope when it must be."""
        while True:
            key = next(self._keys)
            content = reached(self._eventually, body) if callable(body) else body
            request = (method, path, content, key)
            answer = self._eventually(lambda request=request: self._answer(request))
            if answer.body.get("code") in _AGAIN:
                continue
            view = self._eventually(lambda answer=answer: reaching(lambda: self._view(answer)))
            self._diary.entries.append((self._citizen, request, view))
            return view

    def _answer(self, request):
        """Ask once; none while the gateway is away, or busy with the same or an older request."""
        answer = reaching(lambda: self._citizen.bank.change(*request))
        if answer is None or answer.body.get("code") in _BUSY:
            return None
        return answer

    def _view(self, answer):
        """Ask what became of it; none while it is pending, or the store cannot be read."""
        view = self._citizen.bank.get(f"/v1/operations/{answer.body['operation']}")
        return view.body if view.body.get("state", "pending") != "pending" else None


_BUSY = {"IN_PROGRESS", "EARLIER_PIN_OPEN", "OVERLOADED", "INTERNAL_ERROR"}
# Nothing was changed: begin again with a key, a session and an envelope of its own.
_AGAIN = {
    "BUREAU_UNAVAILABLE",
    "CORE_UNAVAILABLE",
    "SECURITY_MODULE_UNAVAILABLE",
    "PIN_SESSION_UNUSABLE",
    "REGISTRATION_UNDONE",
}


def reaching(ask):
    try:
        return ask()
    except GONE:
        return None


def reached(eventually, ask):
    return eventually(lambda: reaching(ask))
