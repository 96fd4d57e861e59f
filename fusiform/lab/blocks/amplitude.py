"""Spectra of pictures mixed: amplitudes of one with phases of another.

The phase of a picture's Fourier transform says where edges are, the amplitude mostly light and
texture (Oppenheim and Lim, "The importance of phase in signals", Proc. IEEE 1981), so mixing
amplitudes keeps who is seen.
"""

from __future__ import annotations

import torch
from torch import Tensor


def amplitude_mixed(own: Tensor, other: Tensor, share: Tensor | float) -> Tensor:
    """`own (..., h, w)` with the phases it has and amplitudes (1 - share) |own| + share |other|.

    Of pixels in [0, 1], where no mean is negative; `share` in [0, 1] broadcasts over the pictures.
    Real and differentiable; may leave [0, 1]. Xu et al., "A Fourier-based framework for domain
    generalization", CVPR 2021, eq. 5.
    """
    mine, theirs = torch.fft.rfft2(own), torch.fft.rfft2(other)
    amplitude = torch.lerp(mine.abs(), theirs.abs(), torch.as_tensor(share, dtype=own.dtype))
    # A frequency of no amplitude has no phase: 0, as torch.angle has it.
    mixed: Tensor = torch.fft.irfft2(torch.polar(amplitude, mine.angle()), s=own.shape[-2:])
    return mixed
