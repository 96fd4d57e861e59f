"""Triplets against loops over them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from torch import Tensor
from torch.autograd import gradcheck
from torch.nn import functional

from fusiform.core.errors import ChoiceError
from fusiform.lab.blocks.triplets import MININGS, Triplets, eight_bits, squared_distances

LABELS = torch.tensor([0, 0, 1, 1, 2, 2, 2, 3])


def drawn(seed: int = 0) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(len(LABELS), 5, generator=draw, dtype=torch.float64) * 3


def literal(
    d: np.ndarray, labels: list[int], whose: list[int], mining: str, margin: float
) -> float:
    """By loops, from distances of anchors to all; a face is no positive of its own."""
    costs = []
    for a, person in enumerate(labels):
        others = [d[a, n] for n, who in enumerate(whose) if who != person]
        for p, who in enumerate(whose):
            if who != person or p == a:
                continue
            beyond = [x for x in others if x > d[a, p]]
            far = min(others) if mining == "hardest" else min(beyond, default=max(others))
            costs.append(max(0.0, d[a, p] - far + margin))
    paid = [c for c in costs if c > 0]
    return sum(paid) / max(1, len(paid))


@pytest.mark.parametrize("mining", ["semi-hard", "hardest"])
@pytest.mark.parametrize("margin", [0.05, 0.2, 1.0])
def test_the_loss_is_the_loop(mining: str, margin: float) -> None:
    for seed in range(5):
        features = drawn(seed)
        unit = functional.normalize(features).numpy()
        d = cdist(unit, unit, "sqeuclidean")
        wanted = literal(d, LABELS.tolist(), LABELS.tolist(), mining, margin)
        found = Triplets(mining, margin)(features, LABELS)
        assert found.item() == pytest.approx(wanted, abs=1e-6)


def test_harmonic_triplets_are_the_loop_over_both_networks_features() -> None:
    new, old = drawn(1), drawn(2)
    both = functional.normalize(torch.cat([new, old])).numpy()
    d = cdist(both[: len(new)], both, "sqeuclidean")
    wanted = literal(d, LABELS.tolist(), LABELS.tolist() * 2, "semi-hard", 0.2)
    old.requires_grad_()
    found = Triplets()(new.requires_grad_(), LABELS, old)
    assert found.item() == pytest.approx(wanted, abs=1e-6)
    found.backward()
    assert old.grad is None
    assert new.grad is not None


def test_distances_are_scipys() -> None:
    a, b = drawn(3), drawn(4)[:3]
    wanted = cdist(functional.normalize(a).numpy(), functional.normalize(b).numpy(), "sqeuclidean")
    np.testing.assert_allclose(squared_distances(a, b).numpy(), wanted, atol=1e-12)


@pytest.mark.parametrize("mining", ["semi-hard", "hardest"])
def test_gradients_are_exact(mining: str) -> None:
    head = Triplets(mining, 0.5)
    assert gradcheck(lambda f: head(f, LABELS), (drawn().requires_grad_(),))
    old = drawn(2)
    assert gradcheck(lambda f: head(f, LABELS, old), (drawn().requires_grad_(),))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.sampled_from(sorted(MININGS)))
def test_mined_negatives_are_other_people_and_as_hard_as_said(seed: int, mining: str) -> None:
    draw = torch.Generator().manual_seed(seed)
    distances = torch.rand(6, 9, generator=draw) * 4
    strangers = torch.rand(6, 9, generator=draw) < 0.4
    strangers[:, 0] = True
    near = torch.rand(6, generator=draw) * 4
    found = MININGS[mining](distances, strangers, near)
    rows = torch.arange(6)
    assert strangers[rows, found].all()
    for row in range(6):
        far, others = distances[row, found[row]], distances[row, strangers[row]]
        if mining == "hardest":
            assert far == others.min()
        if mining == "semi-hard" and (others > near[row]).any():
            assert far > near[row]
            assert not ((others > near[row]) & (others < far)).any()


def test_random_negatives_follow_torchs_seed_and_reach_everyone() -> None:
    strangers = torch.tensor([[True, False, True, True]]).expand(500, 4)
    torch.manual_seed(3)
    first = MININGS["random"](torch.zeros(500, 4), strangers, torch.zeros(500))
    torch.manual_seed(3)
    assert torch.equal(first, MININGS["random"](torch.zeros(500, 4), strangers, torch.zeros(500)))
    assert set(first.tolist()) == {0, 2, 3}


@pytest.mark.parametrize("mining", sorted(MININGS))
@pytest.mark.parametrize(
    "labels", [[0, 1, 2], [4, 4, 4], [7]], ids=["no pairs", "one person", "one face"]
)
def test_without_a_triplet_the_loss_is_0(mining: str, labels: list[int]) -> None:
    features = torch.randn(len(labels), 4, requires_grad=True)
    loss = Triplets(mining)(features, torch.tensor(labels))
    loss.backward()
    assert loss.item() == 0
    assert not features.grad.any()  # type: ignore[union-attr]


def test_people_far_apart_cost_nothing() -> None:
    features = torch.eye(3).repeat_interleave(2, 0)
    assert Triplets()(features, torch.tensor([0, 0, 1, 1, 2, 2])).item() == 0


def test_a_collapsed_embedding_costs_the_margin() -> None:
    features = torch.ones(6, 4)
    for mining in MININGS:
        loss = Triplets(mining, 0.3)(features, torch.tensor([0, 0, 1, 1, 2, 2]))
        assert loss.item() == pytest.approx(0.3, abs=1e-6)


def test_one_byte_a_number_keeps_cosines() -> None:
    draw = torch.Generator().manual_seed(0)
    unit = functional.normalize(torch.randn(200, 128, generator=draw))
    codes = eight_bits(unit)
    assert codes.dtype == torch.int8
    assert codes[0].numpy().nbytes == 128
    back = functional.normalize(codes.float())
    assert (back @ back.T - unit @ unit.T).abs().max() < 0.005
    assert torch.equal(eight_bits(torch.zeros(1, 4)), torch.zeros(1, 4, dtype=torch.int8))
    assert codes.abs().max(1).values.eq(127).all()


def test_impossible_choices_are_refused() -> None:
    with pytest.raises(ChoiceError, match="semi-hard"):
        Triplets("easy")
    with pytest.raises(ChoiceError, match="above 0"):
        Triplets(margin=0)
