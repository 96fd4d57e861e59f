"""Commands about a gallery: index, people, show, name, merge, split, find, forget."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from fusiform import api
from fusiform.app import schema
from fusiform.app.terminal import (
    DetectorOption,
    DrawOption,
    EmbedderOption,
    GalleryOption,
    JsonOption,
    Pictures,
    SmallFacesOption,
    Who,
    corners,
    open_gallery,
    percent,
    progress_bar,
    say,
    show,
    show_json,
    show_table,
)
from fusiform.core import draw
from fusiform.core.errors import PictureError, UnknownPerson
from fusiform.core.faces import Faces
from fusiform.core.pictures import SUFFIXES, picture_paths, read
from fusiform.gallery import Match, Person
from fusiform.hub.card import Card
from fusiform.indexing import Report
from fusiform.recognise.compare import probability, threshold

app = typer.Typer()
SHOWN_ERRORS = 10
TRACES = (
    "TRACES ARE LEFT in the file, for another program is reading it; "
    "close the other programs that have this gallery open, then run `fusiform people` once"
)


@app.command()
def index(
    pictures: Pictures,
    gallery: GalleryOption = None,
    detector: DetectorOption = "auto",
    embedder: EmbedderOption = "auto",
    small_faces: SmallFacesOption = False,
    limit: Annotated[
        float | None,
        typer.Option(
            metavar="COSINE", help="Average similarity for grouping, by default the card's."
        ),
    ] = None,
    wait: Annotated[
        float,
        typer.Option(
            min=0, metavar="SECONDS", help="Seconds to wait for another process that is indexing."
        ),
    ] = 0.0,
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Threads, by default one a core.")
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
    if (more := len(report.errors) - SHOWN_ERRORS) > 0:
        say(f"... and {more:,} more (--json lists all)")
    if as_json:
        show_json(schema.report(report), indent=None)  # one line: the last
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
    extras = [
        (report.skipped, "unreadable"),
        (report.unchanged, "known already"),
        (report.duplicates, "known under another path"),
        (report.gone, "gone"),
        *((n, f"left out: {reason}") for reason, n in report.drop_reasons.items()),
    ]
    parts[1:1] = [f"{n:,} {what}" for n, what in extras if n]
    return f"{'; '.join(parts)} ({report.detector}, {report.embedder})"


@app.command()
def people(
    gallery: GalleryOption = None,
    sheet: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw a contact sheet of everybody.")
    ] = None,
    smallest: Annotated[
        int, typer.Option(min=1, metavar="N", help="Leave out people with fewer faces.")
    ] = 1,
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
    if everybody:
        columns = ["person#", "name", "faces#", "photos#", "clearest photo"]
        show_table(columns, [_summary_of(p) for p in everybody])
    else:
        say("nobody yet; `fusiform index FOLDER` takes photos in")
    if sheet:
        say(f"drawn: {sheet}")


def _summary_of(one: Person) -> tuple[object, ...]:
    photos = {face.photo for face in one.faces}
    clearest = max(one.faces, key=lambda face: face.quality).photo if one.faces else ""
    return one.id, one.name or "", len(one.faces), len(photos), clearest


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
    count: Annotated[int, typer.Option(min=1, metavar="N", help="How many matches a face.")] = 10,
    everything: Annotated[
        bool, typer.Option("--all", help="Also matches that are likely other people.")
    ] = False,
    limit: Annotated[
        float | None,
        typer.Option("--threshold", metavar="COSINE", help="Lowest similarity of a match."),
    ] = None,
    draw_to: DrawOption = None,
    as_json: JsonOption = False,
) -> None:
    """Who is in this picture, or where is this person?

    Examples:

        fusiform find party.jpg --draw who.jpg

        fusiform find "Ada Lovelace"
    """
    with open_gallery(gallery) as g:
        if not Path(wanted).is_file():
            _show(_person(g, wanted), as_json)
            return
        used, card = g.models, g.models.embedder.card
        lowest = _lowest(card, limit, everything)
        found = g.find(wanted, count=count, at_least=lowest)
    if draw_to:
        labels = [_label(one) for one in found]
        draw.save(draw_to, draw.draw_faces(read(wanted), faces_of(found), labels))
    photo = os.path.abspath(wanted)
    if as_json:
        answers = [schema.found(one, [_match(m, card) for m in one.matches]) for one in found]
        by = {"detector": used.detector.name, "embedder": card.name}
        show_json({"photo": photo, **by, "faces": answers})
    else:
        show(f"{photo}: {api.count_of(len(found), 'face')}")
        for number, one in enumerate(found, 1):
            _show_matches(number, one, card)


def _person(g: api.Gallery, wanted: str) -> Person:
    try:
        return g.person(wanted)
    except UnknownPerson as error:
        if Path(wanted).suffix.lower() in SUFFIXES or os.sep in wanted:
            reason = "does not exist, and nobody has that name"
            raise PictureError(wanted, reason, "check the path") from error
        raise


def _lowest(card: Card, limit: float | None, everything: bool) -> float:
    if everything:
        return -1.0
    return threshold(card) if limit is None else limit


def _match(match: Match, card: Card) -> schema.Json:
    return schema.match(match, probability(card, match.similarity))


def _show_matches(number: int, one: api.Found, card: Card) -> None:
    matches = "1 match" if len(one.matches) == 1 else f"{len(one.matches)} matches"
    show(f"face {number} at {corners(one.face.box.tolist())}: {matches}")
    if one.matches:
        columns = ["person#", "name", "similarity#", "probability#", "photo"]
        show_table(columns, [_match_cells(match, card) for match in one.matches])


def _match_cells(match: Match, card: Card) -> tuple[object, ...]:
    chance = probability(card, match.similarity)
    told = "" if chance is None else percent(chance)
    who = "" if match.person is None else match.person
    return who, match.name or "", f"{match.similarity:.3f}", told, match.face.photo


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
        proof = "no trace left in the file" if result.proven else TRACES
        show(f"erased: {removed}; {proof}")
    if not result.proven:
        raise typer.Exit(1)


def _show(one: Person, as_json: bool) -> None:
    if as_json:
        show_json(schema.person(one))
        return
    show(f"{api.title(one)} (number {one.id}): {api.count_of(len(one.faces), 'face')}")
    rows = [
        (f.id, corners(f.box), f"{f.score:.2f}", f"{f.quality:.2f}", f.photo) for f in one.faces
    ]
    show_table(["face#", "box", "score#", "quality#", "photo"], rows)


def _tell(one: Person, as_json: bool) -> None:
    if as_json:
        show_json(schema.person(one))
    else:
        show(f"{api.title(one)} (number {one.id}): {api.count_of(len(one.faces), 'face')}")


def faces_of(found: Sequence[api.Found]) -> Faces:
    """The searched faces as `Faces` again."""
    faces = [one.face for one in found]
    return Faces.concatenate(
        [Faces(f.box[None], np.array([f.score]), f.points[None]) for f in faces]
    )


def _label(one: api.Found) -> str:
    best = next(iter(one.matches), None)
    return "?" if best is None else f"{best.name or f'Person {best.person}'} {best.similarity:.2f}"
