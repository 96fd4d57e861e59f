"""SphereFace2's loss against its formula number by number, and against its limits."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.autograd import gradcheck

from fusiform.core.errors import ChoiceError
from fusiform.lab.blocks.binary import SphereFace2, even_bias, stretched


def drawn(rows: int = 5, dim: int = 4, classes: int = 6) -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(2)
    features = torch.randn(rows, dim, generator=draw, dtype=torch.float64) * 3
    weight = torch.randn(classes, dim, generator=draw, dtype=torch.float64)
    return features, weight, torch.randint(classes, (rows,), generator=draw)


def with_weight(weight: Tensor, **changes: float) -> SphereFace2:
    made = SphereFace2(weight.shape[1], len(weight), **changes)  # type: ignore[arg-type]
    with torch.no_grad():
        made.weight.copy_(weight)
    return made


def literal(
    features: Tensor, weight: Tensor, labels: Tensor, bias: float, r: float = 30, m: float = 0.4
) -> float:
    """Equation 7, term by term, with lambda 0.7 and t 3."""
    total = 0.0
    for feature, label in zip(features, labels.tolist(), strict=True):
        for j, w in enumerate(weight):
            cosine = float(feature @ w / (feature.norm() * w.norm()))
            g = 2 * ((cosine + 1) / 2) ** 3 - 1
            if j == label:
                total += 0.7 / r * math.log1p(math.exp(-r * (g - m) - bias))
            else:
                total += 0.3 / r * math.log1p(math.exp(r * (g + m) + bias))
    return total / len(features)


@pytest.mark.parametrize("bias", [None, -3.0, 0.0, 5.0])
def test_the_loss_is_the_formula(bias: float | None) -> None:
    features, weight, labels = drawn()
    made = with_weight(weight, gain=1.0)
    if bias is not None:
        with torch.no_grad():
            made.bias.fill_(bias)
    wanted = literal(features, weight, labels, made.bias.item())
    assert made(features.float(), labels).item() == pytest.approx(wanted, rel=2e-5)
    more = with_weight(weight, gain=8.0)
    more.load_state_dict(made.state_dict())
    torch.testing.assert_close(more(features, labels), 8 * made(features, labels))


def test_gradients_are_exact() -> None:
    features, weight, labels = drawn()
    made = with_weight(weight).double()

    def loss(features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        named = {"weight": weight, "bias": bias}
        return torch.func.functional_call(made, named, (features, labels))

    inputs = (features, weight, torch.tensor(-2.0, dtype=torch.float64))
    assert gradcheck(loss, tuple(x.requires_grad_() for x in inputs), atol=1e-4)


def test_of_two_classes_without_margin_it_is_logistic_regression() -> None:
    features, weight, labels = drawn(classes=2)
    made = with_weight(weight, margin=0.0, scale=1.0, balance=0.5, power=1.0, gain=2.0)
    logits = made.cosines(features) + made.bias
    answers = torch.nn.functional.one_hot(labels, 2).float()
    wanted = torch.nn.functional.binary_cross_entropy_with_logits(logits, answers)
    torch.testing.assert_close(made(features, labels), 2 * wanted)


def test_a_class_needs_nothing_of_the_others() -> None:
    """The gradient of one class's prototype is the same whatever the other prototypes are."""
    features, weight, labels = drawn()
    found = []
    for others in (weight, weight.flip(1)):
        changed = torch.cat([weight[:1], others[1:]])
        made = with_weight(changed)
        made(features, labels).backward()
        found.append(made.weight.grad[0])  # type: ignore[index]
    torch.testing.assert_close(found[0], found[1])


def test_nobodys_faces_are_pushed_from_all() -> None:
    features, weight, labels = drawn()
    features = features.float()
    made = with_weight(weight)
    assert made.answers(torch.full_like(labels, -1)).sum() == 0
    logits = made.logits(features, torch.full_like(labels, -1))
    wanted = 30 * (stretched(made.cosines(features), 3.0) + 0.4) + made.bias
    torch.testing.assert_close(logits, wanted)


@settings(deadline=None)
@given(st.floats(-1, 1), st.floats(1, 6))
def test_stretching_keeps_order_and_ends(cosine: float, power: float) -> None:
    ends = stretched(torch.tensor([-1.0, 1.0], dtype=torch.float64), power)
    assert ends.tolist() == pytest.approx([-1, 1], abs=1e-6)
    value, above = stretched(torch.tensor([cosine, min(1.0, cosine + 1e-3)]).double(), power)
    assert -1 - 1e-9 <= value <= above
    assert value <= cosine + 1e-6
    assert stretched(torch.tensor([cosine]).double(), 1.0).item() == pytest.approx(cosine)


def test_gradients_stay_finite_at_the_ends() -> None:
    cosine = torch.tensor([-1.0 - 1e-7, -1.0, 1.0, 1.0 + 1e-7], requires_grad=True)
    stretched(cosine, 3.0).sum().backward()
    assert torch.isfinite(cosine.grad).all()  # type: ignore[arg-type]


@pytest.mark.parametrize("classes", [2, 3, 4, 300, 100_000])
@pytest.mark.parametrize(("margin", "scale"), [(0.0, 1.0), (0.4, 30.0), (0.2, 60.0)])
def test_at_the_first_bias_one_yes_pulls_as_all_noes(
    classes: int, margin: float, scale: float
) -> None:
    bias = even_bias(classes, margin, scale, 0.7, 3.0)
    middle = scale * (2 * 0.5**3 - 1)
    yes = 0.7 / (1 + math.exp(middle - scale * margin + bias))
    no = 0.3 * (classes - 1) / (1 + math.exp(-(middle + scale * margin + bias)))
    assert yes == pytest.approx(no, rel=1e-6)


def test_one_class_is_possible() -> None:
    made = SphereFace2(3, 1)
    assert torch.isfinite(made(torch.randn(2, 3), torch.zeros(2, dtype=torch.int64)))


@pytest.mark.parametrize(
    "wrong", [{"scale": 0}, {"power": -1}, {"gain": 0}, {"balance": 1.0}, {"balance": 0}]
)
def test_an_impossible_head_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ChoiceError, match="positive"):
        SphereFace2(4, 5, **wrong)  # type: ignore[arg-type]
    with pytest.raises(ChoiceError, match="positive"):
        SphereFace2(0, 5)
