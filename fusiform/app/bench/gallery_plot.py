"""The curves of `bench gallery` as a picture: time and memory by number of faces, as SVG."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

from fusiform.core.errors import FusiformError

FARTHEST = 1e9  # faces
FITTED = 3  # last points that a straight line goes through
_WIDTH, _HEIGHT = 560, 380  # of a panel's field, in pixels
_LEFT, _TOP, _BELOW, _KEY = 70, 44, 56, 22
_COLOURS = ("#0b6e99", "#c2410c", "#3f7d20", "#7a3e9d")


@dataclass(frozen=True)
class Curve:
    """What was measured at how many faces; at least one point, all figures above 0."""

    name: str
    faces: tuple[float, ...]
    figures: tuple[float, ...]

    def line(self) -> tuple[float, float] | None:
        """(exponent, factor) of figure = factor * faces ** exponent, by least squares of the
        logarithms of the last FITTED points; None for a single point."""
        if len(self.faces) < 2:
            return None
        x, y = np.log(self.faces[-FITTED:]), np.log(self.figures[-FITTED:])
        slope, level = np.polyfit(x, y, 1)
        return float(slope), float(np.exp(level))


def curves(tables: dict[str, list[dict[str, Any]]]) -> tuple[list[Curve], list[Curve]]:
    """Of the tables of a saved result: those of seconds, and those of megabytes."""

    def curve(name: str, table: str, figure: Callable[[dict[str, Any]], Any]) -> Iterator[Curve]:
        rows = [row for row in tables.get(table, []) if row.get("method", "ours") == "ours"]
        points = [(row["faces"], figure(row)) for row in sorted(rows, key=lambda r: r["faces"])]
        points = [p for p in points if isinstance(p[1], (int, float)) and p[1] > 0]
        if points:
            yield Curve(name, *zip(*points, strict=True))

    def search(row: dict[str, Any]) -> Any:
        return row["ms"] / 1e3 if isinstance(row["ms"], (int, float)) else None

    seconds = [
        *curve("grouping all", "grouping", lambda row: row["seconds"]),
        *curve("adding 1,000 faces", "adding", lambda row: row["seconds"]),
        *curve("opening the index", "searching", lambda row: row["open s"]),
        *curve("one search", "searching", search),
    ]
    megabytes = [
        *curve("grouping all, peak", "grouping", lambda row: row["peak MB"]),
        *curve("adding 1,000 faces, peak", "adding", lambda row: row["peak MB"]),
        *curve("the index, on the disk", "searching", lambda row: row["file MB"]),
    ]
    return seconds, megabytes


def plot(result: Path, out: Path) -> None:
    """Draws the curves of the saved `result` (JSON) into `out` (SVG).

    Raises FusiformError if there is no such result, OSError if `out` cannot be written.
    """
    try:
        told = json.loads(result.read_text("utf-8"))
        seconds, megabytes = curves(told["tables"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FusiformError(
            f"{result} holds no figures of galleries; make it with `fusiform bench gallery --save`."
        ) from error
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(drawn(seconds, megabytes, told.get("environment", {})), "utf-8")


def drawn(seconds: list[Curve], megabytes: list[Curve], machine: dict[str, Any]) -> str:
    """Both panels side by side as the text of an SVG file."""
    height = _TOP + _HEIGHT + _BELOW + _KEY * (max(len(seconds), len(megabytes)) + 1)
    panel = _LEFT + _WIDTH + 30
    told = f"{machine.get('cpu', '')}, {machine.get('threads', '')} cores"
    note = f"Simulated identities, {told}. Dashed: straight lines through the last {FITTED} points."
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * panel} {height}" '
            'font-family="sans-serif" font-size="13" fill="#222">',
            f'<rect width="{2 * panel}" height="{height}" fill="#fff"/>',
            *_panel("Seconds by number of faces", seconds, 0),
            *_panel("Megabytes by number of faces", megabytes, panel),
            f'<text x="{_LEFT}" y="{height - 8}" fill="#666">{escape(note)}</text>',
            "</svg>\n",
        ]
    )


def _panel(title: str, drawn: list[Curve], shift: int) -> Iterator[str]:
    yield f'<g transform="translate({shift + _LEFT},{_TOP})">'
    yield f'<text y="-16" font-size="15" font-weight="bold">{escape(title)}</text>'
    if drawn:
        scale = _Scale.of(drawn)
        yield from scale.grid()
        for number, curve in enumerate(drawn):
            yield from _curve(curve, _COLOURS[number % len(_COLOURS)], scale)
            yield from _key(curve, _COLOURS[number % len(_COLOURS)], number)
    yield "</g>"


@dataclass(frozen=True)
class _Scale:
    """Powers of ten at the edges of the field."""

    left: int
    right: int
    bottom: int
    top: int

    @classmethod
    def of(cls, drawn: list[Curve]) -> _Scale:
        figures = [value for curve in drawn for value in curve.figures]
        figures += [k * FARTHEST**e for e, k in filter(None, (curve.line() for curve in drawn))]
        first = min(faces for curve in drawn for faces in curve.faces)
        low, high = np.floor(np.log10(min(figures))), np.ceil(np.log10(max(figures)))
        ends = int(np.floor(np.log10(first))), round(np.log10(FARTHEST))
        return cls(*ends, int(low), max(int(high), int(low) + 1))

    def at(self, faces: float, figure: float) -> tuple[float, float]:
        """Pixels from the field's upper left corner."""
        x = (np.log10(faces) - self.left) / (self.right - self.left)
        y = (np.log10(figure) - self.bottom) / (self.top - self.bottom)
        return round(float(x) * _WIDTH, 1), round(float(1 - y) * _HEIGHT, 1)

    def grid(self) -> Iterator[str]:
        """A line and its number at each power of ten."""
        for power in range(self.left, self.right + 1):
            x, _ = self.at(10.0**power, 10.0**self.bottom)
            yield f'<path d="M{x} 0V{_HEIGHT}" stroke="#e3e3e3"/>'
            yield f'<text x="{x}" y="{_HEIGHT + 20}" text-anchor="middle">{_power(power)}</text>'
        for power in range(self.bottom, self.top + 1):
            _, y = self.at(10.0**self.left, 10.0**power)
            yield f'<path d="M0 {y}H{_WIDTH}" stroke="#e3e3e3"/>'
            yield f'<text x="-8" y="{y + 4}" text-anchor="end">{_power(power)}</text>'


