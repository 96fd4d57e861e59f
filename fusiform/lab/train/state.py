"""Checkpoints: weights and the optimiser's state as safetensors, written whole, never pickled.

The last two are kept, so that one damaged file costs some steps and not the run. Several processes
make one checkpoint: each writes its shards, if it has any, and then process 0 all that is common.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor, nn

from fusiform.core.errors import FusiformError
from fusiform.lab.train.parallel import barrier, part, sharded_names

KEPT = 2
FORMAT = 1
HASH = "sha256"
Parts = Mapping[str, nn.Module]


def save_state(
    folder: Path,
    parts: Parts,
    optimiser: torch.optim.Optimizer,
    step: int,
    scaler: torch.amp.GradScaler | None = None,
) -> Path:
    """Writes `folder`/STEP.safetensors, and the shards of this process beside it. Raises
    FusiformError where it cannot be written."""
    tensors = state_of(parts, optimiser, scaler)
    told = {"step": str(step), "format": str(FORMAT), "processes": str(part()[1])}
    told["optimiser"] = type(optimiser).__name__
    path = folder / f"{step:09d}.safetensors"
    shards = shards_in(tensors, parts, optimiser)
    if shards:
        save_tensors(shard_path(path), shards, told)
        barrier()  # the common file comes last, and says that all shards are there
    if part()[0] == 0:
        save_tensors(path, {n: t for n, t in tensors.items() if n not in shards}, told)
        forget_old(folder)
    return path


def state_of(
    parts: Parts, optimiser: torch.optim.Optimizer, scaler: torch.amp.GradScaler | None
) -> dict[str, Tensor]:
    """All that a run goes on from: `PART|NAME`, `optimiser|NUMBER|NAME` and `scaler|NAME`."""
    tensors = {
        f"{name}|{key}": value
        for name, module in parts.items()
        for key, value in module.state_dict().items()
    }
    for number, state in optimiser.state_dict()["state"].items():
        for name, value in state.items():
            if value is not None:
                tensors[f"optimiser|{number}|{name}"] = torch.as_tensor(value)
    for name, value in scaler.state_dict().items() if scaler else ():
        tensors[f"scaler|{name}"] = torch.tensor(value)
    return tensors


def shards_in(
    tensors: Mapping[str, Tensor], parts: Parts, optimiser: torch.optim.Optimizer
) -> dict[str, Tensor]:
    """Those of `state_of` that only this process has."""
    own, owned = set[str](), set[int]()
    for name, module in parts.items():
        names = sharded_names(module)
        own |= {f"{name}|{key}" for key in names}
        owned |= {id(p) for key, p in module.named_parameters() if key in names}
    trained = [p for group in optimiser.param_groups for p in group["params"]]
    starts = [f"optimiser|{i}|" for i, p in enumerate(trained) if id(p) in owned]
    mine = [n for n in tensors if n in own or n.startswith(tuple(starts))]
    return {name: tensors[name] for name in mine}


def load_state(
    folder: Path,
    parts: Parts,
    optimiser: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler | None = None,
) -> int:
    """Puts the newest checkpoint back in place; the step it was made at, 0 where there is none.

    Raises FusiformError for one that is damaged, of another net or of another number of processes.
    """
    found = checkpoints(folder)
    if not found:
        return 0
    path = found[-1]
    tensors, told = load_tensors(path)
    processes = int(told.get("processes", "1"))
    if processes != part()[1]:
        raise FusiformError(
            f"{path} was made by {processes} processes, not {part()[1]}. Go on with {processes}."
        )
    if any(sharded_names(module) for module in parts.values()):
        remedy = f"Delete {path} to go on from the checkpoint before it"
        tensors |= load_tensors(shard_path(path), remedy)[0]
    try:
        if told.get("optimiser", type(optimiser).__name__) != type(optimiser).__name__:
            raise ValueError(f"its optimiser is {told['optimiser']}")
        for name, module in parts.items():
            module.load_state_dict(under(tensors, name))
        put_back(optimiser, under(tensors, "optimiser"))
        if scaler and under(tensors, "scaler"):
            scaler.load_state_dict({n: t.item() for n, t in under(tensors, "scaler").items()})
        return int(told["step"])
    except (RuntimeError, KeyError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise FusiformError(
            f"{path} is of another net or objective ({reason}). "
            "Go on with the options of this run, or give another folder."
        ) from error


def put_back(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """The optimiser's state as it was saved."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, _, name = key.partition("|")
        state.setdefault(int(number), {})[name] = value
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": groups})


def checkpoints(folder: Path) -> list[Path]:
    """Those of a run, oldest first, without shards."""
    return sorted(p for p in folder.glob("*.safetensors") if p.stem.isdigit())


def shard_path(path: Path) -> Path:
    """The file of this process's shards beside the checkpoint `path`."""
    rank, of = part()
    return path.with_name(f"{path.stem}.shard{rank}of{of}.safetensors")


def forget_old(folder: Path) -> None:
    """Deletes what is older than the checkpoints that are kept, shards last."""
    oldest = checkpoints(folder)[-KEPT:][0].stem
    for path in sorted(folder.glob("*.safetensors"), reverse=True):
        step = path.name.partition(".")[0]
        if step.isdigit() and step < oldest:
            path.unlink(missing_ok=True)


def under(tensors: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    """The tensors of a part, by their names in it."""
    start = f"{part}|"
    return {n.removeprefix(start): t for n, t in tensors.items() if n.startswith(start)}


def save_tensors(path: Path, tensors: Mapping[str, Tensor], told: Mapping[str, str]) -> None:
    """A safetensors file, whole or not at all. Raises FusiformError where it cannot be."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    part = path.with_name(f".{path.name}.part-{os.getpid()}")
    # Two names of one tensor (tied weights) become two tensors.
    plain = {n: t.detach().to("cpu", copy=True).contiguous() for n, t in tensors.items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(plain, part, {**told, HASH: fingerprint(plain)})
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    except (OSError, RuntimeError, SafetensorError) as error:
        raise FusiformError(
            f"{path} cannot be written: {error}. Make room or give another folder; "
            "the run goes on from its last checkpoint."
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def load_tensors(path: Path, remedy: str = "") -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and text of a safetensors file. Raises FusiformError for a damaged one, with a
    `remedy`, else to delete it."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            told = dict(file.metadata() or {})
        if told.pop(HASH, "") not in ("", fingerprint(tensors)):
            raise ValueError("its contents are not those that were written")
        return tensors, told
    except (SafetensorError, OSError, ValueError) as error:
        remedy = remedy or f"Delete {path} to go on from the checkpoint before it"
        raise FusiformError(f"{path} is damaged or missing ({error}). {remedy}.") from error


def fingerprint(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, kinds, shapes and values."""
    hashed = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        hashed.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        hashed.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return hashed.hexdigest()
