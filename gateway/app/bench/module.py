"""The security module: set-PIN calls inside it and through its socket, MACs, PIN block translation.

What a figure is compared with:

- set-PIN calls with the key agreement alone (one ECDH on P-256 with a fresh point), which no
  implementation of the envelope can do without; the translation with its two cipher calls;
- set-PIN calls with the JOSE library that merely opens the same envelopes, its algorithms pinned:
  the goals are rates on a machine where it opens 11,256 a second (``reference/pin-and-keys.md``
  4.6), so each is a part of that as well;
- the retail MAC and the translation with psec, where it is installed: it is a library for tests,
  not for production, and no dependency of this package.
"""

import asyncio
import importlib
import json
import secrets
import subprocess
import sys
import time
import warnings
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any, TypeVar

import uvloop
from joserfc import jwe
from joserfc.jwk import ECKey

from gateway.app.bench.figures import Figure
from gateway.app.bench.processes import processor_seconds, since, waited_seconds
from gateway.app.clock import utc_now
from gateway.app.ensemble import BUREAU_ZONE, CORE_ZONE, TEST_KEY_LIFE
from gateway.app.online_bank import seal_pin
from gateway.hsm import pin_protocol
from gateway.hsm.ciphers import tdes
from gateway.hsm.client import SecurityModule
from gateway.hsm.envelope import agree
from gateway.hsm.frames import Frame
from gateway.hsm.key_store import EnvelopeKey, open_store
from gateway.hsm.mac import MacPadding, RetailMac
from gateway.hsm.module import ANSWERS_AT_ONCE, answers
from gateway.hsm.pin_protocol import EncipheredPin, SetPin
from gateway.hsm.protocol import Command
from gateway.hsm.provision import create_test_store
from gateway.hsm.soft_module import SoftModule
from gateway.pinblock.policy import PinHolder, PinPolicy
from gateway.pinblock.translator import translator
from gateway.terms.errors import LocalError
from gateway.terms.sides import PinPurpose, Side

MAC_BYTES = 300  # about the length of a message
PIN = "738291"  # of synthetic people; not a pattern
PAN = "6200000000000000018"
SESSION_SECONDS = 300
_JOSERFC = "against joserfc opening the JWE"
_GOAL_INSIDE, _GOAL_THROUGH_SOCKET = 8_000, 7_000
_OPENINGS_OF_REFERENCE = 11_256
_COORDINATE_BYTES = 32
_ALGORITHMS = ["ECDH-ES", "A256GCM"]
_KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
_OTHER_KEY = bytes.fromhex("89ABCDEF0123456776543210FEDCBA98")
_HOLDER = PinHolder(date(1990, 3, 5), ("350299199003050012", "15400863271", "T00470019"))


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to measure: rounds, set-PIN calls in a round, calls in flight on the socket."""

    rounds: int = 7
    calls: int = 1_000
    in_flight: int = 128


def measure(plan: Plan | None = None) -> list[Figure]:
    """Measure; raises `LocalError` when a call does not do what it is measured for."""
    plan = plan or Plan()
    with TemporaryDirectory(prefix="sscard-bench-") as directory:
        store = Path(directory) / "social"
        last_day = (utc_now() + TEST_KEY_LIFE).date()
        create_test_store(store, Side.SOCIAL, [BUREAU_ZONE], last_day, utc_now())
        return [*_set_pin(store, plan), *_socket(store, plan), *_mac(plan), *_translation(plan)]


# ---------------------------------------------------------------- set PIN


def _set_pin(store: Path, plan: Plan) -> list[Figure]:
    opened = open_store(store, Side.SOCIAL)
    (key,) = opened.envelope_keys
    requests = _requests(key, plan.calls)
    frames = [
        Frame(at, Command.SET_PIN, pin_protocol.write_set_pin(request))
        for at, request in enumerate(requests)
    ]
    # As the process takes them off its socket while many wait.
    several = [frames[at : at + ANSWERS_AT_ONCE] for at in range(0, len(frames), ANSWERS_AT_ONCE)]
    agreeing, opening = _Agreement(key, requests), _Opening(key, requests)
    inside, agreed, opened_only = [], [], []
    for _ in range(plan.rounds):
        agreed.append(agreeing.rate())
        opened_only.append(opening.rate())
        # A module of its own for each round has burnt no session yet.
        module = SoftModule(opened, time.time)  # noqa: TID251 - the module's own clock
        told: list[Frame] = []
        rate = _rate(several, _asking(module, told))
        inside.append(plan.calls / len(several) * rate)
        _check(told)
    name = "module: JWE, policy, PIN block, inside the process"
    return [
        Figure.against(f"{name}, against the key agreement alone", "calls/s", inside, agreed),
        Figure.against(
            f"{name}, {_JOSERFC} ({_part(_GOAL_INSIDE)})", "calls/s", inside, opened_only
        ),
    ]


def _part(goal: int) -> str:
    """Write a goal as what it is of the library's openings on the machine it was set for."""
    reference = _OPENINGS_OF_REFERENCE
    return f"{goal:,} of {reference:,}: {goal / reference:.2f}"


