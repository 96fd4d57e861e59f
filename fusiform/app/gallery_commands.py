"""Commands about a gallery: index, people, show, name, merge, split, find, forget."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from fusiform import api
from fusiform.app import schema
from fusiform.app.terminal import (
    DetectorOption,
    EmbedderOption,
    GalleryOption,
    JsonOption,
    Pictures,
    SmallFacesOption,
    Who,
    open_gallery,
    progress_bar,
    say,
    show,
    show_json,
    show_table,
)
from fusiform.core import draw
from fusiform.core.errors import ChoiceError
from fusiform.core.faces import Face, Faces
from fusiform.core.pictures import picture_paths, read
from fusiform.gallery import FaceRow, Match, Person
from fusiform.indexing import Report
from fusiform.recognise.compare import probability, threshold

app = typer.Typer()
SHOWN_ERRORS = 10


@app.command()
def index(
    pictures: Pictures,
    gallery: GalleryOption = None,
    detector: DetectorOption = "auto",
    embedder: EmbedderOption = "auto",
    small_faces: SmallFacesOption = False,
    limit: Annotated[
        float | None, typer.Option(help="Average similarity for grouping, by default the card's.")
    ] = None,
    wait: Annotated[
        float, typer.Option(help="Seconds to wait for another process that is indexing.")
    ] = 0.0,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Threads, by default one a core.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Take every new picture of files and folders into the gallery, and group the people.

    Stop it at any moment and run it again to go on; known pictures are not looked at twice.

    Examples:

        fusiform index ~/Pictures

        fusiform index /mnt/photos --gallery family.db --detector yunet-s
    """
    with open_gallery(gallery, detector=detector, embedder=embedder, create=True) as g:
        total = sum(1 for _ in picture_paths(pictures, on_error=lambda _: None))
        with progress_bar("indexing", total) as bar:
            report = g.index(
                *pictures,
                small_faces=small_faces,
                limit=limit,
                wait=wait,
                workers=workers,
                progress=bar,
            )
    for error in report.errors[:SHOWN_ERRORS]:
        say(f"skipped {error}")
    if more := len(report.errors) - SHOWN_ERRORS:
        say(f"... and {more} more (--json lists all)" if more > 0 else "")
    if as_json:
        show_json(schema.report(report))
    else:
        show(summary(report))
    if report.errors and not total:
        raise typer.Exit(1)


def summary(report: Report) -> str:
    """What one run did, in a line or two."""
    count = api.count_of
    parts = [
        f"{count(report.photos, 'new photo')}, {count(report.faces, 'face')}",
        f"{count(report.people, 'person')} in the gallery",
        f"{report.seconds:.1f} s",
    ]
    if report.duplicates:
        parts.insert(1, count(report.duplicates, "copy").replace("copys", "copies"))
    if report.unchanged:
        parts.insert(1, f"{report.unchanged:,} known already")
    if report.skipped:
        parts.insert(1, f"{report.skipped:,} unreadable")
    return f"{'; '.join(parts)} ({report.detector}, {report.embedder})"


