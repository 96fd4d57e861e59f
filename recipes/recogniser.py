"""Train the recogniser that fusiform ships: `python recipes/recogniser.py --work FOLDER`, on two
cores three quarters of an hour of drawing people and an hour and a half of training.

Draws people who do not exist, trains on them alone, exports the model with its card, and then
measures it once beside the default embedder on real photos, which nothing was chosen by (--real,
a folder with orl/, a folder a person, and officials/, whose files are named after their person).
Stop it whenever you like: the same command goes on.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fusiform.app.bench.recognition import bench_recognition
from fusiform.app.bench.run import environment
from fusiform.hub.card import Card
from fusiform.hub.files import write_whole

ROOT = Path(__file__).parents[1]
NAME, TITLE = "world-resnet", "A residual network of 9 blocks, trained on the world's people alone"
SEED, PEOPLE, IMAGES = 22, 8000, 16
DRAWING = f"--preset recognition --size 112 --labels points --seed {SEED}"
TRAINING = "--net resnet-m --size 64 --augment strong --average 200 --precision bfloat16 --val 0.02"
REAL = "all pairs of pictures (no published protocol)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, required=True, help="folder of the pack and the run")
    parser.add_argument("--real", type=Path, required=True, help="real faces: orl/, officials/")
    parser.add_argument("--out", type=Path, default=ROOT / "fusiform/hub", help="weights/, cards/")
    parser.add_argument("--results", type=Path, default=ROOT / "results/recogniser.json")
    parser.add_argument("--people", type=int, default=PEOPLE)
    parser.add_argument("--images", type=int, default=IMAGES, help="pictures of each")
    parser.add_argument("--epochs", type=float, default=8.0)
    given = parser.parse_args()
    pack, run, orl = given.work / "people", given.work / "run", given.real / "orl"
    given.work.mkdir(parents=True, exist_ok=True)
    people = f"--people {given.people} --images {given.images}"
    fusiform("world", "pack", pack, *people.split(), *DRAWING.split())
    fusiform("train", pack, "--out", run, "--epochs", given.epochs, *TRAINING.split())
    card = shipped(run, given.out, orl)
    told = result(run, card, given.real)
    write_whole(given.results, (json.dumps(told, indent=1) + "\n").encode())


def fusiform(*words: object) -> None:
    """Runs a command of fusiform's, which says how far it is."""
    subprocess.run([sys.executable, "-m", "fusiform", *map(str, words)], check=True)


def shipped(run: Path, out: Path, real: Path) -> Card:
    """Exports the model to where fusiform looks for its own, the numbers of its card measured on
    real faces as those of the default embedder are."""
    made = out / "weights" / f"{NAME}.onnx"
    made.parent.mkdir(exist_ok=True)
    licence = ("--licence", "Apache-2.0")
    fusiform("export-model", run, "--out", made, "--thresholds-from", real, *licence)
    card = Card.from_json(made.with_suffix(".json").read_text("utf-8"))
    card = replace(card, title=TITLE, package="fusiform", package_file=f"hub/weights/{NAME}.onnx")
    write_whole(out / "cards" / f"{NAME}.json", card.to_json().encode())
    made.with_suffix(".json").unlink()
    return card


def result(run: Path, card: Card, real: Path) -> dict[str, Any]:
    """What results/recogniser.json holds."""
    trained = json.loads((run / "result.json").read_text("utf-8"))
    told = ("people", "faces", "steps", "held_out", "seconds", "measured")
    rows = []
    with TemporaryDirectory() as scratch:
        sets = {"orl": real / "orl", "officials": by_person(real / "officials", Path(scratch))}
        for name, folder in sets.items():
            for model in (NAME, "dlib-resnet"):
                found = bench_recognition(folder, model=model)
                rows.append({"model": model, **found.tables[REAL][0], "set": name})
    return {
        "name": "recogniser",
        "model": card.name,
        "bytes": card.bytes,
        "trained": {name: trained[name] for name in told},
        "real faces": rows,
        "environment": environment(seed=SEED),
    }


def by_person(photos: Path, into: Path) -> Path:
    """Photos of one person each as a folder a person; of one picture in several sizes the middle
    one."""
    for photo in sorted(photos.glob("*.jpg")):
        if "_and_" not in photo.stem and not photo.stem.endswith(("-240p", "-1080p")):
            person = into / re.split(r"[\d_-]", photo.stem)[0]
            person.mkdir(exist_ok=True)
            (person / photo.name).write_bytes(photo.read_bytes())
    return into


if __name__ == "__main__":
    main()
