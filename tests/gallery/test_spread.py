"""How many better faces are hoped for in a cell, against counting them and SciPy."""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from fusiform.gallery.spread import Spread


def made(seed=0, cells=40, each=500, d=16):
    """Cells of different widths, stretched along the first axes, in the order of the cells."""
    draw = np.random.default_rng(seed)
    stretch = np.linspace(2, 0.5, d)
    wide = np.repeat(draw.uniform(0.5, 2, cells), each)[:, None]
    around = np.repeat(draw.normal(size=(cells, d)), each, axis=0)
    vectors = around + wide * stretch * draw.normal(size=(cells * each, d))
    starts = np.arange(0, cells * each + 1, each)
    centres = np.add.reduceat(vectors, starts[:-1], axis=0) / each
    return vectors.astype(np.float32), centres.astype(np.float32), starts


def test_widths_and_shape_are_those_of_numpy():
    vectors, centres, starts = made()
    spread = Spread.of(vectors, centres, starts)
    beside = vectors - np.repeat(centres, 500, axis=0)
    own = (beside**2).sum(axis=1).reshape(-1, 500)
    wanted = np.sqrt((own.sum(axis=1) + 10 * own.mean()) / 510)
    np.testing.assert_allclose(spread.widths, wanted, rtol=1e-4)
    cov = np.cov(beside.T, bias=True)
    np.testing.assert_allclose(spread.shape, cov / np.trace(cov), atol=1e-3)


def test_hopes_are_near_the_counts():
    vectors, centres, starts = made()
    spread = Spread.of(vectors, centres, starts)
    probe = np.random.default_rng(5).normal(size=16).astype(np.float32)
    sims = vectors @ probe
    for share in (0.3, 0.03, 0.003):
        cut = float(np.quantile(sims, 1 - share))
        hoped = spread.above(cut, centres @ probe, probe, np.diff(starts))
        found = (sims > cut).reshape(-1, 500).sum(axis=1)
        assert 0.8 < hoped.sum() / found.sum() < 1.3
        assert np.corrcoef(hoped, found)[0, 1] > 0.9


def test_the_tail_is_that_of_a_normal_distribution():
    spread = Spread(np.ones(9, np.float32), np.eye(4, dtype=np.float32))
    z = np.linspace(0, 4, 9).astype(np.float32)
    probe = np.float32([1, 0, 0, 0])
    hoped = spread.above(1.0, 1 - z, probe, np.full(9, 1000))
    np.testing.assert_allclose(hoped, 1000 * norm.sf(z), rtol=0.25)


def test_a_cell_of_one_face_scatters_like_all_and_an_empty_gallery_does_not():
    vectors, centres, _ = made(cells=2)
    starts = np.array([0, 999, 1000])
    centres = np.stack([vectors[:999].mean(axis=0), vectors[999]])
    widths = Spread.of(vectors, centres, starts).widths
    assert 0.9 < widths[1] / widths[0] < 1
    none = Spread.of(vectors[:0, :0], np.zeros((1, 0), np.float32), np.array([0, 0]))
    assert none.widths.tolist() == [0]
