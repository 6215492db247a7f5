"""A dialect that extends another: its file says only what differs."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from gateway.terms.errors import SpecificationError
from gateway.terms.specification import parse_toml

BaseText = Callable[[str], tuple[str, str]]
_NAME = re.compile("[a-z0-9]+(-[a-z0-9]+)*")
_GENERATIONS_MAX = 8  # a longer row of files would be read by nobody


def no_base_text(name: str) -> tuple[str, str]:
    """Refuse: there are no other files where this one comes from."""
    raise SpecificationError(name, "", "no dialect can be extended here")


def merged(text: str, file: str, base_text: BaseText) -> dict[str, Any]:
    """Give the values of a file over those of the dialects it extends.

    Tables are merged key by key; anything else replaces what it was. ``without`` takes keys of
    the base away first. Raises `SpecificationError`.
    """
    values = parse_toml(text, file)
    lineage: list[str] = []
    layers = [(values, file)]
    while "extends" in values:
        name = _base_name(values, file)
        if name in lineage or len(lineage) >= _GENERATIONS_MAX:
            raise SpecificationError(file, "extends", "dialects extend each other in a circle")
        lineage.append(name)
        text, file = base_text(name)
        values = parse_toml(text, file)
        layers.append((values, file))
    result: dict[str, Any] = {}
    for layer, origin in reversed(layers):
        result = _over(_without(result, layer, origin), layer)
    return {**result, "extends": lineage}


def _base_name(values: Mapping[str, Any], file: str) -> str:
    name = values["extends"]
    # The name becomes part of a path.
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise SpecificationError(file, "extends", "the name of a dialect")
    return name


def _over(base: Mapping[str, Any], layer: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in layer.items():
        below = result.get(key)
        if isinstance(value, dict) and isinstance(below, dict):
            result[key] = _over(below, value)
        else:
            result[key] = value
    result.pop("without", None)
    return result


def _without(base: Mapping[str, Any], layer: Mapping[str, Any], file: str) -> Mapping[str, Any]:
    keys = layer.get("without", [])
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise SpecificationError(file, "without", "a list of keys of the base: framing.tpdu")
    for key in keys:
        base = _less(base, key.split("."), key, file)
    return base


def _less(base: Mapping[str, Any], path: list[str], key: str, file: str) -> dict[str, Any]:
    head, *rest = path
    if head not in base or (rest and not isinstance(base[head], dict)):
        raise SpecificationError(file, "without", f"names {key}, which the base does not have")
    if not rest:
        return {name: value for name, value in base.items() if name != head}
    return {**base, head: _less(base[head], rest, key, file)}
