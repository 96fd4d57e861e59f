"""From a run to what a gallery takes: an ONNX file, and beside it the card that says what its
numbers mean."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from torch import nn

import fusiform
from fusiform.core.errors import ChoiceError, FusiformError
from fusiform.core.seeds import rng
from fusiform.hub.card import Card
from fusiform.hub.files import write_whole
from fusiform.lab.recogniser.card import measured
from fusiform.lab.recogniser.choices import Recipe
from fusiform.lab.recogniser.people import TEMPLATE, Numbers, Pixels, Progress, cut, listed
from fusiform.lab.recogniser.training import RESULT, few, split_people
from fusiform.lab.recogniser.weights import put_in, weights_of
from fusiform.lab.train.export import SCALE, check, cosines, runner, to_int8, to_onnx
from fusiform.lab.train.runs import Run, unwritable

MEASURED = 1000  # faces at most that a card's numbers are from: half a million pairs
CALIBRATED = 256  # crops that show the quantiser the ranges of activations


@dataclass(frozen=True)
class Wanted:
    """What is to be written where. `measure`: people to take the card's numbers from, None: those
    whom the run held out."""

    out: Path
    name: str = ""
    int8: bool = False
    licence: str = "not stated by its maker"
    measure: Path | None = None


@dataclass(frozen=True)
class Judged:
    """Faces that the network has not seen: `images (n, S, S, 3)`, `person (n,)`, in words."""

    images: Pixels
    person: Numbers
    says: str


def ship(folder: Path, wanted: Wanted, progress: Progress | None = None) -> Card:
    """Writes OUT.onnx and OUT.json from the run in `folder`, and gives the card.

    The numbers on the card are measured through ONNX Runtime on the very file. Raises
    FusiformError for a folder without a run, damaged weights, or too few people to measure on.
    """
    if wanted.out.suffix != ".onnx":
        raise ChoiceError("the ending of --out", (".onnx",), wanted.out.name)
    run = Run(folder)
    recipe = recipe_of(run)
    net, step = weights(run, recipe)
    judged = unseen(run, recipe, wanted.measure, progress)
    model = to_onnx(net, recipe.size)
    extra: dict[str, Any] = {
        "recipe": {**asdict(recipe.stated()), "step": step, "by": fusiform.__version__}
    }
    extra["cosine to torch"] = {"lowest": round(check(model, net, judged.images[:64]), 7)}
    if wanted.int8:
        model, extra["int8"] = shrunk(model, judged.images)
    found = measured(runner(model)(judged.images), judged.person, judged.says)
    card = Card(
        name=wanted.name or wanted.out.stem,
        kind="embedder",
        family="arcface",
        title=f"{recipe.net} trained with {recipe.loss}" + (", int8" if wanted.int8 else ""),
        licence=wanted.licence,
        training_data=trained_on(run),
        sha256=hashlib.sha256(model).hexdigest(),
        bytes=len(model),
        size=recipe.size,
        mean=(SCALE,) * 3,
        std=(SCALE,) * 3,
        template=TEMPLATE,
        dim=recipe.dim,
        **found | {"extra": found["extra"] | extra},
    )
    put(wanted.out, model, card)
    return card


def recipe_of(run: Run) -> Recipe:
    """What a run was begun with. Raises FusiformError if that is no recogniser's."""
    known = {field.name for field in fields(Recipe)}
    try:
        return Recipe(**{name: value for name, value in run.options.items() if name in known})
    except (TypeError, ChoiceError) as error:
        raise FusiformError(
            f"{run.folder} is no run of a recogniser ({error}). "
            "Give the folder that `fusiform train` wrote."
        ) from error


def weights(run: Run, recipe: Recipe) -> tuple[nn.Module, int]:
    """The best network of a run, else its last, and the step it is from.

    Raises FusiformError where there is none yet, or its file is damaged.
    """
    net = recipe.network()
    told = put_in(net, weights_of(run.folder))
    return net.eval(), int(told["step"])


def unseen(run: Run, recipe: Recipe, other: Path | None, progress: Progress | None) -> Judged:
    """The people held out by the run, or those of `other`; at most MEASURED faces.

    Raises FusiformError where nobody was held out, or the data changed since.
    """
    own = Path(run.options["data"])
    if other is not None and other.resolve() != own:
        found = listed(other, recipe.size, progress)
        with TemporaryDirectory() as scratch:
            faces = cut(found, recipe.size, Path(scratch), progress=progress).faces
            rows = few(faces.person, np.arange(len(faces)), MEASURED)
            return Judged(np.array(faces.images[rows]), faces.person[rows], f"of {found.says}")
    if not recipe.val:
        raise FusiformError(
            f"{run.folder} held nobody out whom a card could be measured on. "
            "Name other people with --thresholds-from."
        )
    found = listed(own, recipe.size, progress)
    if found.digest != run.options["digest"]:
        raise FusiformError(
            f"{own} has changed since the run. Name people whom it has not seen with "
            "--thresholds-from."
        )
    faces = cut(found, recipe.size, run.folder, run.options["pictures"], progress).faces
    held = split_people(faces.person, recipe.val, recipe.seed).held
    rows = few(faces.person, held, MEASURED)
    says = f"of {found.says} whom it was not trained on"
    return Judged(np.array(faces.images[rows]), faces.person[rows], says)


def shrunk(model: bytes, crops: Pixels) -> tuple[bytes, dict[str, Any]]:
    """The network in 8 bits, and its cosines to the one in floats on `crops`, mean and lowest."""
    shown = rng(0, "int8").permutation(len(crops))[:CALIBRATED]
    small = to_int8(model, crops[shown])
    near = cosines(runner(small)(crops), runner(model)(crops))
    told = {"mean": round(float(near.mean()), 4), "lowest": round(float(near.min()), 4)}
    return small, {**told, "calibrated_on": len(shown), "float_bytes": len(model)}


def trained_on(run: Run) -> str:
    """The training data in words."""
    try:
        told = json.loads((run.folder / RESULT).read_text("utf-8"))
        return f"{told['faces']:,} faces of {told['people']:,} people of {told['data']}"
    except (OSError, ValueError, KeyError):  # killed before its end
        return f"{Path(run.options['data']).name}, digest {run.options['digest'][:16]}"


def put(out: Path, model: bytes, card: Card) -> None:
    """Both files, each whole or not at all. Raises FusiformError where they cannot be written."""
    try:
        write_whole(out, model)
        write_whole(out.with_suffix(".json"), card.to_json().encode())
    except OSError as error:
        raise unwritable(out, error) from error
