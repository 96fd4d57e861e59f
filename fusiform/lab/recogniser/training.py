"""Training a recogniser in a run folder: people held out, checkpoints judged on them, curves.

Inside `parallel.joined` several processes train it together: process 0 alone cuts, judges and
writes, and a batch is shared out among all.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from fusiform.core.alone import alone
from fusiform.core.errors import ChoiceError, FusiformError
from fusiform.core.seeds import rng
from fusiform.hub.files import read_hash
from fusiform.lab.recogniser.choices import DECAYS, LOSSES, RATES, Recipe
from fusiform.lab.recogniser.people import Cut, Listed, Numbers, cut
from fusiform.lab.recogniser.weights import BEST, LAST, put_in, weights_of
from fusiform.lab.train.batches import Sampler, balanced, shuffled
from fusiform.lab.train.curves import curves
from fusiform.lab.train.faces import embed, face_batches
from fusiform.lab.train.loop import Plan, train
from fusiform.lab.train.parallel import in_turn, part
from fusiform.lab.train.runs import Run, begin, write
from fusiform.lab.train.state import load_tensors, save_tensors
from fusiform.lab.world.crowd import Crowd
from fusiform.measure.verification import eer, pairs, tar_at_far

FARS = (1e-1, 1e-2, 1e-3)
CURVES, RESULT = "curves.svg", "result.json"
JUDGED = 2000  # faces that a checkpoint is judged on at most: all their pairs are compared
CHECKPOINTS, LEAST_STEPS = 20, 25  # in a run; between two of them
HELD_LEAST = 4  # people, so that a card can be measured on them


@dataclass(frozen=True)
class Split:
    """Rows `train (n,)` and `held (m,)` of different people; `label (all,)` numbers those who are
    trained on from 0 on, -1 for the others."""

    train: Numbers
    held: Numbers
    label: Numbers

    @property
    def classes(self) -> int:
        """How many people are trained on."""
        return int(self.label.max(initial=-1)) + 1


@dataclass(frozen=True)
class Trained:
    """What a run came to. `done` of `steps`; `measured`: the numbers of its last checkpoint;
    `loss`: the last in its statistics, None before the first. `best`: the step of the weights that
    told the people held out apart best; None without. `seconds`: of all calls so far."""

    folder: Path
    data: str
    done: int
    steps: int
    people: int
    faces: int
    held_out: int
    missed: int
    unreadable: int
    seconds: float
    loss: float | None
    best: int | None
    measured: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self) | {"folder": str(self.folder.resolve())}


@dataclass(frozen=True)
class Watch:
    """Who looks on: `cutting(done, all)`, `split(Split, Cut)` once, `step(done, all, numbers)`,
    `judged(step, numbers)` at each checkpoint; `stop()` true: end after this step."""

    cutting: Callable[[int, int], None] = lambda done, total: None
    split: Callable[[Split, Cut], None] = lambda split, made: None
    step: Callable[[int, int, Mapping[str, float]], None] = lambda done, total, numbers: None
    judged: Callable[[int, Mapping[str, float]], None] = lambda step, numbers: None
    stop: Callable[[], bool] = lambda: False


def train_recogniser(
    data: Listed,
    out: Path,
    recipe: Recipe,
    how: str = "auto",
    device: str = "cpu",
    watch: Watch | None = None,
    start: Path | None = None,
) -> Trained:
    """Trains by `recipe` on the people of `data`, in the run folder `out`, or goes on there.

    Leaves LAST and BEST (of what was best at telling apart the people held out), options.json,
    stats.jsonl, RESULT and CURVES. `how`: see `people.cut`. `start`: weights that the network
    begins with, a run's folder or a file of one. Raises FusiformError for too few people, a folder
    that holds something else or is in use, or weights of another network.
    """
    watch = watch or Watch()
    began = time.monotonic()
    enough(data, recipe)  # too few are told before anything is done
    options = {"data": str(data.path.resolve()), "digest": data.digest, "pictures": how}
    if start is not None:
        options["start"] = read_hash(weights_of(start))
    run = in_turn(lambda: begin(out, options | asdict(recipe)))
    with alone(run.folder) if first() else nullcontext():
        made = in_turn(lambda: cut(data, recipe.size, run.folder, how, watch.cutting))
        split = split_people(made.faces.person, recipe.val, recipe.seed)
        watch.split(split, made)
        judge = Judge(run, made.faces[few(made.faces.person, split.held)], device, watch)
        done = trained(run, made.faces, split, recipe, device, judge, start)
        told = came_to(run, data, made, split, done, recipe.steps_for(len(split.train)))
        return finished(run, told, time.monotonic() - began) if first() else told


def enough(data: Listed, recipe: Recipe) -> None:
    """Raises FusiformError where there are too few people, before anything is done."""
    try:
        split_people(data.person, recipe.val, recipe.seed)
    except FusiformError as error:
        raise FusiformError(f"{data.path}: {error}") from error
    if recipe.batch % part()[1]:
        processes = part()[1]
        raise ChoiceError("batch", f"a multiple of {processes}, the processes", recipe.batch)


def first() -> bool:
    """Whether this process is the one that writes."""
    return part()[0] == 0


def came_to(run: Run, data: Listed, made: Cut, split: Split, done: int, steps: int) -> Trained:
    """What the folder of a run says of it."""
    best = run.folder / BEST
    return Trained(
        folder=run.folder,
        data=f"{data.says}, digest {data.digest[:16]}",
        done=done,
        steps=steps,
        people=split.classes,
        faces=len(split.train),
        held_out=len(np.unique(made.faces.person[split.held])),
        missed=made.missed,
        unreadable=made.unreadable,
        seconds=0.0,
        loss=last(run, "loss").get("loss"),
        best=int(load_tensors(best)[1]["step"]) if best.is_file() else None,
        measured={n: v for n, v in last(run, "val_eer").items() if n.startswith("val_")},
    )


def finished(run: Run, told: Trained, seconds: float) -> Trained:
    """Writes CURVES and RESULT; the seconds of earlier calls count, those of one that trained
    nothing do not."""
    path = run.folder / RESULT
    try:
        before = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        before = {"seconds": 0.0, "done": -1}
    more = seconds if told.done != before["done"] else 0.0
    whole = replace(told, seconds=round(before["seconds"] + more, 1))
    write(run.folder / CURVES, curves(list(run.stats())))
    write(path, json.dumps(whole.to_json(), indent=1) + "\n")
    return whole


def trained(
    run: Run,
    faces: Crowd,
    split: Split,
    recipe: Recipe,
    device: str,
    judge: Judge,
    start: Path | None = None,
) -> int:
    """Runs the loop; the steps that are done at its end."""
    torch.manual_seed(recipe.seed)
    net: Any = recipe.network()
    if start is not None:
        put_in(net, weights_of(start))
    objective = recipe.objective(split.classes)
    sampler = of_rows(split.train, sampler_of(recipe, split))
    batches = face_batches(
        faces.images, split.label, sampler, recipe.changes(), recipe.seed, device, part()
    )
    plan = plan_of(recipe, len(split.train))
    done = [plan.steps]  # of a run that was finished before

    def step(now: int, total: int, numbers: Mapping[str, float]) -> None:
        done[0] = now
        judge.watch.step(now, total, numbers)

    net = net.to(memory_format=torch.channels_last)
    train(net, objective, batches, plan, run, device, step, judge, judge.watch.stop)
    return done[0]


def plan_of(recipe: Recipe, faces: int) -> Plan:
    """The loop's plan: a twentieth of the steps to warm up, 20 checkpoints."""
    steps = recipe.steps_for(faces)
    return Plan(
        steps=steps,
        rate=recipe.rate or RATES[recipe.optimiser],
        warmup=steps // 20,
        optimiser=recipe.optimiser,
        decay=DECAYS[recipe.optimiser],
        average=recipe.average,
        precision=recipe.precision,
        seed=recipe.seed,
        every=max(1, steps // 200),
        save=max(LEAST_STEPS, -(-steps // CHECKPOINTS)),
    )


def sampler_of(recipe: Recipe, split: Split) -> Sampler:
    """All faces in a new order each epoch, or as many of each person as the loss wants."""
    each, of = LOSSES[recipe.loss].each, part()[1]
    batch = recipe.batch // of
    if not each:
        return shuffled(len(split.train), batch, recipe.seed, part())
    people = min(max(2, batch // each), split.classes // of)
    return balanced(split.label[split.train], people, each, recipe.seed, part())


def of_rows(rows: Numbers, sampler: Sampler) -> Sampler:
    """Batches of these rows alone."""
    return lambda step: rows[sampler(step)]


def split_people(person: Numbers, share: float, seed: int) -> Split:
    """`share` of the people held out, drawn by `seed` from those with at least two faces.

    Raises FusiformError where fewer than two would be trained on or, with a share, held out.
    """
    known, count = np.unique(person, return_counts=True)
    several = known[count > 1]
    wanted = max(HELD_LEAST, round(share * len(known))) if share else 0
    if len(known) - wanted < 2 or len(several) < wanted:
        need = "6, four of whom have two faces and are held out" if share else "2"
        more = "Add people, or give --val 0 to hold nobody out." if share else "Add people."
        people = f"{len(known)} {'person' if len(known) == 1 else 'people'}"
        raise FusiformError(f"There are faces of {people}; it takes {need}. {more}")
    held = rng(seed, "held out").permutation(several)[:wanted]
    out = np.isin(person, held)
    label = np.full(len(person), -1, np.int64)
    label[~out] = np.unique(person[~out], return_inverse=True)[1]
    return Split(np.flatnonzero(~out), np.flatnonzero(out), label)


def few(person: Numbers, rows: Numbers, most: int = JUDGED) -> Numbers:
    """Those of `rows` whose people come first, at most `most`; people stay whole, if they can."""
    order = np.argsort(person[rows], kind="stable")
    who = person[rows][order]
    if len(rows) <= most:
        return rows[order]
    whole = who < who[most]
    return rows[order][whole] if whole.any() else rows[order][:most]


class Judge:
    """Measures a net at a checkpoint and keeps its weights: the last, and the best so far."""

    def __init__(self, run: Run, held: Crowd, device: str, watch: Watch) -> None:
        self.run, self.held, self.device, self.watch = run, held, device, watch

    def __call__(self, step: int, net: nn.Module) -> dict[str, float]:
        found = self.measured(net, step)
        told = {"step": str(step), "measured": json.dumps(found)}
        save_tensors(self.run.folder / LAST, net.state_dict(), told)
        if found and rank(found) > self.best():
            save_tensors(self.run.folder / BEST, net.state_dict(), told)
        self.watch.judged(step, found)
        return found

    def measured(self, net: nn.Module, step: int) -> dict[str, float]:
        """EER, and TAR at those FARs that so many impostors can show; nothing without people."""
        if not len(self.held):
            return {}
        vectors = embed(net, self.held.images, device=self.device)
        if not np.isfinite(vectors).all():
            raise FusiformError(
                f"{self.run.folder}: at step {step} the network gives numbers that are not finite. "
                "Begin again in another folder with a lower --rate."
            )
        genuine, impostor = pairs(vectors, self.held.person)
        shown = [far for far in FARS if len(impostor) * far >= 1]
        tars = {f"val_tar_{far:g}": tar_at_far(genuine, impostor, far) for far in shown}
        return {**tars, "val_eer": eer(genuine, impostor)}

    def best(self) -> tuple[float, ...]:
        """The rank of the best weights kept so far."""
        path = self.run.folder / BEST
        if not path.exists():
            return ()
        told = load_tensors(path, "Delete it: later weights take its place")[1]
        return rank(json.loads(told["measured"]))


def rank(measured: Mapping[str, float]) -> tuple[float, ...]:
    """What makes weights the best: TAR at the lowest FAR, then the error rate."""
    tars = [value for name, value in measured.items() if name.startswith("val_tar_")]
    return (*tars[-1:], -measured["val_eer"])


def last(run: Run, name: str) -> dict[str, float]:
    """The last line of the statistics that has this number; nothing if none has."""
    return next((row for row in reversed(list(run.stats())) if name in row), {})


def device_of(name: str) -> str:
    """`auto`: CUDA where there is one, else the CPU. Raises ChoiceError for one that is not."""
    here = torch.cuda.is_available()
    kind = name.partition(":")[0]
    if name == "auto":
        return "cuda" if here else "cpu"
    if kind not in ("cpu", "cuda"):
        raise ChoiceError("device", ("auto", "cpu", "cuda"), name)
    if kind == "cuda" and not here:
        raise ChoiceError("device", "cpu: torch sees no GPU here", name)
    return name
