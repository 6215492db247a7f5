"""The bench: what it computes from rounds, how its load client behaves, and that it measures."""

import asyncio
import json
import os
import re
import subprocess
import sys
from contextlib import suppress

import pytest
from typer.testing import CliRunner

from gateway.app.bench import asking, codec, links, load, module, operations
from gateway.app.bench.figures import Figure, to_json, to_markdown
from gateway.app.bench.processes import processor_seconds, since, waited_seconds
from gateway.app.clock import utc_now
from gateway.app.command_line import app
from gateway.app.ensemble import BUREAU_ZONE, TEST_KEY_LIFE
from gateway.hsm.key_store import open_store
from gateway.hsm.provision import create_test_store
from gateway.terms.errors import Unavailable
from gateway.terms.sides import Side


def test_ratio_is_taken_within_each_round():
    """A round in which the machine was slow counts no less than another."""
    figure = Figure.against("x", "1/s", [10.0, 50.0, 40.0], [20.0, 50.0, 100.0])

    assert (figure.value, figure.baseline) == (40.0, 50.0)
    assert figure.ratio == 0.5
    assert figure.spread == (0.4, 1.0)


def test_figure_without_baseline_shows_the_spread_of_its_value():
    """Least and greatest value, and no ratio."""
    figure = Figure.alone("x", "ms", [3.0, 1.0, 2.0])

    assert figure == Figure("x", 2.0, "ms", None, None, (1.0, 3.0))


def test_figures_are_written_as_a_list_with_agreed_members():
    """JSON for machines: name, value, unit, baseline, ratio, spread."""
    written = json.loads(to_json([Figure.against("x", "1/s", [10.0], [20.0])]))

    assert written == [
        {
            "name": "x",
            "value": 10.0,
            "unit": "1/s",
            "baseline": 20.0,
            "ratio": 0.5,
            "spread": [0.5, 0.5],
        }
    ]


def test_figures_are_shown_as_a_markdown_table():
    """A row of six cells for each figure under the head."""
    table = to_markdown(
        [Figure.against("x", "1/s", [1234.5], [2469.0]), Figure.alone("y", "ms", [1.26])]
    )

    assert table.splitlines()[2:] == [
        "| x | 1,234 | 1/s | 2,469 | 0.50 | 0.50 … 0.50 |",
        "| y | 1.3 | ms |  |  | 1.3 … 1.3 |",
    ]


@pytest.mark.parametrize(
    ("count", "percent", "milliseconds"), [(1, 99, 1), (100, 50, 50), (100, 99, 99), (10, 99, 10)]
)
def test_percentile_is_the_nearest_rank(count, percent, milliseconds):
    """The least latency that so many percent of the answers did not exceed."""
    answers = [load.Answer(n, 200, b"", n / 1000) for n in range(1, count + 1)]

    assert load.percentile(answers, percent) == pytest.approx(milliseconds)


class Server:
    """Answers each request on loopback with its own body, in two pieces; counts connections."""

    def __init__(self, close_after=None):
        self.connections = 0
        self.asked = []
        self._serving = []
        self._close_after = close_after

    async def serve(self, reader, writer):
        self.connections += 1
        self._serving.append(asyncio.current_task())
        while head := await self._head(reader):
            body = await reader.readexactly(int(re.search(rb"Content-Length: (\d+)", head)[1]))
            self.asked.append(body)
            if len(self.asked) == self._close_after:
                break
            writer.write(b"HTTP/1.1 201 Created\r\ncontent-length: %d\r\n\r\n" % len(body))
            await writer.drain()
            writer.write(body)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def _head(self, reader):
        try:
            return await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""

    def run(self, requests, connections, seconds, ask=load.run):
        async def play():
            server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
            host, port = server.sockets[0].getsockname()
            async with server:
                try:
                    return await ask(f"http://{host}:{port}", requests, connections, seconds)
                finally:
                    await asyncio.gather(*self._serving)

        return asyncio.run(play())


