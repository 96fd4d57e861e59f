"""`fusiform world`: pictures, sheets, packs and clips of synthetic people (docs/world.md).

The lab is imported when a command runs, never before: no other command should need or await it.
"""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import fusiform
from fusiform.app.terminal import Command, Group, JsonOption, say, show, show_json, show_table
from fusiform.app.world_output import (
    bar,
    check_clip,
    check_labels,
    check_pictures,
    extras,
    need,
    picture_file,
    plain,
    tell_first_time,
    within,
    write,
    write_labels,
)
from fusiform.core.errors import ChoiceError

if TYPE_CHECKING:
    from fusiform.lab.world.person import Person
    from fusiform.lab.world.shot import Shot

app = typer.Typer()
world = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    help="Synthetic people with exact ground truth: pictures, packs, clips (docs/world.md).",
)
app.add_typer(world, name="world")

LONGEST_CLIP = 600.0  # seconds

SeedOption = Annotated[
    int,
    typer.Option(min=0, help="Which world; from 1,000,000 on they are kept for outside checks."),
]
PersonOption = Annotated[
    int, typer.Option("--id", metavar="N", min=0, help="Number of the person.")
]
OutOption = Annotated[Path, typer.Option(metavar="FILE", help="Where to write it.")]
PresetOption = Annotated[str, typer.Option(metavar="NAME", help="See `fusiform world presets`.")]


@world.command(cls=Command)
def person(
    out: OutOption,
    seed: SeedOption = 0,
    number: PersonOption = 0,
    image: Annotated[int, typer.Option(min=0, help="Which picture of the person.")] = 0,
    preset: PresetOption = "portrait",
    size: Annotated[int | None, typer.Option(help="Pixels a side; the preset's own.")] = None,
    labels: Annotated[
        Path | None,
        typer.Option(metavar="FILE.json", help="Also write all labels: FILE.json and FILE.npz."),
    ] = None,
    age: Annotated[float | None, typer.Option(help="Years, 5 to 90.")] = None,
    style: Annotated[str | None, typer.Option(metavar="NAME", help="A haircut.")] = None,
    expression: Annotated[
        str | None, typer.Option(metavar="NAME", help="What the face does.")
    ] = None,
    yaw: Annotated[float | None, typer.Option(help="Degrees; > 0 to the person's left.")] = None,
    pitch: Annotated[float | None, typer.Option(help="Degrees; > 0 down.")] = None,
    roll: Annotated[float | None, typer.Option(help="Degrees.")] = None,
    as_json: JsonOption = False,
) -> None:
    """One picture of a person, and all that is true of it.

    Examples:

        fusiform world person --id 17 --out a.png --labels a.json

        fusiform world person --id 17 --age 70 --expression laugh --yaw 40 --out old.jpg
    """
    with extras():
        from fusiform.lab.world.samples import GROUPS, photo_of
        from fusiform.lab.world.traits import OLDEST, YOUNGEST

        check_pictures(out)
        if labels:
            check_labels(labels)
        for name, angle in (("yaw", yaw), ("pitch", pitch), ("roll", roll)):
            within(name, angle, -180, 180)
        within("age", age, YOUNGEST, OLDEST)
        who, shot = picture_of(preset, seed, number, image, size)
        who, shot = varied(who, shot, age, style, expression, (yaw, pitch, roll))
        everything = frozenset(array for arrays in GROUPS.values() for array in arrays)
        tell_first_time()
        photo, quality = photo_of(who, shot, everything)
        write(out, picture_file(photo.image, out, quality))
    if labels:
        write_labels(labels, photo)
    if as_json:
        files = {"picture": os.path.abspath(out)}
        if labels:
            files |= {"labels": os.path.abspath(labels)}
            files |= {"arrays": os.path.abspath(labels.with_suffix(".npz"))}
        show_json(plain(photo.facts | files))
    else:
        say(f"written: {out}" + (f", {labels}, {labels.with_suffix('.npz')}" if labels else ""))


