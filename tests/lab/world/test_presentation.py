from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from fusiform.core.errors import ChoiceError
from fusiform.core.seeds import rng
from fusiform.lab.world import media
from fusiform.lab.world.presentation import (
    KINDS,
    Attack,
    hold,
    locate,
    outline,
    plane_map,
    present,
    project,
    trace,
)


def picture(h: int = 64, w: int = 64) -> np.ndarray:
    values = rng(0, "picture").normal(0, 1, (h, w, 3))
    smooth = ndimage.gaussian_filter(values, (4, 4, 0), mode="nearest")
    return np.clip(120 + 500 * smooth, 0, 255).astype(np.uint8)


def attacks(kind: str, count: int = 6) -> list[Attack]:
    return [present(picture(), kind, rng(i, kind)) for i in range(count)]


@pytest.mark.parametrize("kind", KINDS)
def test_labels_have_their_shapes(kind: str) -> None:
    for attack in attacks(kind):
        assert attack.kind == kind
        assert attack.image.shape == (64, 64, 3)
        assert attack.image.dtype == np.uint8
        assert attack.corners.shape == (4, 2)
        assert attack.depth.shape == attack.mask.shape == (64, 64)
        assert 0 <= attack.mask.min() <= attack.mask.max() <= 1
        assert attack.mask.mean() > 0.1
        assert attack.parameters["distance"] == pytest.approx(float(attack.sheet.shift[2]))
        assert all(isinstance(v, float) for v in attack.parameters.values())


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_attack(kind: str) -> None:
    first, again = (present(picture(), kind, rng(1)) for _ in range(2))
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.corners, again.corners)
    assert np.abs(first.image.astype(int) - picture()).mean() > 2


@given(st.sampled_from(KINDS), st.integers(1, 33), st.integers(1, 33), st.integers(0, 50))
@settings(max_examples=40, deadline=None)
def test_any_size(kind: str, h: int, w: int, seed: int) -> None:
    attack = present(picture(h, w), kind, rng(seed))
    assert attack.image.shape == (h, w, 3)
    assert np.isfinite(attack.homography).all()


def test_homography_is_opencvs_from_the_corners() -> None:
    for seed in range(5):
        sheet, _ = hold(rng(seed), "screen", 80, 60)
        sheet = replace(sheet, margin=0.0)
        source = np.array([[0, 0], [80, 0], [80, 60], [0, 60]], np.float32)
        theirs = cv2.getPerspectiveTransform(source, outline(sheet))
        np.testing.assert_allclose(plane_map(sheet, 80, 60), theirs, atol=2e-4)


def test_locate_is_the_homography_for_a_flat_sheet() -> None:
    attack = next(a for a in attacks("screen") if a.sheet.margin > 0.002)
    points = rng(2).uniform(0, 64, (20, 2))
    there = np.column_stack([points, np.ones(20)]) @ attack.homography.T
    np.testing.assert_allclose(locate(attack, points), there[:, :2] / there[:, 2:], atol=1e-6)
    # With a margin the sheet is larger than the picture on it.
    inner = locate(attack, [[0, 0], [64, 64]])
    assert (inner[0] > attack.corners[0]).all()
    assert (inner[1] < attack.corners[2]).all()


@given(st.integers(0, 500), st.floats(-0.02, 0.02))
@settings(max_examples=25, deadline=None)
def test_tracing_undoes_projecting(seed: int, bend: float) -> None:
    sheet = replace(hold(rng(seed), "print", 40, 30)[0], bend=bend)
    where, depth = trace(sheet, 30, 40, 1)
    inside = np.abs(where[..., 0]) < 0.9 * sheet.width / 2
    back = project(sheet, where[inside])
    y, x = np.nonzero(inside)
    np.testing.assert_allclose(back, np.stack([x, y], -1) + 0.5, atol=0.02)
    assert (depth[inside] > 0).all()


def test_depth_is_flat_unless_bent() -> None:
    screen = attacks("screen")[0]
    y, x = np.nonzero(np.isfinite(screen.depth))
    z = screen.depth[y, x].astype(float)
    ray = (np.stack([x, y], -1) + 0.5 - 32) / screen.sheet.focal
    space = np.column_stack([ray * z[:, None], z])
    normal = screen.sheet.rotation[:, 2]
    np.testing.assert_allclose(space @ normal, normal @ screen.sheet.shift, rtol=1e-5)
    mask = next(a for a in attacks("mask"))
    assert mask.sheet.bend > 0


