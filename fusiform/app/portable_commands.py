"""Commands that take a gallery elsewhere: export, import, backup, table."""

from __future__ import annotations

import os
from pathlib import Path, PureWindowsPath
from typing import Annotated

import typer

from fusiform import api
from fusiform import gallery as rooms
from fusiform.app.terminal import GalleryOption, JsonOption, open_gallery, say, show, show_json
from fusiform.core.errors import ChoiceError

app = typer.Typer()

ArchiveFile = Annotated[Path, typer.Argument(metavar="ARCHIVE", help="Such as family.fusiform.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace a file that is there.")]


@app.command("export")
def export(
    archive: ArchiveFile,
    gallery: GalleryOption = None,
    no_templates: Annotated[
        bool, typer.Option("--no-templates", help="Leave vectors and pictures of faces out.")
    ] = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write everything of a gallery into one archive, which `import` takes on any machine.

    It is a zip file of tables that other programs can read, too (docs/gallery.md). It has what
    faces are recognised by: only you may read it. `forget` tells which archives still hold a
    person.

    Examples:

        fusiform export family.fusiform

        fusiform export names.fusiform --no-templates
    """
    with open_gallery(gallery) as g:
        done = g.export(archive, templates=not no_templates, force=force)
    if as_json:
        told = _counts(done.rows)
        show_json({"file": done.path, "bytes": done.bytes, "templates": not no_templates} | told)
    else:
        show(f"{done.path}: {_sentence(done.rows)}; {done.bytes / 1e6:,.1f} MB")


@app.command("import")
def import_(
    archive: ArchiveFile,
    gallery: GalleryOption = None,
    move: Annotated[
        list[str] | None,
        typer.Option(metavar="OLD=NEW", help="Photos of folder OLD lie in NEW now; repeatable."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a new gallery, a file or on a server, of an archive that `export` wrote.

    All of it arrives or nothing; numbers, decisions and what can be undone are as they were. One
    without templates gets them when the photos are indexed again.

    Examples:

        fusiform import family.fusiform --gallery new.db

        fusiform import family.fusiform -g new.db --move /old/photos=/new/photos

        fusiform import family.fusiform --gallery postgresql://ada@server/photos
    """
    moves = dict(map(_move, move or ()))
    done = api.import_archive(archive, gallery, moves)
    with open_gallery(gallery) as g:
        missing, place = rooms.stale(g.store).gone, g.store.name
    if as_json:
        told = _counts(done.rows) | {"templates": done.templates, "missing": len(missing)}
        show_json({"gallery": place} | told | {"unmoved": list(done.unmoved)})
        return
    show(f"{place}: {_sentence(done.rows)}")
    for old in done.unmoved:
        say(f"--move {old}={moves[old]}: nothing in the archive lies in {old}")
    if missing:
        count = api.count_of(len(missing), "photo")
        say(f"{count} do not lie there, such as {missing[0]}; import with --move OLD=NEW?")
    if not done.templates:
        say("no templates came along: `fusiform index` on the photos makes them again")


def _move(told: str) -> tuple[str, str]:
    old, equals, new = told.partition("=")
    if not (old and equals and new):
        raise ChoiceError("--move", "OLD=NEW, two folders", told)
    return _absolute(old), _absolute(new)


def _absolute(folder: str) -> str:
    """A folder as a gallery has it; one of Windows stays as it is."""
    return folder if PureWindowsPath(folder).drive else os.path.abspath(os.path.expanduser(folder))


def _counts(rows: dict[str, int]) -> dict[str, int]:
    return {table: rows[table] for table in ("photos", "faces", "people")}


def _sentence(rows: dict[str, int]) -> str:
    kinds = {"photos": "photo", "faces": "face", "people": "person"}
    return ", ".join(api.count_of(rows[table], noun) for table, noun in kinds.items())


@app.command("backup")
def backup(
    copy: Annotated[Path, typer.Argument(metavar="COPY", help="Such as copy.db.")],
    gallery: GalleryOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Copy the gallery's file while it is in use; the copy is checked before it has its name.

    For a gallery on a server use `export`, or pg_dump.

    Examples:

        fusiform backup copy.db

        fusiform backup /mnt/disk/family.db --gallery family.db --force
    """
    with open_gallery(gallery) as g:
        size = g.backup(copy, force=force)
    target = os.path.abspath(os.path.expanduser(copy))
    if as_json:
        show_json({"file": target, "bytes": size})
    else:
        show(f"{target}: {size / 1e6:,.1f} MB, checked")


@app.command("table")
def table(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Ends in .csv or .parquet.")],
    gallery: GalleryOption = None,
    what: Annotated[
        str, typer.Option(metavar="ROWS", help="One row a what: faces, people or photos.")
    ] = "faces",
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write faces, people or photos as a table for spreadsheets and other programs.

    No templates are in it. In CSV a text that a spreadsheet would take for a formula gets an
    apostrophe before it.

    Examples:

        fusiform table faces.csv

        fusiform table people.parquet --what people
    """
    with open_gallery(gallery) as g:
        done = g.table(file, what, force=force)
    target = os.path.abspath(os.path.expanduser(file))
    if as_json:
        answer = {"file": target, "what": what, "rows": done.rows}
        show_json(answer | {"columns": list(done.columns)})
    else:
        show(f"{target}: {api.count_of(done.rows, 'row')} of {', '.join(done.columns)}")