def requests(count):
    return [load.request("POST", "/x", {}, b"%d" % number) for number in range(count)]


def test_load_sends_every_request_once_over_its_connections():
    """Answers carry the number of their request, in whatever order they come."""
    server = Server()

    bout = server.run(requests(20), connections=3, seconds=60)

    assert min(bout.answers)[:3] == (0, 201, b"0")
    assert {answer.request: answer.body for answer in bout.answers} == {
        number: b"%d" % number for number in range(20)
    }
    assert (len(server.asked), server.connections) == (20, 3)
    assert bout.seconds > 0


def test_load_sends_nothing_more_when_its_time_is_over():
    """A bout without time asks nothing and ends."""
    server = Server()

    bout = server.run(requests(20), connections=3, seconds=0)

    assert bout.answers == server.asked == []


def test_load_that_is_offered_counts_from_when_it_was_due():
    """Where there is one connection, all of it is sent one after another, and waits longer."""
    server = Server()

    at_once = server.run(requests(20), 1, 1_000_000, ask=load.offer)
    paced = Server().run(requests(3), 2, 100, ask=load.offer)

    assert server.asked == [b"%d" % number for number in range(20)]
    waited = [answer.seconds for answer in sorted(at_once.answers)]
    assert waited == sorted(waited)
    assert len(paced.answers) == 3
    assert paced.seconds >= 0.02


@pytest.mark.parametrize("ask", [load.run, load.offer])
def test_load_fails_when_the_server_hangs_up(ask):
    """A lost connection is no figure."""
    with pytest.raises(Unavailable):
        Server(close_after=5).run(requests(20), 2, 60, ask=ask)


def test_codec_is_measured_against_pyiso8583_on_the_same_bytes():
    """Both directions have a baseline; our own messages with their MAC have none."""
    figures = codec.measure(rounds=2, seconds=0)

    compared = [figure.name for figure in figures if figure.baseline]
    assert compared == [
        f"codec: 0200{form}, {what}"
        for form in ("", " in BCD", " in EBCDIC")
        for what in ("decode", "encode")
    ]
    assert len(figures) == 10
    assert all(figure.value > 0 for figure in figures)


def test_links_are_measured_against_a_bare_loop(capsys):
    """With many and with one in flight, over real sockets; nothing is printed but by who asked."""
    figures = links.measure(rounds=1, seconds=0)

    assert capsys.readouterr().out == ""

    assert [figure.name for figure in figures] == [
        "links: 64 in flight",
        "links: 64 in flight, retail MAC",
        "links: 1 in flight, latency",
    ]
    assert all(figure.value > 0 and figure.baseline for figure in figures)


def test_operations_are_measured_against_the_bare_relay():
    """Everything starts, every operation succeeds, every process is accounted for, all ends."""
    plan = operations.Plan(rounds=1, seconds=0.2, connections=2)

    figures = {figure.name: figure for figure in operations.measure(plan)}

    relay = figures["operations: bare relay"]
    for name in ("set PIN", "open session", "link", "open session, then set PIN"):
        figure = figures[f"operations: {name}"]
        assert figure.baseline == relay.value
        assert figure.value > 0
    assert figures["operations: set PIN, p99"].value >= figures["operations: set PIN, p50"].value
    for offered in ("500/s offered", "half of the rate above offered"):
        p50, p99 = (figures[f"operations: set PIN, {offered}: p{each}"].value for each in (50, 99))
        assert 0 < p50 <= p99
    taken = [f for f in figures.values() if "set PIN, processor time" in f.name]
    assert len(taken) == 5


def test_operation_that_fails_is_no_figure():
    """A PIN that is refused is told with its status and words instead of being measured."""
    refused = b'{"code": "PIN_TRIVIAL"}'
    answers = [load.Answer(0, 200, b"{}", 0.1), load.Answer(1, 422, refused, 0.1)]

    with pytest.raises(Unavailable, match=r"1 of 2 requests .* 200, the first with 422: .*TRIVIAL"):
        asking.all_answered(load.Bout(answers, 0.2), 200)


