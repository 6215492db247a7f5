"""What `gateway message describe` says: one dialect's findings, or those of all."""

from collections.abc import Iterator
from typing import Any

from gateway.app.message_tools.fitting import Framed, Tongue, cut, framed_in
from gateway.app.message_tools.report import Account, error_json


class Findings:
    """What one dialect makes of the bytes that were given, framed or not."""

    def __init__(self, tongue: Tongue, data: bytes, *, framed: bool) -> None:
        self.dialect = tongue.dialect.name
        self.framed: Framed | None = cut(tongue.dialect, data) if framed else None
        payloads = self.framed.payloads if self.framed else (data,)
        self.accounts = [Account.of(tongue, payload) for payload in payloads]
        malformed = any(account.error for account in self.accounts)
        self.good = not malformed and (self.framed is None or not self.framed.rest)
        self._looks_framed = malformed and not framed and bool(framed_in([tongue], data))

    @property
    def hint(self) -> str:
        """Say what to try instead."""
        return "the bytes look framed: say --framed" if self._looks_framed else ""

    @property
    def reason(self) -> str:
        """Say in one line why the dialect does not fit."""
        errors = [str(account.error) for account in self.accounts if account.error]
        return "; ".join(filter(None, [*errors[:1], *self._frame_flaw(), self.hint]))

    def lines(self) -> Iterator[str]:
        """Write all messages as text."""
        for account in self.accounts:
            yield from account.lines()
        if self.framed and self.framed.keep_alives:
            yield f"keep-alive frames: {self.framed.keep_alives}"
        yield from self._frame_flaw()
        if self.hint:
            yield f"hint: {self.hint}"

    def _frame_flaw(self) -> list[str]:
        if not self.framed or not self.framed.rest:
            return []
        if self.framed.error:
            return [f"stopped: {self.framed.error}"]
        return [f"the last {self.framed.rest} bytes are the beginning of a frame, no more"]

    def as_json(self) -> dict[str, Any]:
        """Give the same as values for JSON."""
        values: dict[str, Any] = {
            "good": self.good,
            "messages": [account.as_json() for account in self.accounts],
        }
        if self.framed:
            error = self.framed.error
            values["frames"] = {
                "keep_alives": self.framed.keep_alives,
                "rest_bytes": self.framed.rest,
                "error": error_json(error) if error else None,
            }
        if self.hint:
            values["hint"] = self.hint
        return values


class FindingsOfAll:
    """What every dialect makes of the bytes; the first that fits shows the message."""

    def __init__(self, known: list[Tongue], data: bytes, *, framed: bool) -> None:
        found = [Findings(each, data, framed=framed) for each in known]
        self._fitting = [each for each in found if each.good]
        self._stopped = {each.dialect: each.reason for each in found if not each.good}
        self.good = bool(self._fitting)

    def lines(self) -> Iterator[str]:
        """Write the message, and where the dialects that do not fit stopped."""
        if self._fitting:
            yield from self._fitting[0].lines()
        else:
            # Under a dialect that does not fit, a card number may stand where an amount should:
            # nothing of the message is shown.
            yield "fits no dialect; --dialect shows how far one of them goes"
        for also in self._fitting[1:]:
            yield f"fits {also.dialect} as well"
        for name, reason in self._stopped.items():
            yield f"not {name}: {reason}"

    def as_json(self) -> dict[str, Any]:
        """Give the same as values for JSON."""
        none: dict[str, Any] = {"good": False, "messages": []}
        best = self._fitting[0].as_json() if self._fitting else none
        return {**best, "fits": [each.dialect for each in self._fitting], "stopped": self._stopped}
