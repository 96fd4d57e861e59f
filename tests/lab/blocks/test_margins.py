"""Margins against the papers' formulas written out row by row, with their degenerate cases."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.autograd import gradcheck
from torch.nn import functional

from fusiform.core.errors import ChoiceError
from fusiform.lab.blocks.margins import (
    AdaFace,
    Margin,
    MarginSoftmax,
    added_angle,
    arcface,
    cosface,
    on_target,
)

CLASSES, DIM, ROWS = 7, 5, 6


def drawn(seed: int = 0, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """Features of differing length and labels."""
    draw = torch.Generator().manual_seed(seed)
    lengths = torch.linspace(0.5, 40, ROWS, dtype=dtype)[:, None]
    features = torch.randn(ROWS, DIM, generator=draw, dtype=dtype) * lengths
    return features, torch.randint(CLASSES, (ROWS,), generator=draw)


def head(margin: Margin | None = None, scale: float = 16.0, centres: int = 1) -> MarginSoftmax:
    torch.manual_seed(5)
    return MarginSoftmax(DIM, CLASSES, margin, scale, centres)


def literal_loss(
    features: Tensor, weight: Tensor, labels: Tensor, scale: float, change: object
) -> float:
    """-log of the softmax of the true class, number by number; `change(cosine, row)`."""
    total = 0.0
    pairs = zip(features.detach(), labels.tolist(), strict=True)
    for row, (feature, label) in enumerate(pairs):
        cosines = [
            float(feature.double() @ w.double() / (feature.double().norm() * w.double().norm()))
            for w in weight.detach()
        ]
        cosines[label] = change(cosines[label], row)  # type: ignore[operator]
        largest = max(cosines)
        parts = [math.exp(scale * (c - largest)) for c in cosines]
        total += -math.log(parts[label] / sum(parts))
    return total / len(labels)


def turned(cosine: float, margin: float) -> float:
    """cos(t + m), and the line beyond pi."""
    angle = math.acos(cosine) + margin
    return math.cos(angle) if angle < math.pi else cosine - 1 + math.cos(margin)


@pytest.mark.parametrize(
    ("margin", "change"),
    [
        (None, lambda c, row: c),
        (cosface(0.35), lambda c, row: c - 0.35),
        (arcface(0.5), lambda c, row: turned(c, 0.5)),
        (arcface(2.0), lambda c, row: turned(c, 2.0)),
    ],
)
def test_the_loss_is_the_formula(margin: Margin | None, change: object) -> None:
    features, labels = drawn()
    made = head(margin)
    wanted = literal_loss(features, made.weight, labels, 16.0, change)
    assert made(features, labels).item() == pytest.approx(wanted, rel=1e-5)


def test_adaface_is_its_formula() -> None:
    features, labels = drawn(3)
    margin = AdaFace(0.4, 0.333, 0.01)
    norms = features.norm(dim=1).clamp(0.001, 100)
    mean = 0.99 * 20 + 0.01 * float(norms.mean())
    deviation = 0.99 * 100 + 0.01 * float(norms.std())
    z = ((norms - mean) / (deviation + 1e-3) * 0.333).clamp(-1, 1).tolist()

    def change(cosine: float, row: int) -> float:
        angle = min(max(math.acos(cosine) - 0.4 * z[row], 1e-3), math.pi - 1e-3)
        return math.cos(angle) - (0.4 + 0.4 * z[row])

    made = head(margin).train()
    wanted = literal_loss(features, made.weight, labels, 16.0, change)
    assert made(features, labels).item() == pytest.approx(wanted, rel=1e-5)
    assert float(margin.mean) == pytest.approx(mean)
    assert float(margin.deviation) == pytest.approx(deviation)


@pytest.mark.parametrize("margin", [arcface(0.0), cosface(0.0)])
def test_margin_0_is_the_normalised_softmax(margin: Margin) -> None:
    features, labels = drawn()
    torch.testing.assert_close(head(margin)(features, labels), head()(features, labels))
    plain = head()
    unit = functional.normalize(features) @ functional.normalize(plain.weight).T
    wanted = functional.cross_entropy(16 * unit, labels)
    torch.testing.assert_close(plain(features, labels), wanted)


def test_only_the_direction_of_features_and_prototypes_counts() -> None:
    features, labels = drawn()
    made = head(arcface())
    before = made(features, labels)
    with torch.no_grad():
        made.weight.mul_(torch.linspace(0.1, 9, CLASSES)[:, None])
    torch.testing.assert_close(made(features * 3, labels), before)


def test_the_nearest_of_several_centres_counts() -> None:
    features, labels = drawn()
    several, plain = head(arcface(), centres=3), head(arcface())
    every = several.all_cosines(features)
    assert every.shape == (ROWS, CLASSES, 3)
    centre = several.weight.view(CLASSES, 3, DIM)[4, 1]
    torch.testing.assert_close(every[:, 4, 1], functional.cosine_similarity(features, centre[None]))
    torch.testing.assert_close(several.cosines(features), every.max(2).values)
    with torch.no_grad():  # a class whose centres are all one is a class with one centre
        several.weight.copy_(plain.weight.repeat_interleave(3, 0))
    torch.testing.assert_close(several(features, labels), plain(features, labels))


def test_only_the_nearest_centre_learns() -> None:
    made = head(centres=3)
    features, _ = drawn()
    winner = made.all_cosines(features)[0, 2].argmax()
    made.cosines(features[:1])[0, 2].backward()
    moved = made.weight.grad.view(CLASSES, 3, DIM).abs().sum(2) > 0  # type: ignore[union-attr]
    assert moved.nonzero().tolist() == [[2, int(winner)]]


@pytest.mark.parametrize("margin", [arcface(0.5), cosface(0.35), AdaFace().eval()])
def test_rows_of_no_class_here_stay_as_they_are(margin: Margin) -> None:
    features, labels = drawn()
    cosine = head().cosines(features).detach()
    labels[::2] = -1
    found = margin(cosine, labels, features.norm(dim=1))
    assert torch.equal(found[::2], cosine[::2])
    rows = torch.arange(ROWS)[1::2]
    changed = (found != cosine).nonzero().tolist()
    assert changed == [[int(r), int(labels[r])] for r in rows]


@settings(deadline=None)
@given(st.floats(0, 3.1), st.floats(-0.999, 0.999), st.floats(-0.999, 0.999))
def test_a_turned_cosine_rises_with_the_cosine(margin: float, a: float, b: float) -> None:
    low, high = added_angle(torch.tensor(sorted((a, b)), dtype=torch.float64), margin).tolist()
    assert low <= high
    assert high <= max(a, b) + 1e-12


@pytest.mark.parametrize("margin", [0.1, 0.5, 1.5, 3.0])
def test_a_turned_cosine_has_no_jump_where_the_angle_reaches_pi(margin: float) -> None:
    edge = -math.cos(margin)  # cos(pi - m)
    around = torch.tensor([edge - 1e-9, edge, edge + 1e-9], dtype=torch.float64)
    assert added_angle(around, margin).tolist() == pytest.approx([-1.0] * 3, abs=1e-6)


def test_gradients_are_those_of_the_formula() -> None:
    cosine = torch.linspace(-0.97, 0.97, 2 * CLASSES, dtype=torch.float64).view(2, -1)
    cosine.requires_grad_()
    labels, norms = torch.tensor([0, 5]), torch.tensor([3.0, 30.0], dtype=torch.float64)
    ada = AdaFace().double().eval()
    for margin in (arcface(0.5), arcface(2.5), cosface(), ada):
        assert gradcheck(lambda c, m=margin: m(c, labels, norms), (cosine,))


def test_the_gradient_of_the_head_is_exact() -> None:
    features, labels = drawn(1, torch.float64)
    weight = head().weight.detach().double()

    def loss(features: Tensor, weight: Tensor) -> Tensor:
        unit = functional.normalize(features) @ functional.normalize(weight).T
        logits = 8 * arcface(0.4)(unit, labels, features.norm(dim=1))
        return functional.cross_entropy(logits, labels)

    assert gradcheck(loss, (features.requires_grad_(), weight.requires_grad_()))
    made = head(arcface(0.4), 8.0)
    made(features.detach().float(), labels).backward()
    (wanted,) = torch.autograd.grad(loss(features, weight), weight)
    torch.testing.assert_close(made.weight.grad, wanted.float(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("cosine", [-1.0, 1.0])
@pytest.mark.parametrize("margin", [arcface(0.5), cosface(0.35), AdaFace()])
def test_gradients_stay_finite_at_the_ends(cosine: float, margin: Margin) -> None:
    given = torch.full((2, 3), cosine, requires_grad=True)
    margin(given, torch.tensor([0, 2]), torch.tensor([1.0, 50.0])).sum().backward()
    assert torch.isfinite(given.grad).all()  # type: ignore[arg-type]


def at_quality(z: float, cosine: Tensor) -> Tensor:
    """AdaFace of margin 0.4 for one face whose norm has that quality."""
    margin = AdaFace(0.4, h=1.0).eval()
    margin.mean.fill_(20.0)
    margin.deviation.fill_(5 - 1e-3)
    norms = torch.full((len(cosine),), 20.0 + 5 * z)
    torch.testing.assert_close(margin.z(norms), torch.full_like(norms, float(max(-1, min(1, z)))))
    labels = torch.zeros(len(cosine), dtype=torch.int64)
    return margin(cosine[:, None], labels, norms)[:, 0]


def test_adaface_is_arcface_at_low_quality_and_cosface_at_middling() -> None:
    cosine = torch.linspace(-0.85, 0.95, 50)
    norms, labels = torch.ones(50), torch.zeros(50, dtype=torch.int64)
    arc = arcface(0.4)(cosine[:, None], labels, norms)[:, 0]
    cos = cosface(0.4)(cosine[:, None], labels, norms)[:, 0]
    torch.testing.assert_close(at_quality(-1, cosine), arc)
    torch.testing.assert_close(at_quality(-3, cosine), arc)  # clipped
    torch.testing.assert_close(at_quality(0, cosine), cos, rtol=1e-5, atol=1e-6)
    best = torch.cos(torch.acos(cosine) - 0.4) - 0.8
    easy = cosine < math.cos(0.4)
    torch.testing.assert_close(at_quality(1, cosine)[easy], best[easy])


def test_no_gradient_flows_through_quality() -> None:
    features = torch.randn(4, 3, requires_grad=True)
    norms = features.norm(dim=1)
    margin = AdaFace()
    assert not margin.z(norms).requires_grad
    margin(torch.zeros(4, 2), torch.zeros(4, dtype=torch.int64), norms)
    assert features.grad is None


def test_running_figures_move_in_training_only_and_are_kept() -> None:
    made = head(AdaFace(momentum=0.5))
    features, labels = drawn()
    made.eval()(features, labels)
    assert made.state_dict()["margin.mean"] == 20
    made.train()(features, labels)
    wanted = (20 + features.norm(dim=1).clamp(0.001, 100).mean()) / 2
    torch.testing.assert_close(made.state_dict()["margin.mean"], wanted)
    before = made.state_dict()["margin.mean"].clone()
    made(features[:1], labels[:1])  # one face has no deviation
    assert made.state_dict()["margin.mean"] == before


def test_half_precision_features_give_single_precision_logits() -> None:
    features, labels = drawn()
    found = head(arcface()).logits(features.bfloat16(), labels)
    assert found.dtype == torch.float32
    assert isinstance(head(AdaFace()).margin, nn.Module)


def test_on_target_leaves_what_it_is_given() -> None:
    cosine = torch.rand(2, 3)
    before = cosine.clone()
    found = on_target(cosine, torch.tensor([1, -1]), lambda true: true - 5)
    assert torch.equal(cosine, before)
    assert found[0, 1] == before[0, 1] - 5


@pytest.mark.parametrize("wrong", [(0, 5, 32.0, 1), (4, 0, 32.0, 1), (4, 5, 0.0, 1), (4, 5, 1, 0)])
def test_an_impossible_head_is_refused(wrong: tuple[int, int, float, int]) -> None:
    dim, classes, scale, centres = wrong
    with pytest.raises(ChoiceError, match="positive"):
        MarginSoftmax(dim, classes, None, scale, centres)