def _power(power: int) -> str:
    """A power of ten in full up to a million, in words beyond."""
    words = {6: "1 million", 7: "10 million", 8: "100 million", 9: "1 billion"}
    return words.get(power) or (f"{10**power:,}" if power >= 0 else f"{10.0**power:.{-power}f}")


def _curve(curve: Curve, colour: str, scale: _Scale) -> Iterator[str]:
    points = [scale.at(*point) for point in zip(curve.faces, curve.figures, strict=True)]
    path = "L".join(f"{x} {y}" for x, y in points)
    yield f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2.5"/>'
    for x, y in points:
        yield f'<circle cx="{x}" cy="{y}" r="4" fill="{colour}"/>'
    line = curve.line()
    if line is not None and curve.faces[-1] < FARTHEST:
        slope, factor = line
        ends = [scale.at(f, factor * f**slope) for f in (curve.faces[-1], FARTHEST)]
        path = "L".join(f"{x} {y}" for x, y in ends)
        yield (
            f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="1.5" '
            'stroke-dasharray="3 6"/>'
        )


def _key(curve: Curve, colour: str, number: int) -> Iterator[str]:
    y = _HEIGHT + _BELOW + _KEY * number
    line, text = curve.line(), curve.name
    if line is not None:
        text += f": as faces to the power of {line[0]:.2f}; extrapolated, "
        text += f"{_figure(line[1] * FARTHEST ** line[0])} at a billion"
    yield f'<rect x="0" y="{y - 10}" width="22" height="5" fill="{colour}"/>'
    yield f'<text x="30" y="{y - 2}">{escape(text)}</text>'


def _figure(value: float) -> str:
    """To two digits, without an exponent."""
    if value < 10:
        return f"{value:.2g}"
    return f"{round(value, 1 - int(np.log10(value))):,.0f}"
