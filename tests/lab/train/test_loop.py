from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from fusiform.core.errors import ChoiceError, FusiformError
from fusiform.lab.blocks.margins import AdaFace, MarginSoftmax
from fusiform.lab.train.augment import Augment
from fusiform.lab.train.batches import shuffled
from fusiform.lab.train.faces import Classify, face_batches
from fusiform.lab.train.loop import Plan, averaged, blend, train
from fusiform.lab.train.runs import Run, begin
from fusiform.lab.train.state import checkpoints, load_tensors

EVERYTHING = Augment(erase=0.5)


def fresh(seed: int = 0) -> tuple[nn.Module, nn.Module]:
    """A net with batch norm and dropout, and a head with running figures of its own."""
    torch.manual_seed(seed)
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, 2), nn.BatchNorm2d(4), nn.PReLU(4), nn.Flatten(), nn.Dropout(0.2),
        nn.Linear(36, 6),
    )  # fmt: skip
    return net, Classify(MarginSoftmax(6, 5, AdaFace()))


def pictures(augment: Augment = EVERYTHING):
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (30, 8, 8, 3), np.uint8)
    return face_batches(images, draw.integers(0, 5, 30), shuffled(30, 8, 1), augment, seed=2)


class Slope(nn.Module):
    """An objective whose loss and gradient are what is asked for: of a net with one weight."""

    def __init__(self, scale):
        super().__init__()
        self.scale = scale

    def forward(self, net, batch):
        scale = self.scale(int(batch["step"]))
        return net.weight.sum() * scale, {"asked": float(scale)}


def counted(step: int) -> dict[str, torch.Tensor]:
    return {"step": torch.tensor(step)}


def one_weight(value: float = 1.0) -> nn.Module:
    net = nn.Linear(1, 1, bias=False)
    nn.init.constant_(net.weight, value)
    return net


PLANS = {
    "sgd": {"rate": 0.1, "clip": 1.0},
    "adamw": {"optimiser": "adamw", "rate": 0.01, "warmup": 3, "average": 3.0},
    "bfloat16": {"precision": "bfloat16", "average": 3.0},
    "float16": {"precision": "float16", "clip": 0.0},
}


@pytest.mark.parametrize("name", PLANS)
def test_a_stopped_run_goes_on_to_the_bit(name, tmp_path):
    """12 steps at once beside 5, a stop, and 7."""
    plan = Plan(12, save=4, every=1, seed=3, **PLANS[name])
    straight, stopped = Run(tmp_path / "straight"), Run(tmp_path / "stopped")
    wanted = train(*fresh(), pictures(), plan, straight)
    asked = []

    def five() -> bool:
        asked.append(1)
        return len(asked) == 5

    train(*fresh(), pictures(), plan, stopped, stop=five)
    assert checkpoints(stopped.checkpoints)[-1].stem == "000000005"
    found = train(*fresh(seed=9), pictures(), plan, stopped)
    for key, value in wanted.state_dict().items():
        assert torch.equal(found.state_dict()[key], value), key
    one, other = (load_tensors(checkpoints(run.checkpoints)[-1])[0] for run in (straight, stopped))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)
    assert list(straight.stats()) == list(stopped.stats())
    assert not found.training


def test_a_kill_between_checkpoints_costs_nothing_but_time(tmp_path):
    plan, batches = Plan(6, save=2, every=1), pictures()
    straight, killed = Run(tmp_path / "straight"), Run(tmp_path / "killed")
    wanted = train(*fresh(), batches, plan, straight)

    def until(step):
        if step == 5:
            raise KeyboardInterrupt
        return batches(step)

    with pytest.raises(KeyboardInterrupt):
        train(*fresh(), until, plan, killed)
    assert [row["step"] for row in killed.stats()] == [1, 2, 3, 4, 5]
    found = train(*fresh(1), batches, plan, killed)
    assert torch.equal(found[5].weight, wanted[5].weight)
    assert list(straight.stats()) == list(killed.stats())


def test_a_finished_run_is_given_back(tmp_path):
    run = Run(tmp_path / "run")
    wanted = train(*fresh(), pictures(), Plan(2), run)
    found = train(*fresh(5), lambda step: pytest.fail("no batch is wanted"), Plan(2), run)
    assert torch.equal(found[5].weight, wanted[5].weight)


def test_the_rate_rises_and_falls():
    plan = Plan(110, rate=0.2, warmup=10, last=0.1)
    rates = [plan.rate_at(step) for step in range(110)]
    assert rates[:10] == pytest.approx([0.02 * (i + 1) for i in range(10)])
    assert max(rates) == rates[9] == rates[10] == 0.2
    assert rates[60] == pytest.approx(0.11)  # the middle of the cosine
    assert (np.diff(rates[10:]) < 0).all()
    assert plan.rate_at(110) == pytest.approx(0.02)
    assert Plan(5, rate=0.3, last=1.0).rate_at(4) == pytest.approx(0.3)


def test_the_rate_is_what_the_optimiser_uses():
    """Plain SGD with slope 1 falls by the sum of the rates."""
    plan = Plan(7, rate=0.1, warmup=3, momentum=0.0, decay=0.0, clip=0.0)
    net = train(one_weight(), Slope(lambda step: 1.0), counted, plan)
    fall = sum(plan.rate_at(step) for step in range(7))
    assert net.weight.item() == pytest.approx(1 - fall)


def test_gradients_are_clipped(tmp_path):
    run = Run(tmp_path / "run")
    plan = Plan(2, rate=1.0, momentum=0.0, decay=0.0, clip=0.5, last=1.0, every=1)
    net = train(one_weight(), Slope(lambda step: 100.0 if step else 0.25), counted, plan, run)
    assert net.weight.item() == pytest.approx(1 - 0.25 - 0.5)
    assert [row["gradient"] for row in run.stats()] == pytest.approx([0.25, 100])
    assert [row["asked"] for row in run.stats()] == [0.25, 100]


