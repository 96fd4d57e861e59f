"""Commands about single pictures: detect, describe, verify."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from fusiform import api
from fusiform.app import schema
from fusiform.app.terminal import (
    NO,
    DetectorOption,
    EmbedderOption,
    JsonOption,
    Pictures,
    SmallFacesOption,
    say,
    show,
    show_json,
    show_table,
)
from fusiform.core import draw
from fusiform.core.errors import ChoiceError, PictureError
from fusiform.core.faces import Faces
from fusiform.core.pictures import picture_paths, read
from fusiform.recognise.compare import DEFAULT_FMR

app = typer.Typer()


@app.command()
def detect(
    pictures: Pictures,
    detector: DetectorOption = "auto",
    minimum: Annotated[
        float | None, typer.Option(help="Lowest score, by default the detector's own.")
    ] = None,
    small_faces: SmallFacesOption = False,
    draw_to: Annotated[
        Path | None, typer.Option("--draw", metavar="FILE", help="Draw the finds of one picture.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Find faces: box, score and five points each.

    Examples:

        fusiform detect party.jpg --draw found.jpg

        fusiform detect ~/Pictures --detector yunet-s --json
    """
    rows, failed = [], 0
    for path in _paths(pictures):
        try:
            faces = api.detect(path, detector=detector, minimum=minimum, small_faces=small_faces)
        except PictureError as error:
            failed += 1
            say(str(error))
            rows.append(schema.failure(str(path), error))
            continue
        rows.append(schema.detection(str(path), faces))
        if draw_to:
            _draw_one(pictures, draw_to, path, faces)
    _answer(rows, as_json, ["box", "score"])
    raise typer.Exit(int(failed > 0))


@app.command()
def describe(
    pictures: Pictures, detector: DetectorOption = "auto", as_json: JsonOption = False
) -> None:
    """Describe every face: quality, sharpness, light, size and tilt. Never who or what kind.

    Examples:

        fusiform describe party.jpg

        fusiform describe ~/Pictures --json
    """
    rows, failed = [], 0
    for path in _paths(pictures):
        try:
            found = api.describe(path, detector=detector)
        except PictureError as error:
            failed += 1
            say(str(error))
            rows.append(schema.failure(str(path), error))
            continue
        rows.append(schema.description(str(path), found, api.detector_name(detector)))
    columns = ["box", "score", "quality", "sharpness", "brightness", "contrast", "eye_distance"]
    _answer(rows, as_json, [*columns, "roll"])
    raise typer.Exit(int(failed > 0))


@app.command()
def verify(
    a: Annotated[Path, typer.Argument(help="A picture.")],
    b: Annotated[Path, typer.Argument(help="Another picture.")],
    detector: DetectorOption = "auto",
    embedder: EmbedderOption = "auto",
    fmr: Annotated[
        float, typer.Option(help="False match rate of the threshold: 0.01, 0.001 or 0.0001.")
    ] = DEFAULT_FMR,
    limit: Annotated[
        float | None, typer.Option("--threshold", help="A similarity to use instead.")
    ] = None,
    draw_to: Annotated[
        Path | None, typer.Option("--draw", metavar="FILE", help="Draw what was compared.")
    ] = None,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 3 if they are not the same person.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Do two pictures show one person? The most similar pair of faces decides.

    Examples:

        fusiform verify passport.jpg selfie.jpg

        fusiform verify a.jpg b.jpg --fmr 0.0001 --draw why.jpg
    """
    result = api.verify(a, b, detector=detector, embedder=embedder, fmr=fmr, limit=limit)
    if as_json:
        show_json(schema.verification(result))
    else:
        show(verdict(result))
    if draw_to:
        sides = (read(a), result.faces_a, read(b), result.faces_b)
        draw.save(draw_to, draw.pair(*sides, verdict(result)))
    if exit_code and not result.verified:
        raise typer.Exit(NO)


def verdict(result: api.Verification) -> str:
    """One sentence a person can read."""
    if result.similarity is None:
        counts = f"{len(result.faces_a)} and {len(result.faces_b)}"
        return f"cannot tell: faces found in the two pictures: {counts}"
    word = "same person" if result.verified else "different people"
    chance = "" if result.probability is None else f", probability {result.probability:.1%}"
    return f"{word}: similarity {result.similarity:.3f}, threshold {result.threshold:.3f}{chance}"


def _paths(pictures: list[Path]) -> Iterator[Path]:
    problems: list[PictureError] = []
    yield from picture_paths(pictures, on_error=problems.append)
    for problem in problems:
        say(str(problem))
    if problems:
        raise typer.Exit(1)


def _draw_one(pictures: list[Path], to: Path, path: Path, faces: Faces) -> None:
    if len(pictures) != 1 or pictures[0].is_dir():
        raise ChoiceError("--draw", "used with one picture", [str(p) for p in pictures])
    labels = [f"{face.score:.2f}" for face in faces]
    draw.save(to, draw.draw_faces(read(path), faces, labels))


def _answer(rows: list[schema.Json], as_json: bool, columns: list[str]) -> None:
    if as_json:
        show_json(rows)
        return
    for row in rows:
        by = f" (by {row['detector']})" if "detector" in row else ""
        show(f"{row['photo']}: {api.count_of(len(row['faces']), 'face')}{by}")
        if row["faces"]:
            show_table([f"{c}#" for c in columns], [[f[c] for c in columns] for f in row["faces"]])
