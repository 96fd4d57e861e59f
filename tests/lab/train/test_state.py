from __future__ import annotations

import errno
import os
import resource
from pathlib import Path

import pytest
import torch
from torch import nn

from fusiform.core.errors import FusiformError
from fusiform.lab.train import state
from fusiform.lab.train.loop import Plan, train
from fusiform.lab.train.runs import Run
from fusiform.lab.train.state import (
    checkpoints,
    load_state,
    load_tensors,
    save_state,
    save_tensors,
    under,
)


class Square(nn.Module):
    def forward(self, net, batch):
        return net(batch["x"]).square().mean(), {}


def points(step: int) -> dict[str, torch.Tensor]:
    return {"x": torch.randn(4, 3, generator=torch.Generator().manual_seed(step))}


def linear(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Linear(3, 2)


def trained(folder: Path, steps: int = 6, **more) -> nn.Module:
    return train(linear(), Square(), points, Plan(6, save=2, **more), Run(folder))


def test_the_last_two_are_kept(tmp_path):
    trained(tmp_path / "run")
    found = checkpoints(tmp_path / "run" / "checkpoints")
    assert [path.name for path in found] == ["000000004.safetensors", "000000006.safetensors"]
    assert sorted(found) == sorted((tmp_path / "run" / "checkpoints").iterdir())


def test_other_files_of_the_folder_are_left_alone(tmp_path):
    other = tmp_path / "run" / "checkpoints" / "mine.safetensors"
    other.parent.mkdir(parents=True)
    other.write_text("mine")
    trained(tmp_path / "run")
    assert other.read_text() == "mine"


@pytest.mark.parametrize("damage", ["cut", "empty", "nonsense", "altered"])
def test_a_damaged_checkpoint_is_named_with_its_remedy(tmp_path, damage):
    """And once it is deleted, the one before it serves, to the bit."""
    wanted = trained(tmp_path / "run")
    path = checkpoints(tmp_path / "run" / "checkpoints")[-1]
    whole = path.read_bytes()
    altered = whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:]
    damaged = {"cut": whole[:-9], "empty": b"", "nonsense": b"\xff" * 99, "altered": altered}
    path.write_bytes(damaged[damage])
    with pytest.raises(FusiformError, match="damaged") as error:
        trained(tmp_path / "run")
    assert f"Delete {path} to go on from the checkpoint before it." in str(error.value)
    path.unlink()
    assert torch.equal(trained(tmp_path / "run").weight, wanted.weight)
    assert (
        load_tensors(path)[0].keys()
        == load_tensors(path.with_name("000000004.safetensors"))[0].keys()
    )


def test_another_net_or_optimiser_is_named(tmp_path):
    run = Run(tmp_path / "run")
    trained(run.folder)
    with pytest.raises(FusiformError, match=r"000000006.*of another net.*size mismatch.*weight"):
        train(nn.Linear(3, 5), Square(), points, Plan(8), run)
    with pytest.raises(FusiformError, match=r"another net.*optimiser is SGD.*another folder"):
        train(linear(), Square(), points, Plan(8, optimiser="adamw"), run)
    with pytest.raises(FusiformError, match="another net"):
        train(linear(), Square(), points, Plan(8, average=3.0), run)


def test_another_number_of_processes_is_told(tmp_path, monkeypatch):
    trained(tmp_path / "run")
    monkeypatch.setattr(state, "part", lambda: (0, 4))
    with pytest.raises(FusiformError, match=r"made by 1 processes, not 4\. Go on with 1\."):
        load_state(tmp_path / "run" / "checkpoints", {"both": linear()}, None)


@pytest.mark.parametrize("where", ["writing", "replacing"])
def test_a_full_disk_is_told_and_leaves_nothing_half_written(tmp_path, monkeypatch, where):
    run = Run(tmp_path / "run")
    wanted = trained(tmp_path / "straight")

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def until(step):
        if step == 3:
            monkeypatch.setattr(os, "fsync" if where == "writing" else "replace", full)
        return points(step)

    with pytest.raises(FusiformError, match=r"000000004.*No space left.*Make room"):
        train(linear(), Square(), until, Plan(6, save=2), run)
    monkeypatch.undo()
    assert [path.name for path in run.checkpoints.iterdir()] == ["000000002.safetensors"]
    assert torch.equal(trained(run.folder).weight, wanted.weight)


def test_a_limit_of_the_system_is_a_full_disk_too(tmp_path):
    """What the library raises where a write really fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    path = tmp_path / "a.safetensors"
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(FusiformError, match=r"a.safetensors cannot be written: .*too large"):
            save_tensors(path, {"x": torch.zeros(100_000)}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FusiformError, match=r"cannot be written: .*Make room or give another"):
        save_tensors(tmp_path / "file" / "a.safetensors", {}, {})


def test_tensors_come_back_as_they_were(tmp_path):
    path = tmp_path / "new" / "a.safetensors"
    one = torch.randn(2, 3, 4, 4)
    given = {
        "channels last": one.to(memory_format=torch.channels_last),
        "slice": one[:, 1:],
        "twin": one,
        "same twin": one,
        "half": one.bfloat16(),
        "none": torch.zeros(0, 3),
        "count": torch.tensor(7),
    }
    save_tensors(path, given, {"said": "yes"})
    found, told = load_tensors(path)
    assert told == {"said": "yes"}
    assert found.keys() == given.keys()
    for name, value in given.items():
        assert found[name].dtype == value.dtype
        assert torch.equal(found[name], value)
    assert under({"a|b|c": one, "d|b": one}, "a") == {"b|c": one}


def test_no_checkpoint_is_step_0(tmp_path):
    assert load_state(tmp_path / "none", {}, None) == 0
    net = linear()
    optimiser = torch.optim.SGD(net.parameters(), 0.1)
    assert save_state(tmp_path, {"a": net}, optimiser, 12).name == "000000012.safetensors"
    assert load_state(tmp_path, {"a": net}, optimiser) == 12
