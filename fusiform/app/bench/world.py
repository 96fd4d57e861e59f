"""The world's speed: pictures a second with all labels, and the torch reference in the same run."""

from __future__ import annotations

import os
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

from fusiform.app.bench.run import Comparison, Result, cores, environment
from fusiform.core.seeds import rng

SIZES = (112, 256)
LOOK = 5  # pictures of a person in one day's hair and clothes, as in packs
FIRST = 10_000  # people no other benchmark draws
REFERENCE_PICTURES = 3


def bench_world(*, people: int = 12, images: int = 20, seed: int = 0) -> Result:
    """Pictures a second for `images` of each of `people` a core, on one core and on all, at 112 and
    256 pixels; drawing alone beside `render_torch` on the same scenes."""
    lines, rounds = [], {}
    for size in SIZES:
        alone, together = rates(people, images, size, seed)
        rounds[f"{size} px, pictures/s a core"] = alone
        lines.append(
            Comparison(
                f"pictures with all labels, {size} px, {cores()} cores",
                together,
                "one core",
                sum(alone) / len(alone),
                "pictures/s",
                lower_is_better=False,
            )
        )
        ours, theirs = drawing(size, seed)
        lines.append(Comparison(f"drawing a scene, {size} px", ours, "torch reference", theirs))
    return Result(
        "world",
        "mean over all pictures after one warm-up; drawing: minimum",
        tuple(lines),
        rounds=rounds,
        notes=(f"a person is dressed anew for every {LOOK}th picture",),
        environment=environment(seed=seed, people=people, images=images),
    )


def rates(people: int, images: int, size: int, seed: int) -> tuple[list[float], float]:
    """Pictures a second of one process alone, and of as many as there are cores together."""
    jobs = [(person, images, size, seed) for person in range(people * cores())]
    # as in packs: matrices are too small for threads
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with ProcessPoolExecutor(cores(), mp_context=get_context("spawn")) as pool:
        list(pool.map(took, [(99, 2, size, seed)] * cores()))
        others = [(-1 - person, images, size, seed) for person in range(max(2, people // 2))]
        alone = [images / pool.submit(took, job).result() for job in others]
        start = time.perf_counter()
        list(pool.map(took, jobs))
        spent = time.perf_counter() - start
    return alone, len(jobs) * images / spent


def took(job: tuple[int, int, int, int]) -> float:
    """Seconds that one person's pictures take, labels and all."""
    from fusiform.lab.world.labels import photograph
    from fusiform.lab.world.shot import plan_of, sample_shot
    from fusiform.lab.world.world import World

    person, images, size, seed = job
    plan = plan_of("recognition")
    start = time.perf_counter()
    who = dressed = World(seed).person(FIRST + person)
    for image in range(images):
        stream = rng(seed, "bench", person, image)
        if image % LOOK == 0:
            dressed = who.on_another_day(stream, plan.dressing)
        photograph(dressed, sample_shot(stream, plan, size))
    return time.perf_counter() - start


def drawing(size: int, seed: int) -> tuple[float, float]:
    """Milliseconds to draw one scene by the fast path and by the torch reference."""
    from fusiform.lab.geometry.render import render
    from fusiform.lab.geometry.render_torch import render_torch
    from fusiform.lab.world.compose import compose
    from fusiform.lab.world.shot import plan_of, sample_shot
    from fusiform.lab.world.world import World

    shot = sample_shot(rng(seed, "bench", "drawing"), plan_of("recognition"), size)
    scene = compose(World(seed).person(FIRST), shot).scene
    return fastest(lambda: render(scene, 2), 10), fastest(
        lambda: render_torch(scene, 2), REFERENCE_PICTURES
    )


def fastest(work: Any, times: int) -> float:
    """The least milliseconds that `work` took, after a warm-up."""
    work()
    best = float("inf")
    for _ in range(times):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return 1e3 * best
