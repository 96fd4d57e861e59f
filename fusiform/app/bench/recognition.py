"""Public test sets of face recognition on this disk, by their published protocols."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusiform.app.bench.run import Result, cores, environment
from fusiform.core.align import align, middle, nearest_middle, template
from fusiform.core.decode import Pixels
from fusiform.core.faces import Floats
from fusiform.core.pictures import read
from fusiform.pipeline import (
    Models,
    aligned,
    detect_one,
    five_points,
    load_detector,
    load_embedder,
)
from fusiform.policy import ask
from fusiform.protocols.kinds import loaders
from fusiform.protocols.run import Pace, run
from fusiform.protocols.sets import Shot, Test

ALIGNED, MOVED, POINTS, FOUND, LOST = (
    "crops as shipped", "crops aligned anew", "points as shipped", "detected", "no face found",
)  # fmt: skip
_TITLES = {
    "ten folds": "pairs",
    "templates": "templates",
    "search": "identification",
    "all pairs": "all pairs of pictures (no published protocol)",
}
Progress = Callable[[str, int, int], None]


@dataclass
class Cutter:
    """Makes the crop that the embedder's card asks for, and notes in `had` in which way.

    Shipped crops of the card's own template are used as they are, scaled to the card's size; those
    of another template, and pictures with shipped points, are aligned by these points. In any other
    picture the face nearest its middle is found; where none is, the middle square is the crop.
    """

    models: Models
    had: list[str] = field(default_factory=list)  # appended to by several threads

    def __call__(self, shot: Shot) -> Pixels:
        pixels, card = read(shot.file), self.models.embedder.card
        if shot.template == card.template:
            return self._had(ALIGNED, middle(pixels, card.size))
        if shot.template:
            shipped = template(shot.template)
            points = shipped.points * (np.array(pixels.shape[1::-1]) / shipped.size)
            return self._had(MOVED, self._by_points(pixels, points))
        if shot.points is not None:
            return self._had(POINTS, self._by_points(pixels, shot.points))
        faces = detect_one(pixels, self.models.detector)
        if not len(faces):
            return self._had(LOST, middle(pixels, card.size))
        face = nearest_middle(faces, pixels)
        return self._had(FOUND, aligned(pixels, face.points, self.models)[0])

    def _by_points(self, pixels: Pixels, points: NDArray[Any]) -> Pixels:
        """Aligned by points that no detector of ours found."""
        card, one = self.models.embedder.card, np.asarray(points, np.float32)[None]
        if card.landmarks == "dlib-points":
            one = five_points().refine(pixels, one)
        crop: Pixels = align(pixels, one, card.template, card.size)[0]
        return crop

    def _had(self, way: str, crop: Pixels) -> Pixels:
        self.had.append(way)
        return crop


def bench_recognition(
    data: Path,
    *,
    model: str = "auto",
    detector: str = "auto",
    kind: str | None = None,
    flip: bool = False,
    progress: Progress | None = None,
) -> Result:
    """The figures of every set in `data`, a row each, by `protocols.run`.

    `flip` adds the vectors of the mirrored crops, as InsightFace's published figures do. Raises
    DataError, ChoiceError, PolicyForbids and what loading the models raises.
    """
    ask("embed")
    load_all = loaders(data, kind)
    models = Models(load_detector(detector), load_embedder(model))
    told = [_measured(load(), models, flip, progress) for load in load_all]
    tables: dict[str, list[dict[str, Any]]] = {}
    for report in told:
        tables.setdefault(_TITLES[report["protocol"]], []).append(row(report))
    crops = [{"set": report["set"], **_ways(report["ways"])} for report in told]
    card = models.embedder.card
    return Result(
        "recognition",
        f"{card.name} on {'; '.join(report['set'] for report in told)}",
        (),
        tables | {"how the crops were had": crops},
        notes=_notes(told, models),
        environment=environment(
            model=card.name, sha256=card.sha256, detector=models.detector.name, flip=flip
        ),
    )


def _measured(test: Test, models: Models, flip: bool, progress: Progress | None) -> dict[str, Any]:
    cutter, network = Cutter(models), models.embedder

    def embed(crops: list[Pixels]) -> Floats:
        stack = np.stack(crops)
        vectors = network.descriptors(stack)
        return vectors + network.descriptors(stack[:, :, ::-1]) if flip else vectors

    def told(done: int, count: int) -> None:
        if progress:
            progress(test.name, done, count)

    pace = Pace(network.batch, cores(), told)
    return run(test, embed, cutter, pace) | {"ways": Counter(cutter.had)}


def row(report: dict[str, Any]) -> dict[str, Any]:
    """A report as one row of a table: a column a FAR, in percent, None where not resolved."""
    dropped = {"protocol", "tar", "ways"}
    percents = {"accuracy", "accuracy_se", "eer", *(name for name in report if "rank_" in name)}
    told = {
        name: round(100 * value, 3) if name in percents else value
        for name, value in report.items()
        if name not in dropped
    }
    for name in ("threshold", "auc"):
        if name in told:
            told[name] = round(told[name], 5)
    for entry in report.get("tar", ()):
        value = entry["tar"]
        told[f"TAR@{entry['far']:g}"] = None if value is None else round(100 * value, 3)
    return told


def _ways(ways: Counter[str]) -> dict[str, int]:
    return {way: ways[way] for way in (ALIGNED, MOVED, POINTS, FOUND, LOST)}


def _notes(told: list[dict[str, Any]], models: Models) -> tuple[str, ...]:
    notes = ["accuracy, its standard error, eer, TAR and ranks are in percent"]
    lost = sum(report["ways"][LOST] for report in told)
    if lost:
        notes.append(f"{lost} pictures without a face that was found: their middle square is used")
    if any(report["ways"][MOVED] for report in told):
        name = models.embedder.card.template
        notes.append(f"shipped crops show less than {name} wants; what they lack is black")
    return tuple(notes)
