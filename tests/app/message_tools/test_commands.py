"""The commands of `gateway message`, as they are called, and the examples of docs/tools.md."""

import json
import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from gateway.app.command_line import app
from gateway.app.message_tools.commands import app as message_app

DOCUMENT = (Path(__file__).parents[3] / "docs" / "tools.md").read_text("utf-8")
EXAMPLES = [
    tuple(example.split("\n", 1))
    for block in re.findall(r"```console\n(.*?)```", DOCUMENT, re.DOTALL)
    for example in block.split("$ ")[1:]
]
SIGN_ON = {"mti": "0800", "fields": {"7": "1121202103", "11": "000001", "33": "99350201",
           "70": "001", "128": "0102030405060708"}}  # fmt: skip


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Give what calls `gateway message` in an empty directory."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments, given=None):
        done = CliRunner().invoke(app, ["message", *map(str, arguments)], input=given)
        assert done.exception is None or isinstance(done.exception, SystemExit)
        return done

    return run


@pytest.mark.parametrize(("command", "printed"), EXAMPLES)
def test_example_of_the_document_prints_what_it_says(call, command, printed):
    """To the letter, with the files that the document shows."""
    for name, text in re.findall(r"```toml\n# (\S+)\n(.*?)```", DOCUMENT, re.DOTALL):
        Path(name).write_text(text, "utf-8")

    done = call(*shlex.split(command)[2:])

    assert done.stdout == printed


def test_document_names_every_command_and_option():
    """And no other."""
    commands = get_command(message_app).commands
    options = {name for each in commands.values() for option in each.params for name in option.opts}

    about_messages = DOCUMENT[DOCUMENT.index("`gateway message`") :]
    assert set(re.findall(r"gateway message (\w+)", about_messages)) == set(commands)
    assert set(re.findall(r"--[a-z-]+", about_messages)) == {
        o for o in options if o.startswith("--")
    }


def test_message_goes_from_json_through_a_pipe_into_a_description(call):
    """Encode writes what describe reads, as hex or as bytes, framed or not."""
    draft = json.dumps(SIGN_ON)

    as_hex = call("encode", "--dialect", "core", "--framed", given=draft)
    as_bytes = call("encode", "--dialect", "core", "--binary", given=draft)

    assert call("describe", "--framed", given=as_hex.stdout).exit_code == 0
    assert call("describe", "--dialect", "core", given=as_bytes.stdout_bytes).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("describe", "0800"), 1),
        (("describe", "--dialect", "bureau", "0800"), 1),
        (("describe", "--dialect", "no-such", "0800"), 2),
        (("describe", "--message-set", "bureau", "0800"), 2),
        (("describe", "--dialect", "core", "--message-set", "bureau", "0800"), 2),
        (("describe", "6200000000000000005x"), 2),
        (("encode", "--dialect", "bureau", "no-such-file"), 2),
        (("send", "--dialect", "bureau", "127.0.0.1:9", "no-such-file"), 2),
        (("send", "--dialect", "bureau", "127.0.0.1:0", "message.json"), 1),
        (("describe", "--dialect", "bureau", "--specifications", "none", "0800"), 2),
        (("pcap", "no-such-file"), 2),
        (("dissector", "--dialect", "no-such"), 2),
        (("dissector", "--dialect", "bureau"), 0),
    ],
)
def test_status_says_what_was_wrong(call, arguments, status):
    """0 good, 1 the message, 2 the call; an error is one line and never a traceback."""
    Path("message.json").write_text(json.dumps(SIGN_ON), "utf-8")

    done = call(*arguments)

    assert done.exit_code == status
    assert "Traceback" not in done.output
    assert "6200000" not in done.output


def test_dialect_of_ones_own_is_read_from_its_directory(call, specifications):
    """It extends a shipped one that lies beside it."""
    own = Path("own") / "dialects"
    own.mkdir(parents=True)
    (own / "bureau.toml").write_text(specifications.text("dialects", "bureau")[0], "utf-8")
    (own / "hexed.toml").write_text(
        'extends = "bureau"\nname = "hexed"\ntitle = "x"\nbitmap = "hex"\n', "utf-8"
    )

    done = call("encode", "--dialect", "hexed", "--specifications", "own",
                given=json.dumps(SIGN_ON))  # fmt: skip

    assert bytes.fromhex(done.stdout)[:8] == b"08008220"


def test_field_that_cannot_be_encoded_is_named(call):
    """With its rule and status 1, without its value."""
    draft = json.dumps({"mti": "0800", "fields": {"11": "73911X"}})

    done = call("encode", "--dialect", "bureau", given=draft)

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "gateway: DE 11: only the digits 0 to 9\n"


def test_json_is_one_object(call):
    """For one dialect and for all of them."""
    one = call("describe", "--dialect", "core", "--json", "0800")
    every = call("describe", "--json", "0800")

    assert json.loads(one.stdout)["messages"][0]["error"]["place"] == "bitmap"
    assert "core" in json.loads(every.stdout)["stopped"]


def test_capture_is_read_from_a_file(call, tape, ends, tongues, requests):
    """Status 0 for a good capture, 1 for one that ends inside a message."""
    frame = tongues["core"].dialect.framing.frame(requests["core"])
    Path("good.pcapng").write_bytes(tape.open().say(ends[0], frame).pcapng())
    Path("short.pcap").write_bytes(tape.say(ends[0], frame[:9]).pcap())

    good = call("pcap", "good.pcapng", "--dialect", "core", "--port", 8583)
    short = call("pcap", "short.pcap")

    assert (good.exit_code, short.exit_code) == (0, 1)
    assert good.stdout.endswith("1 messages, 0 flaws\n")


def test_capture_is_told_in_json(call, tape, ends, tongues, requests, leaks):
    """A record for each message and remark, masked; the last one counts them."""
    framing = tongues["core"].dialect.framing
    tape.open().say(ends[0], framing.frame(requests["core"]) + framing.keep_alive())
    Path("good.pcap").write_bytes(tape.say(ends[0], framing.frame(b"\xff" * 9)).pcap())

    told = call("pcap", "good.pcap", "--dialect", "core", "--json")

    good, alive, bad, counts = map(json.loads, told.stdout.splitlines())
    assert (told.exit_code, leaks(told.stdout)) == (1, [])
    assert (good["sender"], good["receiver"]) == ("192.0.2.1:41000", "192.0.2.2:8583")
    assert good["fields"][0]["value"] == "0100"
    assert (alive["remark"], alive["flaw"]) == ("keep-alive", False)
    assert (bad["error"]["place"], bad["flaw"]) == ("MTI", True)
    assert counts == {"messages": 2, "flaws": 1, "fragments": 0}
