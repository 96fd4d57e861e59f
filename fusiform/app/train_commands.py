"""`fusiform train` and `fusiform export-model`: a recogniser of your own (docs/training.md).

The lab is imported when a command runs, never before.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from fusiform.api import count_of
from fusiform.app.terminal import JsonOption, say, show, show_json, show_table
from fusiform.app.world_output import bar, check, extras, need
from fusiform.core.errors import ChoiceError

if TYPE_CHECKING:
    from fusiform.hub.card import Card
    from fusiform.lab.recogniser.people import Cut
    from fusiform.lab.recogniser.training import Split, Trained

app = typer.Typer()
INTERRUPTED = 130
PATIENCE = 86_400.0  # seconds: one process cuts the pictures while the others wait


@app.command()
def train(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA", help="A pack of the world, a folder with one folder a person, or .rec."
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="RUN", help="Folder of the run: new, or to go on.")],
    net: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="resnet-s, resnet-m, resnet-l, mobilefacenet, edgeface, vit.",
        ),
    ] = "resnet-s",
    loss: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="softmax, cosface, arcface, adaface, sphereface2, triplet."
        ),
    ] = "cosface",
    margin: Annotated[float | None, typer.Option(help="Of the loss; its usual one.")] = None,
    scale: Annotated[float | None, typer.Option(help="Of the loss; its usual one.")] = None,
    size: Annotated[int, typer.Option(help="Pixels a side of the crops.")] = 64,
    dim: Annotated[int, typer.Option(help="Numbers in an embedding.")] = 128,
    epochs: Annotated[
        float | None, typer.Option(help="How often every face is seen: 20 times.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Batches, in place of --epochs.")] = None,
    batch: Annotated[int, typer.Option(help="Faces in a batch, of all processes.")] = 128,
    rate: Annotated[
        float | None, typer.Option(help="Highest learning rate: sgd 0.1, adamw 0.001.")
    ] = None,
    optimiser: Annotated[str, typer.Option(metavar="NAME", help="sgd, adamw.")] = "sgd",
    average: Annotated[
        float,
        typer.Option(metavar="STEPS", help="Half-life of the average of the weights; 0: none."),
    ] = 0.0,
    precision: Annotated[
        str, typer.Option(metavar="NAME", help="float32, bfloat16, float16.")
    ] = "float32",
    augment: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="How much the pictures are changed: none, flip, usual, strong (small, dim, "
            "covered and grey faces more often).",
        ),
    ] = "usual",
    val: Annotated[
        float, typer.Option(help="Share of the people who are held out, to be tested on.")
    ] = 0.1,
    sample: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Of the people, whom a step sees; the processes share them out (Partial FC).",
        ),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Begin with the weights of another run."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Where the random draws start.")] = 0,
    device: Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, cuda.")] = "auto",
    pictures: Annotated[
        str,
        typer.Option(metavar="KIND", help="crops: aligned; photos: find the face; auto."),
    ] = "auto",
    as_json: JsonOption = False,
) -> None:
    """Train a recogniser of your own on faces of many people.

    Ctrl-C saves a checkpoint; the same command goes on from there. Then: `fusiform export-model`.

    Examples:

        fusiform train faces --out run

        fusiform train ~/people --out run --net resnet-m --loss arcface --size 112 --epochs 30

        torchrun --standalone --nproc-per-node 2 -m fusiform train ~/people --out run
    """
    if epochs is not None and steps is not None:
        raise ChoiceError("--epochs and --steps", "given one at a time", (epochs, steps))
    with extras():
        need("torch")
        need("safetensors")
        from fusiform.lab.recogniser.choices import Recipe
        from fusiform.lab.recogniser.people import listed
        from fusiform.lab.recogniser.training import Watch, device_of, train_recogniser
        from fusiform.lab.train.parallel import in_turn, joined, part

        recipe = Recipe(
            net, loss, margin, scale, size, dim, 20.0 if epochs is None else epochs, steps, batch,
            rate, optimiser, average, precision, augment, seed, val, sample,
        )  # fmt: skip
        with joined(device_of(device), PATIENCE) as where:
            rank, processes = part()
            with bar("reading", quiet=rank > 0) as reading:
                known = in_turn(lambda: listed(data, size, reading))
            guessed = known.kind == "folder" and pictures == "auto"
            with (
                training_bar(guessed, rank > 0) as told,
                stopping(told.line, processes > 1) as stop,
            ):

                def cutting(done: int, total: int) -> None:
                    told.cutting(done, total)
                    if stop():
                        raise KeyboardInterrupt

                watch = Watch(cutting, told.split, told.step, told.judged, stop)
                result = train_recogniser(known, out, recipe, pictures, where, watch, start)
    if rank > 0:
        raise typer.Exit(INTERRUPTED if result.done < result.steps else 0)
    if as_json:
        show_json(result.to_json() | {"curves": str(result.folder.resolve() / "curves.svg")})
    else:
        tell(result)
    if result.done < result.steps:
        say(f"step {result.done:,} of {result.steps:,} is saved in {out}")
        raise typer.Exit(INTERRUPTED)


def tell(result: Trained) -> None:
    """What a run came to, as text."""
    loss = "" if result.loss is None else f", loss {result.loss:.3f}"
    show(f"{result.done:,} steps on {count_of(result.people, 'person')}{loss}")
    if result.measured:
        people = count_of(result.held_out, "person")
        show(f"{people} held out: {numbers_told(result.measured)}")
    if result.best:
        show(f"step {result.best:,} told them apart best: export-model takes that one")
    show(f"weights, curves.svg and stats.jsonl are in {result.folder}")


def numbers_told(measured: Mapping[str, float]) -> str:
    """TAR at each FAR and EER, in percent."""
    parts = []
    for name, value in measured.items():
        kind, _, far = name.removeprefix("val_").partition("_")
        parts.append(f"{kind.upper()}{'@' + far if far else ''} {100 * value:.1f} %")
    return ", ".join(parts)


class Told:
    """Where a run's news goes: a bar where somebody can see it, and lines on stderr."""

    guessed = False  # that pictures are crops

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.task = progress.add_task("reading", total=None, told="")

    def line(self, text: str) -> None:
        """A line above the bar."""
        self.progress.console.print(text, soft_wrap=True, markup=False, highlight=False)

    def cutting(self, done: int, total: int) -> None:
        self.progress.update(self.task, description="cutting", completed=done, total=total)

    def split(self, split: Split, made: Cut) -> None:
        self.line(
            f"{count_of(len(split.train), 'face')} of {count_of(split.classes, 'person')} to train "
            f"on, {count_of(len(split.held), 'face')} of others held out"
        )
        if made.aligned and self.guessed:
            self.line("squares of one size: taken for aligned crops; else --pictures photos")
        if not made.aligned:
            self.line(f"{count_of(made.missed, 'photo')} without a face that was found, left out")
        if made.unreadable:
            self.line(f"{count_of(made.unreadable, 'picture')} that cannot be read, left out")
        self.progress.update(self.task, description="training", completed=0, total=None)

    def step(self, done: int, total: int, numbers: Mapping[str, float]) -> None:
        loss = f"loss {numbers['loss']:.2f}"
        self.progress.update(self.task, completed=done, total=total, told=loss)

    def judged(self, step: int, numbers: Mapping[str, float]) -> None:
        self.line(f"step {step:,}: {numbers_told(numbers) or 'saved'}")


