"""The torch twin of `posing`: the same head, batched and differentiable."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fusiform.lab.geometry.head import Head, Linear, Seam
from fusiform.lab.geometry.posing import (
    BLINKS,
    LID_THICKNESS,
    PULLS,
    RIM_BAND,
    RIM_CLEARANCE,
    TURN_SHARE,
    UPPER_LID_SHARE,
)


@dataclass(frozen=True)
class SeamTensors:
    """A `Seam` whose operators are tensors."""

    vertices: Tensor
    across: Tensor  # (s, n') station gaps
    pulls: tuple[Tensor, Tensor]  # (n', s) for the upper and lower side


@dataclass(frozen=True)
class HeadTensors:
    """What posing needs of a `Head`, on one device. `head_tensors` makes it."""

    head: Head
    shape: tuple[Tensor, Tensor]
    joints: tuple[Tensor, Tensor]
    eyes: tuple[Tensor, Tensor]
    expressions: Tensor
    skinning: Tensor
    jaw_turn: Tensor
    rims: Tensor
    lids: tuple[Tensor, Tensor]
    seams: dict[str, SeamTensors]


@dataclass(frozen=True)
class PosedTensors:
    """Batch of posed heads: `vertices` (b, n, 3), `skull` and `jaw` (b, 3, 4), `eyes` (b, 2, 3),
    `eye_turns` (b, 2, 3, 3)."""

    vertices: Tensor
    skull: Tensor
    jaw: Tensor
    eyes: Tensor
    eye_turns: Tensor


def head_tensors(
    head: Head, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> HeadTensors:
    """The head's arrays on a device."""

    def floats(array: object) -> Tensor:
        return torch.as_tensor(array, dtype=dtype, device=device)

    def whole(array: object) -> Tensor:
        return torch.as_tensor(array, dtype=torch.long, device=device)

    def seam(one: Seam) -> SeamTensors:
        pulls = (floats(one.pull_upper), floats(one.pull_lower))
        return SeamTensors(whole(one.vertices), floats(one.upper - one.lower), pulls)

    def linear(one: Linear) -> tuple[Tensor, Tensor]:
        return floats(one.start), floats(one.rows)

    return HeadTensors(
        head,
        linear(head.shape),
        linear(head.joints),
        linear(head.eyes),
        floats(head.expressions),
        floats(head.skinning),
        floats(head.jaw_turn),
        whole(head.rims),
        (whole(head.extra["lids_l"]), whole(head.extra["lids_r"])),
        {name: seam(one) for name, one in head.seams.items()},
    )


def pose_batch(
    head: HeadTensors,
    coefficients: Tensor,
    expression: Tensor,
    turn: Tensor,
    gaze: Tensor,
    jaw: Tensor | None = None,
    torso: Tensor | None = None,
) -> PosedTensors:
    """`posing.rest` and `posing.pose` for a batch, but for openness.

    `coefficients` (b, j), `expression` (b, 52), `turn` (b, 3) rotation vectors of the head against
    the torso (radians), `gaze` (b, 2, 2) degrees, `jaw` (b, 3) rotation vectors on top of the
    expression's, `torso` (b, 3) those of the whole bust. Gradients flow to all of them.
    """
    vertices, joints, eyes = (
        follow(one, coefficients) for one in (head.shape, head.joints, head.eyes)
    )
    vertices = parted_lips(head.seams["lips"], vertices, torch.zeros_like(vertices[:, 0, 0]))
    eyes = seated(head, vertices, eyes)
    local = express(head, vertices, eyes, expression)
    jaw = torch.zeros_like(turn) if jaw is None else jaw
    torso = torch.zeros_like(turn) if torso is None else torso
    transforms = joint_transforms(joints, turn, jaw, torso)
    blended = torch.einsum("nj,bjrc->bnrc", head.skinning, transforms)
    posed = torch.einsum("bnrc,bnc->bnr", blended[..., :3], local) + blended[..., 3]
    skull = transforms[:, 4]
    centres = torch.einsum("brc,bec->ber", skull[..., :3], eyes) + skull[:, None, :, 3]
    turns = skull[:, None, :, :3] @ eye_turns(gaze)
    chin = about(rotation(expression @ head.jaw_turn + jaw), joints[:, 5])
    return PosedTensors(posed, skull, skull @ chin, centres, turns)


def follow(linear: tuple[Tensor, Tensor], coefficients: Tensor) -> Tensor:
    """`head.Linear` for a batch (b, j)."""
    start, rows = linear
    moved: Tensor = torch.tensordot(coefficients, rows[: coefficients.shape[1]], dims=1)
    return start + moved


def seated(head: HeadTensors, vertices: Tensor, eyes: Tensor) -> Tensor:
    """Eye centres (b, 2, 3) pushed along z until the lids' middles rest on the balls."""
    reach = head.head.eye_radius + RIM_CLEARANCE
    rim = vertices[:, head.rims]  # (b, 2, r, 3)
    away = rim[..., :2] - eyes[:, :, None, :2]
    band = (away[..., 0].abs() < RIM_BAND).to(vertices.dtype)
    depth = rim[..., 2] - (reach**2 - away.square().sum(-1)).clamp(min=1e-12).sqrt()
    middle = (depth * band).sum(-1) / band.sum(-1)
    return torch.cat([eyes[..., :2], middle[..., None]], dim=-1)