def test_picture_lands_where_the_labels_say() -> None:
    """Bright dots of a black picture are found at their labelled places."""
    image = np.zeros((96, 96, 3), np.uint8)
    spots = np.array([[24, 24], [72, 24], [48, 72]], float)
    for x, y in spots.astype(int):
        image[y - 4 : y + 4, x - 4 : x + 4] = 255
    found = 0
    for seed in range(6):
        attack = present(image, "screen", rng(seed, "dots"))
        for x, y in locate(attack, spots):
            near = (slice(max(int(y) - 9, 0), int(y) + 10), slice(max(int(x) - 9, 0), int(x) + 10))
            patch = attack.image[near].astype(float).mean(2)
            if patch.shape != (19, 19) or np.ptp(patch) < 60 or attack.mask[near].min() < 1:
                continue
            weight = np.maximum(patch - np.quantile(patch, 0.5) - 40, 0)
            v, u = np.indices(patch.shape)
            at = np.array([(weight * u).sum(), (weight * v).sum()]) / weight.sum()
            assert np.hypot(*(at + 0.5 + [int(x) - 9, int(y) - 9] - [x, y])) < 1.2
            found += 1
    assert found >= 5


def test_a_mask_has_holes_where_the_eyes_are() -> None:
    behind = np.zeros((64, 64, 3), np.uint8)
    behind[..., 1] = 255
    eyes = np.array([[22, 30], [42, 30]], float)
    attack = present(picture(), "mask", rng(4), eyes, behind)
    for x, y in locate(attack, eyes).astype(int):
        assert attack.mask[y, x] == 0
        assert np.isinf(attack.depth[y, x])
        red, green, blue = attack.image[y, x].astype(int)
        assert green > red + 40 or max(red, green, blue) - min(red, green, blue) < 12  # or mono
    x, y = locate(attack, eyes.mean(0)[None] + [0, 8])[0].astype(int)
    assert attack.mask[y, x] == 1


def test_paper_is_white_and_inks_mix() -> None:
    nothing, full = np.zeros((1, 1, 4), np.float32), np.ones((1, 1, 4), np.float32)
    np.testing.assert_allclose(media.inked(nothing)[0, 0], media.PAPER)
    assert media.inked(full).max() < 0.03
    for i in range(3):
        single = nothing.copy()
        single[..., i] = 1
        np.testing.assert_allclose(
            media.inked(single)[0, 0], media.PAPER * media.INKS[i], rtol=1e-5
        )


@given(st.floats(0.02, 1), st.floats(0.02, 1), st.floats(0.02, 1))
@settings(max_examples=40, deadline=None)
def test_separations_are_shares_and_keep_the_order_of_tones(r: float, g: float, b: float) -> None:
    colour = np.array([[[r, g, b]]], np.float32)
    cover = media.separate(colour)
    assert 0 <= cover.min() <= cover.max() <= 1
    printed, darker = media.inked(cover)[0, 0], media.inked(media.separate(0.6 * colour))[0, 0]
    assert (darker <= printed + 1e-6).all()
    if sorted((r, g, b))[1] > 2 * min(r, g, b) + 0.2:
        assert printed.argmin() == colour.argmin()


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0])
def test_dots_cover_their_share(share: float) -> None:
    y, x = np.mgrid[0:160, 0:160] / 160.0
    where = np.stack([x, y], -1).astype(np.float32)
    cover = np.full((160, 160, 4), share, np.float32)
    dots = media.dots(cover, where, 0.1)
    np.testing.assert_allclose(dots.mean((0, 1)), share, atol=0.06)
    if 0.2 < share < 0.8:
        assert ((dots < 0.05) | (dots > 0.95)).mean() > 0.4


def test_unfit_arguments_are_refused() -> None:
    with pytest.raises(ChoiceError, match="kind"):
        present(picture(), "hologram", rng(0))
    with pytest.raises(ChoiceError, match="image"):
        present(picture().astype(np.float32), "print", rng(0))  # type: ignore[arg-type]
    with pytest.raises(ChoiceError, match="behind"):
        present(picture(), "mask", rng(0), behind=picture(8, 8))
