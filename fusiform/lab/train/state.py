"""Checkpoints: weights and the optimiser's state as safetensors, written whole, never pickled.

The last two are kept, so that one damaged file costs some steps and not the run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from fusiform.core.errors import FusiformError

KEPT = 2
FORMAT = 1


def save_state(
    folder: Path, parts: Mapping[str, nn.Module], optimiser: torch.optim.Optimizer, step: int
) -> Path:
    """Writes `folder`/STEP.safetensors. Raises FusiformError where it cannot be written."""
    tensors = {
        f"{part}|{name}": value
        for part, module in parts.items()
        for name, value in module.state_dict().items()
    }
    for number, state in optimiser.state_dict()["state"].items():
        for name, value in state.items():
            if value is not None:
                tensors[f"optimiser|{number}|{name}"] = torch.as_tensor(value)
    path = folder / f"{step:09d}.safetensors"
    save_tensors(path, tensors, {"step": str(step), "format": str(FORMAT)})
    for old in checkpoints(folder)[:-KEPT]:
        old.unlink(missing_ok=True)
    return path


def load_state(
    folder: Path, parts: Mapping[str, nn.Module], optimiser: torch.optim.Optimizer
) -> int:
    """Puts the newest checkpoint back in place; the step it was made at, 0 where there is none.

    Raises FusiformError for one that is damaged or of another net.
    """
    found = checkpoints(folder)
    if not found:
        return 0
    path = found[-1]
    tensors, told = load_tensors(path)
    try:
        for part, module in parts.items():
            module.load_state_dict(under(tensors, part))
        put_back(optimiser, under(tensors, "optimiser"))
        return int(told["step"])
    except (RuntimeError, KeyError, ValueError) as error:
        reason = str(error).splitlines()[0]
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
    """Those of a run, oldest first."""
    return sorted(p for p in folder.glob("*.safetensors") if p.stem.isdigit())


def under(tensors: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    """The tensors of a part, by their names in it."""
    start = f"{part}|"
    return {n.removeprefix(start): t for n, t in tensors.items() if n.startswith(start)}


def save_tensors(path: Path, tensors: Mapping[str, Tensor], told: Mapping[str, str]) -> None:
    """A safetensors file, whole or not at all. Raises FusiformError where it cannot be."""
    from safetensors.torch import save_file

    part = path.with_name(f".{path.name}.part-{os.getpid()}")
    # Two names of one tensor (tied weights) become two tensors.
    plain = {n: t.detach().to("cpu", copy=True).contiguous() for n, t in tensors.items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(plain, part, dict(told))
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    except (OSError, RuntimeError) as error:
        raise FusiformError(
            f"{path} cannot be written: {error}. Make room or give another folder; "
            "the run goes on from its last checkpoint."
        ) from error
    finally:
        part.unlink(missing_ok=True)


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and text of a safetensors file. Raises FusiformError for a damaged one."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError, json.JSONDecodeError) as error:
        raise FusiformError(
            f"{path} is damaged ({error}). Delete it to go on from the checkpoint before it."
        ) from error
