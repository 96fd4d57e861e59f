from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from fusiform.core.errors import ChoiceError
from fusiform.lab.blocks.margins import MarginSoftmax
from fusiform.lab.train.augment import FLIP, NONE, Augment
from fusiform.lab.train.batches import shuffled
from fusiform.lab.train.faces import Classify, as_input, embed, face_batches, features, unit

IMAGES = np.random.default_rng(0).integers(0, 256, (11, 8, 8, 3), np.uint8)
LABELS = np.arange(11) % 4


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Flatten(), nn.Linear(144, 5)
    )


def test_pixels_are_scaled_and_laid_out():
    found = as_input(IMAGES)
    assert found.shape == (11, 3, 8, 8)
    assert found.dtype == torch.float32
    wanted = IMAGES.transpose(0, 3, 1, 2).astype(np.float64) / 127.5 - 1
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-6)
    assert (as_input(np.full((1, 1, 1, 3), 255, np.uint8)) == 1).all()
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_pixels_that_cannot_be_written_to_are_taken():
    """Such as a file that is mapped; a warning would fail this test."""
    locked = IMAGES.copy()
    locked.flags.writeable = False
    assert torch.equal(as_input(locked), as_input(IMAGES))
    assert torch.equal(as_input(locked[:, :, ::-1]), as_input(IMAGES).flip(3))
    assert locked[0, 0, 0, 0] == IMAGES[0, 0, 0, 0]


def test_batches_are_rows_with_their_labels():
    sampler = shuffled(11, 4, 1)
    batches = face_batches(IMAGES, LABELS, sampler, NONE)
    for step in range(5):
        batch = batches(step)
        rows = sampler(step)
        assert np.array_equal(batch["row"], rows)
        assert np.array_equal(batch["label"], LABELS[rows])
        assert torch.equal(batch["image"], as_input(IMAGES[rows]))


def test_augmentation_follows_seed_step_and_part():
    sampler = lambda step: np.arange(11)  # noqa: E731

    def drawn(step: int, seed: int = 0, part=(0, 1)) -> torch.Tensor:
        return face_batches(IMAGES, LABELS, sampler, Augment(), seed, part=part)(step)["image"]

    assert torch.equal(drawn(3), drawn(3))
    assert torch.equal(drawn(3), drawn(3, part=(0, 2)))
    for other in (drawn(4), drawn(3, seed=1), drawn(3, part=(1, 2))):
        assert not torch.equal(drawn(3), other)


def test_labels_must_match():
    with pytest.raises(ChoiceError, match="one for each of 11 images"):
        face_batches(IMAGES, LABELS[:5], shuffled(11, 4, 0), FLIP)


def test_features_do_not_depend_on_the_batch():
    one = net()
    found = features(one, IMAGES, batch=4)
    assert found.shape == (11, 5)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, features(one, IMAGES), atol=1e-6)
    assert one.training  # as it came
    assert not net().eval().training
    with torch.no_grad():
        wanted = one.eval()(as_input(IMAGES)).numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    features(one, IMAGES)
    assert not one.training


def test_no_faces_give_no_vectors():
    assert features(net(), IMAGES[:0]).shape == (0, 5)
    assert embed(net(), IMAGES[:0], flip=True).shape == (0, 5)


def test_embeddings_are_of_unit_length():
    one = net()
    plain, both = embed(one, IMAGES), embed(one, IMAGES, flip=True)
    np.testing.assert_allclose(np.linalg.norm(both, axis=1), 1, atol=1e-6)
    other = embed(one, np.ascontiguousarray(IMAGES[:, :, ::-1]))
    np.testing.assert_allclose(both, unit(plain + other), atol=1e-6)
    black = embed(one, IMAGES, change=lambda pictures: pictures * 0 - 1)
    np.testing.assert_allclose(black, np.broadcast_to(black[:1], black.shape))
    assert (unit(np.zeros((2, 3), np.float32)) == 0).all()


def test_a_head_is_an_objective():
    torch.manual_seed(0)
    one, head = net().eval(), MarginSoftmax(5, 4)
    batch = face_batches(IMAGES, LABELS, shuffled(11, 4, 1), NONE)(0)
    loss, numbers = Classify(head)(one, batch)
    assert torch.equal(loss, head(one(batch["image"]), batch["label"]))
    assert numbers == {}
