"""Commands that decide for ever, and take decisions back: same, not-same, not-a-face, hide, undo,
journal, group, calibrate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from fusiform import api
from fusiform import gallery as rooms
from fusiform.app import schema
from fusiform.app.terminal import (
    MOST,
    GalleryOption,
    JsonOption,
    Who,
    YesOption,
    confirm_one,
    open_gallery,
    say,
    show,
    show_json,
    show_table,
    summary_of,
)
from fusiform.core.errors import ChoiceError, ModelUnsupported
from fusiform.gallery import Entry, Person
from fusiform.gallery.acts import Drawn
from fusiform.measure.own_calibration import describe
from fusiform.recognise.compare import DEFAULT_FMR, threshold

app = typer.Typer()

Other = Annotated[str, typer.Argument(metavar="OTHER", help="Another person: name or number.")]


@app.command()
def same(
    who: Who,
    other: Other,
    gallery: GalleryOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Two people are one, for ever. The one with a name keeps it; `undo` takes it back.

    Asks first if both have names, or you decided before that they are two.

    Examples:

        fusiform same 7 12

        fusiform same "Ada Lovelace" 12 --json

        fusiform same "Ada Lovelace" "Ada King" --yes
    """
    with open_gallery(gallery) as g:
        confirm_one(g, who, other, yes, as_json)
        one = g.same(who, other)
    _tell([one], as_json)


@app.command("not-same")
def not_same(
    who: Who, other: Other, gallery: GalleryOption = None, as_json: JsonOption = False
) -> None:
    """Two people are not one, for ever, however alike they look.

    Examples:

        fusiform not-same 7 12
    """
    with open_gallery(gallery) as g:
        both = g.not_same(who, other)
    _tell(list(both), as_json)


