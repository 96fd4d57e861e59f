"""Training by several processes: a copy of the net in each, gradients averaged over them.

Started by torchrun, or by anything that sets RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT as it
does; a script wraps its work in `joined`. Each process takes its own batches (`batches.shuffled`
with `part=part()`), all of one size. With a net that looks at each row alone, n processes with
batches of b are then one process with batches of n b. Batch norm does not: it sees the rows of
its own process, and the running figures that are kept are those of process 0.

A module may hold a part of a large table in place of a copy. It names such parameters in an
attribute `sharded` (see `lab.train.sharded`); their gradients are not averaged.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from fusiform.core.errors import FusiformError

T = TypeVar("T")
Part = tuple[int, int]
Objective = Callable[[Mapping[str, Tensor]], tuple[Tensor, dict[str, float]]]
LOCAL = ("127.0.0.1", "localhost")
# What gloo says, in a plain RuntimeError, of a process that died or is late.
GONE = ("gloo", "Connection closed by peer", "Application timeout", "Timed out waiting")


def part() -> Part:
    """The rank of this process and how many train together: (0, 1) outside of `joined`."""
    if not dist.is_initialized():
        return 0, 1
    return dist.get_rank(), dist.get_world_size()


def apart(rank: int) -> int:
    """What a process adds to a seed of torch, so that each draws its own: far apart in the 32 bits
    that the CPU's generator looks at, and nothing for process 0."""
    return rank * 2_654_435_761  # the golden ratio's share of 2^32


@contextmanager
def joined(device: str = "cpu", timeout: float = 600.0) -> Iterator[str]:
    """Inside, this process is one of those that torchrun started; gives the device it has.

    "cpu" uses gloo (over the loopback interface if MASTER_ADDR is this machine), "cuda" NCCL and
    the GPU LOCAL_RANK. Not under torchrun it is alone. `timeout`: seconds without a word after
    which another process counts as dead; more than process 0 takes to measure and to save.
    Raises FusiformError if the others do not come.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield device
        return
    if device == "cuda":
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
        torch.cuda.set_device(device)
    meet(device, timeout)
    try:
        yield device
    finally:
        dist.destroy_process_group()


def meet(device: str, timeout: float) -> None:
    """Waits for all processes. Raises FusiformError if they do not come."""
    host = os.environ.setdefault("MASTER_ADDR", LOCAL[0])
    port = os.environ.setdefault("MASTER_PORT", "29500")
    backend = "nccl" if device.startswith("cuda") else "gloo"
    if backend == "gloo" and host in LOCAL and Path("/sys/class/net/lo").exists():
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    try:
        dist.init_process_group(backend, timeout=timedelta(seconds=timeout))
    except (RuntimeError, ValueError) as error:
        raise FusiformError(
            f"The {os.environ['WORLD_SIZE']} processes of this training did not meet at "
            f"{host}:{port} within {timeout:g} s ({first_line(error)}). "
            "See that all were started and that the port is free."
        ) from error


@contextmanager
def lost(folder: Path | None) -> Iterator[None]:
    """Says in a sentence that another process is gone, in place of what the backend says."""
    try:
        yield
    except RuntimeError as error:
        rank, of = part()
        known = isinstance(error, dist.DistError) or any(word in str(error) for word in GONE)
        if of == 1 or not known:
            raise
        remedy = (
            f"start it again with the same command to go on from the last checkpoint in {folder}"
        )
        raise FusiformError(
            f"Process {rank} of {of} lost another process of this training: it ended, or did not "
            f"answer in time ({first_line(error)}). See what that one printed, then "
            f"{remedy if folder else 'start again'}."
        ) from error


def first_line(error: Exception) -> str:
    """Without the place in the backend's source that it begins with, and its advice."""
    return (str(error).splitlines() or [repr(error)])[0].rpartition("] ")[2].partition(". ")[0]


def in_turn(work: Callable[[], T]) -> T:
    """What `work` gives, done by process 0 first: it may make what the others find."""
    if part()[0] == 0:
        try:
            return work()
        finally:
            barrier()
    barrier()
    return work()