def test_vectors_are_not_decayed():
    plan = Plan(1, rate=0.5, momentum=0.0, decay=0.1, clip=0.0)
    net = nn.Linear(2, 2)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    train(net, Slope(lambda step: 0.0), counted, plan)
    torch.testing.assert_close(net.weight.detach(), before["weight"] * 0.95)
    assert torch.equal(net.bias, before["bias"])


@pytest.mark.parametrize(
    ("scale", "what"), [(math.nan, "loss"), (math.inf, "loss"), (3, "gradient")]
)
def test_a_run_that_is_not_finite_stops(tmp_path, scale, what):
    """And goes on from its last checkpoint once the cause is gone."""
    run, cause = Run(tmp_path / "run"), [True]
    plan = Plan(6, rate=0.01, save=2, every=1)

    def bad(step):
        return scale if step == 3 and cause else 1.0

    net = one_weight()
    net.weight.register_hook(lambda slope: slope / 0 if slope.item() == 3 else slope)
    with pytest.raises(FusiformError, match=rf"The {what} became \S+ at step 3") as error:
        train(net, Slope(bad), counted, plan, run)
    path = run.folder / "nan.safetensors"
    assert str(path) in str(error.value)
    assert "lower rate" in str(error.value)
    batch, told = load_tensors(path)
    assert batch["step"] == 3
    assert told == {"step": "3"}
    assert net.weight.isfinite().all()
    assert [p.stem for p in checkpoints(run.checkpoints)] == ["000000002"]
    cause.clear()
    found = train(one_weight(7.0), Slope(bad), counted, plan, run)
    wanted = train(one_weight(), Slope(bad), counted, plan)
    assert torch.equal(found.weight, wanted.weight)


def test_without_a_folder_the_error_names_the_step():
    with pytest.raises(FusiformError, match=r"The loss became nan at step 0\. Try a lower rate"):
        train(one_weight(), Slope(lambda step: math.nan), counted, Plan(1))


def test_float16_leaves_out_a_step_that_overflows(tmp_path):
    """And halves its scale, which a resumed run knows."""
    run = Run(tmp_path / "run")
    for last in (3, 5):
        net = one_weight()
        net.weight.register_hook(lambda slope: slope / 0)
        train(net, Slope(lambda step: 1.0), counted, Plan(last, precision="float16"), run)
        assert net.weight.item() == 1.0
        saved = load_tensors(checkpoints(run.checkpoints)[-1])[0]
        assert saved["scaler|scale"] == 2.0 ** (16 - last)


def test_the_average_follows_by_its_half_life():
    class Tied(nn.Module):
        """Two names of one weight, and a counter."""

        def __init__(self):
            super().__init__()
            self.weight = self.twin = nn.Parameter(torch.zeros(1))
            self.register_buffer("count", torch.tensor(0))

    net = Tied()
    average = averaged(net)
    net.weight.data.fill_(1.0)
    net.count += 5
    for _ in range(4):
        blend(average, net, 0.5 ** (1 / 4))
    assert average.weight.item() == pytest.approx(0.5)
    assert average.count == 5
    assert not average.weight.requires_grad


def test_what_is_measured_is_kept(tmp_path):
    run = begin(tmp_path / "run", {})
    seen, told = [], []

    def measure(step, net):
        seen.append((step, net.training, net.weight.item()))
        return {"score": float(step)}

    plan = Plan(5, rate=0.1, save=2, every=5, average=1.0)
    back = train(
        one_weight(), Slope(lambda s: 1.0), counted, plan, run, at_save=measure,
        progress=lambda done, of, numbers: told.append((done, of, sorted(numbers))),
    )  # fmt: skip
    assert [(step, training) for step, training, _ in seen] == [(2, False), (4, False), (5, False)]
    assert seen[-1][2] == back.weight.item()  # the average is what is judged
    assert [row["score"] for row in run.stats() if "score" in row] == [2, 4, 5]
    assert told[-1] == (5, 5, ["asked", "gradient", "loss", "rate"])


def test_bfloat16_learns():
    """Not only runs: the loss falls nearly as in float32."""

    def fall(precision: str) -> tuple[float, float]:
        told = []
        train(
            *fresh(), pictures(Augment(*[0] * 8, 1, 0, 0)), Plan(30, precision=precision),
            progress=lambda done, of, numbers: told.append(numbers["loss"]),
        )  # fmt: skip
        assert np.mean(told[-5:]) < 0.5 * np.mean(told[:5])
        return told[0], float(np.mean(told[:5]) - np.mean(told[-5:]))

    (first, falls), (exact, wanted) = fall("bfloat16"), fall("float32")
    assert first == pytest.approx(exact, rel=0.02)  # before the ways part
    assert falls == pytest.approx(wanted, rel=0.2)


def test_plans_that_make_no_sense_are_named():
    for wrong in ({"steps": 0}, {"rate": 0.0}, {"save": 0}, {"every": 0}):
        with pytest.raises(ChoiceError, match="above 0"):
            Plan(**({"steps": 1} | wrong))
    for name in ("warmup", "last", "decay", "clip", "average"):
        with pytest.raises(ChoiceError, match=name):
            Plan(1, **{name: -1})
    with pytest.raises(ChoiceError, match="'sgd', 'adamw'"):
        Plan(1, optimiser="lion")
    with pytest.raises(ChoiceError, match="'float32', 'bfloat16', 'float16'"):
        Plan(1, precision="float64")
