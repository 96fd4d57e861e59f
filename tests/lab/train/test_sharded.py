"""Alone; with two processes in `test_parallel`."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fusiform.core.errors import ChoiceError
from fusiform.lab.blocks.margins import AdaFace, MarginSoftmax, arcface, cosface
from fusiform.lab.train.sharded import (
    CrossEntropy,
    ShardedMarginSoftmax,
    bounds,
    generator,
    sampled,
    seen_rows,
)

LABELS = torch.tensor([3, 0, 8, 3, 5])


def features() -> torch.Tensor:
    return (torch.randn(5, 6, generator=generator(0, "features")) * 9).requires_grad_()


@pytest.mark.parametrize(
    ("make", "centres"),
    [(lambda: None, 1), (cosface, 1), (arcface, 1), (AdaFace, 1), (arcface, 3)],
)
def test_alone_it_is_the_margin_softmax(make, centres):
    whole = MarginSoftmax(6, 9, make(), 20.0, centres)
    whole.weight.data.mul_(100)  # to length 2 or so, and gradients to 1
    head = ShardedMarginSoftmax(6, 9, make(), 20.0, centres)
    head.weight.data.copy_(whole.weight.data)
    one, other = features(), features()
    loss, wanted = head(one, LABELS), whole(other, LABELS)
    loss.backward()
    wanted.backward()
    for a, b in ((loss, wanted), (one.grad, other.grad), (head.weight.grad, whole.weight.grad)):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=0)


def test_cross_entropy_has_its_own_gradient():
    logits = torch.randn(5, 9, dtype=torch.float64, generator=generator(0)) * 30
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: CrossEntropy.apply(x, LABELS, 1.7), (logits,))


def test_bad_choices_are_named():
    for wrong in ({"dim": 0}, {"centres": 0}, {"scale": 0}, {"classes": 0}, {"rate": 0}):
        with pytest.raises(ChoiceError, match=next(iter(wrong))):
            ShardedMarginSoftmax(**({"dim": 6, "classes": 9} | wrong))
    with pytest.raises(ChoiceError, match="0 to 8"):
        ShardedMarginSoftmax(6, 9)(features(), LABELS + 1)


@settings(deadline=None)
@given(classes=st.integers(1, 200), of=st.integers(1, 9))
def test_shards_cover_all_classes_evenly(classes, of):
    parts = [bounds(classes, (rank, of)) for rank in range(of)]
    assert [first for first, _ in parts[1:]] == [last for _, last in parts[:-1]]
    assert (parts[0][0], parts[-1][1]) == (0, classes)
    assert np.ptp([last - first for first, last in parts]) <= 1


@settings(deadline=None)
@given(
    classes=st.integers(1, 60),
    rate=st.floats(0.01, 1),
    seed=st.integers(0, 99),
    data=st.data(),
)
def test_a_sample_holds_all_positives(classes, rate, seed, data):
    positives = data.draw(st.sets(st.integers(0, classes - 1)))
    chosen = sampled(torch.tensor(sorted(positives)).long(), classes, rate, generator(seed))
    again = sampled(torch.tensor(sorted(positives)).long(), classes, rate, generator(seed))
    assert torch.equal(chosen, again)
    assert positives <= set(chosen.tolist())
    assert len(chosen) == max(1, round(rate * classes), len(positives))
    assert (chosen.diff() > 0).all()


def test_negatives_are_drawn_evenly():
    """Each of 20 negatives in 1/4 of 1,500 draws, within five deviations."""
    count = torch.zeros(24)
    for seed in range(1500):
        chosen = sampled(torch.tensor([0, 5, 6, 23]), 24, 9 / 24, generator(seed, "draw"))
        count[chosen] += 1
    assert (count[[0, 5, 6, 23]] == 1500).all()
    others = count[count < 1500]
    assert len(others) == 20
    assert ((others - 375).abs() < 5 * (1500 * 0.25 * 0.75) ** 0.5).all()


def test_the_sample_follows_seed_and_step():
    def drawn(head: nn.Module, steps: int) -> list[list[int]]:
        return [head.sample(LABELS.unique()).tolist() for _ in range(steps)]

    head = ShardedMarginSoftmax(6, 500, rate=0.1, seed=1)
    first = drawn(head, 4)
    assert len({tuple(row) for row in first}) == 4
    resumed = ShardedMarginSoftmax(6, 500, rate=0.1, seed=1)
    drawn(resumed, 2)
    other = ShardedMarginSoftmax(6, 500, rate=0.1, seed=1)
    other.load_state_dict(resumed.state_dict())
    assert drawn(other, 2) == first[2:]
    assert drawn(ShardedMarginSoftmax(6, 500, rate=0.1, seed=2), 1) != first[:1]


def test_all_classes_are_seen_when_not_training():
    head = ShardedMarginSoftmax(6, 9, rate=0.3).eval()
    whole = MarginSoftmax(6, 9)
    whole.weight.data.copy_(head.weight.data)
    torch.testing.assert_close(head(features(), LABELS), whole(features(), LABELS))
    assert head.step == 0


def sparse(rows: list[int], values: torch.Tensor, n: int) -> torch.Tensor:
    places = torch.tensor([rows])
    return torch.sparse_coo_tensor(places, values, (n, values.shape[1]), check_invariants=True)


OPTIMISERS = {
    "sgd": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    "plain": lambda p: torch.optim.SGD(p, 0.1),
    "adamw": lambda p: torch.optim.AdamW(p, 0.1, weight_decay=0.1),
}


@pytest.mark.parametrize("name", OPTIMISERS)
def test_seen_rows_alone_move(name):
    """Beside one parameter a row, of which those that are seen get a gradient."""
    start = torch.randn(6, 3, generator=generator(0))
    table = nn.Parameter(start.clone())
    rows = [nn.Parameter(row[None].clone()) for row in start]
    one, many = OPTIMISERS[name]([table]), OPTIMISERS[name](rows)
    for step, seen in enumerate([[0, 2], [2, 5], [0, 1, 2], [5]]):
        slope = torch.randn(len(seen), 3, generator=generator(step))
        table.grad = sparse(seen, slope, 6)
        for row in rows:
            row.grad = None
        for row, value in zip(seen, slope, strict=True):
            rows[row].grad = value[None].clone()
        with seen_rows(one):
            one.step()
        many.step()
        if name != "adamw":  # which counts steps for all rows together
            torch.testing.assert_close(table.detach(), torch.cat(rows).detach())
        rest = [i for i in range(6) if i not in {0, 1, 2, 5}]
        assert torch.equal(table[rest], start[rest])
    assert one.param_groups[0]["params"] == [table]
    assert set(one.state) <= {table}


def test_where_every_row_is_seen_it_is_the_optimiser_itself():
    start = torch.randn(6, 3, generator=generator(0))
    for make in OPTIMISERS.values():
        sparse, dense = nn.Parameter(start.clone()), nn.Parameter(start.clone())
        one, other = make([sparse]), make([dense])
        for step in range(3):
            dense.grad = torch.randn(6, 3, generator=generator(step))
            sparse.grad = dense.grad.to_sparse(1)
            with seen_rows(one):
                one.step()
            other.step()
            assert torch.equal(sparse, dense)


def test_a_wrong_step_leaves_the_optimiser_whole():
    table = nn.Parameter(torch.zeros(4, 2))
    optimiser = OPTIMISERS["sgd"]([table])
    table.grad = sparse([1], torch.ones(1, 2), 4)
    with pytest.raises(KeyboardInterrupt), seen_rows(optimiser):
        raise KeyboardInterrupt
    assert optimiser.param_groups[0]["params"] == [table]


def test_cosines_keep_their_precision_within_autocast():
    torch.manual_seed(0)
    head = ShardedMarginSoftmax(16, 20, scale=64.0)
    features, labels = torch.randn(32, 16), torch.arange(32) % 20
    exact = head(features, labels).item()
    with torch.autocast("cpu", torch.bfloat16):
        assert head(features, labels).item() == pytest.approx(exact, rel=1e-5)