class _Agreement:
    """The key agreement alone, with the points of the same envelopes."""

    def __init__(self, key: EnvelopeKey, requests: Iterable[SetPin]) -> None:
        self._private = key.private_key
        self._points = [_point(request) for request in requests]

    def rate(self) -> float:
        """Give agreements in a second of the processor."""
        return _rate(self._points, lambda point: agree(self._private, point))


class _Opening:
    """The JOSE library, which opens the same envelopes and does no more."""

    def __init__(self, key: EnvelopeKey, requests: Iterable[SetPin]) -> None:
        private = key.private_key.private_numbers().private_value.to_bytes(_COORDINATE_BYTES)
        d = urlsafe_b64encode(private).rstrip(b"=").decode()
        jwk = {name: key.public_jwk[name] for name in ("kty", "crv", "x", "y")}
        self._key = ECKey.import_key({**jwk, "d": d})
        self._envelopes = [request.envelope for request in requests]

    def rate(self, clock: Callable[[], float] = process_time) -> float:
        """Give envelopes in a second of the processor, or of another clock."""
        return _rate(self._envelopes, self.open, clock)

    def open(self, envelope: str) -> bytes:
        """Open one, as the library's own documentation has it."""
        return jwe.decrypt_compact(envelope, self._key, algorithms=_ALGORITHMS).plaintext or b""


def _point(request: SetPin) -> bytes:
    """Take the ephemeral point out of an envelope, in uncompressed form (SEC 1, 2.3.3)."""
    epk = json.loads(_decoded(request.envelope.partition(".")[0]))["epk"]
    return b"\x04" + _decoded(epk["x"]) + _decoded(epk["y"])


def _decoded(segment: str) -> bytes:
    return urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


def _asking(module: SoftModule, told: list[Frame]) -> Callable[[Sequence[Frame]], None]:
    def ask(frames: Sequence[Frame]) -> None:
        told.extend(answers(module, frames))

    return ask


def _check(told: Iterable[Frame]) -> None:
    for each in told:
        if not isinstance(pin_protocol.read_pin_answer(each.payload), EncipheredPin):
            raise LocalError("a PIN to be measured was refused")


def _requests(key: EnvelopeKey, number: int) -> list[SetPin]:
    return [_request(key) for _ in range(number)]


def _request(key: EnvelopeKey) -> SetPin:
    nonce = secrets.token_urlsafe(16)
    return SetPin(
        purpose=PinPurpose.SS_PIN,
        session=f"pse_{secrets.token_hex(13)}",
        nonce=nonce,
        expires_at=int(utc_now().timestamp()) + SESSION_SECONDS,
        kid=key.kid,
        envelope=seal_pin(key.public_jwk, {"kid": key.kid, "nonce": nonce}, PIN),
        zone=BUREAU_ZONE.name,
        account="",
        card=secrets.token_hex(32),
        policy=PinPolicy(),
        holder=_HOLDER,
    )


# ---------------------------------------------------------------- socket


