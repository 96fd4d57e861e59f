"""One sharp picture of several small ones that are shifted by parts of a pixel.

Registration as by Lucas and Kanade ("An iterative image registration technique with an application
to stereo vision", IJCAI 1981), for shifts alone; super-resolution by iterated back-projection
(Irani and Peleg, "Improving resolution by image registration", CVGIP 1991).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from fusiform.core.errors import ChoiceError


def translated(images: Tensor, shift: Tensor) -> Tensor:
    """`images (n, c, h, w)` seen at x + `shift (n, 2)`, x and y in pixels; edges repeat."""
    size = images.shape[-2:]
    eye = torch.eye(2, 3, dtype=images.dtype, device=images.device).repeat(len(images), 1, 1)
    half = images.new_tensor([size[1] / 2, size[0] / 2])
    eye[:, :, 2] = shift.to(images) / half
    grid = functional.affine_grid(eye, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


def registered(frames: Tensor, reference: Tensor, rounds: int = 8) -> Tensor:
    """The shifts `(n, f, 2)` in pixels at which `frames (n, f, c, h, w)` look like `reference
    (n, c, h, w)`: `translated(frame, shift)` is near it. Meant for shifts of a pixel or two."""
    n, f = frames.shape[:2]
    flat = frames.flatten(0, 1)
    across, down = slopes(reference)
    normal = torch.stack(
        [(a * b).sum((1, 2, 3)) for a in (across, down) for b in (across, down)], 1
    ).view(n, 2, 2)
    solve = torch.linalg.inv(normal + 1e-6 * torch.eye(2).to(normal))
    shift = frames.new_zeros(n, f, 2)
    for _ in range(rounds):
        off = translated(flat, shift.view(-1, 2)).view(frames.shape) - reference[:, None]
        pull = torch.stack([(g[:, None] * off).sum((2, 3, 4)) for g in (across, down)], 2)
        shift = shift - pull @ solve
    return shift


def slopes(images: Tensor) -> tuple[Tensor, Tensor]:
    """Derivatives of `(n, c, h, w)` along x and y, by central differences; 0 at the border."""
    across = functional.pad((images[..., 2:] - images[..., :-2]) / 2, (1, 1))
    down = functional.pad((images[..., 2:, :] - images[..., :-2, :]) / 2, (0, 0, 1, 1))
    return across, down


def super_resolved(frames: Tensor, shift: Tensor, factor: int, rounds: int = 5) -> Tensor:
    """One picture `(n, c, h factor, w factor)` of `frames (n, f, c, h, w)` registered by `shift
    (n, f, 2)`, as `registered` gives it.

    Starts as the mean of the frames, enlarged and shifted. Each round adds the mean of what the
    frames have that their likeness, made of the picture by shifting it and averaging blocks of
    `factor` pixels, has not. Raises ChoiceError for a factor below 1.
    """
    if factor < 1:
        raise ChoiceError("factor", "at least 1", factor)
    n, f = frames.shape[:2]
    flat, fine = frames.flatten(0, 1), shift.reshape(-1, 2) * factor

    def gathered(parts: Tensor) -> Tensor:
        large = functional.interpolate(parts, scale_factor=float(factor), mode="bilinear")
        return translated(large, fine).view(n, f, *large.shape[1:]).mean(1)

    picture = gathered(flat)
    for _ in range(rounds):
        again = picture.repeat_interleave(f, 0)
        likeness = functional.avg_pool2d(translated(again, -fine), factor)
        picture = picture + gathered(flat - likeness)
    return picture
