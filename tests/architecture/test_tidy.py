"""What the linters do not measure: sizes, purity, leftovers, a test for each pure module."""

import ast
import re
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FUNCTION_LINES_MAX = 60
MODULE_LINES_MAX = 500
PURE_ROOMS = (
    "terms", "iso8583", "pinblock", "operations", "regions", "social", "financial", "linking",
)  # fmt: skip
MODULES = sorted((ROOT / "gateway").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
PURE = [module for module in MODULES if module.relative_to(ROOT).parts[1] in PURE_ROOMS]
ROOMS = sorted({module.parent for module in MODULES} - {ROOT / "gateway"})
# Written in pieces, so that this file does not find itself.
MARKERS = ["TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK"]
MACHINE_PATHS = ["/" + place + "/" for place in ("work", "home", "root", "Users", "mnt", "srv")]
INDEX_HOSTS = ["py" + "pi.", "python" + "hosted", "--index" + "-url", "--extra-index" + "-url"]
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef


def name_of(path):
    return str(path.relative_to(ROOT))


def parsed(path):
    return ast.parse(path.read_text("utf-8"), name_of(path))


def functions(path):
    """List the functions of a file, inside whatever they stand; no expression holds one."""
    found, waiting = [], [parsed(path)]
    while waiting:
        node = waiting.pop()
        found += [node] if isinstance(node, FUNCTION) else []
        for part in ("body", "orelse", "finalbody", "handlers", "cases"):
            waiting += getattr(node, part, ())
    return found


@cache
def tracked_texts():
    """Give every file that git keeps or would keep, as text; pictures and the like are left out."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    texts = {}
    for name in filter(None, listed.split("\0")):
        with suppress(UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            texts[name] = (ROOT / name).read_text("utf-8")
    return texts


def holding(words):
    """List the places, file and line, where one of the words stands."""
    pattern = re.compile("|".join(rf"(?<![\w.]){re.escape(word)}" for word in words))
    return [
        f"{name}:{number}"
        for name, text in tracked_texts().items()
        if any(word in text for word in words)  # a search of its own takes far longer
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_can_be_read_in_one_sitting(path):
    """No module has more than 500 lines, no function more than 60."""
    long = [
        function.name
        for function in functions(path)
        if function.end_lineno - function.lineno >= FUNCTION_LINES_MAX
    ]

    assert len(path.read_text("utf-8").splitlines()) <= MODULE_LINES_MAX
    assert long == []


@pytest.mark.parametrize("path", PURE, ids=name_of)
def test_a_pure_module_touches_no_file_and_no_screen(path):
    """It calls neither open, print nor input, nor any other door that needs no import."""
    doors = {"open", "print", "input", "exec", "eval", "compile", "__import__", "breakpoint"}
    called = {
        node.func.id
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }

    assert called & doors == set()


@pytest.mark.parametrize("path", [path for path in PURE if path.name != "__init__.py"], ids=name_of)
def test_a_pure_module_has_a_test_of_its_own(path):
    """tests/<room>/test_<module>.py mirrors gateway/<room>/<module>.py."""
    inside = path.relative_to(ROOT / "gateway")

    assert (ROOT / "tests" / inside.parent / f"test_{inside.name}").is_file()


@pytest.mark.parametrize("room", ROOMS, ids=name_of)
def test_a_room_says_what_it_holds(room):
    """The docstring of a room lists every module of it, and none that is not there."""
    contents = ast.get_docstring(parsed(room / "__init__.py"))

    listed = set(re.findall(r"^``(\w+)``", contents, re.MULTILINE))

    there = {path.stem for path in room.glob("*.py")} - {"__init__", "__main__"}
    there |= {path.parent.name for path in room.glob("*/__init__.py")}
    assert listed == there


def test_the_map_shows_every_room():
    """gateway/__init__.py is the map: no room is missing on it."""
    shown = set(re.findall(r"\w+", ast.get_docstring(parsed(ROOT / "gateway" / "__init__.py"))))

    assert {room.name for room in ROOMS if room.parent.name == "gateway"} <= shown


@pytest.mark.parametrize("path", TESTS, ids=name_of)
def test_a_test_is_a_sentence(path):
    """Every test function says in its docstring what it finds true."""
    silent = [
        function.name
        for function in functions(path)
        if function.name.startswith("test_")
        and not (ast.get_docstring(function) or "").split("\n\n")[0].endswith(".")
    ]

    assert silent == []


def test_nothing_is_left_over():
    """No marker says that something is still to be done: it is done, or an issue."""
    assert holding(MARKERS) == []


def test_no_machine_is_named():
    """No file knows where it was written, nor from where packages come."""
    assert holding(MACHINE_PATHS + INDEX_HOSTS) == []


@pytest.mark.parametrize("lock", sorted(ROOT.glob("requirements*.lock")), ids=name_of)
def test_a_lock_names_versions_and_hashes_only(lock):
    """Any index or mirror can serve it, and nothing comes in unhashed."""
    text = lock.read_text("utf-8")
    pinned = re.findall(r"^[\w.\[\],-]+==\S+", text, re.MULTILINE)

    assert "://" not in text
    assert pinned
    hashed = re.findall(r"^[\w.\[\],-]+==.*\\\n\s+--hash=sha256:", text, re.MULTILINE)
    assert len(hashed) == len(pinned)