def barrier() -> None:
    """Waits until all are here."""
    if part()[1] > 1:
        dist.barrier()


def everyone(values: Sequence[float]) -> Tensor:
    """`values (k,)` of each process: `(processes, k)` float64, on the CPU."""
    mine = torch.tensor(values, dtype=torch.float64)
    if part()[1] == 1:
        return mine[None]
    nccl = dist.get_backend() == "nccl"
    mine = mine.to("cuda" if nccl else "cpu")
    found = mine.new_empty(part()[1] * len(mine))
    dist.all_gather_single(found, mine)
    return found.view(-1, len(mine)).cpu()


def mean(numbers: Mapping[str, float]) -> dict[str, float]:
    """Each number's mean over the processes."""
    if part()[1] == 1:
        return dict(numbers)
    means = everyone([float(value) for value in numbers.values()]).mean(0)
    return dict(zip(numbers, means.tolist(), strict=True))


def same(what: str, value: float) -> None:
    """Raises FusiformError where `value` is not the same in all processes."""
    found = everyone([value])[:, 0].tolist()
    if len(set(found)) > 1:
        raise FusiformError(
            f"The processes of this training have different {what}: {found}. "
            "All must see the same folder, on a disk that they share."
        )


def sharded_names(module: nn.Module) -> frozenset[str]:
    """Names of the parameters of which each process holds a part; none if there is one process."""
    if part()[1] == 1:
        return frozenset()
    return frozenset(
        f"{path}.{name}".lstrip(".")
        for path, inner in module.named_modules()
        for name in getattr(inner, "sharded", ())
    )


class Forward(nn.Module):
    """The objective called on the net, both from one ModuleDict."""

    def __init__(self, both: nn.ModuleDict) -> None:
        super().__init__()
        self.both = both

    def forward(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
        found: tuple[Tensor, dict[str, float]] = self.both["objective"](self.both["net"], batch)
        return found


def spread(both: nn.ModuleDict) -> Objective:
    """batch -> loss and numbers; with several processes the gradients of what is no shard are
    averaged as they are made. Weights start as those of process 0."""
    whole: nn.Module = Forward(both)
    if part()[1] > 1:
        names = [f"both.{name}" for name in sharded_names(both)]
        DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(whole, names)  # type: ignore[no-untyped-call]
        whole = DistributedDataParallel(whole)
    return whole


def clip(both: nn.Module, limit: float) -> float:
    """Scales the gradients down to a norm of `limit` over all processes; the norm before."""
    own = sharded_names(both)
    grads = {n: p.grad for n, p in both.named_parameters() if p.grad is not None}
    if not own and not any(g.is_sparse for g in grads.values()):
        return float(nn.utils.clip_grad_norm_(both.parameters(), limit))
    values = {n: g._values() if g.is_sparse else g for n, g in grads.items()}
    common = nn.utils.get_total_norm([v for n, v in values.items() if n not in own])
    mine = nn.utils.get_total_norm([v for n, v in values.items() if n in own])
    size = math.hypot(float(common), *everyone([float(mine)])[:, 0].tolist())
    if size > limit:
        for value in values.values():
            value.mul_(limit / (size + 1e-6))
    return size


def share_overflow(both: nn.Module) -> None:
    """Where a shard's gradient is not finite in one process, it is in none: all leave the step
    out together (what is no shard is averaged, and so agrees already)."""
    own = sharded_names(both)
    grads = [p.grad for n, p in both.named_parameters() if n in own and p.grad is not None]
    values = [g._values() if g.is_sparse else g for g in grads]
    if own and everyone([float(not all(bool(v.isfinite().all()) for v in values))]).any():
        for value in values:
            value.fill_(float("inf"))


def settle(*modules: Any) -> None:
    """Buffers (running figures of batch norm) as process 0 has them."""
    if part()[1] > 1:
        for module in modules:
            for buffer in module.buffers():
                dist.broadcast(buffer, 0)
