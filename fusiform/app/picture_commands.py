"""Commands about single pictures: detect, describe, verify."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from fusiform import api
from fusiform.app import schema
from fusiform.app.terminal import (
    NO,
    DetectorOption,
    DrawOption,
    EmbedderOption,
    JsonOption,
    Pictures,
    SmallFacesOption,
    corners,
    cosine,
    percent,
    refuse_photo,
    save_drawing,
    say,
    show,
    show_json,
    show_table,
)
from fusiform.core import draw
from fusiform.core.errors import ChoiceError, PictureError
from fusiform.core.pictures import picture_paths, read
from fusiform.recognise.compare import DEFAULT_FMR
from fusiform.recognise.verification import Verification

app = typer.Typer()


@app.command()
def detect(
    pictures: Pictures,
    detector: DetectorOption = "auto",
    minimum: Annotated[
        float | None,
        typer.Option(metavar="SCORE", help="Lowest score, by default the detector's own."),
    ] = None,
    small_faces: SmallFacesOption = False,
    draw_to: DrawOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find faces: box, score and five points each.

    Examples:

        fusiform detect party.jpg --draw found.jpg

        fusiform detect ~/Pictures --detector yunet-s --json
    """
    if draw_to and (len(pictures) != 1 or pictures[0].is_dir()):
        raise ChoiceError("--draw", "used with one picture", [str(p) for p in pictures])

    refuse_photo(draw_to, pictures, None)

    def look(path: str) -> schema.Json:
        faces = api.detect(path, detector=detector, minimum=minimum, small_faces=small_faces)
        if draw_to:
            labels = [f"{face.score:.2f}" for face in faces]
            save_drawing(draw_to, draw.draw_faces(read(path), faces, labels))
        return schema.detection(path, faces)

    answer(pictures, look, ["box", "score"], as_json)


@app.command()
def describe(
    pictures: Pictures, detector: DetectorOption = "auto", as_json: JsonOption = False
) -> None:
    """Describe every face: quality, sharpness, light, size and tilt. Never who or what kind.

    Examples:

        fusiform describe party.jpg

        fusiform describe ~/Pictures --json
    """

    def look(path: str) -> schema.Json:
        found = api.describe(path, detector=detector)
        return schema.description(path, found, api.detector_name(detector))

    columns = ["box", "score", "quality", "sharpness", "brightness", "contrast", "eye_distance"]
    answer(pictures, look, [*columns, "roll"], as_json)


@app.command()
def verify(
    a: Annotated[Path, typer.Argument(metavar="A", help="A picture.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another picture.")],
    detector: DetectorOption = "auto",
    embedder: EmbedderOption = "auto",
    fmr: Annotated[
        float,
        typer.Option(
            metavar="RATE", help="False match rate of the threshold: 0.01, 0.001 or 0.0001."
        ),
    ] = DEFAULT_FMR,
    limit: Annotated[
        float | None,
        typer.Option("--threshold", metavar="COSINE", help="A similarity to use instead."),
    ] = None,
    draw_to: DrawOption = None,
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
    cosine("--threshold", limit)
    refuse_photo(draw_to, [a, b], None)
    result = api.verify(a, b, detector=detector, embedder=embedder, fmr=fmr, limit=limit)
    if as_json:
        show_json(schema.verification(result))
    else:
        show(verdict(result))
    if draw_to:
        sides = (read(a), result.faces_a, read(b), result.faces_b)
        save_drawing(draw_to, draw.pair(*sides, verdict(result)))
    if exit_code and not result.verified:
        raise typer.Exit(NO)


def verdict(result: Verification) -> str:
    """One sentence a person can read."""
    if result.similarity is None:
        counts = f"{len(result.faces_a)} and {len(result.faces_b)}"
        return f"cannot tell: faces found in the two pictures: {counts}"
    word = "same person" if result.verified else "different people"
    chance = "" if result.probability is None else f", probability {percent(result.probability)}"
    return f"{word}: similarity {result.similarity:.3f}, threshold {result.threshold:.3f}{chance}"


def answer(
    pictures: Sequence[Path],
    look: Callable[[str], schema.Json],
    columns: Sequence[str],
    as_json: bool,
) -> None:
    """Says what `look` sees in every picture, as it goes or at the end as one JSON array.

    Ends with exit code 1 if any could not be read; the others are answered all the same.
    """
    rows: list[schema.Json] = []

    def fail(error: PictureError) -> None:
        say(str(error))
        rows.append(schema.failure(error))

    for path in picture_paths(pictures, on_error=fail):
        try:
            rows.append(look(os.path.abspath(path)))
        except PictureError as error:
            fail(error)
        else:
            if not as_json:
                _show_row(rows[-1], columns)
    if as_json:
        show_json(rows)
    raise typer.Exit(int(any("error" in row for row in rows)))


def _show_row(row: schema.Json, columns: Sequence[str]) -> None:
    show(f"{row['photo']}: {api.count_of(len(row['faces']), 'face')} (by {row['detector']})")
    if row["faces"]:
        cells = [[_cell(face[column]) for column in columns] for face in row["faces"]]
        show_table([f"{column}#" for column in columns], cells)


def _cell(value: float | list[float]) -> str:
    return corners(value) if isinstance(value, list) else f"{value:.2f}"
