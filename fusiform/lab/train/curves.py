"""The statistics of a run as a picture: loss, rate and what was measured, by step, as SVG."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 640, 150  # of a panel's field, in pixels
LEFT, TOP, GAP, KEY = 64, 34, 62, 170
COLOURS = ("#0b6e99", "#c2410c", "#3f7d20", "#7a3e9d", "#8a6d00")
Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Panel:
    """Lines (step, value) by name over the same steps; `top`: the axis goes up to it, else as far
    as the values do."""

    title: str
    lines: Mapping[str, Points]
    top: float | None = None


def curves(stats: Sequence[Mapping[str, float]]) -> str:
    """An SVG file of the lines of a run's statistics: the loss, the rate, and TAR and EER of the
    people held out, where they were measured."""
    names = list(dict.fromkeys(name for row in stats for name in row if name.startswith("val_")))
    panels = [
        Panel("Loss", {"loss": line(stats, "loss")}),
        Panel("Learning rate", {"rate": line(stats, "rate")}),
        Panel("People held out", {called(name): line(stats, name) for name in names}, 1.0),
    ]
    shown = [panel for panel in panels if any(panel.lines.values())]
    last = max((row["step"] for row in stats), default=1)
    height = len(shown) * (HEIGHT + GAP) + TOP
    return "\n".join(
        [
            '<svg xmlns="http://www.w3.org/2000/svg" '
            f'viewBox="0 0 {LEFT + WIDTH + KEY} {height}" '
            'font-family="sans-serif" font-size="13" fill="#222">',
            f'<rect width="{LEFT + WIDTH + KEY}" height="{height}" fill="#fff"/>',
            *(part for i, panel in enumerate(shown) for part in drawn(panel, i, last)),
            "</svg>\n",
        ]
    )


def line(stats: Sequence[Mapping[str, float]], name: str) -> Points:
    """The finite values of that name."""
    return [(row["step"], row[name]) for row in stats if math.isfinite(row.get(name, math.nan))]


def called(name: str) -> str:
    """A measured number as its key has it: val_tar_0.01 is TAR at FAR 0.01."""
    _, _, rest = name.partition("_")
    kind, _, far = rest.partition("_")
    return kind.upper() + (f" at FAR {far}" if far else "")


def drawn(panel: Panel, number: int, last: float) -> Iterator[str]:
    """A panel below those before it."""
    highest = max((y for points in panel.lines.values() for _, y in points), default=1.0)
    step = tick(panel.top or highest)
    top = panel.top or max(step, math.ceil(highest / step - 1e-9) * step)
    yield f'<g transform="translate({LEFT},{TOP + number * (HEIGHT + GAP)})">'
    yield f'<text y="-12" font-weight="bold">{escape(panel.title)}</text>'
    yield from grid(top, step, last)
    for i, (name, points) in enumerate(panel.lines.items()):
        colour = COLOURS[i % len(COLOURS)]
        at = [f"{place(x, last, WIDTH)} {place(top - y, top, HEIGHT)}" for x, y in points]
        yield f'<path d="M{"L".join(at)}" fill="none" stroke="{colour}" stroke-width="2"/>'
        yield f'<rect x="{WIDTH + 14}" y="{4 + 20 * i}" width="16" height="4" fill="{colour}"/>'
        yield f'<text x="{WIDTH + 36}" y="{11 + 20 * i}">{escape(name)}</text>'
    yield "</g>"


def grid(top: float, step: float, last: float) -> Iterator[str]:
    """Lines and their numbers from 0 to `top` and to the last step."""
    for i in range(round(top / step) + 1):
        y = place(top - i * step, top, HEIGHT)
        yield f'<path d="M0 {y}H{WIDTH}" stroke="#e3e3e3"/>'
        yield f'<text x="-8" y="{y + 4}" text-anchor="end">{i * step:g}</text>'
    wide = max(1.0, tick(last))
    for i in range(int(last / wide) + 1):
        x = place(i * wide, last, WIDTH)
        yield f'<path d="M{x} 0V{HEIGHT}" stroke="#e3e3e3"/>'
        yield f'<text x="{x}" y="{HEIGHT + 18}" text-anchor="middle">{i * wide:,.0f}</text>'


def tick(reach: float) -> float:
    """1, 2 or 5 times a power of ten: a step that divides `reach` into two to five parts."""
    power = 10.0 ** math.floor(math.log10(reach)) if reach > 0 else 1.0
    return next(k * power for k in (0.2, 0.5, 1, 2) if reach / (k * power) <= 5)


def place(value: float, reach: float, pixels: int) -> float:
    """Where a value from 0 to `reach` is drawn on that many pixels."""
    return round(pixels * value / reach, 1) if reach else 0.0
