"""Make the head model: `python recipes/head.py SOURCE.npz`, about three minutes on one core.

Reads the CC0 head (head_cc0.npz), lays our mesh on it, learns how people differ from heads drawn
with --seed, and writes the model, its card beside it and the figures measured on it. The same
source, seed and library versions give the same bytes on one machine.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusiform.lab.geometry.head import read_head
from fusiform.lab.geometry.making.assembly import EYE_DISTANCE, make, openness_arrays, stored
from fusiform.lab.geometry.making.card import card, digest
from fusiform.lab.geometry.making.layout import layout_of, opened, source_head
from fusiform.lab.geometry.making.report import report
from fusiform.lab.geometry.making.source import read_source
from fusiform.lab.geometry.making.trials import trials
from fusiform.lab.geometry.topology import build

ROOT = Path(__file__).parents[1]
REPORT_SEED = 99


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("source", type=Path, help="head_cc0.npz")
    parser.add_argument("--out", type=Path, default=ROOT / "fusiform/lab/geometry/data/head.npz")
    parser.add_argument("--results", type=Path, default=ROOT / "results/head.json")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--heads", type=int, default=20_000, help="heads to learn from")
    parser.add_argument("--trials", type=int, default=1000, help="heads to measure on")
    given = parser.parse_args()
    start = time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - start:5.0f} s  {what}", file=sys.stderr, flush=True)

    source = read_source(given.source, EYE_DISTANCE)
    say("laying the mesh")
    plain = source_head(source)
    layout = layout_of(source, build(plain, opened(plain)))
    say(f"learning from {given.heads} heads")
    made = make(source, layout, given.seed, given.heads)
    say("looking at the sky from every vertex")
    write(given.out, stored({**made.arrays, **openness_arrays(made.arrays)}))
    say(f"measuring on {given.trials} heads")
    head = read_head(given.out)
    shape = asdict(report(made, source, layout, REPORT_SEED, given.trials))
    figures = {
        "name": "head",
        "model_sha256": digest(given.out),
        "shape": shape,
        "trials": asdict(trials(head, REPORT_SEED, given.trials)),
    }
    given.results.write_text(json.dumps(figures, indent=1) + "\n")
    about = card(head, given.out, given.source, given.seed, given.heads, figures)
    given.out.with_suffix(".json").write_text(json.dumps(about, indent=1) + "\n")
    say(f"wrote {given.out} ({given.out.stat().st_size / 2**20:.1f} MiB)")


def write(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """An npz that is whole from the first moment it is there."""
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    os.replace(part, path)


if __name__ == "__main__":
    main()
