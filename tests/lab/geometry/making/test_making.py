"""The whole recipe on the made-up source: people, arrays, reports, card."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from fusiform.core.seeds import rng
from fusiform.lab.geometry.head import SEAMS, Level, assembled, at_level, read_head
from fusiform.lab.geometry.making.anthropometry import NORMS
from fusiform.lab.geometry.making.assembly import (
    Made,
    finished,
    level_arrays,
    lip_close,
    make,
    resampled,
    stored,
    vertex_importance,
)
from fusiform.lab.geometry.making.card import card, digest
from fusiform.lab.geometry.making.layout import Layout
from fusiform.lab.geometry.making.people import adults, root, trait_table
from fusiform.lab.geometry.making.population import draw_sample, draw_traits
from fusiform.lab.geometry.making.report import (
    Report,
    mean_gap,
    report,
    specificity,
    surface_distance,
)
from fusiform.lab.geometry.making.source import Source, average_adult
from fusiform.lab.geometry.making.trials import (
    blink_figures,
    leaks,
    lid_clearance,
    measures,
    weights,
)
from fusiform.lab.geometry.posing import express, gap, rest
from fusiform.lab.geometry.semantics import DIRECTIONS, person_coefficients

COUNT = 400


@pytest.fixture(scope="module")
def made(source: Source, layout: Layout) -> Made:
    return make(source, layout, 1, COUNT)


@pytest.fixture(scope="module")
def figures(made: Made, source: Source, layout: Layout) -> Report:
    return report(made, source, layout, 7, 30)


def test_same_seed_same_arrays(source: Source, layout: Layout, made: Made) -> None:
    again = make(source, layout, 1, COUNT).arrays
    assert list(again) == list(made.arrays)
    for name, array in made.arrays.items():
        assert np.array_equal(array, again[name]), name
    other = make(source, layout, 2, COUNT).arrays
    assert not np.array_equal(other["mean"], made.arrays["mean"])


def test_people_have_the_published_means(made: Made) -> None:
    third = np.full(3, 1 / 3, np.float32)
    for sex, label in enumerate(("female", "male")):
        people = made.people
        average = people.start + adults(sex, third) @ people.rows + people.own_mean
        found = made.ruler.read(made.parts, average)
        wanted = [getattr(NORMS[name], label) for name in made.ruler.names]
        assert np.abs(found - wanted).max() < 1e-3


def test_people_have_unit_variance(source: Source, made: Made) -> None:
    """Of the features that components were learned for, over everybody."""
    sample = draw_sample(source, COUNT, rng(1, "heads"))
    between = np.cov(sample.features @ made.people.rows, rowvar=False)
    assert np.allclose(between + made.people.own_cov, np.eye(len(between)), atol=1e-6)
    drawn = made.people.draw(sample.features, rng(1, "drawn"))
    assert drawn.shape == (COUNT, len(made.parts.basis))
    assert np.abs(drawn.std(axis=0) - 1).mean() < 0.1


def test_shipped_people_are_the_learned_ones(source: Source, made: Made) -> None:
    sample = draw_sample(source, 5, rng(2, "few"))
    none = np.zeros(len(made.parts.basis), np.float32)
    for row in sample.features:
        wanted = made.people.start + row @ made.people.rows + made.people.own_mean
        assert np.abs(person_coefficients(made.head, row, none) - wanted).max() < 1e-4


def test_origin_is_between_the_eyes(made: Made) -> None:
    head = made.head
    assert np.abs(head.eye_centres.mean(axis=0)[1:]).max() < 1e-6
    seat = rest(head, np.zeros(0, np.float32)).eyes
    assert np.abs(seat - head.eye_centres).max() < 1e-5
    assert np.array_equal(head.mean, head.shape.start)


def test_finishing_twice_is_finishing_once(made: Made) -> None:
    again = finished(made.arrays)
    for name in ("eye_centres", "linear/eyes/start", "extra/lids_l"):
        assert np.abs(again[name] - made.arrays[name]).max() < 1e-5
    lips = made.head.seams["lips"]
    others = np.setdiff1d(np.arange(len(again["mean"])), lips.vertices)
    assert np.abs(again["mean"] - made.arrays["mean"])[others].max() < 1e-5
    assert np.abs(gap(lips, again["mean"])[:, 1]).max() < 5e-4


def test_resampled_is_the_source_without_motion(source: Source, layout: Layout) -> None:
    """For the mean adult nothing is taken out; joints and extra points come last."""
    also = np.array([3, 40])
    fields, base = resampled(source, layout, also)
    n = len(layout.vertices)
    assert len(base) == n + 6 + 2
    adult = base + np.tensordot(average_adult(source), fields, axes=1)
    assert np.abs(adult[:n] - layout.vertices).max() < 1e-5
    assert np.abs(adult[n + 6 :] - layout.vertices[also]).max() < 1e-5


def test_importance_sums_to_one(layout: Layout) -> None:
    found = vertex_importance(layout)
    assert found.sum() == pytest.approx(1, abs=1e-5)
    assert found.min() > 0


def test_lip_close_undoes_the_jaw_at_the_lips(layout: Layout) -> None:
    jaw = np.tile(np.float32([0, -0.01, 0]), (len(layout.vertices), 1))
    found = lip_close(layout.vertices, layout, jaw)
    assert np.allclose(found[layout.lips], -jaw[layout.lips])
    far = np.linalg.norm(layout.vertices - layout.vertices[layout.lips].mean(axis=0), axis=1) > 0.08
    assert not found[far].any()


def test_written_head_is_the_made_one(made: Made, tmp_path: Path) -> None:
    path = tmp_path / "head.npz"
    np.savez_compressed(path, **stored(made.arrays))
    read = read_head(path)
    assert np.array_equal(read.mean, made.head.mean)
    assert read.shape.rows.dtype == np.float32
    assert np.abs(read.shape.rows - made.head.shape.rows).max() < 1e-5
    assert set(read.seams) == set(SEAMS)
    assert read.expression_names == made.head.expression_names


def test_levels_survive_the_file(made: Made, layout: Layout) -> None:
    level = Level(
        layout.matrix,
        layout.triangles,
        layout.uv,
        layout.uv_triangles,
        layout.region,
        layout.mirror,
    )
    more = level_arrays(replace(layout, levels={"same": level}))
    head = assembled({**made.arrays, **more})
    assert np.abs(at_level(head, "same", head.mean) - head.mean).max() < 1e-7
    assert np.array_equal(head.levels["same"].triangles, layout.triangles)


def test_root_is_symmetric_and_squares_back() -> None:
    spread = np.random.default_rng(0).normal(size=(5, 3))
    covariance = spread @ spread.T
    found = root(covariance)
    assert np.allclose(found, found.T)
    assert np.allclose(found @ found, covariance)


def test_trait_table_is_in_the_order_of_directions() -> None:
    traits = draw_traits(7, rng(0, "x"))
    table = trait_table(*traits[:4])
    assert table.shape == (7, len(DIRECTIONS))
    assert np.allclose(table[:, DIRECTIONS.index("age")], traits[2])
    assert np.allclose(table[:, DIRECTIONS.index("asian")], traits[0][:, 1])


def test_report_is_consistent(figures: Report, made: Made) -> None:
    k = len(made.parts.basis)
    assert figures.components == k
    assert figures.heads == 30
    assert figures.face_error["p05"] <= figures.face_error["median"] <= figures.face_error["p99"]
    curve = list(figures.generalisation.values())
    assert all(a >= b - 1e-6 for a, b in pairwise(curve))
    assert list(figures.explained.values()) == sorted(figures.explained.values())
    assert figures.explained[k] > 0.99
    assert figures.components_99 <= k
    json.dumps(asdict(figures))


def test_surface_distance_is_to_the_surface() -> None:
    vertices = np.float32([[0, 0, 0], [1, 0, 0], [0, 1, 0]])
    points = np.float32([[0.2, 0.2, 0.5], [-3, 0, 4], [2, 0, 0]])
    found = surface_distance(vertices, np.int32([[0, 1, 2]]), points)
    assert np.allclose(found, [0.5, 5, 1])


def test_curves_measure_distances() -> None:
    heads = np.random.default_rng(0).normal(size=(6, 9, 3)).astype(np.float32)
    assert mean_gap(heads, heads + np.float32([0.003, 0.004, 0])) == pytest.approx(5, rel=1e-3)
    assert specificity(heads[2:4], heads) == 0
    moved = heads[[1]] + np.float32([0, 0, 0.001])
    assert specificity(moved, heads) == pytest.approx(1, rel=1e-2)


def test_trials_measure_what_they_say(made: Made) -> None:
    head = made.head
    assert weights(head, {"jawOpen": 0.3}).sum() == pytest.approx(0.3)
    mean = measures(head, np.zeros((1, len(head.shape.rows)), np.float32))
    assert set(mean) == set(NORMS)
    eyes = head.eyes.start
    assert mean["interpupillary"][0] == pytest.approx(np.linalg.norm(eyes[0] - eyes[1]), rel=1e-5)
    person = rest(head, np.zeros(0, np.float32))
    skin = express(head, person, weights(head, {}))
    assert lid_clearance(head, person, skin) > 0.39
    assert lid_clearance(head, person, 0 * skin + person.eyes[0] + [0, 0, 0.001]) < 0
    found = blink_figures(np.array([[0.0, 0.1], [0.0, 0.3], [-0.2, 0.0], [-0.4, 0.0]]))
    assert found["heads_shut"] == 0.5


def test_leaks_are_measured(made: Made) -> None:
    found = leaks(made.head, 3, 1500)
    assert set(found) == set(DIRECTIONS)
    assert found["age"]["age"] == pytest.approx(1, abs=0.25)
    shares = sum(found["african"][name] for name in ("african", "asian", "european"))
    assert shares == pytest.approx(0, abs=0.05)


def test_card_tells_what_was_made(made: Made, figures: Report, tmp_path: Path) -> None:
    model, source = tmp_path / "head.npz", tmp_path / "source.npz"
    np.savez(model, **stored(made.arrays))
    source.write_bytes(b"some bytes")
    few = {"median": 0.123456}
    shown = {"blink": few, "lips": few, "clearance": 0.4}
    about = card(made.head, model, source, 1, COUNT, {"shape": asdict(figures), "trials": shown})
    assert about["sha256"] == digest(model)
    assert about["source_sha256"] == hashlib.sha256(b"some bytes").hexdigest()
    assert about["sizes"]["components"] == len(made.parts.basis)
    assert about["measured"]["blink_gap_mm"] == {"median": 0.123}
    assert "MakeHuman" in about["credit"]
    assert json.loads(json.dumps(about)) == about
