"""What runs side by side write down in one file: a list of what was found for each name."""

import fcntl
import json
from collections.abc import Mapping
from pathlib import Path


def write_down(path: Path, name: str, found: Mapping[str, object]) -> None:
    """Add what one run found to the list of a name."""
    with path.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        runs = json.loads(file.read() or "{}")
        runs.setdefault(name, []).append(found)
        file.truncate(0)
        file.write(json.dumps(runs))
