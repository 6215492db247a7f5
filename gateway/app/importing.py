"""Modules that are imported when they are known to be needed, by their names."""

import gc
from importlib import import_module
from types import ModuleType


def imported(name: str) -> ModuleType:
    """Import a module, without looking for garbage meanwhile.

    Nothing that an import makes is garbage, and to look for some takes a fifth of the time.
    """
    gc.disable()
    try:
        return import_module(name)
    finally:
        gc.enable()
