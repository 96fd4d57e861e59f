"""The training loop: given a net, an objective and batches, it trains, and can be stopped.

An objective is a module called as `objective(net, batch)`; it gives the loss and a dict of numbers
worth keeping. Its parameters (class prototypes, say) are trained with the net's. `batches(k)`
gives batch k, a dict of tensors, and draws everything from its seed and k. What a network draws
itself (dropout) comes from torch's generator, seeded anew at each step. So a run that is stopped
and resumed is, on a CPU, the same to the bit as one that never stopped.

Inside `parallel.joined` several processes train one net; process 0 alone writes in the run's
folder, but for the shards that the others hold (`lab.train.sharded`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fusiform.core.errors import ChoiceError, FusiformError
from fusiform.lab.train import parallel
from fusiform.lab.train.runs import Run
from fusiform.lab.train.sharded import seen_rows
from fusiform.lab.train.state import load_state, save_state, save_tensors

Batch = Mapping[str, Tensor]
Batches = Callable[[int], Batch]
Progress = Callable[[int, int, Mapping[str, float]], None]
OPTIMISERS = ("sgd", "adamw")
PRECISIONS = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class Plan:
    """How long and how. The rate rises over `warmup` steps to `rate` and falls along a half
    cosine to `rate * last`. `decay` (weight decay) spares biases and norms. `clip`: largest norm
    of the gradient, 0: none. `average`: half-life in steps of the moving average of the net's
    weights, 0: none. `every`: steps between two lines of statistics; `save`: between two
    checkpoints."""

    steps: int
    rate: float = 0.1
    warmup: int = 0
    last: float = 0.0
    optimiser: str = "sgd"
    momentum: float = 0.9
    decay: float = 5e-4
    clip: float = 5.0
    average: float = 0.0
    precision: str = "float32"
    seed: int = 0
    every: int = 20
    save: int = 500

    def __post_init__(self) -> None:
        if self.steps < 1 or self.rate <= 0 or self.every < 1 or self.save < 1:
            raise ChoiceError("steps, rate, every, save", "above 0", self)
        if min(self.warmup, self.last, self.decay, self.clip, self.average) < 0:
            raise ChoiceError("warmup, last, decay, clip, average", "at least 0", self)
        if self.optimiser not in OPTIMISERS:
            raise ChoiceError("optimiser", OPTIMISERS, self.optimiser)
        if self.precision not in PRECISIONS:
            raise ChoiceError("precision", PRECISIONS, self.precision)

    def rate_at(self, step: int) -> float:
        """The learning rate of a step."""
        if step < self.warmup:
            return self.rate * (step + 1) / self.warmup
        part = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.rate * (self.last + (1 - self.last) * 0.5 * (1 + math.cos(math.pi * part)))


def train(
    net: nn.Module,
    objective: nn.Module,
    batches: Batches,
    plan: Plan,
    run: Run | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
    at_save: Callable[[int, nn.Module], Mapping[str, float]] | None = None,
    stop: Callable[[], bool] | None = None,
) -> nn.Module:
    """Trains `net` in place and returns it, or the average of its weights where asked for.

    With a `run` its folder gets options, statistics and checkpoints, and a run begun there is
    gone on with. `at_save(step, net)` measures at each checkpoint; its numbers are kept too.
    `stop()` is asked after each step: where it is true, a checkpoint is made and training ends.
    With several processes `progress` and `at_save` are called in process 0 alone.
    Raises FusiformError at a loss or gradient that is not finite (the batch is saved in the run's
    folder), and where another process is lost.
    """
    both = nn.ModuleDict({"net": net, "objective": objective}).to(device)
    with parallel.lost(run.folder if run else None):
        forward = parallel.spread(both)
        average = averaged(net) if plan.average else None
        optimiser = optimiser_for(both, plan)
        scaler = torch.amp.GradScaler(
            torch.device(device).type, enabled=plan.precision == "float16"
        )
        parts = {"both": both, "average": average} if average is not None else {"both": both}
        start = load_state(run.checkpoints, parts, optimiser, scaler) if run else 0
        parallel.same("checkpoints", start)
        rank = parallel.part()[0]
        if run and rank == 0:
            run.resume(start)
        both.train()
        for step in range(start, plan.steps):
            torch.manual_seed(plan.seed * 1_000_003 + step + parallel.apart(rank))
            batch = {name: value.to(device) for name, value in batches(step).items()}
            numbers = one_step(both, forward, batch, plan, step, optimiser, scaler, run)
            if average is not None:
                blend(average, net, 0.5 ** (1 / plan.average))
            done = step + 1
            ending = done == plan.steps or asked(stop)
            if run and rank == 0 and (done % plan.every == 0 or ending):
                run.log(done, numbers)
            if run and (done % plan.save == 0 or ending):
                judged = net if average is None else average
                keep(run, done, parts, optimiser, scaler, None if rank else at_save, judged)
                both.train()
            if progress and rank == 0:
                progress(done, plan.steps, numbers)
            if ending:
                break
        parallel.settle(*parts.values())
    both.eval()
    return net if average is None else average


def asked(stop: Callable[[], bool] | None) -> bool:
    """Whether any process is to stop."""
    return stop is not None and bool(parallel.everyone([float(stop())]).any())


def one_step(
    both: nn.ModuleDict,
    forward: parallel.Objective,
    batch: Batch,
    plan: Plan,
    step: int,
    optimiser: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    run: Run | None,
) -> dict[str, float]:
    """Forward, backward, update. The numbers of the objective, with loss, rate and gradient."""
    rate = plan.rate_at(step)
    for group in optimiser.param_groups:
        group["lr"] = rate
    kind = next(iter(batch.values())).device.type
    mixed = plan.precision != "float32"
    with torch.autocast(kind, getattr(torch, plan.precision), enabled=mixed):
        loss, numbers = forward(batch)
    finite("loss", float(loss.detach()), step, batch, run)
    optimiser.zero_grad(set_to_none=True)
    torch.autograd.backward(scaler.scale(loss))
    if scaler.is_enabled():
        parallel.share_overflow(both)
    scaler.unscale_(optimiser)
    size = parallel.clip(both, plan.clip or math.inf)
    if not scaler.is_enabled():  # which leaves such a step out
        finite("gradient", size, step, batch, run)
    with seen_rows(optimiser):
        scaler.step(optimiser)
    scaler.update()
    told = parallel.mean({"loss": float(loss.detach()), **numbers})
    return {"loss": told.pop("loss"), "rate": rate, "gradient": size, **told}


def optimiser_for(both: nn.Module, plan: Plan) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum, or AdamW; vectors (biases, norms) are not decayed."""
    groups: list[dict[str, Any]] = [
        {"params": [p for p in both.parameters() if p.ndim > 1], "weight_decay": plan.decay},
        {"params": [p for p in both.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if plan.optimiser == "adamw":
        return torch.optim.AdamW(groups, plan.rate)
    return torch.optim.SGD(groups, plan.rate, momentum=plan.momentum, nesterov=plan.momentum > 0)


def averaged(net: nn.Module) -> nn.Module:
    """A copy of the net that is never trained."""
    from copy import deepcopy

    return deepcopy(net).eval().requires_grad_(False)


@torch.no_grad()
def blend(average: nn.Module, net: nn.Module, keep: float) -> None:
    """average <- keep * average + (1 - keep) * net; counters and other integers are copied."""
    for mine, new in zip(weights(average), weights(net), strict=True):
        if mine.is_floating_point():
            mine.lerp_(new.to(mine), 1 - keep)
        else:
            mine.copy_(new)


def weights(net: nn.Module) -> Iterator[Tensor]:
    """Parameters and buffers, each once: tied weights have two names."""
    yield from net.parameters()
    yield from net.buffers()


def keep(
    run: Run,
    done: int,
    parts: Mapping[str, nn.Module],
    optimiser: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    measure: Callable[[int, nn.Module], Mapping[str, float]] | None,
    judged: nn.Module,
) -> None:
    """A checkpoint, and what `measure` finds."""
    if measure:
        was = judged.training
        judged.eval()
        run.log(done, measure(done, judged))
        judged.train(was)
    save_state(run.checkpoints, parts, optimiser, done, scaler)


def finite(what: str, value: float, step: int, batch: Batch, run: Run | None) -> None:
    """Ends a run where `value` is not finite, leaving the batch that did it."""
    values = parallel.everyone([value])[:, 0]
    bad = (~values.isfinite()).nonzero()[:, 0].tolist()
    if not bad:
        return
    rank, of = parallel.part()
    where = f" in process {bad[0]}" if of > 1 else ""
    said = f"The {what} became {float(values[bad[0]]):g} at step {step}{where}"
    told = "Try a lower rate, more warm-up or clipping."
    if run is None:
        raise FusiformError(f"{said}. {told}")
    path: Path = run.folder / "nan.safetensors"
    if rank == bad[0]:
        save_tensors(path, dict(batch), {"step": str(step)})
    parallel.barrier()
    raise FusiformError(
        f"{said}; its batch is in {path}. {told} The checkpoints before it are kept."
    )
