"""What a bank's backend asks in a benchmark, and what came of a round of it."""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple

from gateway.app.bench import load
from gateway.app.bench.processes import processor_seconds, since
from gateway.app.online_bank import OnlineBank, seal_pin
from gateway.simulators.population import Person
from gateway.terms.errors import Unavailable

INSTITUTION = "99350201"
PIN = "738291"  # of synthetic people; not a pattern


class Hand(NamedTuple):
    """A link that a PIN can be set through: its reference and its customer."""

    link: str
    customer: str


@dataclass(slots=True)
class Round:
    """The bouts of one round, by what was asked."""

    bouts: dict[str, load.Bout] = field(default_factory=dict)
    processors: dict[str, dict[str, float]] = field(default_factory=dict)

    async def measure(
        self,
        name: str,
        processes: Mapping[str, Iterable[int]],
        ask: Callable[[], Awaitable[load.Bout]],
    ) -> load.Bout:
        """Add a bout, and what it cost each process, to those of its name."""
        before = processor_seconds(processes)
        bout = await ask()
        taken = since(before, processor_seconds(processes))
        sum_ = self.bouts.setdefault(name, load.Bout())
        sum_.answers += bout.answers
        sum_.seconds += bout.seconds
        spent = self.processors.setdefault(name, dict.fromkeys(taken, 0.0))
        for process, seconds in taken.items():
            spent[process] += seconds
        return bout

    def seconds(self, name: str) -> float:
        """How long the bouts of a name took."""
        return self.bouts[name].seconds if name in self.bouts else 0.0

    def rate(self, name: str) -> float:
        """Operations a second."""
        return self.bouts[name].per_second

    def latency(self, name: str, percent: int) -> float:
        """Milliseconds that this share of the operations took at most."""
        return load.percentile(self.bouts[name].answers, percent)

    def processor(self, name: str, process: str) -> float:
        """Microseconds of a processor for each operation."""
        return 1e6 * self.processors[name][process] / len(self.bouts[name].answers)


class Backend:
    """Writes the requests of online banking as they go over a connection.

    Any of the nodes of an installation takes them; `url` is one of them, and `token` the channel's.
    """

    def __init__(self, url: str, token: str) -> None:
        self._token = token
        self._keys = count()
        keys = OnlineBank(url, token, "").get("/v1/jwks.json").body["keys"]
        self.jwk: Mapping[str, str] = next(key for key in keys if key["purpose"] == "ss-pin")

    def post_link(self, who: Person) -> bytes:
        """Ask for the link of a person's own card and account."""
        body = {
            "institution": INSTITUTION,
            "ss_card_number": who.card,
            "account": who.pan,
            "mobile": who.at_bank.mobile,
        }
        return self._request("POST", "/v1/links", who.customer, body)

    def post_session(self, hand: Hand) -> bytes:
        """Open a PIN session."""
        path = f"/v1/links/{hand.link}/pin-sessions"
        return self._request("POST", path, hand.customer, {"purpose": "ss-pin"})

    def put_sealed(self, hand: Hand, answer: load.Answer) -> bytes:
        """Set a PIN, sealed here, in the session that was opened with this answer."""
        session = json.loads(answer.body)
        return self.put_pin(hand, session["pin_session"], seal_pin(self.jwk, session, PIN))

    def put_pin(self, hand: Hand, session: str, envelope: str) -> bytes:
        """Set a PIN that is sealed already."""
        body = {"pin_session": session, "encrypted_pin": envelope}
        return self._request("PUT", f"/v1/links/{hand.link}/ss-pin", hand.customer, body)

    def _request(self, method: str, path: str, customer: str, body: object) -> bytes:
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Customer-Number": customer,
            "Idempotency-Key": f"bench-{next(self._keys)}",
        }
        return load.request(method, path, headers, json.dumps(body).encode())


def all_answered(bout: load.Bout, expected: int) -> load.Bout:
    """Give a bout all of whose answers have a status; raises `Unavailable` for another one."""
    others = [answer for answer in bout.answers if answer.status != expected]
    if others:
        words = others[0].body.decode("utf-8", "replace")
        raise Unavailable(
            f"{len(others)} of {len(bout.answers)} requests were not answered {expected}, "
            f"the first with {others[0].status}: {words}"
        )
    return bout