@world.command(cls=Command)
def sheet(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="[KIND]",
            help="people, expressions, ages, lights, poses, occluders, makeup, hair or visemes.",
        ),
    ] = "people",
    out: OutOption = Path("sheet.jpg"),
    seed: SeedOption = 0,
    number: PersonOption = 0,
    count: Annotated[int | None, typer.Option(help="How many; people: 48, else all kinds.")] = None,
    size: Annotated[int, typer.Option(help="Pixels a side of each picture.")] = 192,
    as_json: JsonOption = False,
) -> None:
    """A contact sheet: many people, or one in all that can be varied.

    Examples:

        fusiform world sheet --out people.jpg

        fusiform world sheet expressions --id 17 --out faces.jpg
    """
    with extras(), bar("drawing") as told:
        from fusiform.lab.world import sheet as room

        check_pictures(out)
        tell_first_time()
        drawn = room.sheet(kind, room.Wanted(seed, number, count, size), told)
        jpeg = out.suffix.lower() in (".jpg", ".jpeg")
        write(out, room.sheet_jpeg(drawn) if jpeg else picture_file(drawn, out))
    if as_json:
        show_json(
            {"sheet": kind, "picture": os.path.abspath(out), "size": list(drawn.shape[1::-1])}
        )
    else:
        say(f"written: {out}")


