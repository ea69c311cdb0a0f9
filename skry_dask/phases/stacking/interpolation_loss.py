"""Contrast that bilinear interpolation takes from a mean of frames, restored in the mean.

At a position t of the way between two pixels, bilinear interpolation blurs by a variance of
t (1 - t) px**2. A mean of many frames is blurred by the mean of that over the positions of its
fragments. For frames at random positions the effective kernel is a triangle two px wide, of
variance 1/6 px**2, and contrast at f cycles per px falls to sinc(f)**2.

The filter [-c, 1 + 2c, -c] along y and x restores the contrast where there is something to see.
With c = `FULL_STRENGTH` contrast is 1.00 at 0.25 cycles per px and within 4 % of 1 below. A smaller
variance gets a proportionally weaker filter; frames that all lie on whole pixels are not changed.

Cost: one pass over the image instead of a wider kernel for all frames, 4 taps and 4.2 ns a pixel
instead of 16 taps and 9.8 ns for cubic. Stacks have the same scores: sigma 1.125 px and psnr 48.35
dB (sharp-cubic 1.125 px, 48.41 dB) on a simulated Moon, 1.274 px and 57.2 dB (1.276 px, 57.3 dB) on
a planet. Stacks of few frames keep more noise: with the best 10 frames 44.0 dB against 44.1 dB, and
50.6 dB against 51.1 dB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.graph.frame_tables import map_table, total_of
from skry_dask.graph.parcels import share
from skry_dask.kernels.stacking.mean_image import amplify_differences
from skry_dask.kernels.stacking.subpixel_phase import add_subpixel_variance
from skry_dask.phases.stacking.fragment_selection import pack_selection, unpack_selection

if TYPE_CHECKING:
    import dask.array as da

    from skry_dask.geometry.mesh import TriangleMesh
    from skry_dask.phases.stacking.corner_motion import CornerMotion
    from skry_dask.types import AnyArray, Float32Array, FloatArray, IntArray

FULL_STRENGTH = (2 / np.sinc(0.25) ** 2 - 2) / 4
"""Strength c of the filter that restores frames at random positions."""

RANDOM_VARIANCE = 1 / 6
"""Mean variance of the blur of frames at random positions, px**2: the mean of t (1 - t)."""

BLOCK_FRAMES = 128
"""Number of frames whose variances are added up in one task."""

LARGE_BLOCK_FRAMES = 256
"""The same where nothing else takes memory, so that there are fewer tasks."""

VARIANCE_STEP = 2.0**-20
"""Variances are added up in multiples of this, px**2, so that their order does not matter."""


def interpolation_blur(
    selected: AnyArray,
    motion: CornerMotion | da.Array,
    mesh: TriangleMesh,
    n_block: int = BLOCK_FRAMES,
) -> da.Array:
    """Add up the variance by which bilinear interpolation blurs the selected fragments, lazily.

    Parameters
    ----------
    selected
        bool (frame, selection, fragment), or packed: see `pack_selection`.
    motion
        float64 (frame, corner, axis), px.
    mesh
        Divides the image into fragments.
    n_block
        Number of frames whose variances are added up in one task.

    Returns
    -------
    int64 (selection, axis, 2), lazy: variance times pixels, in units of `VARIANCE_STEP`; and
    pixels.
    """
    n_frames, n_selections = selected.shape[:2]
    sums = map_table(
        add_blur,
        motion,
        pack_selection(selected),
        sizes=[min(n_block, n_frames - i) for i in range(0, n_frames, n_block)],
        shared=[share(mesh)],
        shape=(n_selections, 2, 2),
        dtype=np.int64,
        reduces=True,
    )
    return total_of(sums)


def add_blur(motion: FloatArray | CornerMotion, packed: AnyArray, mesh: TriangleMesh) -> IntArray:
    """Add up the variances of some frames; see `interpolation_blur`.

    Parameters
    ----------
    motion
        float64 (frame, corner, axis), px.
    packed
        uint8 (frame, selection, byte), see `pack_selection`.
    mesh
        Divides the image into fragments.

    Returns
    -------
    int64 (1, selection, axis, 2)
    """
    selected = unpack_selection(packed, len(mesh.triangles))
    moved = np.ascontiguousarray(motion)  # reads displacements that are still in the store
    n_pixels = mesh.n_pixels
    total = np.zeros((1, selected.shape[1], 2, 2), np.int64)
    for i, sums in enumerate(total[0]):
        of_selection = np.ascontiguousarray(selected[:, i])
        add_subpixel_variance(
            moved, mesh.triangles, n_pixels, of_selection, 1 / VARIANCE_STEP, sums
        )
    return total


def restore_contrast(images: Float32Array, blur: IntArray) -> Float32Array:
    """Restore the contrast of mean images.

    Parameters
    ----------
    images
        float32 (image, y, x), NaN where nothing was added.
    blur
        int64 (image, axis, 2), from `interpolation_blur`.

    Returns
    -------
    float32 (image, y, x). Beside NaN and beyond the border pixels count as equal to the nearest.
    """
    variance = blur[:, :, 0] * VARIANCE_STEP / np.maximum(blur[:, :, 1], 1)
    strength = (FULL_STRENGTH / RANDOM_VARIANCE * variance).astype(np.float32)
    sharpened = np.empty_like(images)
    for image, (down, right), out in zip(images, strength, sharpened, strict=True):
        amplify_differences(image, down, right, out)
    return sharpened
