"""The torch twin: the same vertices as `posing`, and gradients that are right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fusiform.lab.geometry.head import Head, Linear, Seam, load_head
from fusiform.lab.geometry.making.trials import draw_people, weights
from fusiform.lab.geometry.posing import Pose, pose, rest
from fusiform.lab.geometry.posing import rotation as plain_rotation

torch = pytest.importorskip("torch", reason="torch is not installed")
twin = pytest.importorskip("fusiform.lab.geometry.posing_torch")

CASES: list[dict[str, float]] = [
    {},
    {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0},
    {"eyeBlinkLeft": 0.4, "mouthSmileRight": 0.6, "browInnerUp": 1.0},
    {"jawOpen": 0.5, "mouthClose": 0.5},
    {"jawOpen": 0.6, "mouthClose": 0.2, "jawLeft": 0.7, "eyeWideLeft": 0.5},
    {"mouthPressLeft": 1.0, "mouthRollLower": 1.0, "eyeSquintRight": 1.0, "cheekPuff": 1.0},
]


@pytest.fixture(scope="module")
def head() -> Head:
    return load_head()


@pytest.fixture(scope="module")
def small(head: Head) -> twin.HeadTensors:
    """The head around eyes and mouth only, in double precision: gradients take fewer numbers."""
    near = [one.vertices for one in head.seams.values()]
    kept = np.unique(np.concatenate([*near, head.extra["lids_l"], head.extra["lids_r"]]))
    kept = np.unique(np.concatenate([kept, head.rims.ravel()]))

    def at(vertices: np.ndarray) -> np.ndarray:
        return np.searchsorted(kept, vertices).astype(np.int32)

    def seam(one: Seam) -> Seam:
        return replace(one, vertices=at(one.vertices))

    cut = replace(
        head,
        shape=Linear(head.shape.start[kept], head.shape.rows[:6, kept]),
        joints=Linear(head.joints.start, head.joints.rows[:6]),
        eyes=Linear(head.eyes.start, head.eyes.rows[:6]),
        expressions=head.expressions[:, kept],
        skinning=head.skinning[kept],
        rims=at(head.rims),
        seams={name: seam(one) for name, one in head.seams.items()},
        extra={name: at(head.extra[name]) for name in ("lids_l", "lids_r")},
    )
    return twin.head_tensors(cut, dtype=torch.float64)


def test_same_vertices_as_numpy(head: Head) -> None:
    rng = np.random.default_rng(0)
    b = len(CASES)
    coefficients = draw_people(head, 3, b)[0]
    expression = np.stack([weights(head, case) for case in CASES])
    turn, torso, jaw = (rng.normal(0, size, (b, 3)).astype(np.float32) for size in (0.4, 0.1, 0.05))
    gaze = rng.uniform(-25, 25, (b, 2, 2)).astype(np.float32)
    tensors = twin.head_tensors(head, dtype=torch.float64)
    given = [torch.tensor(one, dtype=torch.float64) for one in (coefficients, expression, turn)]
    posed = twin.pose_batch(
        tensors, *given, *(torch.tensor(one).double() for one in (gaze, jaw, torso))
    )
    for i in range(b):
        person = rest(head, coefficients[i])
        turns = (plain_rotation(one[i]).astype(np.float32) for one in (turn, torso))
        state = Pose(expression[i], next(turns), gaze[i], jaw[i], next(turns))
        wanted = pose(head, person, state)
        gap = np.abs(posed.vertices[i].numpy() - wanted.vertices)
        assert gap.max() < 1e-6, (CASES[i], gap.max())
        assert np.abs(posed.skull[i].numpy() - wanted.skull).max() < 1e-6
        assert np.abs(posed.jaw[i].numpy() - wanted.jaw).max() < 1e-6
        assert np.abs(posed.eyes[i].numpy() - wanted.eyes).max() < 1e-6
        assert np.abs(posed.eye_turns[i].numpy() - wanted.eye_turns).max() < 1e-6


def test_single_precision_is_near(head: Head) -> None:
    coefficients = torch.tensor(draw_people(head, 4, 2)[0])
    expression = torch.tensor(np.stack([weights(head, case) for case in CASES[1:3]]))
    still = torch.zeros(2, 3), torch.zeros(2, 2, 2)
    single = twin.pose_batch(twin.head_tensors(head), coefficients, expression, *still)
    double = twin.pose_batch(
        twin.head_tensors(head, dtype=torch.float64),
        *(one.double() for one in (coefficients, expression, *still)),
    )
    assert single.vertices.dtype == torch.float32
    assert (single.vertices - double.vertices).abs().max() < 2e-6


def test_jaw_and_torso_default_to_none(small: twin.HeadTensors) -> None:
    b, zero = 2, torch.zeros(2, 3, dtype=torch.float64)
    coefficients = torch.linspace(-1, 1, 2 * 6, dtype=torch.float64).reshape(b, 6)
    plain = (coefficients, torch.zeros(b, 52).double(), zero + 0.2, torch.zeros(b, 2, 2).double())
    assert torch.equal(
        twin.pose_batch(small, *plain).vertices, twin.pose_batch(small, *plain, zero, zero).vertices
    )


def test_a_batch_is_its_rows(small: twin.HeadTensors) -> None:
    rng = torch.Generator().manual_seed(0)
    given = [
        torch.randn(3, *shape, generator=rng, dtype=torch.float64) * 0.3
        for shape in ((6,), (52,), (3,), (2, 2), (3,), (3,))
    ]
    given[1] = given[1].clamp(0, 1)
    together = twin.pose_batch(small, *given)
    for i in range(3):
        alone = twin.pose_batch(small, *(one[i : i + 1] for one in given))
        assert (together.vertices[i] - alone.vertices[0]).abs().max() < 1e-12


@pytest.mark.parametrize(
    "wanted",
    [
        {"eyeBlinkLeft": 0.4, "jawOpen": 0.3, "mouthSmileLeft": 0.5, "browDownRight": 0.2},
        {"eyeBlinkRight": 0.7, "jawOpen": 0.8, "mouthClose": 0.3, "jawLeft": 0.5},
    ],
)
def test_gradients_are_right(small: twin.HeadTensors, wanted: dict[str, float]) -> None:
    """Against differences, for all six arguments, away from where lids touch the eyeball."""
    names = small.head.expression_names
    rows = torch.tensor([names.index(name) for name in wanted])
    some = torch.arange(0, len(small.skinning), 97)

    def numbers(*values: float) -> torch.Tensor:
        return torch.tensor([values], dtype=torch.float64, requires_grad=True)

    def posed(
        coefficients: torch.Tensor,
        few: torch.Tensor,
        turn: torch.Tensor,
        gaze: torch.Tensor,
        jaw: torch.Tensor,
        torso: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        expression = torch.zeros(1, 52, dtype=torch.float64).index_copy(1, rows, few)
        out = twin.pose_batch(small, coefficients, expression, turn, gaze.view(1, 2, 2), jaw, torso)
        return out.vertices[:, some], out.skull, out.jaw, out.eyes, out.eye_turns

    given = (
        numbers(0.5, -0.3, 0.2, 0.1, -0.6, 0.4),
        numbers(*wanted.values()),
        numbers(0.3, -0.5, 0.1),
        numbers(10.0, -5.0, -8.0, 4.0),
        numbers(0.05, 0.02, -0.01),
        numbers(0.1, 0.05, -0.08),
    )
    assert torch.autograd.gradcheck(posed, given, eps=1e-6, atol=1e-6)


def test_gradient_at_rest_is_finite(small: twin.HeadTensors) -> None:
    """Rotations by nothing have a gradient too."""
    given = [
        torch.zeros(1, *shape, dtype=torch.float64, requires_grad=True)
        for shape in ((6,), (52,), (3,), (2, 2), (3,), (3,))
    ]
    out = twin.pose_batch(small, *given)
    (out.vertices.sum() + out.jaw.sum() + out.eye_turns.sum()).backward()
    assert all(one.grad is not None and torch.isfinite(one.grad).all() for one in given)
    assert given[2].grad.abs().max() > 0


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-5, 0.3, 3.0])
def test_rotation_is_numpys(angle: float) -> None:
    vector = np.array([0.6, -0.48, 0.64]) * angle
    found = twin.rotation(torch.tensor(vector)[None])[0].numpy()
    assert np.abs(found - plain_rotation(vector)).max() < 1e-12
