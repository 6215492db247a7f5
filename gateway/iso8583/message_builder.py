"""How requests and answers of one kind are put together, data elements in ascending order."""

from collections.abc import Callable, Iterable, Mapping
from operator import itemgetter
from typing import Any

from gateway.iso8583 import private_data
from gateway.iso8583.field_content import Value
from gateway.iso8583.message import Message

PRIVATE = 48
_RESPONSE_CODE = 39
# Who builds ever new sets of optional fields has each sorted anew.
_ORDERS_MAX = 64


class MessageBuilder:
    """Makes the requests of a kind, which `selectors` mark as such, and their answers.

    `echoed` are the data elements that an answer takes from its request, where that has them.
    """

    def __init__(
        self, request: str, response: str, selectors: Mapping[int, str], echoed: Iterable[int]
    ) -> None:
        self._request = request
        self._response = response
        self._selectors = dict(selectors)
        self._echoed = tuple(sorted(echoed))
        # Of one field alone there would be no tuple.
        self._echoes: Callable[[Mapping[int, Value]], tuple[Any, ...]] = itemgetter(
            *self._echoed, *self._echoed
        )
        # In the order of a message; filling a copy is quicker than sorting, or letting one grow.
        self._blank_answer = _blank((*self._echoed, _RESPONSE_CODE))
        self._blank_requests: dict[tuple[int, ...], dict[int, Any]] = {}

    def request(self, fields: Mapping[int, Value], private: Mapping[str, str] | None) -> Message:
        """Make a request of `fields`, the selectors and the subfields of DE 48, if any."""
        given = (*fields, PRIVATE) if private else tuple(fields)
        blank = self._blank_requests.get(given) or self._sort(given)
        filled = blank.copy()
        filled.update(fields)
        filled.update(self._selectors)
        if private:
            filled[PRIVATE] = private_data.pack(private)
        return Message(self._request, filled)

    def _sort(self, given: tuple[int, ...]) -> dict[int, Any]:
        blank = _blank((*given, *self._selectors))
        if len(self._blank_requests) < _ORDERS_MAX:
            self._blank_requests[given] = blank
        return blank

    def answer(
        self, request: Message, response_code: str, private: Mapping[str, str] | None
    ) -> Message:
        """Make the answer to a request, with what is echoed and the subfields of DE 48, if any."""
        try:
            echoes = self._echoes(request.fields)
        except KeyError:
            return self._answer_in_part(request, response_code, private)
        fields = self._blank_answer.copy()
        fields.update(zip(self._echoed, echoes))  # noqa: B905 - they come twice
        fields[_RESPONSE_CODE] = response_code
        return self._with_private(fields, private) if private else Message(self._response, fields)

    def _answer_in_part(
        self, request: Message, response_code: str, private: Mapping[str, str] | None
    ) -> Message:
        """Make the answer to a request that does not have everything that is echoed."""
        fields = {de: request.fields[de] for de in self._echoed if de in request.fields}
        fields[_RESPONSE_CODE] = response_code
        return self._with_private(fields, private or {})

    def _with_private(self, fields: dict[int, Any], private: Mapping[str, str]) -> Message:
        if private:
            fields[PRIVATE] = private_data.pack(private)
        return Message(self._response, dict(sorted(fields.items())))


def _blank(data_elements: Iterable[int]) -> dict[int, Any]:
    return dict.fromkeys(sorted(set(data_elements)))
