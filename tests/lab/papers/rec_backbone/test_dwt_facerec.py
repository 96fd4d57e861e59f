"""The skin finder of the wavelet paper."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from fusiform.lab.papers.rec_backbone import dwt_facerec as paper


def test_boxes_are_of_pixels_edges():
    mask = np.zeros((20, 30), bool)
    assert paper.box_of(mask).tolist() == [0, 0, 0, 0]
    mask[4:9, 10:15] = True
    assert paper.box_of(mask).tolist() == [10, 4, 15, 9]
    mask[4:19, 10:15] = True  # a neck below
    mask[0, 0] = True  # and a speck of something else
    assert np.allclose(paper.face_box(mask), [10, 4, 16, 4 + 1.4 * 6])


def test_chroma_does_not_see_how_bright_a_surface_is_much():
    from fusiform.lab.world.srgb import encode, to_bytes

    skin = np.array([[[0.45, 0.27, 0.2]]])
    bright, dim = (to_bytes(encode(skin * k)) for k in (1.0, 0.5))
    assert np.abs(paper.chroma(bright) - paper.chroma(dim)).max() < 6
    assert np.abs(paper.plain(bright) - paper.plain(dim)).max() > 40
    grey = np.full((1, 1, 3), 90, np.uint8)
    assert np.abs(paper.chroma(grey)).max() < 0.01


def test_a_spoilt_picture_is_one_moved_and_noisy():
    side = paper.SIDE + 2 * paper.MARGIN
    ramp = np.broadcast_to(np.linspace(0, 255, side)[:, None, None], (side, side, 3)).astype(
        np.uint8
    )
    made = paper.spoil(ramp, np.random.default_rng(0))
    assert made.shape == (paper.SIDE, paper.SIDE, 3)
    straight = ramp[paper.MARGIN : paper.MARGIN + paper.SIDE, : paper.SIDE].astype(float)
    error = made.astype(float) - straight
    assert abs(error.mean()) < 15
    assert 5 < error.std() < 40
