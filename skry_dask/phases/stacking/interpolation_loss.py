"""Contrast that bilinear interpolation has taken from a mean of frames, given back to it.

Between two pixels, t of the way, bilinear interpolation blurs by a variance of t (1 - t) px**2, and
at whole pixels not at all. What a mean of many frames has lost is the mean of that over the places
where its fragments lay between the pixels: for frames that lie anywhere the kernel is a triangle
two px wide, of variance 1/6, and contrast at f cycles per px is sinc(f)**2. The filter [-c, 1 + 2c,
-c] along y and x undoes it where there is something to see: with c = `GIVEN_BACK`, contrast is 1.00
at 0.25 cycles per px and within 4 % of 1 below. Less variance takes as much less; frames that all
lie on whole pixels stay as they are.

It costs a pass over the image in place of one over the frames: 4 taps a pixel there and not the 16
of a cubic kernel, 4.2 ns against 9.8. Stacks are the same by their scores: sigma 1.125 px, psnr
48.35 dB (sharp-cubic 1.125 and 48.41) on a simulated Moon, 1.274 and 57.2 (1.276 and 57.3) on a
planet. Of few frames it leaves more noise: with the best 10, 44.0 dB against 44.1 and 50.6 against
51.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import dask
import numpy as np

from skry_dask.geometry.mesh import pack, unpack
from skry_dask.graph.frame_tables import map_parts, total_of
from skry_dask.kernels.stacking.mean_light import sharpen
from skry_dask.kernels.stacking.subpixel_phase import add_between

if TYPE_CHECKING:
    import dask.array as da

    from skry_dask.geometry.mesh import TriangleMesh
    from skry_dask.phases.stacking.corner_motion import Motion
    from skry_dask.types import AnyArray, BoolArray, Float32Array, FloatArray, IntArray

GIVEN_BACK = (2 / np.sinc(0.25) ** 2 - 2) / 4

ANYWHERE = 1 / 6
"""Mean of t (1 - t) over all t, px**2."""

FRAMES = 64
"""Variances are found for so many frames at a time."""

STEP = 2.0**-20
"""Variances are added up in multiples of this, px**2, so that their order does not matter."""


def lost_variance(selected: BoolArray, motion: Motion | da.Array, mesh: TriangleMesh) -> da.Array:
    """Add up by how much bilinear interpolation blurs the selected fragments, lazily.

    Parameters
    ----------
    selected
        bool (frame, selection, fragment).
    motion
        float64 (frame, corner, axis), px.
    mesh
        Of the fragments.

    Returns
    -------
    int64 (selection, axis, 2): variance times pixels in units of `STEP`, and pixels.
    """
    n_frames, n_selections = selected.shape[:2]
    sums = map_parts(
        add_variance,
        [min(FRAMES, n_frames - i) for i in range(0, n_frames, FRAMES)],
        motion,
        pack(selected),
        shared=[dask.delayed(mesh, traverse=False)],
        shape=(n_selections, 2, 2),
        dtype=np.int64,
    )
    return total_of(sums)


def add_variance(motion: FloatArray | Motion, packed: AnyArray, mesh: TriangleMesh) -> IntArray:
    """Add up variances of one chunk of frames; see `lost_variance` and `pack`.

    Returns
    -------
    int64 (1, selection, axis, 2)
    """
    selected = unpack(packed, len(mesh.triangles))
    moved = np.ascontiguousarray(motion)  # read once, if it is to be read
    pixels = mesh.pixels
    out = np.zeros((1, selected.shape[1], 2, 2), np.int64)
    for i, sums in enumerate(out[0]):
        chosen = np.ascontiguousarray(selected[:, i])
        add_between(moved, mesh.triangles, pixels, chosen, 1 / STEP, sums)
    return out


def give_back(images: Float32Array, lost: IntArray) -> Float32Array:
    """Give mean images their contrast back.

    Parameters
    ----------
    images
        float32 (image, y, x), NaN where nothing is known.
    lost
        int64 (image, axis, 2), from `lost_variance`.

    Returns
    -------
    float32 (image, y, x); beside NaN and borders pixels are continued by themselves.
    """
    variance = lost[:, :, 0] * STEP / np.maximum(lost[:, :, 1], 1)
    strength = (GIVEN_BACK / ANYWHERE * variance).astype(np.float32)
    out = np.empty_like(images)
    for image, (down, along), made in zip(images, strength, out, strict=True):
        sharpen(image, down, along, made)
    return out
