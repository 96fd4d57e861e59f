"""`fusiform ask` and `fusiform why`: the questions worth answering, and reasons."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fusiform import api
from fusiform.app import schema
from fusiform.app.terminal import (
    MOST,
    GalleryOption,
    JsonOption,
    corners,
    open_gallery,
    refuse_photo,
    save_drawing,
    say,
    show,
    show_json,
    show_table,
)
from fusiform.core.errors import UnknownPerson
from fusiform.gallery import Person, Question, Reason

app = typer.Typer()
ANSWERS = "y: yes, n: no, s: skip, q: quit"


@app.command()
def ask(
    gallery: GalleryOption = None,
    count: Annotated[int, typer.Option(min=1, metavar="N", help="At most so many.")] = 20,
    sheet: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw both people of every question.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Same person? The questions whose answers join the most faces, first; answer y, n, s or q.

    Answers are decisions like `same` and `not-same`: kept for ever, and `undo` takes them back.
    Ctrl-C keeps those that were given, and exits with 130.

    Examples:

        fusiform ask

        fusiform ask --sheet ask.jpg

        fusiform ask --count 5 --json
    """
    with open_gallery(gallery) as g:
        found = g.questions(count=count)
        if sheet:
            refuse_photo(sheet, (), gallery)
            pairs = [g.person(who) for one in found for who in (one.other, one.person)]
            save_drawing(sheet, api.sheet(pairs))
        if as_json:
            show_json([schema.question(one) for one in found])
            return
        if not found:
            say("nothing to ask: nobody is much like anybody else")
        _put(g, found)


def _put(g: api.Gallery, found: list[Question]) -> None:
    """Asks one question after the other, and tells at the end, or at Ctrl-C, what was kept."""
    kept = 0
    try:
        for number, one in enumerate(found, 1):
            if not _open(g, one):  # an earlier answer has joined one of the two to somebody
                continue
            show(f"{number}/{len(found)}: {in_words(one)}")
            for who in (one.other, one.person):
                show(_clearest(g.person(who)))
            answer = _answer()
            if answer == "q":
                break
            if answer == "y":
                g.same(one.person, one.other)
            elif answer == "n":
                g.not_same(one.person, one.other)
            kept += answer in "yn"
    finally:
        if kept:
            say(f"{api.count_of(kept, 'answer')} kept; `fusiform undo` takes the last one back")


def _clearest(one: Person) -> str:
    """Where to look."""
    face = max(one.faces, key=lambda face: face.quality)
    return f"  {api.title(one)}: face {face.id}, {corners(face.box)}, {face.photo}"


def _answer() -> str:
    """y, n, s or q; asked again for anything else, q where there is nobody to ask.

    Raises KeyboardInterrupt at Ctrl-C.
    """
    while True:
        try:
            told = typer.prompt(f"same person? ({ANSWERS})", default="s", err=True)
        except typer.Abort as error:  # of the end of what is typed, or of Ctrl-C
            if isinstance(error.__context__, KeyboardInterrupt):
                say("")  # what comes next begins a line
                raise KeyboardInterrupt from None
            return "q"
        if told.strip().lower()[:1] in tuple("ynsq"):
            return str(told.strip().lower()[:1])


def _open(g: api.Gallery, one: Question) -> bool:
    try:
        return g.person(one.person).id != g.person(one.other).id
    except UnknownPerson:
        return False


def in_words(one: Question) -> str:
    """A question, as a person would ask it."""
    who, other = (
        name or f"person {number}"
        for name, number in zip(one.names, (one.person, one.other), strict=True)
    )
    gain = api.count_of(one.gain, "face")
    return f"{other} ({gain}) and {who}: mean similarity {one.similarity:.3f}"


@app.command()
def why(
    face: Annotated[int, typer.Argument(metavar="FACE", max=MOST, help="Its number: see `show`.")],
    who: Annotated[str, typer.Argument(metavar="PERSON", help="Name or number.")],
    gallery: GalleryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Why is this face that person, or why not: the links and the pictures behind it.

    Examples:

        fusiform why 311 7
    """
    with open_gallery(gallery) as g:
        reason, limit = g.why(face, who), g.limit
    if as_json:
        show_json(schema.reason(reason, limit))
        return
    for line in _reasons(reason, limit):
        show(line)
    if reason.nearest:
        rows = [(row.id, f"{s:.3f}", corners(row.box), row.photo) for row, s in reason.nearest]
        show_table(["face#", "similarity#", "box", "photo"], rows)


def _reasons(reason: Reason, limit: float) -> list[str]:
    owner = "nobody yet" if reason.owner is None else f"person {reason.owner}"
    lines = [f"face {reason.face.id} (quality {reason.face.quality:.2f}) belongs to {owner}"]
    if reason.decided:
        lines.append(f"you decided that it is person {reason.person}")
    if reason.denied:
        lines.append(f"you decided that it is not person {reason.person}")
    if reason.similarity is not None:
        side = "at least" if reason.similarity >= limit else "below"
        lines.append(
            f"mean similarity to person {reason.person}: {reason.similarity:.3f}, {side} the limit "
            f"{limit:.3f}"
        )
    if reason.rival:
        lines.append(f"most like it otherwise: person {reason.rival[0]}, {reason.rival[1]:.3f}")
    return lines