@app.command()
def people(
    gallery: GalleryOption = None,
    sheet: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw a contact sheet of everybody.")
    ] = None,
    smallest: Annotated[int, typer.Option(min=1, help="Leave out people with fewer faces.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Who is in the gallery: number, name, faces and photos, most faces first.

    Examples:

        fusiform people --sheet people.jpg

        fusiform people --smallest 3 --json
    """
    with open_gallery(gallery) as g:
        everybody = [p for p in g.people() if len(p.faces) >= smallest]
        if sheet:
            draw.save(sheet, g.sheet(smallest=smallest))
    if as_json:
        show_json([schema.person(p) for p in everybody])
        return
    rows = [(p.id, p.name or "", len(p.faces), len({f.photo for f in p.faces})) for p in everybody]
    show_table(["person#", "name", "faces#", "photos#"], rows)
    if sheet:
        say(f"drawn: {sheet}")


@app.command("show")
def show_person(who: Who, gallery: GalleryOption = None, as_json: JsonOption = False) -> None:
    """Everything known of one person: every face and its photo.

    Examples:

        fusiform show 7

        fusiform show "Ada Lovelace" --json
    """
    with open_gallery(gallery) as g:
        one = g.person(who)
    _show(one, as_json)


@app.command()
def name(
    who: Who,
    new: Annotated[str, typer.Argument(metavar="NAME", help="The name.")],
    gallery: GalleryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Name a person, once and for ever: new photos, regrouping and moved files keep the name.

    Examples:

        fusiform name 7 "Ada Lovelace"
    """
    with open_gallery(gallery) as g:
        one = g.name(who, new)
    _tell(one, as_json)


@app.command()
def merge(
    who: Who,
    other: Annotated[str, typer.Argument(metavar="OTHER", help="Who is the same person.")],
    gallery: GalleryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Two people are one: OTHER was PERSON all along.

    Examples:

        fusiform merge 7 12
    """
    with open_gallery(gallery) as g:
        one = g.merge(who, other)
    _tell(one, as_json)


@app.command()
def split(
    who: Who,
    faces: Annotated[list[int], typer.Argument(metavar="FACE...", help="Numbers: see `show`.")],
    gallery: GalleryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Some faces are not this person: they become a new one, and stay apart.

    Examples:

        fusiform split 7 311 312
    """
    with open_gallery(gallery) as g:
        one = g.split(who, faces)
    _tell(one, as_json)


@app.command()
def find(
    wanted: Annotated[str, typer.Argument(metavar="PHOTO_OR_NAME", help="A picture, or a person.")],
    gallery: GalleryOption = None,
    count: Annotated[int, typer.Option(min=1, help="How many matches a face.")] = 10,
    everything: Annotated[
        bool, typer.Option("--all", help="Also matches that are likely other people.")
    ] = False,
    draw_to: Annotated[
        Path | None, typer.Option("--draw", metavar="FILE", help="Draw the picture with names.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Who is in this picture, or where is this person?

    Examples:

        fusiform find party.jpg --draw who.jpg

        fusiform find "Ada Lovelace"
    """
    with open_gallery(gallery) as g:
        if not Path(wanted).is_file():
            _show(g.person(wanted), as_json)
            return
        card = g.models.embedder.card
        lowest = -1.0 if everything else threshold(card)
        found = g.find(wanted, count=count, at_least=lowest)
    if draw_to:
        _draw(wanted, draw_to, found)

    def row(match: Match) -> schema.Json:
        return schema.match(match, probability(card, match.similarity))

    answers = [schema.found(one, [row(match) for match in one.matches]) for one in found]
    if as_json:
        show_json({"photo": str(Path(wanted).absolute()), "faces": answers})
        return
    show(f"{wanted}: {api.count_of(len(found), 'face')}")
    columns = ["person", "name", "similarity", "probability", "photo"]
    for number, answer in enumerate(answers, 1):
        show(f"face {number} at {answer['box']}: {len(answer['matches'])} matches")
        if answer["matches"]:
            show_table(columns, [[m[c] or "" for c in columns] for m in answer["matches"]])


@app.command()
def forget(
    who: Who,
    gallery: GalleryOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Erase a person: faces, vectors and name leave the file, and a search of its bytes proves it.

    The photos themselves are not touched, and the person's faces do not come back when the same
    photos are indexed again.

    Examples:

        fusiform forget 7

        fusiform forget "Ada Lovelace" --yes --json
    """
    with open_gallery(gallery) as g:
        one = g.person(who)
        question = f"Erase {api.title(one)} ({api.count_of(len(one.faces), 'face')}) for good?"
        if not yes and not typer.confirm(question, err=True):
            raise typer.Exit(1)
        result = g.forget(one.id)
    if as_json:
        show_json(schema.erasure(result))
    else:
        removed = ", ".join(f"{n} {what}" for what, n in result.removed.items())
        proof = "no trace left in the file" if result.proven else "TRACES ARE LEFT in the file"
        show(f"erased: {removed}; {proof}")
    if not result.proven:
        raise typer.Exit(1)


def _show(one: Person, as_json: bool) -> None:
    if as_json:
        show_json(schema.person(one))
        return
    show(f"{api.title(one)} (number {one.id}): {api.count_of(len(one.faces), 'face')}")
    rows = [(f.id, _corners(f), f"{f.score:.2f}", f"{f.quality:.2f}", f.photo) for f in one.faces]
    show_table(["face#", "box", "score#", "quality#", "photo"], rows)


def _corners(row: FaceRow) -> str:
    return " ".join(f"{value:.0f}" for value in row.box)


def _tell(one: Person, as_json: bool) -> None:
    if as_json:
        show_json(schema.person(one))
    else:
        show(f"{api.title(one)} (number {one.id}): {api.count_of(len(one.faces), 'face')}")


def _draw(picture: str, to: Path, found: list[api.Found]) -> None:
    if not found:
        raise ChoiceError("--draw", "used with a picture that has a face", picture)
    labels = [_label(one) for one in found]
    draw.save(to, draw.draw_faces(read(picture), faces_of([one.face for one in found]), labels))


def faces_of(parts: Sequence[Face]) -> Faces:
    """Single faces as `Faces` again."""
    boxes = np.array([face.box for face in parts], np.float32)
    scores = np.array([face.score for face in parts], np.float32)
    return Faces(boxes, scores, np.array([face.points for face in parts], np.float32))


def _label(one: api.Found) -> str:
    best = next(iter(one.matches), None)
    return "?" if best is None else f"{best.name or f'Person {best.person}'} {best.similarity:.2f}"
