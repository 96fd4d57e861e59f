"""What closes the gap to real faces: `python recipes/gap.py --real FOLDER`, an hour on two cores.

Draws the same people in worlds from each of which one thing is left out (`lab.world.controls`),
trains the same small recogniser on each with the same steps, and judges all of them on ORL (20
people, real) and on other people of the whole world. Nothing is chosen by these figures: the
real photos are measured once. Writes results/gap.json; stop it whenever you like, the same command
goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fusiform.app.bench.run import environment
from fusiform.hub.files import home
from fusiform.lab.papers._recogniser import Budget, scores, trained
from fusiform.lab.papers.claims import bounds
from fusiform.lab.recogniser.people import found as found_in
from fusiform.lab.train.augment import FLIP, STRONG, Augment
from fusiform.lab.train.faces import embed
from fusiform.lab.world.controls import CONTROLS
from fusiform.lab.world.crowd import Crowd, crowd
from fusiform.lab.world.pack import write_pack
from fusiform.lab.world.samples import Options, keys, sample, shard_size
from fusiform.pipeline import load_detector

ROOT = Path(__file__).parents[1]
SEED, PEOPLE, TEST, IMAGES, SIDE = 31, 600, 100, 16, 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--real", type=Path, required=True, help="a folder with orl/")
    parser.add_argument("--out", type=Path, default=ROOT / "results/gap.json")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=600)
    given = parser.parse_args()
    torch.set_num_threads(os.cpu_count() or 1)
    real, whole = orl(given.real), world(())
    test = whole.of(range(PEOPLE - TEST, PEOPLE))
    kept = given.out.with_suffix(".part.json")
    found: dict[str, list[list[float]]] = json.loads(kept.read_text()) if kept.exists() else {}
    for name, without, augment, people in worlds():
        faces = world(without).of(range(people))
        for seed in range(len(found.setdefault(name, [])), given.seeds):
            budget = Budget(given.steps)
            net = trained(faces, seed, "small", augment=augment, budget=budget)
            judged = [scores(embed(net, c.images), c.person) for c in (real, test)]
            found[name].append([float(v) for s in judged for v in s])
            kept.write_text(json.dumps(found))
            print(name, seed, found[name][-1], file=sys.stderr, flush=True)
    given.out.write_text(json.dumps(result(found, given), indent=1) + "\n", "utf-8")
    kept.unlink()


def worlds() -> list[tuple[str, tuple[str, ...], Augment, int]]:
    """Name, what is left out, augmentation, number of people who train."""
    people = PEOPLE - TEST
    rows: list[tuple[str, tuple[str, ...], Augment, int]]
    rows = [("everything", (), STRONG, people)]
    rows += [(f"without {name}", (name,), STRONG, people) for name in CONTROLS]
    rows += [("mirrored only", (), FLIP, people), ("half the people", (), STRONG, people // 2)]
    return rows


def world(without: tuple[str, ...]) -> Crowd:
    """The people of one world; its pack is kept."""
    options = Options("recognition", SEED, 112, (), "jpeg", without)
    folder = home() / "lab" / "-".join(["gap", *without])
    folder.parent.mkdir(parents=True, exist_ok=True)
    told = {"preset": "recognition", "seed": SEED, "without": list(without)}
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    every = keys(PEOPLE, IMAGES)
    size = shard_size(PEOPLE, IMAGES)
    write_pack(folder, every, partial(sample, options), told, size, os.cpu_count() or 1)
    return crowd(folder, SIDE)


def orl(real: Path) -> Crowd:
    """The real faces, aligned by what the detector finds; who is not found is said and left out."""
    detector, crops, who = load_detector("auto"), [], []
    for path in sorted((real / "orl").glob("s*/*.pgm")):
        crop = found_in(detector, path, SIDE)
        if crop is None:
            print(f"{path.parent.name}/{path.name}: no face found", file=sys.stderr)
            continue
        crops.append(crop)
        who.append(int(path.parent.name[1:]))
    return Crowd(np.stack(crops), np.unique(who, return_inverse=True)[1].astype(np.int64))


def result(found: dict[str, list[list[float]]], given: argparse.Namespace) -> dict[str, Any]:
    """What results/gap.json holds: a row a world, with what it lacks against the whole one."""
    base = np.array(found["everything"])
    return {
        "name": "gap",
        "rows": [row(name, np.array(values), base) for name, values in found.items()],
        "people": PEOPLE - TEST,
        "images": IMAGES,
        "steps": given.steps,
        "environment": environment(seed=SEED, seeds=given.seeds),
    }


def row(name: str, values: np.ndarray, base: np.ndarray) -> dict[str, Any]:
    """Means over seeds, and the change of the real faces' figures with its interval."""
    real, area = values[:, 0] - base[:, 0], values[:, 2] - base[:, 2]
    return {
        "world": name,
        "TAR at FAR 1e-2, ORL": round(float(values[:, 0].mean()), 4),
        "AUC, ORL": round(float(values[:, 2].mean()), 4),
        "TAR at FAR 1e-2, world": round(float(values[:, 3].mean()), 4),
        "change of TAR, ORL": [round(float(real.mean()), 4), *np.round(bounds(list(real)), 4)],
        "change of AUC, ORL": [round(float(area.mean()), 4), *np.round(bounds(list(area)), 4)],
    }


if __name__ == "__main__":
    main()
