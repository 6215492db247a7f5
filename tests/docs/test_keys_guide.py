"""The custodians' guide: each of its examples does what it says, one after the other."""

import re
import shlex
from pathlib import Path

from typer.testing import CliRunner

from gateway.app.commands.keys import app

GUIDE = (Path(__file__).parents[2] / "docs" / "keys.md").read_text("utf-8")
FILE = re.compile(r"```toml\n# (\S+)\n(.*?)```", re.DOTALL)
CONSOLE = re.compile(r"```console\n(.*?)```", re.DOTALL)


def examples():
    """Give each command of the guide with what it should print; the alias is spelt out."""
    aliases = {}
    for block in CONSOLE.findall(GUIDE):
        for example in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, printed = example.partition("\n")
            name, _, rest = command.partition(" ")
            if name == "alias":
                alias, _, meaning = shlex.split(command)[1].partition("=")
                aliases[alias] = meaning
            else:
                yield f"{aliases.get(name, name)} {rest}", printed


def pattern(printed):
    """Make an expression of what is printed; an ellipsis stands for anything."""
    return re.compile(re.sub(r"(\\ )?…(\\ )?", ".*", re.escape(printed)), re.DOTALL)


def test_every_example_of_the_guide_does_what_it_says(tmp_path, monkeypatch):
    """From the ceremony to the drill: each command succeeds and prints what the guide prints."""
    monkeypatch.chdir(tmp_path)
    for name, text in FILE.findall(GUIDE):
        (tmp_path / name).write_text(text, "utf-8")
        (tmp_path / name).chmod(0o600)

    ran = 0
    for command, printed in examples():
        program, name, *arguments = shlex.split(command)
        result = CliRunner().invoke(app, arguments)

        assert (program, name, result.exit_code) == ("gateway", "keys", 0), result.output
        squeezed, wanted = (re.sub(" +", " ", text) for text in (result.output, printed))
        assert pattern(wanted).fullmatch(squeezed), f"{command}\n{result.output}"
        ran += 1

    assert ran >= 20


def test_guide_names_every_command():
    """No command of `gateway keys` is left unsaid."""
    names = {command.name or command.callback.__name__ for command in app.registered_commands}

    # What the guide says of by its name in another way: an enciphered key comes by 0800.
    assert {name for name in names if not re.search(rf"\b{name}\b", GUIDE)} <= {"import-enciphered"}