@world.command(cls=Command)
def pack(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="New, or a pack to go on with.")],
    preset: PresetOption = "recognition",
    people: Annotated[int, typer.Option(help="How many people.")] = 100,
    images: Annotated[int, typer.Option(help="Pictures of each.")] = 20,
    size: Annotated[int | None, typer.Option(help="Pixels a side; the preset's own.")] = None,
    seed: SeedOption = 0,
    workers: Annotated[int, typer.Option(help="Processes; 0: one for each core.")] = 0,
    kind: Annotated[str, typer.Option("--format", metavar="KIND", help="jpeg or png.")] = "jpeg",
    labels: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="points, parsing, ... or all; the preset's own."),
    ] = None,
    without: Annotated[
        str | None,
        typer.Option(
            metavar="A,B", help="Leave out skin, light, hair, sensor, ...: docs/world.md."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """A data set on the disk: tar files of pictures with labels, as WebDataset reads them.

    Stop it whenever you like: the same command goes on where it was.

    Examples:

        fusiform world pack faces --people 1000 --images 20 --workers 2

        fusiform world pack parsed --preset parsing --labels parsing,depth --format png
    """
    with extras():
        from fusiform.lab.world import samples
        from fusiform.lab.world.pack import write_pack

        if people < 1 or images < 1 or workers < 0:
            numbers = (people, images, workers)
            raise ChoiceError("people, images, workers", "at least 1, 1, 0", numbers)
        chosen = None if labels is None else tuple(labels.split(","))
        left = () if without is None else tuple(sorted(set(without.split(","))))
        options = samples.Options(preset, seed, size, chosen, kind, left)
        # Each process draws one picture at a time; their matrices are too small for threads.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        asked = {**vars(options), "people": people, "images": images, "by": fusiform.__version__}
        if not left:  # as packs had it before anything could be left out
            del asked["without"]
        asked["arrays"] = sorted(options.arrays)
        tell_first_time()
        with bar("drawing") as told:
            done = write_pack(
                folder,
                samples.keys(people, images),
                partial(samples.sample, options),
                asked,
                samples.shard_size(people, images),
                workers or os.cpu_count() or 1,
                told,
            )
    if as_json:
        show_json(
            {
                "people": done.people,
                "images": done.images,
                "seconds": round(done.seconds, 3),
                "images_per_second": round(done.images_per_second, 3),
                "folder": os.path.abspath(done.folder),
                "digest": done.digest,
            },
            indent=None,
        )
    else:
        rate = f", {done.images_per_second:.1f} a second" if done.images_per_second else ""
        show(f"{done.images} pictures of {done.people} people in {done.folder}{rate}")
        show(f"digest {done.digest}")


@world.command(cls=Command)
def clip(
    out: OutOption,
    text: Annotated[str | None, typer.Option(help="What is said; nothing: the face moves.")] = None,
    seed: SeedOption = 0,
    number: PersonOption = 0,
    image: Annotated[int, typer.Option(min=0, help="Which clip of the person.")] = 0,
    seconds: Annotated[float, typer.Option(help="How long, where nothing is said.")] = 4.0,
    fps: Annotated[float, typer.Option(help="Frames a second.")] = 25.0,
    size: Annotated[int, typer.Option(help="Pixels a side.")] = 256,
    emotion: Annotated[
        str | None, typer.Option(metavar="NAME", help="An expression worn all the while.")
    ] = None,
    language: Annotated[str, typer.Option(metavar="CODE", help="Of the text: en, de, cmn.")] = "en",
    as_json: JsonOption = False,
) -> None:
    """A person moving or speaking: an mp4, and beside it .npz (per frame) and .json (events).

    Examples:

        fusiform world clip --text "Good morning." --id 17 --out hello.mp4

        fusiform world clip --seconds 10 --emotion thinking --out idle.mp4
    """
    need("av")
    with extras(), bar("filming") as told:
        from fusiform.core.seeds import rng
        from fusiform.lab.world.expressions import EXPRESSIONS
        from fusiform.lab.world.film import perform, write_film
        from fusiform.lab.world.speech import speak, voice_for

        check_clip(out)
        within("seconds", seconds, 0.1, LONGEST_CLIP)
        within("fps", fps, 1, 120)
        if emotion is not None and emotion not in EXPRESSIONS:
            raise ChoiceError("emotion", EXPRESSIONS, emotion)
        if size % 2:
            raise ChoiceError("size of a clip", "an even number of pixels", size)
        tell_first_time()
        who, shot = picture_of("video", seed, number, image, size)
        speech = None
        if text is not None:
            voice = voice_for(who.traits, rng(seed, "voice", number), language)
            speech = speak(text, voice, fps)
        motion = perform(who, shot, seconds, fps, speech, emotion or "")
        write_film(out, who, shot, motion, speech, progress=told)
    frames, sidecar = len(motion.head), out.with_suffix(".npz")
    if as_json:
        files = {"clip": out, "arrays": sidecar, "labels": out.with_suffix(".json")}
        paths = {name: os.path.abspath(path) for name, path in files.items()}
        show_json(paths | {"frames": frames, "fps": fps, "seconds": round(frames / fps, 3)})
    else:
        say(f"written: {out}, {sidecar}, {out.with_suffix('.json')}")


@world.command(cls=Command)
def presets(as_json: JsonOption = False) -> None:
    """What pictures of each preset are like.

    Example:

        fusiform world presets
    """
    with extras():
        from fusiform.lab.world.samples import OWN_LABELS
        from fusiform.lab.world.shot import PRESETS
    if as_json:
        show_json({name: vars(plan) for name, plan in PRESETS.items()})
        return
    columns = [
        "preset",
        "size#",
        "yaw#",
        "pitch#",
        "roll#",
        "face#",
        "hidden#",
        "faults#",
        "labels",
    ]
    rows = [
        [
            *(name, plan.size, f"{plan.yaw:g}", f"{plan.pitch:g}", f"{plan.roll:g}"),
            f"{plan.fill[0]:.2f}-{plan.fill[1]:.2f}",
            *(f"{plan.dressing:g}", f"{plan.grime:g}"),
            " ".join(("facts", *OWN_LABELS.get(name, ()))),
        ]
        for name, plan in PRESETS.items()
    ]
    show_table(columns, rows)


def picture_of(
    preset: str, seed: int, number: int, image: int, size: int | None
) -> tuple[Person, Shot]:
    """The person and the shot that a pack of this preset has under these numbers."""
    from fusiform.lab.world import samples

    options = samples.Options(preset, seed, size)
    who = samples.look(options, number, image)
    return who, samples.shot_of(options, number, image)


def varied(
    who: Person,
    shot: Shot,
    age: float | None,
    style: str | None,
    expression: str | None,
    angles: tuple[float | None, float | None, float | None],
) -> tuple[Person, Shot]:
    """The same with what was asked for in place of what was drawn."""
    from fusiform.lab.world.expressions import named
    from fusiform.lab.world.sheet import facing

    who = who if age is None else who.at(age=age)
    who = who if style is None else who.with_hair(style)
    if expression is not None:
        shot = replace(shot, expression=named(expression))
    if any(angle is not None for angle in angles):
        drawn = [a + b for a, b in zip(shot.head, shot.bearing, strict=True)]
        yaw, pitch, roll = (
            was if angle is None else angle for was, angle in zip(drawn, angles, strict=True)
        )
        shot = facing(shot, yaw, pitch, roll)
    return who, shot
