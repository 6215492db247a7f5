"""C libraries that stand between a real process and its system, preloaded."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def build(source: str, directory: Path) -> Path:
    """Compile a source of this directory to a library; skips the test where nothing compiles."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler for what stands between a process and its system")
    library = directory / f"{source}.so"
    words = ("-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library)
    subprocess.run([compiler, *words, Path(__file__).with_name(source), "-ldl"], check=True)
    return library


def environment(*libraries: Path, **settings: object) -> dict[str, str]:
    """Give the environment of a process that has these libraries."""
    texts = {name: str(setting) for name, setting in settings.items()}
    return {**os.environ, **texts, "LD_PRELOAD": " ".join(map(str, libraries))}
