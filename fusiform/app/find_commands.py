"""`fusiform find`: by a picture, by a person, or by a query in words."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from fusiform import api
from fusiform.app import schema
from fusiform.app.gallery_commands import show_one
from fusiform.app.terminal import (
    DrawOption,
    GalleryOption,
    JsonOption,
    corners,
    cosine,
    open_gallery,
    percent,
    refuse_photo,
    save_drawing,
    show,
    show_json,
    show_table,
)
from fusiform.core import draw
from fusiform.core.errors import ChoiceError, PictureError, UnknownPerson
from fusiform.core.faces import Faces
from fusiform.core.pictures import SUFFIXES, read
from fusiform.gallery import Kept, Match, Person, PhotoRow, query
from fusiform.gallery.query import parse
from fusiform.hub.card import Card
from fusiform.recognise.compare import probability, threshold

app = typer.Typer()
Chance = Callable[[float], float | None]
MATCHES = 10  # shown of each face


@app.command()
def find(
    wanted: Annotated[
        str, typer.Argument(metavar="PHOTO_OR_QUERY", help="A picture, a person, or a query.")
    ],
    gallery: GalleryOption = None,
    count: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="How many matches a face, by default 10."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also matches that are likely other people.")
    ] = False,
    limit: Annotated[
        float | None,
        typer.Option("--threshold", metavar="COSINE", help="Lowest similarity of a match."),
    ] = None,
    after: Annotated[
        str | None, typer.Option(metavar="DATE", help="Photos from then on: 2019, 2019-06-05.")
    ] = None,
    before: Annotated[
        str | None, typer.Option(metavar="DATE", help="Photos until just before then.")
    ] = None,
    draw_to: DrawOption = None,
    as_json: JsonOption = False,
) -> None:
    """Who is in this picture, or where is this person, or which photos show these people?

    A query joins names by AND, OR, NOT and parentheses; `nobody`, `unnamed`, `alone` and
    `3+ people` can stand for a name. A name like one of these stands in quotation marks, with
    a \\ before a ", a \\ or a *.

    Examples:

        fusiform find party.jpg --draw who.jpg

        fusiform find "Ada Lovelace"

        fusiform find "Ada Lovelace AND Grace Hopper NOT alone" --after 2019

        fusiform find '"Or" AND "Not"'
    """
    cosine("--threshold", limit)
    if everything and limit is not None:
        raise ChoiceError("--all", "used without --threshold", limit)
    refuse_photo(draw_to, [wanted], gallery)
    with open_gallery(gallery) as g:
        if not _is_file(wanted):
            told = {"--draw": draw_to, "--threshold": limit, "--count": count}
            for option, value in (*told.items(), ("--all", everything or None)):
                if value is not None:
                    raise ChoiceError(option, "used with a picture", wanted)
            node = _asked(wanted)
            if isinstance(node, query.Person) and after is None and before is None:
                show_one(_person(g, str(node.who)), as_json)
            else:
                _show_photos(wanted, g.photos(wanted, after=after, before=before), as_json)
            return
        if after or before:
            raise ChoiceError("--after and --before", "used with a query", wanted)
        used, card = g.models, g.models.embedder.card
        own = g.own
        lowest = _lowest(card, own, limit, everything)
        found = g.find(wanted, count=count or MATCHES, at_least=lowest)
    if draw_to:
        labels = [_label(one) for one in found]
        save_drawing(draw_to, draw.draw_faces(read(wanted), faces_of(found), labels))
    photo, chance = os.path.abspath(wanted), partial(_chance, card, own)
    if as_json:
        answers = [_answer(one, chance) for one in found]
        by = {"detector": used.detector.name, "embedder": card.name}
        show_json({"photo": photo, **by, "faces": answers})
    else:
        show(f"{photo}: {api.count_of(len(found), 'face')}")
        for number, one in enumerate(found, 1):
            _show_matches(number, one, chance)


def _is_file(wanted: str) -> bool:
    try:
        return Path(wanted).is_file()
    except OSError:  # too long for a path
        return False


def _is_path(wanted: str) -> bool:
    if '"' in wanted:  # a query: names in quotation marks may hold anything
        return False
    return Path(wanted).suffix.lower() in SUFFIXES or os.sep in wanted


def _asked(wanted: str) -> query.Node:
    try:
        return query.Person(wanted) if _is_path(wanted) else parse(wanted)
    except ChoiceError as error:
        if folder := _folder(wanted):
            raise folder from error
        raise


def _folder(wanted: str) -> PictureError | None:
    """What is wrong with a folder where a picture is meant."""
    try:
        there = bool(wanted) and os.path.isdir(wanted)
    except ValueError:
        return None
    return PictureError(wanted, "is a folder", "name one picture in it") if there else None


def _person(g: api.Gallery, wanted: str) -> Person:
    try:
        return g.person(wanted)
    except UnknownPerson as error:
        if folder := _folder(wanted):
            raise folder from error
        if _is_path(wanted):
            reason = "does not exist, and nobody has that name"
            raise PictureError(wanted, reason, "check the path") from error
        raise


def _lowest(card: Card, own: Kept | None, limit: float | None, everything: bool) -> float:
    if everything:
        return -1.0
    if limit is not None:
        return limit
    return threshold(card) if own is None else own.threshold


def _chance(card: Card, own: Kept | None, similarity: float) -> float | None:
    return probability(card, similarity) if own is None else own.probability(similarity)


def _answer(one: api.Found, chance: Chance) -> schema.Json:
    return schema.found(one, [schema.match(m, chance(m.similarity)) for m in one.matches])


def _show_matches(number: int, one: api.Found, chance: Chance) -> None:
    matches = "1 match" if len(one.matches) == 1 else f"{len(one.matches)} matches"
    show(f"face {number} at {corners(one.face.box.tolist())}: {matches}")
    if one.matches:
        columns = ["person#", "name", "similarity#", "probability#", "photo"]
        show_table(
            columns, [_match_cells(match, chance(match.similarity)) for match in one.matches]
        )


def _match_cells(match: Match, chance: float | None) -> tuple[object, ...]:
    told = "" if chance is None else percent(chance)
    who = "" if match.person is None else match.person
    return who, match.name or "", f"{match.similarity:.3f}", told, match.face.photo


def faces_of(found: Sequence[api.Found]) -> Faces:
    """The searched faces as `Faces` again."""
    faces = [one.face for one in found]
    return Faces.concatenate(
        [Faces(f.box[None], np.array([f.score]), f.points[None]) for f in faces]
    )


def _label(one: api.Found) -> str:
    best = next(iter(one.matches), None)
    return "?" if best is None else f"{best.name or f'Person {best.person}'} {best.similarity:.2f}"


def _show_photos(wanted: str, found: list[PhotoRow], as_json: bool) -> None:
    if as_json:
        rows = [schema.photo_row(one) for one in found]
        show_json({"query": query.unparse(parse(wanted)), "photos": rows})
        return
    show(f"{query.unparse(parse(wanted))}: {api.count_of(len(found), 'photo')}")
    if found:
        columns = ["taken (camera's time, or UTC)", "people", "photo"]
        show_table(columns, [_photo_cells(one) for one in found])


def _photo_cells(one: PhotoRow) -> tuple[object, ...]:
    who = ", ".join(name or f"person {number}" for number, name in one.people)
    taken = one.taken_at or ""
    zone = " UTC" if taken.endswith("+00:00") else ""
    return taken[:16].replace("T", " ") + zone, who, one.path
