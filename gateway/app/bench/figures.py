"""One measured figure, how the rounds of a run become one, and how figures are shown."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Self


@dataclass(frozen=True, slots=True)
class Figure:
    """A median over the rounds of one run.

    `ratio` is that of `value` to `baseline`, taken within each round; `spread` holds the least and
    the greatest ratio, or value where there is no baseline.
    """

    name: str
    value: float
    unit: str
    baseline: float | None
    ratio: float | None
    spread: tuple[float, float]

    @classmethod
    def alone(cls, name: str, unit: str, values: Sequence[float]) -> Self:
        """Sum up rounds that are compared with nothing."""
        return cls(name, median(values), unit, None, None, (min(values), max(values)))

    @classmethod
    def against(
        cls, name: str, unit: str, values: Sequence[float], baselines: Sequence[float]
    ) -> Self:
        """Sum up rounds in each of which a baseline was measured as well."""
        ratios = [value / base for value, base in zip(values, baselines, strict=True)]
        spread = (min(ratios), max(ratios))
        return cls(name, median(values), unit, median(baselines), median(ratios), spread)


def to_json(figures: Iterable[Figure]) -> str:
    """Write figures as a JSON list."""
    return json.dumps([asdict(figure) for figure in figures], indent=1) + "\n"


def to_markdown(figures: Iterable[Figure]) -> str:
    """Write figures as a Markdown table."""
    head = (
        "| figure | value | unit | baseline | ratio | least … greatest |",
        "|---|---:|---|---:|---:|---|",
    )
    return "\n".join((*head, *map(_row, figures)))


def _row(figure: Figure) -> str:
    baseline = "" if figure.baseline is None else _number(figure.baseline)
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
    show = _number if figure.ratio is None else "{:.2f}".format
    least, greatest = map(show, figure.spread)
    value = _number(figure.value)
    cells = (figure.name, value, figure.unit, baseline, ratio, f"{least} … {greatest}")
    return f"| {' | '.join(cells)} |"


def _number(value: float) -> str:
    """Show three digits that mean something, and no more."""
    return f"{value:,.0f}" if value >= _WHOLE else f"{value:.1f}"


_WHOLE = 100
