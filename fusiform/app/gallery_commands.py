"""Commands about a gallery: index, people, show, name, merge, split, forget, clean."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fusiform import api
from fusiform import gallery as rooms
from fusiform.app import schema
from fusiform.app.terminal import (
    MOST,
    DetectorOption,
    EmbedderOption,
    GalleryOption,
    JsonOption,
    Pictures,
    SmallFacesOption,
    Who,
    YesOption,
    confirm,
    confirm_one,
    corners,
    open_gallery,
    progress_bar,
    refuse_photo,
    save_drawing,
    say,
    show,
    show_json,
    show_table,
    summary_of,
)
from fusiform.core.pictures import picture_paths
from fusiform.gallery import Erasure, Person
from fusiform.indexing import Report

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
    keep: Annotated[
        str | None,
        typer.Option(
            metavar="PERIOD",
            help="From now on keep faces that long: 90d, 6w, 18m, 2y (see `keep`).",
        ),
    ] = None,
    wait: Annotated[
        float,
        typer.Option(
            min=0, metavar="SECONDS", help="Seconds to wait for another process that is indexing."
        ),
    ] = 0.0,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=1024, metavar="N", help="Threads, by default one a core."),
    ] = None,
    crops: Annotated[
        bool | None,
        typer.Option(
            "--crops/--no-crops",
            help="Keep a small crop of every face (7 kB), so that another model can embed it again "
            "(`reembed`). Remembered; at first they are kept.",
        ),
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Let the workers of a Dask scheduler, tcp://HOST:8786, look at the pictures.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Take every new picture of files and folders into the gallery, and group the people.

    Stop it at any moment and run it again to go on; known pictures are not looked at twice.

    Examples:

        fusiform index ~/Pictures

        fusiform index /mnt/photos --gallery family.db --detector yunet-s

        fusiform index ~/webcam --keep 90d

        fusiform index /mnt/photos --dask tcp://head:8786
    """
    with open_gallery(gallery, detector=detector, embedder=embedder, create=True) as g:
        if keep is not None:
            g.duties.keep_for(keep)
        total = sum(1 for _ in picture_paths(pictures, on_error=lambda _: None))
        with progress_bar("indexing", total) as bar:
            report = g.index(
                *pictures,
                small_faces=small_faces,
                limit=limit,
                wait=wait,
                workers=workers,
                crops=crops,
                dask=dask,
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
    if not report.proven:
        say(TRACES)
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
        (report.erased, "erased (kept long enough, or in a zone)"),
        (report.refilled, "with vectors again"),
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
    refuse_photo(sheet, (), gallery)
    with open_gallery(gallery) as g:
        everybody = [p for p in g.people() if len(p.faces) >= smallest]
        if sheet:
            save_drawing(sheet, g.sheet(smallest=smallest))
    if as_json:
        show_json([schema.person(p) for p in everybody])
        return
    if everybody:
        columns = ["person#", "name", "faces#", "photos#", "clearest photo"]
        show_table(columns, [_summary_of(p) for p in everybody])
    else:
        least = f" with {smallest:,} faces or more" if smallest > 1 else ""
        say(f"nobody{least or ' yet; `fusiform index FOLDER` takes photos in'}")


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
    show_one(one, as_json)


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
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Two people are one: OTHER was PERSON all along.

    Asks first if both have names, or you decided before that they are two.

    Examples:

        fusiform merge 7 12

        fusiform merge "Ada Lovelace" "Ada King" --yes
    """
    with open_gallery(gallery) as g:
        confirm_one(g, who, other, yes, as_json)
        one = g.merge(who, other)
    _tell(one, as_json)


@app.command()
def split(
    who: Who,
    faces: Annotated[
        list[int], typer.Argument(metavar="FACE...", max=MOST, help="Numbers: see `show`.")
    ],
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
def forget(
    who: Who,
    gallery: GalleryOption = None,
    yes: YesOption = False,
    from_exports: Annotated[
        bool, typer.Option("--from-exports", help="Also from the archives and backups known.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Erase a person: faces, vectors and name leave the file, and a search of its bytes proves it.

    The photos themselves are not touched, but where `write-names --embed` put the name into them,
    and the person's faces do not come back when the same photos are indexed again. Archives
    (`export`) and backups that still hold the person are listed, or, with --from-exports,
    rewritten without.

    Examples:

        fusiform forget 7

        fusiform forget "Ada Lovelace" --yes --json

        fusiform forget 7 --from-exports
    """
    with open_gallery(gallery) as g:
        one = rooms.person(g.store, who)  # whatever the policy says of searching by name
        faces = api.count_of(len(one.faces), "face")
        confirm(f"Erase {api.title(one)} ({faces}) for good?", yes, as_json)
        result = g.forget(one.id, from_exports=from_exports)
    if as_json:
        show_json({"person": one.id} | schema.erasure(result))
    else:
        show(erased_in_words(result))
    for path in result.exports:
        say(f"still in {path}: delete it, or replace it with a new copy")
    if not result.proven:
        raise typer.Exit(1)


def erased_in_words(result: Erasure) -> str:
    """What went, and the proof."""
    removed = ", ".join(f"{n} {what}" for what, n in result.removed.items())
    return f"erased: {removed}; {'no trace left in the file' if result.proven else TRACES}"


@app.command()
def clean(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FOLDER]...", help="Only what lay there; by default everywhere."),
    ] = None,
    gallery: GalleryOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Take files that are gone off the list: lists them, and asks.

    `index` does so below folders that are there. A folder that is gone itself may be a drive that
    is not plugged in, or lie on another machine: whether it is, only you know. People, names and
    decisions stay, and files that come back are known again.

    Examples:

        fusiform clean

        fusiform clean /media/old_drive --yes
    """
    with open_gallery(gallery) as g:
        gone = rooms.gone_files(g.store, folders)
        if gone:
            for path in gone[:SHOWN_ERRORS]:
                say(f"gone: {path}")
            if (more := len(gone) - SHOWN_ERRORS) > 0:
                say(f"... and {more:,} more")
            confirm(f"Take {api.count_of(len(gone), 'file')} off the list?", yes, as_json)
            rooms.take_off(g.store, gone)
    if as_json:
        show_json({"gone": gone})
    else:
        show(f"{api.count_of(len(gone), 'file')} taken off the list")


def show_one(one: Person, as_json: bool) -> None:
    """A person with all faces."""
    if as_json:
        show_json(schema.person(one))
        return
    show(summary_of(one))
    if one.consent:
        days = f" until {one.consent.until}" if one.consent.until else ""
        show(f"consent {schema.standing(one)}{days}: {one.consent.note}")
    rows = [
        (f.id, corners(f.box), f"{f.score:.2f}", f"{f.quality:.2f}", f.photo) for f in one.faces
    ]
    show_table(["face#", "box", "score#", "quality#", "photo"], rows)


def _tell(one: Person, as_json: bool) -> None:
    if as_json:
        show_json(schema.person(one))
    else:
        show(summary_of(one))
