"""Training a recogniser in a run folder: people held out, checkpoints judged on them, curves."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from fusiform.core.errors import ChoiceError, FusiformError
from fusiform.core.seeds import rng
from fusiform.lab.recogniser.choices import DECAYS, LOSSES, RATES, Recipe
from fusiform.lab.recogniser.people import Cut, Listed, Numbers, cut
from fusiform.lab.train.batches import Sampler, balanced, shuffled
from fusiform.lab.train.curves import curves
from fusiform.lab.train.faces import embed, face_batches
from fusiform.lab.train.loop import Plan, train
from fusiform.lab.train.runs import Run, begin, write
from fusiform.lab.train.state import load_tensors, save_tensors
from fusiform.lab.world.crowd import Crowd
from fusiform.measure.verification import eer, pairs, tar_at_far

FARS = (1e-1, 1e-2, 1e-3)
BEST, LAST, CURVES, RESULT = "best.safetensors", "last.safetensors", "curves.svg", "result.json"
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
    `loss`: the last in its statistics, None before the first."""

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
) -> Trained:
    """Trains by `recipe` on the people of `data`, in the run folder `out`, or goes on there.

    Leaves LAST and BEST (of what was best at telling apart the people held out), options.json,
    stats.jsonl, RESULT and CURVES. `how`: see `people.cut`. Raises FusiformError for too few people
    or a folder that holds something else.
    """
    watch = watch or Watch()
    started = time.monotonic()
    split_people(data.person, recipe.val, recipe.seed)  # too few are told before anything is done
    options = {"data": str(data.path.resolve()), "digest": data.digest, "pictures": how}
    run = begin(out, options | asdict(recipe))
    made = cut(data, recipe.size, run.folder, how, watch.cutting)
    split = split_people(made.faces.person, recipe.val, recipe.seed)
    watch.split(split, made)
    judge = Judge(run, made.faces[few(made.faces.person, split.held)], device, watch)
    done = trained(run, made.faces, split, recipe, device, judge)
    write(run.folder / CURVES, curves(list(run.stats())))
    result = Trained(
        folder=run.folder,
        data=f"{data.says}, digest {data.digest[:16]}",
        done=done,
        steps=recipe.steps_for(len(split.train)),
        people=split.classes,
        faces=len(split.train),
        held_out=len(np.unique(made.faces.person[split.held])),
        missed=made.missed,
        unreadable=made.unreadable,
        seconds=round(time.monotonic() - started, 1),
        loss=last(run, "loss").get("loss"),
        measured={n: v for n, v in last(run, "val_eer").items() if n.startswith("val_")},
    )
    write(run.folder / RESULT, json.dumps(result.to_json(), indent=1) + "\n")
    return result


def trained(run: Run, faces: Crowd, split: Split, recipe: Recipe, device: str, judge: Judge) -> int:
    """Runs the loop; the steps that are done at its end."""
    torch.manual_seed(recipe.seed)
    net: Any = recipe.network()
    objective = recipe.objective(split.classes)
    sampler = of_rows(split.train, sampler_of(recipe, split))
    batches = face_batches(
        faces.images, split.label, sampler, recipe.changes(), recipe.seed, device
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
    each = LOSSES[recipe.loss].each
    if not each:
        return shuffled(len(split.train), recipe.batch, recipe.seed)
    people = min(max(2, recipe.batch // each), split.classes)
    return balanced(split.label[split.train], people, each, recipe.seed)


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
        raise FusiformError(f"There are faces of {len(known)} people; it takes {need}. {more}")
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
        found = self.measured(net)
        told = {"step": str(step), "measured": json.dumps(found)}
        save_tensors(self.run.folder / LAST, net.state_dict(), told)
        if found and rank(found) > self.best():
            save_tensors(self.run.folder / BEST, net.state_dict(), told)
        self.watch.judged(step, found)
        return found

    def measured(self, net: nn.Module) -> dict[str, float]:
        """EER, and TAR at those FARs that so many impostors can show; nothing without people."""
        if not len(self.held):
            return {}
        vectors = embed(net, self.held.images, device=self.device)
        if not np.isfinite(vectors).all():
            raise FusiformError("The network gives numbers that are not finite. Lower the rate.")
        genuine, impostor = pairs(vectors, self.held.person)
        shown = [far for far in FARS if len(impostor) * far >= 1]
        tars = {f"val_tar_{far:g}": tar_at_far(genuine, impostor, far) for far in shown}
        return {**tars, "val_eer": eer(genuine, impostor)}

    def best(self) -> tuple[float, ...]:
        """The rank of the best weights kept so far."""
        path = self.run.folder / BEST
        return rank(json.loads(load_tensors(path)[1]["measured"])) if path.exists() else ()


def rank(measured: Mapping[str, float]) -> tuple[float, ...]:
    """What makes weights the best: TAR at the lowest FAR, then the error rate."""
    tars = [value for name, value in measured.items() if name.startswith("val_tar_")]
    return (*tars[-1:], -measured["val_eer"])


def last(run: Run, name: str) -> dict[str, float]:
    """The last line of the statistics that has this number; nothing if none has."""
    return next((row for row in reversed(list(run.stats())) if name in row), {})


def device_of(name: str) -> str:
    """`auto`: CUDA where there is one, else the CPU. Raises ChoiceError for one that is not."""
    usable = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    if name == "auto":
        return usable[-1]
    if name.partition(":")[0] not in usable:
        raise ChoiceError("device", ["auto", *usable], name)
    return name
