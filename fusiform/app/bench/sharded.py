"""Many classes: memory and time of a step of the sharded head, and 10^8 classes on paper.

Steps are measured with simulated features, one thread, each size in a process of its own. From
them follow how many copies of prototypes and logits are held at once and how often they are gone
through; `planned` puts these into a cluster on paper. As a script: the process that is measured.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fusiform.app.bench.run import Comparison, Result, environment, peak_mb

DIMS, RATES = (128, 512), (1.0, 0.1)
BATCH, LARGE_BATCH = 64, 256
CLASSES = (100_000, 500_000, 1_000_000, 2_000_000)
FLOAT = 4  # bytes
ROUNDS = 2


@dataclass(frozen=True)
class Size:
    """One measurement: `classes` prototypes of `dim`, the share `rate` of them seen by `batch`
    features; `moments` numbers for each weight in the optimiser."""

    classes: int
    dim: int
    rate: float
    batch: int = BATCH
    moments: int = 1

    @property
    def table(self) -> float:
        """Bytes of all prototypes."""
        return float(self.classes * self.dim * FLOAT)

    @property
    def seen(self) -> float:
        """Bytes of those that are seen."""
        return self.rate * self.table

    @property
    def logits(self) -> float:
        """Bytes of one matrix of logits."""
        return self.rate * self.classes * self.batch * FLOAT

    @property
    def draws(self) -> float:
        """Bytes of one random number a class, where a sample is drawn."""
        return float(self.classes * FLOAT) if self.rate < 1 else 0.0

    @property
    def work(self) -> float:
        """Floating point operations: one product forth, two back."""
        return 6 * self.batch * self.rate * self.classes * self.dim


@dataclass(frozen=True)
class Costs:
    """What a step costs. Held at once, beside the table and its moments: `seen_held` copies of the
    prototypes that are seen and `logits_held` of the logits. Gone through, in reads and writes of
    all their bytes: `seen_passes`, `logits_passes`, and `draw_passes` of a number a class."""

    seen_held: float
    logits_held: float
    seen_passes: float
    logits_passes: float
    draw_passes: float

    def memory(self, size: Size) -> float:
        """Bytes that a step needs at its peak."""
        held = self.seen_held * size.seen + self.logits_held * size.logits
        return (1 + size.moments) * size.table + held

    def seconds(self, size: Size, flops: float, bandwidth: float) -> float:
        """A step at `flops` operations and `bandwidth` bytes a second."""
        moved = self.seen_passes * size.seen + self.logits_passes * size.logits
        return size.work / flops + (moved + self.draw_passes * size.draws) / bandwidth


Row = tuple[Size, dict[str, float]]
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "THP_MEM_ALLOC_ENABLE": "1"}
KEEPING = {"MALLOC_MMAP_THRESHOLD_": str(10**11), "MALLOC_TRIM_THRESHOLD_": str(10**11)}

# Before anything is measured: a little too much, so that no measurement goes beyond its limit.
CAREFUL, SPARE = Costs(2.2, 4.5, 0.0, 0.0, 0.0), 1.1


def bench_sharded(
    classes: Iterable[int] = CLASSES,
    *,
    dims: Sequence[int] = DIMS,
    limit: float = 8.0,
    seed: int = 0,
) -> Result:
    """Memory and milliseconds of a step for all `classes`, `dims` and RATES that need no more than
    `limit` GB of 10^9 bytes; what follows from them for 10^8 classes."""
    machine = measured("machine")
    rows, left = [], []
    for size in sizes(list(classes), dims):
        fitting = within(size, limit)
        if fitting is None:
            left.append(f"{size.classes:,} x {size.dim} at rate {size.rate:g}")
        else:
            rows.append((fitting, measured("step", json.dumps(asdict(fitting)), str(seed))))
    least = min(size.classes for size, _ in rows)
    small = [
        (s, measured("step", json.dumps(asdict(s)), str(seed), keeping=True))
        for s, _ in rows
        if s.classes == least
    ]
    costs = fitted(rows, small, machine)
    notes = ["features and labels are simulated; one thread; SGD"]
    notes += [f"not run, as {limit:g} GB would not do: {', '.join(left)}"] if left else []
    return Result(
        "sharded",
        f"the quickest of {ROUNDS} steps; peak memory of a fresh process beside its imports",
        tuple(compared(rows)),
        {
            "steps": [told(size, row, costs, machine) for size, row in rows],
            "steps, freed memory kept": [told(size, row, costs, machine) for size, row in small],
            "costs": [{k: round(v, 2) for k, v in (asdict(costs) | machine).items()}],
            "assumed": [
                {"input": name, "value": value, "unit": unit, "from": where}
                for name, (value, unit, where) in ASSUMED.items()
            ],
            "100 million": [planned(costs, gpus, rate) for gpus in GPUS for rate in SAMPLES],
        },
        {},
        tuple(notes),
        environment(seed=seed, peers=("torch",), limit=limit),
    )


def sizes(classes: Sequence[int], dims: Sequence[int]) -> list[Size]:
    """All that is measured; the smallest number of classes also with larger batches, which tells
    prototypes from logits."""
    some = [Size(c, d, rate) for c in classes for d in dims for rate in RATES]
    return some + [Size(min(classes), d, rate, LARGE_BATCH) for d in dims for rate in RATES]


def within(size: Size, limit: float) -> Size | None:
    """`size`, without momentum if only so it needs no more than `limit` GB; None if not even so."""
    for moments in (size.moments, 0):
        one = Size(size.classes, size.dim, size.rate, size.batch, moments)
        if SPARE * CAREFUL.memory(one) <= limit * 1e9:
            return one
    return None


def measured(*words: str, keeping: bool = False) -> dict[str, float]:
    """What a fresh process of one thread finds. One that is `keeping` gives no freed memory back,
    as on a GPU, where no new page must be cleared each step; with glibc, elsewhere no difference.
    """
    command = [sys.executable, "-m", "fusiform.app.bench.sharded", *words]
    env = os.environ | ONE_THREAD | (KEEPING if keeping else {})
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=env)
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


def fitted(rows: Sequence[Row], timed: Sequence[Row], machine: dict[str, float]) -> Costs:
    """The costs that come nearest to the memory of `rows` and the seconds of `timed`: least squares
    of relative errors."""
    held = [[size.seen, size.logits] for size, _ in rows]
    memory = [row["bytes"] for _, row in rows]
    rest = [row["bytes"] - (1 + size.moments) * size.table for size, row in rows]
    moved = [[size.seen, size.logits, size.draws] for size, _ in timed]
    clock = [row["seconds"] * machine["bandwidth"] for _, row in timed]
    work = [size.work / machine["flops"] * machine["bandwidth"] for size, _ in timed]
    left = np.subtract(clock, work).tolist()
    return Costs(*nearest(held, rest, memory), *nearest(moved, left, clock))


def nearest(parts: Sequence[Sequence[float]], rest: Sequence[float], whole: Sequence[float]) -> Any:
    """x >= 0 with `parts @ x` near `rest`, errors counted as shares of `whole`: what would be
    below 0 is left out, the worst first."""
    scale = np.asarray(whole)[:, None]
    matrix, wanted = np.asarray(parts) / scale, np.asarray(rest)[:, None] / scale
    found, free = np.zeros(matrix.shape[1]), list(range(matrix.shape[1]))
    while free:
        some = np.linalg.lstsq(matrix[:, free], wanted, rcond=None)[0][:, 0]
        if some.min() >= 0:
            found[free] = some
            break
        del free[int(some.argmin())]
    return found.tolist()


def told(
    size: Size, row: dict[str, float], costs: Costs, machine: dict[str, float]
) -> dict[str, Any]:
    """One row of the table: measured, and as `costs` say."""
    seconds = costs.seconds(size, machine["flops"], machine["bandwidth"])
    return asdict(size) | {
        "MB": round(row["bytes"] / 1e6),
        "ms": round(1e3 * row["seconds"]),
        "MB by costs": round(costs.memory(size) / 1e6),
        "ms by costs": round(1e3 * seconds),
    }


def compared(rows: Sequence[Row]) -> Iterable[Comparison]:
    """Each sample beside all classes, where both were measured."""
    whole = {(s.classes, s.dim, s.batch): row for s, row in rows if s.rate == 1}
    for size, row in rows:
        other = whole.get((size.classes, size.dim, size.batch))
        if size.rate < 1:
            what = f"{size.classes:,} x {size.dim}, batch {size.batch}, rate {size.rate:g}"
            peer = 1e3 * other["seconds"] if other else None
            note = "" if other else "a rate of 1 was not run where memory would not do"
            yield Comparison(what, 1e3 * row["seconds"], "rate 1", peer, "ms", note=note)


# 10^8 classes on paper

GPUS, SAMPLES = (8, 16, 32, 64, 128), (1.0, 0.1, 0.02)
SHEET, GUESS, KNOWN = "data sheet of an H100 SXM", "assumed", "ResNet-100 of ArcFace, 112 px"
ASSUMED: dict[str, tuple[float, str, str]] = {
    "classes": (1e8, "", "asked for"),
    "dim": (512, "", "asked for"),
    "images": (20, "a class", GUESS),
    "batch": (128, "images a GPU", GUESS),
    "memory": (80e9, "bytes a GPU", SHEET),
    "bandwidth": (3.35e12, "bytes/s", SHEET),
    "products": (494e12, "operations/s, TF32", SHEET),
    "half products": (989e12, "operations/s, bfloat16", SHEET),
    "network": (50e9, "bytes/s a GPU and way", "400 Gb/s InfiniBand"),
    "reached": (0.5, "share of each of these", GUESS),
    "net": (65e6, "weights", KNOWN),
    "net work": (72.6e9, "operations an image, forth and back", KNOWN),
    "net memory": (20e9, "bytes a GPU, activations and all", GUESS),
}


def planned(costs: Costs, gpus: int, rate: float) -> dict[str, Any]:
    """One row: GB a GPU, milliseconds and traffic a step, and what breaks first, if 10^8 classes
    are spread over `gpus` and the share `rate` of them is seen.

    Memory: prototypes with momentum, copies of those seen, logits of the rows of all GPUs, the
    net. Time: each part after the other, nothing overlapped. Traffic a GPU: features gathered and
    their gradient scattered, 4 dim bytes a row each; three numbers a row for softmax, all-reduced;
    gradients of the net, all-reduced (a ring sends 2 (g - 1) / g of the bytes).
    """
    known = {name: row[0] for name, row in ASSUMED.items()}
    rows = gpus * known["batch"]
    size = Size(round(known["classes"] / gpus), int(known["dim"]), rate, int(rows))
    memory = {
        "prototypes": (1 + size.moments) * size.table,
        "seen prototypes": costs.seen_held * size.seen,
        "logits": costs.logits_held * size.logits,
        "net": known["net memory"],
    }
    away = (gpus - 1) / gpus
    traffic = {
        "features": 2 * away * rows * size.dim * FLOAT,
        "softmax": 2 * away * 3 * rows * FLOAT,
        "gradients of the net": 2 * away * known["net"] * FLOAT,
    }
    reached = known["reached"]
    head = costs.seconds(size, reached * known["products"], reached * known["bandwidth"])
    seconds = {
        "head": head,
        "net": known["net work"] * known["batch"] / (reached * known["half products"]),
        "network": sum(traffic.values()) / (reached * known["network"]),
    }
    steps = known["classes"] * known["images"] / rows
    return {
        "GPUs": gpus,
        "rate": rate,
        **{f"GB {name}": round(value / 1e9, 1) for name, value in memory.items()},
        "GB a GPU": round(sum(memory.values()) / 1e9, 1),
        "MB sent a step": round(sum(traffic.values()) / 1e6),
        **{f"ms {name}": round(1e3 * value, 1) for name, value in seconds.items()},
        "ms a step": round(1e3 * sum(seconds.values()), 1),
        "days an epoch": round(steps * sum(seconds.values()) / 86_400, 1),
        "breaks first": breaking(memory, seconds, known["memory"]),
    }


def breaking(memory: dict[str, float], seconds: dict[str, float], limit: float) -> str:
    """What does not fit, its largest part named; what is slowest, if all fits."""
    if sum(memory.values()) > limit:
        return f"memory: {max(memory, key=lambda part: memory[part])}"
    return f"time: {max(seconds, key=lambda part: seconds[part])}"


def main(what: str, size: str = "", seed: str = "0") -> None:
    """Prints one JSON object."""
    from fusiform.lab.train import timing

    if what == "machine":
        answer = {"flops": timing.multiplications(), "bandwidth": timing.bandwidth()}
    else:
        before, one = peak_mb(), Size(**json.loads(size))
        momentum = 0.9 if one.moments else 0.0
        seconds = timing.step_seconds(
            one.classes, one.dim, one.rate, one.batch, momentum, ROUNDS, int(seed)
        )
        answer = {"seconds": seconds, "bytes": (peak_mb() - before) * 2**20}
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