def express(head: HeadTensors, rest: Tensor, eyes: Tensor, expression: Tensor) -> Tensor:
    """`posing.express` for a batch of rest vertices (b, n, 3)."""
    names = head.head.expression_names
    blinks = {seam: expression[:, names.index(blink)] for seam, blink in BLINKS.items()}
    keep = torch.ones_like(expression)
    for blink in BLINKS.values():
        keep[:, names.index(blink)] = 0
    open_ = rest + torch.tensordot(expression * keep, head.expressions, dims=1)
    out = open_ + torch.tensordot(expression * (1 - keep), head.expressions, dims=1)
    for name, amount in blinks.items():
        wanted = (1 - amount)[:, None, None] * gap(head.seams[name], open_)
        wanted = torch.where(amount[:, None, None] > 0, wanted, gap(head.seams[name], out))
        out = pulled(head.seams[name], out, wanted, UPPER_LID_SHARE)
    out = closed_lips(head, out, expression)
    for side in range(2):
        out = clear_eyeball(head, out, side, eyes[:, side])
    return out


def gap(seam: SeamTensors, vertices: Tensor) -> Tensor:
    """Vectors (b, s, 3) across the seam."""
    return torch.einsum("sn,bnd->bsd", seam.across, vertices[:, seam.vertices])


def pulled(seam: SeamTensors, vertices: Tensor, wanted: Tensor, upper_share: float) -> Tensor:
    """Vertices moved until the gaps are `wanted` (b, s, 3)."""
    mixed = upper_share * seam.pulls[0] - (1 - upper_share) * seam.pulls[1]
    for _ in range(PULLS):
        step = torch.einsum("ns,bsd->bnd", mixed, wanted - gap(seam, vertices))
        vertices = vertices.index_add(1, seam.vertices, step)
    return vertices


def closed_lips(head: HeadTensors, vertices: Tensor, expression: Tensor) -> Tensor:
    """`posing.close_lips` for a batch."""
    names = head.head.expression_names
    jaw, closing = expression[:, names.index("jawOpen")], expression[:, names.index("mouthClose")]
    seal = (closing / jaw.clamp(min=1e-3)).clamp(max=1) * (jaw > 1e-3)
    return parted_lips(head.seams["lips"], vertices, 1 - seal)


def parted_lips(lips: SeamTensors, vertices: Tensor, share: Tensor) -> Tensor:
    """`posing.part_lips` for a batch; `share` (b,)."""
    now = gap(lips, vertices)
    height = (now[..., 1] * share[:, None]).clamp(min=0)
    return pulled(lips, vertices, torch.stack([now[..., 0], height, now[..., 2]], dim=-1), 0.5)


def clear_eyeball(head: HeadTensors, vertices: Tensor, side: int, centre: Tensor) -> Tensor:
    """`posing.clear_eyeball` for a batch."""
    lids = head.lids[side]
    near = vertices[:, lids]
    away = near - centre[:, None]
    far = away.square().sum(-1, keepdim=True).sqrt()
    least = head.head.eye_radius + LID_THICKNESS
    inside = (far < least) & (away[..., 2:] > 0)
    pushed = centre[:, None] + away * (least / far.clamp(min=1e-6))
    return vertices.index_copy(1, lids, torch.where(inside, pushed, near))


def joint_transforms(joints: Tensor, turn: Tensor, jaw: Tensor, torso: Tensor) -> Tensor:
    """`posing.joint_transforms`: (b, 6, 3, 4) from joints (b, 6, 3) and rotation vectors (b, 3)."""
    out = [about(rotation(torso), joints[:, 1])]
    for index, share in enumerate(TURN_SHARE.values(), start=1):
        out.append(out[-1] @ about(rotation(turn * share), joints[:, index]))
    out.append(out[-1] @ about(rotation(jaw), joints[:, 5]))
    return torch.stack(out, dim=1)[:, :, :3]


def about(turn: Tensor, centre: Tensor) -> Tensor:
    """Rotations (b, 3, 3) about points (b, 3) as (b, 4, 4)."""
    shift = centre - torch.einsum("brc,bc->br", turn, centre)
    upper = torch.cat([turn, shift[..., None]], dim=-1)
    lower = torch.zeros_like(upper[:, :1])
    lower[..., 3] = 1
    return torch.cat([upper, lower], dim=1)


def rotation(vector: Tensor) -> Tensor:
    """Rotation matrices (..., 3, 3) of rotation vectors (..., 3), smooth through 0."""
    square = vector.square().sum(-1)[..., None, None]
    angle = square.clamp(min=1e-24).sqrt()
    small = square < 1e-8
    sine = torch.where(small, 1 - square / 6, angle.sin() / angle)
    versine = torch.where(small, 0.5 - square / 24, (1 - angle.cos()) / square.clamp(min=1e-24))
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1)
    cross = cross.reshape(*vector.shape[:-1], 3, 3)
    eye = torch.eye(3, dtype=vector.dtype, device=vector.device)
    return eye + sine * cross + versine * cross @ cross


def eye_turns(gaze: Tensor) -> Tensor:
    """`posing.eye_turn` of angles (b, 2, 2) in degrees: rotations (b, 2, 3, 3)."""
    left, down = gaze.deg2rad().unbind(-1)
    zero = torch.zeros_like(left)
    about_y = rotation(torch.stack([zero, left, zero], dim=-1))
    return about_y @ rotation(torch.stack([down, zero, zero], dim=-1))
