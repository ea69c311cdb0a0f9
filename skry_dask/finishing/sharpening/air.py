"""What the air leaves of the contrast of detail, in a stack of short exposures.

Turbulence of the Kolmogorov kind costs coarse detail more contrast the finer it is, as in a long
exposure. The finest keeps a constant part, carried by the speckles, whose logarithm goes with
(D/r0)**(5/3), where D is the telescope's diameter and r0 describes the seeing (Fried, J. Opt. Soc.
Am. 56, 1966, 1372; Korff, J. Opt. Soc. Am. 63, 1973, 971). Between them, stacks of captures that
were simulated by wave optics follow one law within 3 %, whatever the scene, the seeing and the
number of frames: Moon, Sun and planets, D/r0 4 to 8, 60 and 300 frames stacked by default.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.options.sharpening import SAMPLING

if TYPE_CHECKING:
    from skry_dask.types import AnyArray, FloatArray

CUTOFF = 1 / SAMPLING
"""Finest detail that telescopes pass to cameras that are commonly matched to them, cycles/px."""

LOSS = 0.126
"""Logarithm of the contrast that the finest detail loses where D/r0 is 1."""

KNEE = 0.255
"""Spatial frequency by which two thirds of that are lost, as a fraction of the cutoff."""

POWER = 1.36
"""How steeply contrast falls below that frequency."""

WORST = 9.0
"""Largest D/r0 for which a stack is sharpened: beyond it, hardly any detail is left."""


def contrast_left(frequency: AnyArray, seeing: float, cutoff: float = CUTOFF) -> FloatArray:
    """Return which part of the contrast of detail is left.

    Parameters
    ----------
    frequency
        Spatial frequency, cycles/px, 0 or more.
    seeing
        D/r0 of the capture, 0 or more: 0 is still air.
    cutoff
        Finest detail that the telescope passes, cycles/px.

    Returns
    -------
    float64, above 0, up to 1.
    """
    u = np.asarray(frequency, np.float64) / cutoff
    left: FloatArray = np.exp(LOSS * seeing ** (5 / 3) * np.expm1(-((u / KNEE) ** POWER)))
    return left


def seeing_from_resolution(
    resolution: float, cutoff: float = CUTOFF, *, from_halves: bool = True
) -> float:
    """Estimate the seeing of a stack from how finely it resolves the scene.

    Contrast falls so steeply that the frequency where it drowns in noise depends on the seeing most
    of all, and little on the noise and the scene. The relations are those of the simulated captures
    (see above), within 7 % with half stacks and 9 % without.

    Parameters
    ----------
    resolution
        Frequency at which half of the image's power is detail, cycles/px.
    cutoff
        Finest detail that the telescope passes, cycles/px.
    from_halves
        Whether the resolution is that of half stacks, which don't agree on what the air makes of
        detail in so few frames: without them it looks finer.

    Returns
    -------
    D/r0 of the capture.
    """
    u = resolution / cutoff
    seeing = 3.44 * u**-0.834 if from_halves else 3.47 * u**-1.24
    return min(seeing, WORST)
