"""Duties of whoever keeps faces: consent, keep, zone, policy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fusiform import api
from fusiform.app import schema
from fusiform.app.gallery_commands import erased_in_words
from fusiform.app.terminal import (
    MOST,
    Command,
    GalleryOption,
    Group,
    JsonOption,
    YesOption,
    confirm,
    open_gallery,
    say,
    show,
    show_json,
    show_table,
)
from fusiform.core.errors import ChoiceError
from fusiform.gallery import Person, Zone
from fusiform.policy import read_policy

app = typer.Typer()
zone = typer.Typer(cls=Group, no_args_is_help=True)
app.add_typer(zone, name="zone")


@app.command()
def consent(
    who: Annotated[
        str | None, typer.Argument(metavar="[PERSON]", help="A person's number or name.")
    ] = None,
    gallery: GalleryOption = None,
    given: Annotated[
        str | None, typer.Option(metavar="NOTE", help="Given: how, when, where is that known?")
    ] = None,
    withdrawn: Annotated[
        str | None, typer.Option(metavar="NOTE", help="Taken back: how is that known?")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="DAY", help="The last day it holds: 2030-12-31.")
    ] = None,
    forget_withdrawn: Annotated[
        bool, typer.Option("--forget-withdrawn", help="Erase all whose consent is gone.")
    ] = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Who agreed to be known here: note it for a person, or list everybody.

    Notes are acts: `journal` has them, `undo` takes them back, `forget` erases them.

    Examples:

        fusiform consent 7 --given "by e-mail, 2024-05-01" --until 2030-12-31

        fusiform consent "Ada Lovelace" --withdrawn "on the telephone"

        fusiform consent --forget-withdrawn
    """
    noting = any(text is not None for text in (given, withdrawn, until))
    if forget_withdrawn and (noting or who is not None):
        raise ChoiceError("--forget-withdrawn", "used alone", who or "a note")
    if noting and who is None:
        raise ChoiceError("PERSON", "named with --given and --withdrawn", None)
    with open_gallery(gallery) as g:
        if forget_withdrawn:
            _forget_lapsed(g, yes, as_json)
            return
        if who is not None and noting:
            g.duties.consent(who, given=given, withdrawn=withdrawn, until=until)
        rows = g.duties.standing(who)
    _tell(rows, as_json)
    if withdrawn is not None:
        say(f"`fusiform forget {rows[0].id}` erases this person")


def _tell(rows: list[Person], as_json: bool) -> None:
    if as_json:
        show_json([schema.consent(one) for one in rows])
    elif rows:
        columns = ["person#", "name", "faces#", "consent", "until", "note"]
        show_table(columns, [_cells(one) for one in rows])
    else:
        say("nobody yet; `fusiform index FOLDER` takes photos in")


def _cells(one: Person) -> tuple[object, ...]:
    told = schema.consent(one)
    return (
        one.id,
        one.name or "",
        len(one.faces),
        told["standing"] or "nothing noted",
        told["until"] or "",
        told["note"] or "",
    )


def _forget_lapsed(g: api.Gallery, yes: bool, as_json: bool) -> None:
    lapsed = g.duties.lapsed()
    if lapsed:
        everybody = ", ".join(api.title(one) for one in lapsed)
        confirm(
            f"Erase {api.count_of(len(lapsed), 'person')} for good ({everybody})?", yes, as_json
        )
    result = g.duties.forget_lapsed()
    if as_json:
        show_json({"people": list(result.people)} | schema.erasure(result))
    else:
        show(erased_in_words(result) if result.people else "nobody's consent is gone")
    if not result.proven:
        raise typer.Exit(1)


