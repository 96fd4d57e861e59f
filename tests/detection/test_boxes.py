"""Fitting and cutting pictures."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fusiform.detection.boxes import cut_out, fit

SIDE = st.integers(-30, 60)


@given(SIDE, SIDE, st.integers(1, 40), st.integers(1, 40))
def test_cut_out_is_pillows_crop(x, y, width, height):
    picture = np.random.default_rng(1).integers(1, 256, (23, 31, 3), dtype=np.uint8)
    expected = Image.fromarray(picture).crop((x, y, x + width, y + height))
    assert (np.asarray(cut_out(picture, x, y, x + width, y + height)) == expected).all()


def test_fit_keeps_small_pictures_and_says_its_scales():
    picture = np.zeros((300, 400, 3), np.uint8)
    same, scale = fit(picture, 640)
    assert same is picture
    assert scale.tolist() == [1, 1]
    small, scale = fit(picture, 130)
    assert small.shape == (98, 130, 3)
    assert np.allclose(scale, [130 / 400, 98 / 300])
    assert fit(picture, 640, enlarge=1.5)[0].shape == (450, 600, 3)
