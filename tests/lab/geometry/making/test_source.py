"""Reading the source: scale, target weights, bones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fusiform.core.errors import FusiformError
from fusiform.lab.geometry.making.source import (
    Source,
    average_adult,
    bone_subtree,
    bone_weights,
    dense,
    expression_deltas,
    eyeballs,
    joint,
    macro_weights,
    read_source,
    target_index,
)

f32 = np.float32


def test_mean_adult_has_the_eye_distance(source_path: Path) -> None:
    for distance in (0.05, 0.0632):
        read = read_source(source_path, distance)
        eyes = eyeballs(read, read.heads(average_adult(read)[None])[0])
        assert np.linalg.norm(eyes[0] - eyes[1]) == pytest.approx(distance, rel=1e-5)
        assert np.abs(eyes.mean(axis=0)).max() < 1e-6


def test_dense_fills_what_is_listed() -> None:
    arrays = {
        "cage_base": np.zeros((4, 3)),
        "t_ptr": np.array([0, 2, 3]),
        "t_idx": np.array([1, 3, 0]),
        "t_delta": np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]], np.int16),
    }
    found = dense(arrays, "t", 0.1)
    assert found.shape == (2, 4, 3)
    assert np.allclose(found[0], [[0, 0, 0], [0.1, 0.2, 0.3], [0, 0, 0], [0.4, 0.5, 0.6]])
    assert np.allclose(found[1, 0], [0.7, 0.8, 0.9])


def test_heads_add_targets(source: Source) -> None:
    weights = np.zeros((2, len(source.targets)), f32)
    weights[1, 3], weights[1, 100] = 0.5, -2.0
    heads = source.heads(weights)
    assert np.abs(heads[0] - source.base).max() < 1e-7
    by_hand = source.base + 0.5 * source.targets[3] - 2 * source.targets[100]
    assert np.abs(heads[1] - by_hand).max() < 1e-6


def test_macro_weights_are_the_sources_rule(source: Source) -> None:
    """Literally: hat functions multiplied, target by target."""
    ancestry, male, age, muscle, weight = (0.2, 0.5, 0.3), 0.25, 15.0, 0.8, 0.3
    one = macro_weights(source, f32([ancestry]), *(f32([v]) for v in (male, age, muscle, weight)))
    place = np.interp(age, [1, 10, 25, 90], [0, 1, 2, 3])

    def part(value: float, knot: int) -> float:
        return max(0.0, 1 - abs(value - knot))

    wanted = np.zeros(len(source.targets))
    for sex, share in enumerate((1 - male, male)):
        for knot in range(4):
            for which in range(3):
                row = source.arrays["macro_corner"][which, sex, knot]
                wanted[row] += ancestry[which] * share * part(place, knot)
            for m in range(3):
                for w in range(3):
                    row = source.arrays["macro_universal"][sex, knot, m, w]
                    many = part(2 * muscle, m) * part(2 * weight, w)
                    wanted[row] += share * part(place, knot) * many
    assert np.abs(one[0] - wanted).max() < 1e-6


def test_expressions_are_in_metres(source: Source) -> None:
    names, deltas = expression_deltas(source)
    assert deltas.shape == (len(names), len(source.base), 3)
    jaw = deltas[names.index("jawOpen")]
    assert jaw[:, 1].min() == pytest.approx(-0.25 * source.scale, rel=0.05)


def test_bones_and_their_weights(source: Source) -> None:
    every = bone_subtree(source, "spine01")
    assert len(every) == 6
    upper = bone_subtree(source, "neck03", ("jaw",))
    assert [str(source.arrays["bone_names"][bone]) for bone in upper] == ["neck03", "head"]
    assert np.allclose(bone_weights(source, every), 1)
    head, jaw = (bone_weights(source, bone_subtree(source, bone)) for bone in ("head", "jaw"))
    assert (head >= jaw).all()
    assert jaw.sum() > 0


def test_joint_is_where_the_file_says(source: Source) -> None:
    row = source.arrays["bone_head_idx"][5]
    assert np.array_equal(joint(source, "jaw", source.base), source.base[row])


def test_target_index_finds_names(source: Source) -> None:
    for row in (0, 30, 120):
        assert target_index(source, source.names[row]) == row


def test_what_is_no_source_is_told(tmp_path: Path) -> None:
    with pytest.raises(FusiformError, match=r"none\.npz"):
        read_source(tmp_path / "none.npz", 0.06)
    np.savez(tmp_path / "other.npz", cage_base=np.zeros((3, 3)))
    with pytest.raises(FusiformError, match="not the CC0 head"):
        read_source(tmp_path / "other.npz", 0.06)