@app.command("not-a-face")
def not_a_face(
    faces: Annotated[
        list[int], typer.Argument(metavar="FACE...", max=MOST, help="Numbers: see `show`.")
    ],
    gallery: GalleryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Some finds are no faces: they leave people and search, and do not come back.

    Examples:

        fusiform not-a-face 311 312
    """
    with open_gallery(gallery) as g:
        count = g.not_a_face(*faces)
    if as_json:
        show_json({"faces": sorted(set(faces))})
    else:
        show(f"{api.count_of(count, 'find')} set aside")


@app.command()
def hide(
    who: Who,
    gallery: GalleryOption = None,
    back: Annotated[bool, typer.Option("--back", help="Show the person again.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Leave a person out of `people`, such as a stranger in many photos.

    Examples:

        fusiform hide 7

        fusiform hide 7 --back
    """
    with open_gallery(gallery) as g:
        one = g.hide(who, not back)
    _tell([one], as_json)


@app.command()
def undo(
    count: Annotated[int, typer.Argument(metavar="[N]", min=1, help="How many acts.")] = 1,
    gallery: GalleryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take the last acts back: names, merges and splits are again as they were.

    Examples:

        fusiform undo

        fusiform undo 3
    """
    with open_gallery(gallery) as g:
        taken = g.undo(count)
        told = _entries(g, taken)
    if as_json:
        show_json(told)
        return
    for one in told:
        show(f"undone: {in_words(one)}")


@app.command()
def journal(gallery: GalleryOption = None, as_json: JsonOption = False) -> None:
    """Everything that was ever decided, oldest first.

    Examples:

        fusiform journal --json
    """
    with open_gallery(gallery) as g:
        told = _entries(g, g.journal())
    if as_json:
        show_json(told)
    elif told:
        rows = [(e["act"], e["at"], in_words(e), "undone" if e["undone"] else "") for e in told]
        show_table(["act#", "when (UTC)", "what", ""], rows)
    else:
        say("nothing decided yet; `fusiform name` is a beginning")


@app.command()
def group(
    gallery: GalleryOption = None,
    reset: Annotated[
        bool, typer.Option("--reset", help="Throw away what grouping found, numbers too.")
    ] = False,
    limit: Annotated[
        float | None,
        typer.Option(
            metavar="COSINE", help="Average similarity for grouping, by default the card's."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Group all faces anew. Names and everything decided stay.

    Examples:

        fusiform group --reset
    """
    with open_gallery(gallery) as g:
        g.regroup(limit, reset=reset)
        count = len(g.people())
    if as_json:
        show_json({"people": count})
    else:
        show(f"{api.count_of(count, 'person')} in the gallery")


@app.command()
def calibrate(
    gallery: GalleryOption = None,
    fmr: Annotated[
        float, typer.Option(metavar="RATE", help="Wanted share of false matches.")
    ] = DEFAULT_FMR,
    keep: Annotated[
        bool, typer.Option("--keep", help="From now on `find` goes by the result.")
    ] = False,
    drop: Annotated[
        bool, typer.Option("--drop", help="Measure nothing; `find` goes by the model's card again.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Threshold and probabilities from your own named faces, with honest intervals.

    Says so where too few people are named, and which rate they are enough for.

    Examples:

        fusiform calibrate --fmr 0.01

        fusiform calibrate --fmr 0.01 --keep

        fusiform calibrate --drop
    """
    if keep and drop:
        raise ChoiceError("--drop", "used without --keep", "both")
    with open_gallery(gallery) as g:
        if drop:
            rooms.drop(g.store)
        result = None if drop else g.calibrate(fmr=fmr, keep=keep)
        used = _used(g)
    if as_json:
        show_json({"used": used} | (result.as_dict() if result else {}))
    elif result:
        for line in describe(result):
            show(line)
    else:
        limit = used["threshold"]
        at = "" if limit is None else f": `find` shows faces from similarity {limit:.3f} upward"
        show(f"the model's card holds again{at}")


def _used(g: api.Gallery) -> schema.Json:
    """What `find` goes by now."""
    if own := g.own:
        return {"by": "gallery", "threshold": own.threshold}
    try:
        return {"by": "card", "threshold": threshold(g.models.embedder.card)}
    except ModelUnsupported:
        return {"by": "card", "threshold": None}


def _entries(g: api.Gallery, acts: Sequence[Entry]) -> list[schema.Json]:
    drawn_in = [one.act.photo for one in acts if isinstance(one.act, Drawn) and one.act.photo]
    photos = rooms.paths_of(g.store, drawn_in)
    return [schema.entry(one, photos) for one in acts]


def in_words(told: schema.Json) -> str:
    """One act (see `schema.entry`), as a person would say it."""
    who, other = f"person {told.get('person')}", f"person {told.get('other')}"
    faces = api.count_of(len(told.get("faces", [])), "face")
    return {
        "name": f"{who} named {told.get('name')} ({faces})",
        "merge": f"{other} is {who} ({faces})",
        "split": f"{api.count_of(len(told.get('taken', [])), 'face')} of {who} became {other}",
        "not-same": f"{who} is not {other}",
        "not-a-face": f"{faces} set aside as none",
        "hide": f"{who} {'hidden' if told.get('hidden') else 'shown again'}",
        "born": f"{who} born {told.get('day') or 'nobody knows when'}",
        "box": f"{faces} drawn by hand" + (f" in {told['photo']}" if told.get("photo") else ""),
        "undo": f"act {told.get('undid')} undone",
        "consent": f"consent of {who} {'given' if told.get('given') else 'withdrawn'}",
        "erase": f"{api.count_of(told.get('count', 0), 'face')} erased ({told.get('why')})",
        "forget": f"somebody forgotten ({api.count_of(told.get('count', 0), 'face')})",
    }[told["kind"]]


@app.command()
def born(
    who: Who,
    day: Annotated[
        str | None, typer.Argument(metavar="[DAY]", help="2015, 2015-03 or 2015-03-01.")
    ] = None,
    unknown: Annotated[bool, typer.Option("--unknown", help="Take it back: nobody knows.")] = False,
    gallery: GalleryOption = None,
    as_json: JsonOption = False,
) -> None:
    """When a person was born: photos taken before show somebody else, however alike.

    That keeps children apart from the parent they take after. What you decided stays as it is.

    Examples:

        fusiform born "Ada Lovelace" 2015-03

        fusiform born 7 --unknown
    """
    if (day is None) != unknown:
        raise ChoiceError("DAY", "given, or --unknown", day)
    with open_gallery(gallery) as g:
        one = g.born(who, day)
    _tell([one], as_json)


@app.command()
def box(
    photo: Annotated[Path, typer.Argument(metavar="PHOTO", help="A photo of the gallery.")],
    x1: Annotated[float, typer.Argument(metavar="X1", help="Left, in pixels.")],
    y1: Annotated[float, typer.Argument(metavar="Y1", help="Top.")],
    x2: Annotated[float, typer.Argument(metavar="X2", help="Right.")],
    y2: Annotated[float, typer.Argument(metavar="Y2", help="Bottom.")],
    who: Annotated[
        str | None, typer.Option("--person", metavar="PERSON", help="Whose face it is.")
    ] = None,
    gallery: GalleryOption = None,
    as_json: JsonOption = False,
) -> None:
    """A face that was not found: draw its box. Corners are in pixels of the upright photo.

    Without `--person` it joins whom it is like. `undo` takes it away again.

    Examples:

        fusiform box party.jpg 310 120 402 230

        fusiform box party.jpg 310 120 402 230 --person "Ada Lovelace"
    """
    with open_gallery(gallery) as g:
        face = g.box(photo, (x1, y1, x2, y2), who)
        owner = rooms.owner_of(g.store, face.id)
    if as_json:
        told = schema.face_row(face) | {"person": owner and owner.id, "name": owner and owner.name}
        show_json(told)
    else:
        show(f"face {face.id}: {api.title(owner) if owner else 'nobody yet'}")


def _tell(people: list[Person], as_json: bool) -> None:
    if as_json:
        told = [schema.person(one) for one in people]
        show_json(told[0] if len(told) == 1 else told)
        return
    for one in people:
        show(summary_of(one))