def test_command_prints_the_table_and_writes_the_json(monkeypatch, tmp_path):
    """`gateway bench NAME --json FILE` measures what is named, and nothing else."""
    figure = Figure.alone("codec: x", "1/s", [1.0])
    monkeypatch.setattr(codec, "measure", lambda: [figure])
    monkeypatch.setattr(operations, "measure", pytest.fail)
    file = tmp_path / "figures.json"

    result = CliRunner().invoke(app, ["bench", "codec", "--json", str(file)])

    assert result.exit_code == 0
    assert result.output == to_markdown([figure]) + "\n"
    assert file.read_text() == to_json([figure])


@pytest.fixture(scope="module")
def figures_of_the_module():
    """Measure all of the module in a short run; the figures by name."""
    plan = module.Plan(rounds=1, calls=20, in_flight=4)
    return {figure.name: figure for figure in module.measure(plan)}


def test_module_is_measured_in_the_process_and_through_its_socket(figures_of_the_module):
    """A short run gives every figure, each against what it is compared with."""
    figures = figures_of_the_module.values()

    assert [figure.unit for figure in figures] == [*["calls/s"] * 5, "MACs/s", *["blocks/s"] * 2]
    assert all(figure.value > 0 and figure.baseline for figure in figures)


def test_rate_through_the_socket_is_told_with_and_without_other_work(figures_of_the_module):
    """By the clock, by the clock without waits for a processor, by processor: in this order."""
    by_clock, on_its_own, by_processor = (
        figure.value for name, figure in figures_of_the_module.items() if "its socket" in name
    )

    assert by_clock <= on_its_own < by_processor


def test_module_is_compared_with_the_library_of_which_the_goals_are_a_part(figures_of_the_module):
    """Inside and through the socket: the rate itself, and its ratio to joserfc in the same run."""
    inside, socket = (f for name, f in figures_of_the_module.items() if "joserfc" in name)

    assert inside.name == (
        "module: JWE, policy, PIN block, inside the process, against joserfc opening the JWE"
        " (8,000 of 11,256: 0.71)"
    )
    assert socket.name == (
        "module: the same through its socket, pipelined, against joserfc opening the JWE"
        " (7,000 of 11,256: 0.62)"
    )
    assert inside.ratio == inside.value / inside.baseline > 0


def test_library_opens_the_envelopes_that_the_module_is_asked_to_open(social_envelope_key):
    """What is compared is the same work: the library finds PIN and nonce in the same envelope."""
    (request,) = requests = module._requests(social_envelope_key, 1)

    plaintext = module._Opening(social_envelope_key, requests).open(request.envelope)

    assert json.loads(plaintext) == {"pin": module.PIN, "nonce": request.nonce}


@pytest.fixture
def social_envelope_key(tmp_path):
    """Make a new key for envelopes with SS PINs."""
    now = utc_now()
    last_day = (now + TEST_KEY_LIFE).date()
    create_test_store(tmp_path / "social", Side.SOCIAL, [BUREAU_ZONE], last_day, now)
    (key,) = open_store(tmp_path / "social", Side.SOCIAL).envelope_keys
    return key


def test_processor_time_of_a_process_is_counted_to_less_than_a_tick():
    """Between two looks a process takes some microseconds, where proc(5) counts hundredths."""
    before = processor_seconds({"this": [os.getpid()]})

    taken = since(before, processor_seconds({"this": [os.getpid()]}))

    assert 0 < taken["this"] < 0.01


def test_waits_for_a_processor_only_grow():
    """What the kernel counts is seconds, and more of them the longer a process lives."""
    before = waited_seconds(os.getpid())

    assert 0 <= before <= waited_seconds(os.getpid())


def test_processor_time_of_a_process_that_is_gone_is_not_told():
    """A figure of nothing would be a wrong one."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()

    with pytest.raises(ProcessLookupError):
        processor_seconds({"gone": [gone.pid]})