@contextmanager
def training_bar(guessed: bool, quiet: bool = False) -> Iterator[Told]:
    """A bar on stderr with the loss, only where somebody can see it. `guessed`: see Told."""
    console = Console(stderr=True, quiet=quiet)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[told]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        told = Told(progress)
        told.guessed = guessed
        yield told


@contextmanager
def stopping(tell: Callable[[str], None], several: bool) -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C was pressed: at the first the step is finished, the second ends at once.

    Of `several` processes each gets it twice, from the terminal and from torchrun: none ends at
    once."""
    pressed: list[int] = []

    def press(number: int, frame: Any) -> None:
        if pressed and not several:
            raise KeyboardInterrupt
        pressed.append(number)
        tell("stopping after this step" + ("" if several else "; once more to stop at once"))

    before = signal.signal(signal.SIGINT, press)
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, before)


@app.command("export-model")
def export_model(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="What `fusiform train` wrote.")],
    out: Annotated[Path, typer.Option(metavar="FILE.onnx", help="The model; its card: FILE.json.")],
    name: Annotated[str, typer.Option(help="What it is called; the file's own name.")] = "",
    int8: Annotated[
        bool, typer.Option("--int8", help="Weights of 8 bits: a quarter of the size.")
    ] = False,
    thresholds_from: Annotated[
        Path | None,
        typer.Option(
            metavar="DATA", help="Measure on these people, not on those that the run held out."
        ),
    ] = None,
    licence: Annotated[str, typer.Option(metavar="TEXT", help="Said on the card.")] = (
        "not stated by its maker"
    ),
    as_json: JsonOption = False,
) -> None:
    """Write a trained recogniser as an ONNX file with its card, ready for a gallery.

    Thresholds, probabilities and the similarity for grouping are measured on people whom it was not
    trained on, and stand on the card: keep both files together.

    Examples:

        fusiform export-model run --out mine.onnx

        fusiform export-model run --out small.onnx --int8 --thresholds-from others
    """
    with extras():
        need("torch")
        need("onnx")
        from fusiform.lab.recogniser.shipping import Wanted, ship

        check("--out", out, (".onnx",))
        with bar("measuring") as told:
            card = ship(run, Wanted(out, name, int8, licence, thresholds_from), told)
    files = {"model": str(out.resolve()), "card": str(out.with_suffix(".json").resolve())}
    if as_json:
        show_json(files | exported(card))
    else:
        tell_card(card, out)


def exported(card: Card) -> dict[str, Any]:
    """A card's numbers as JSON has them."""
    limits = [vars(limit) for limit in card.thresholds]
    told = {"name": card.name, "sha256": card.sha256, "bytes": card.bytes, "thresholds": limits}
    measures = [{"measure": name, "value": v} for name, v in card.extra["metrics"].items()]
    told |= {"grouping": card.grouping, "metrics": measures}
    return told | {"int8": card.extra.get("int8")}


def tell_card(card: Card, out: Path) -> None:
    """A card's numbers as text."""
    size = f"{card.bytes / 1e6:.1f} MB, weights of step {card.extra['recipe']['step']:,}"
    show(f"{out}, {out.with_suffix('.json').name}: {card.title}, {size}")
    rows = [
        (f"{t.fmr:g}", f"{t.similarity:.4f}", f"{t.low:.4f} to {t.high:.4f}")
        for t in card.thresholds
    ]
    show_table(["false match rate#", "similarity#", "95 %"], rows)
    show(", ".join(f"{name} {value}" for name, value in card.extra["metrics"].items()))
    if near := card.extra.get("int8"):
        show(f"int8: cosine to float32 {near['mean']}, lowest {near['lowest']}")
    show(f"grouping from an average similarity of {card.grouping}")
    say(f"use it: fusiform index PICTURES --gallery NEW.db --embedder {out}")
