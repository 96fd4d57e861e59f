"""Two processes on this machine; what they compare is in `two.py`."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import nn

from fusiform.core.errors import FusiformError
from fusiform.lab.train import parallel
from fusiform.lab.train.state import load_tensors

ROOT = Path(__file__).parents[3]
SCRIPT = str(Path(__file__).with_name("two.py"))


def started(*words: str, **more: str) -> subprocess.Popen[str]:
    env = os.environ | more | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-W", "error", *words], env=env, stdout=pipe, stderr=pipe, text=True
    )


def free_port() -> str:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Torchrun, which loses one of its two processes: the folder, its exit code, what it said."""
    folder = tmp_path_factory.mktemp("two")
    words = "-m torch.distributed.run --standalone --nproc-per-node 2".split()
    torchrun = started(*words, SCRIPT, "check", str(folder))
    out, err = torchrun.communicate(timeout=300)
    return folder, torchrun.returncode, out, err


def test_two_processes_do_what_one_does(ran):
    _, _, out, err = ran
    assert "all compared" in out, err


def test_a_process_that_dies_ends_all_with_one_sentence(ran):
    folder, code, out, err = ran
    assert code == 1
    assert "exitcode  : -9" in err
    assert "Process 0 of 2 lost another process of this training: it ended" in out
    assert f"go on from the last checkpoint in {folder / 'lost'}." in out


def test_a_run_that_lost_a_process_goes_on_to_the_bit(ran):
    """Started without torchrun, by the variables that it sets."""
    folder = ran[0]
    there = {"WORLD_SIZE": "2", "MASTER_PORT": free_port()}
    pair = [started(SCRIPT, "train", str(folder), RANK=rank, **there) for rank in "01"]
    said = [process.communicate(timeout=300) for process in pair]
    assert [process.returncode for process in pair] == [0, 0], said
    names = ["000000006", "000000008"]
    wanted = sorted(n + e for n in names for e in ("", ".shard0of2", ".shard1of2"))
    paths = sorted((folder / "lost" / "checkpoints").iterdir())
    assert [path.stem for path in paths] == wanted
    for path in paths:
        found = load_tensors(path)[0]
        straight = load_tensors(folder / "straight" / "checkpoints" / path.name)[0]
        assert found.keys() == straight.keys()
        assert all(torch.equal(found[name], straight[name]) for name in found)
    lines = [(folder / name / "stats.jsonl").read_text() for name in ("lost", "straight")]
    assert lines[0] == lines[1]


def test_shards_are_kept_apart(ran):
    folder = ran[0] / "straight" / "checkpoints"
    common, told = load_tensors(folder / "000000008.safetensors")
    shards = [load_tensors(folder / f"000000008.shard{r}of2.safetensors")[0] for r in (0, 1)]
    assert told["processes"] == "2"
    assert not set(common) & set(shards[0])
    assert set(shards[0]) == set(shards[1])
    assert [len(s["both|objective.head.weight"]) for s in shards] == [5, 6]
    assert len([name for name in shards[0] if name.endswith("|exp_avg")]) == 1


def test_alone_is_one_of_one(monkeypatch):
    for name in ("WORLD_SIZE", "RANK", "MASTER_ADDR"):
        monkeypatch.delenv(name, raising=False)
    with parallel.joined("cuda") as device:
        assert device == "cuda"
        assert parallel.part() == (0, 1)
    assert parallel.in_turn(lambda: 3) == 3
    assert parallel.everyone([1.0, 2.0]).tolist() == [[1.0, 2.0]]
    assert parallel.mean({"a": 1.0}) == {"a": 1.0}
    parallel.same("things", 4)
    parallel.settle(nn.BatchNorm1d(2))


def test_processes_that_do_not_come_are_missed(monkeypatch):
    """A real meeting that nobody else joins."""
    env = {"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    said = r"2 processes of this training did not meet at 127.0.0.1:\d+ within 1 s .*port is free"
    with pytest.raises(FusiformError, match=said), parallel.joined(timeout=1):
        pass
    assert not dist.is_initialized()


TIMED_OUT = "[/pytorch/gloo/unbound_buffer.cc:78] Timed out waiting 2000ms for recv operation"


@pytest.mark.parametrize(
    ("raised", "found"),
    [
        (RuntimeError(TIMED_OUT), "in time (Timed out waiting 2000ms for recv operation). See"),
        (dist.DistBackendError("NCCL error. Try again"), "(NCCL error). See"),
        (RuntimeError(), None),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), None),
    ],
)
def test_only_a_lost_process_is_called_lost(monkeypatch, raised, found):
    monkeypatch.setattr(parallel, "part", lambda: (1, 4))
    with pytest.raises(FusiformError if found else RuntimeError) as error, parallel.lost(None):
        raise raised
    assert found is None or (found in str(error.value) and "Process 1 of 4" in str(error.value))


def test_processes_that_see_other_checkpoints_are_told(monkeypatch):
    monkeypatch.setattr(parallel, "everyone", lambda values: torch.tensor([[4.0], [0.0]]))
    with pytest.raises(FusiformError, match=r"different checkpoints: \[4.0, 0.0\].*they share"):
        parallel.same("checkpoints", 4)


def test_clipping_counts_all_shards(monkeypatch):
    """The norm of what is common, once, and of every process's shard."""

    class Part(nn.Module):
        sharded = ("weight",)

        def __init__(self):
            super().__init__()
            self.weight, self.bias = (nn.Parameter(torch.zeros(n)) for n in (1, 1))

    module = Part()
    monkeypatch.setattr(parallel, "part", lambda: (0, 2))
    monkeypatch.setattr(parallel, "everyone", lambda values: torch.tensor([values, [4.0]]))
    assert parallel.sharded_names(nn.ModuleDict({"a": module})) == {"a.weight"}
    for limit, share in ((20.0, 1.0), (1.3, 0.1)):
        module.weight.grad, module.bias.grad = torch.tensor([3.0]), torch.tensor([12.0])
        assert parallel.clip(module, limit) == pytest.approx(13)
        assert module.weight.grad.item() == pytest.approx(3 * share)
        assert module.bias.grad.item() == pytest.approx(12 * share)