def _socket(store: Path, plan: Plan) -> list[Figure]:
    (key,) = open_store(store, Side.SOCIAL).envelope_keys
    rates, opened_only, undisturbed, per_second, agreed = [], [], [], [], []
    with (
        _running(store) as (process, socket),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        for _ in range(plan.rounds):
            requests = _requests(key, plan.calls)
            agreed.append(_Agreement(key, requests).rate())
            opened_only.append(_Opening(key, requests).rate(perf_counter))
            before = processor_seconds({"module": [process.pid]})
            waited, begun = waited_seconds(process.pid), perf_counter()
            runner.run(_ask_all(socket, requests, plan.in_flight))
            elapsed, waited = perf_counter() - begun, waited_seconds(process.pid) - waited
            taken = since(before, processor_seconds({"module": [process.pid]}))
            rates.append(len(requests) / elapsed)
            undisturbed.append(len(requests) / (elapsed - waited))
            per_second.append(len(requests) / taken["module"])
    name = "module: the same through its socket, pipelined"
    by_clock = f"{name}, {_JOSERFC} ({_part(_GOAL_THROUGH_SOCKET)})"
    alone = "against the key agreement alone"
    on_its_own = f"{name}, by the clock less its waits for a processor, {alone}"
    by_processor = f"{name}, in a second of its processor, {alone}"
    return [
        # Both by the clock on the wall: a processor that others use as well is lent to both.
        Figure.against(by_clock, "calls/s", rates, opened_only),
        Figure.against(on_its_own, "calls/s", undisturbed, agreed),
        Figure.against(by_processor, "calls/s", per_second, agreed),
    ]


@contextmanager
def _running(store: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """Run a module as a process of its own, as `serve` does."""
    socket = store.parent / "s"
    command = ["-m", "gateway", "security-module", "--embedded", "--side", Side.SOCIAL.value]
    with subprocess.Popen(  # noqa: S603 - our own command, no shell
        [sys.executable, *command, "--key-store", str(store), "--socket", str(socket)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process, socket
        process.terminate()


async def _ask_all(socket: Path, requests: Sequence[SetPin], in_flight: int) -> None:
    """Ask for everything, at most `in_flight` calls at a time over one connection."""
    client = SecurityModule(socket)
    waiting = iter(requests)

    async def ask() -> None:
        for request in waiting:
            if not isinstance(await client.set_pin(request), EncipheredPin):
                raise LocalError("a PIN to be measured was refused")

    try:
        await asyncio.gather(*(ask() for _ in range(in_flight)))
    finally:
        client.close()


# ---------------------------------------------------------------- MAC and translation


def _mac(plan: Plan) -> list[Figure]:
    messages = [secrets.token_bytes(MAC_BYTES) for _ in range(plan.calls)]
    ours = RetailMac(_KEY, MacPadding.ONE_THEN_ZEROS)
    theirs = _psec("mac")

    def their_mac(message: bytes) -> bytes:
        made: bytes = theirs.generate_retail_mac(_KEY[:8], _KEY[8:], message, 2)
        return made

    name = f"module: retail MAC of {MAC_BYTES} bytes"
    return [_compared(name, "MACs/s", messages, ours, their_mac if theirs else None, plan)]


def _translation(plan: Plan) -> list[Figure]:
    """Measure against psec, and against what no implementation can do without: two cipher calls."""
    source, target = tdes(_KEY), tdes(_OTHER_KEY)
    translate = translator(CORE_ZONE, source, CORE_ZONE, target)
    room = bytearray(15)
    clear = memoryview(room)[:8]
    pins = [f"{number:06}".encode() for number in range(plan.calls)]
    blocks = [CORE_ZONE.encipher(source, pin, PAN, bytes(8)) for pin in pins]
    format_0, des = _psec("pinblock"), _psec("des")

    def ours(block: bytes) -> bytes:
        return translate(block, PAN, b"") or b""

    def theirs(block: bytes) -> bytes:
        pin = format_0.decode_pinblock_iso_0(des.decrypt_tdes_ecb(_KEY, block), PAN)
        clear = format_0.encode_pinblock_iso_0(pin, PAN)
        made: bytes = des.encrypt_tdes_ecb(_OTHER_KEY, clear)
        return made

    def bare(block: bytes) -> None:
        source.decrypt_block_into(block, room)
        target.encrypt_block(clear)

    name = "module: PIN block of format 0 to format 0, contexts kept"
    rounds = [(_rate(blocks, ours), _rate(blocks, bare)) for _ in range(plan.rounds)]
    own, two_calls = zip(*rounds, strict=True)
    return [
        Figure.against(f"{name}, against its two cipher calls", "blocks/s", own, two_calls),
        _compared(name, "blocks/s", blocks, ours, theirs if format_0 else None, plan),
    ]


def _compared(
    name: str,
    unit: str,
    inputs: Sequence[bytes],
    ours: Callable[[bytes], bytes],
    theirs: Callable[[bytes], bytes] | None,
    plan: Plan,
) -> Figure:
    if theirs is None:
        return Figure.alone(name, unit, [_rate(inputs, ours) for _ in range(plan.rounds)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # psec passes keys of single and double length
        if ours(inputs[0]) != theirs(inputs[0]):
            raise LocalError("psec does not give the same: there is nothing to compare")
        rounds = [(_rate(inputs, ours), _rate(inputs, theirs)) for _ in range(plan.rounds)]
    own, other = zip(*rounds, strict=True)
    return Figure.against(f"{name}, against psec", unit, own, other)


def _psec(module: str) -> Any:  # noqa: ANN401 - a library without types
    """Give a module of psec, or nothing where psec is not installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports TripleDES from its deprecated place
        try:
            return importlib.import_module(f"psec.{module}")
        except ImportError:
            return None


T = TypeVar("T")


def _rate(
    inputs: Sequence[T], work: Callable[[T], object], clock: Callable[[], float] = process_time
) -> float:
    """Work on every input once, and give how many that were in a second of the processor."""
    begun = clock()
    for each in inputs:
        work(each)
    return len(inputs) / (clock() - begun)