@app.command()
def keep(
    period: Annotated[
        str, typer.Argument(metavar="[PERIOD]", help="90d, 6w, 18m, 2y, off, or show.")
    ] = "show",
    gallery: GalleryOption = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Erase now what has been kept that long.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """How long faces are kept after their photo came in; every `index` erases what is older.

    Names and photos stay, and faces of people who have given consent that stands.

    Examples:

        fusiform keep 2y

        fusiform keep --apply

        fusiform keep off
    """
    with open_gallery(gallery) as g:
        if period != "show":
            g.duties.keep_for(None if period == "off" else period)
        told = {"keep": g.duties.kept_for, "policy": read_policy().retention, "due": g.duties.due}
        result = g.duties.expire() if apply else None
    told["policy"] = told["policy"] and str(told["policy"])
    if as_json:
        show_json(told | (schema.erasure(result) if result else {}))
    elif result:
        show(erased_in_words(result))
    else:
        for line in _rule_in_words(told):
            show(line)
    if result and not result.proven:
        raise typer.Exit(1)


def _rule_in_words(told: schema.Json) -> list[str]:
    lines = [f"faces are kept for {told['keep']}" if told["keep"] else "faces are kept for ever"]
    if told["policy"]:
        lines.append(f"this machine's policy says: no longer than {told['policy']}")
    if told["due"]:
        faces = api.count_of(told["due"], "face")
        lines.append(f"{faces} kept longer; `index` and `keep --apply` erase them")
    return lines


@zone.callback()
def zones() -> None:
    """Parts of pictures where no face is kept: add, list, remove.

    Examples:

        fusiform zone add ~/webcam 0 0 0.25 0.5

        fusiform zone list --json

        fusiform zone remove 1
    """


@zone.command("add", cls=Command)
def add_zone(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="And all folders in it.")],
    x1: Annotated[float, typer.Argument(metavar="X1", help="Left, as a share of the width.")],
    y1: Annotated[float, typer.Argument(metavar="Y1", help="Top, as a share of the height.")],
    x2: Annotated[float, typer.Argument(metavar="X2", help="Right.")],
    y2: Annotated[float, typer.Argument(metavar="Y2", help="Bottom.")],
    gallery: GalleryOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Keep no faces in a part of a folder's pictures, and erase those that are kept there.

    Examples:

        fusiform zone add ~/webcam 0 0 0.25 0.5
    """
    box = (x1, y1, x2, y2)
    with open_gallery(gallery) as g:
        if count := g.duties.faces_in(folder, box):
            confirm(f"Erase {api.count_of(count, 'face')} that lie there for good?", yes, as_json)
        made, result = g.duties.add_zone(folder, box)
    if as_json:
        show_json(schema.zone(made) | schema.erasure(result))
    else:
        show(_zone_in_words(made))
        if count:
            show(erased_in_words(result))
    if not result.proven:
        raise typer.Exit(1)


@zone.command("list", cls=Command)
def list_zones(gallery: GalleryOption = None, as_json: JsonOption = False) -> None:
    """Where no face is kept.

    Examples:

        fusiform zone list
    """
    with open_gallery(gallery) as g:
        known = g.duties.zones()
    if as_json:
        show_json([schema.zone(one) for one in known])
        return
    for one in known:
        show(_zone_in_words(one))
    if not known:
        say("no zones; `fusiform zone add` makes one")


@zone.command("remove", cls=Command)
def remove_zone(
    number: Annotated[int, typer.Argument(metavar="ZONE", max=MOST, help="Its number.")],
    gallery: GalleryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep faces there again, in photos that are indexed from now on.

    Examples:

        fusiform zone remove 1
    """
    with open_gallery(gallery) as g:
        g.duties.remove_zone(number)
    if as_json:
        show_json({"zone": number})
    else:
        show(f"zone {number} removed; photos that are known are not looked at again")


def _zone_in_words(one: Zone) -> str:
    box = " ".join(f"{value:g}" for value in one.box)
    return f"zone {one.id}: no faces in {box} of pictures in {one.folder}"


@app.command()
def policy(as_json: JsonOption = False) -> None:
    """What this machine allows, and which file says so.

    Examples:

        fusiform policy

        fusiform policy --json
    """
    told = read_policy()
    if as_json:
        show_json(schema.policy(told))
        return
    rows = [
        (rule.setting, _value(rule.value), rule.file or "by default")
        for rule in told.rules.values()
    ]
    show_table(["setting", "value", "file"], rows)


def _value(value: bool | str | None) -> str:
    return "none" if value is None else str(value).lower()
