"""Pictures as stored and upright, and boxes in both (Exif 2.32, tag 0x0112)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fusiform.core.errors import ChoiceError

Box = tuple[float, float, float, float]

# From stored to upright (Exif 2.32, tag 0x0112): swap x and y, then mirror x, then mirror y.
_SWAPPED, _MIRRORED_X, _MIRRORED_Y = {5, 6, 7, 8}, {2, 3, 6, 7}, {3, 4, 7, 8}
_BACK = {6: 8, 8: 6}  # every other turn undoes itself

_SMALLEST = 1e-8  # side of a region; numbers have nine decimals


@dataclass(frozen=True)
class Frame:
    """The picture as stored: pixels, and Exif `orientation` 1..8. Raises ChoiceError."""

    width: int
    height: int
    orientation: int = 1

    def __post_init__(self) -> None:
        if self.orientation not in range(1, 9) or min(self.width, self.height) < 1:
            raise ChoiceError("frame", "at least 1 x 1 pixels, orientation 1 to 8", self)

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height of the upright picture."""
        swapped = self.orientation in _SWAPPED
        return (self.height, self.width) if swapped else (self.width, self.height)


def _turn(box: Box, orientation: int) -> Box:
    """A box of the unit square after the turn of an Exif orientation."""
    x1, y1, x2, y2 = box
    if orientation in _SWAPPED:
        x1, y1, x2, y2 = y1, x1, y2, x2
    if orientation in _MIRRORED_X:
        x1, x2 = 1 - x2, 1 - x1
    if orientation in _MIRRORED_Y:
        y1, y2 = 1 - y2, 1 - y1
    return x1, y1, x2, y2


def stored(box: Box, frame: Frame) -> Box:
    """Left, top, width, height in 0..1 of the stored picture, from a box in pixels of the upright
    one, clipped to it. Raises ChoiceError for a box outside."""
    (x1, y1, x2, y2), (width, height) = box, frame.upright
    unit = max(0.0, x1 / width), max(0.0, y1 / height), min(1.0, x2 / width), min(1.0, y2 / height)
    left, top, right, bottom = _turn(unit, _BACK.get(frame.orientation, frame.orientation))
    if min(right - left, bottom - top) < _SMALLEST:
        raise ChoiceError("box", f"inside the picture of {width} x {height} pixels", box)
    return left, top, right - left, bottom - top


def upright(told: Sequence[float], frame: Frame, turn: int) -> Box | None:
    """The opposite: pixels from left, top, width, height; None if that is no region here."""
    left, top, width, height = told
    inside = 0 <= left + width / 2 <= 1 and 0 <= top + height / 2 <= 1  # False for NaN too
    if not inside or not min(width, height) > 4 * _SMALLEST:
        return None
    unit = max(0.0, left), max(0.0, top), min(1.0, left + width), min(1.0, top + height)
    (x1, y1, x2, y2), (w, h) = _turn(unit, turn), frame.upright
    return x1 * w, y1 * h, x2 * w, y2 * h
