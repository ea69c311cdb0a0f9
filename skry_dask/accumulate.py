"""Shift and add as a reduction over chunks of frames.

Chunks of frames fold into accumulators inside their tasks, and these are added up in pairs.
Everything is an integer, so the image does not depend on chunks, scheduler or order.

Memory: an accumulator is 16 bytes a pixel of the region and image; a handful exist at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import dask
import numpy as np

from skry_dask.kernels.resample import VALUE_BITS, add_fragments
from skry_dask.passes import fold_frames

if TYPE_CHECKING:
    import dask.array as da

    from skry_dask.mesh import Fragments
    from skry_dask.types import AnyArray, BoolArray, Float32Array, FloatArray, Frames, IntArray


def shift_and_add(
    frames: da.Array,
    selected: BoolArray | da.Array,
    motion: FloatArray | da.Array,
    fragments: Fragments,
) -> da.Array:
    """Add selected fragments of all frames, lazily.

    Parameters
    ----------
    frames
        uint8 or uint16 (frame, y, x), chunked along frames only.
    selected
        bool (frame, image, fragment): several images can be made in one pass.
    motion
        float64 (frame, corner, axis); see `Fragments.affine`.
    fragments
        The mesh; it enters the graph once.

    Returns
    -------
    int64 (image, 2, y, x): sums in units of ``2**-VALUE_BITS`` grey levels, and counts.
    """
    return fold_frames(
        add_chunk,
        frames,
        selected,
        motion,
        shared=[dask.delayed(fragments, traverse=False)],
        shape=(selected.shape[1], 2, *fragments.spans.shape),
        dtype=np.int64,
    )


def add_chunk(
    frames: Frames,
    selected: BoolArray,
    motion: FloatArray,
    fragments: Fragments,
    total: IntArray,
) -> None:
    """Add a chunk of frames to ``total``, int64 (image, 2, y, x); see `shift_and_add`."""
    spans = fragments.spans
    for frame, chosen, moved in zip(frames, selected, motion, strict=True):
        if chosen.any():
            affine = fragments.affine(moved)
            for image, of_image in zip(total, chosen, strict=True):
                add_fragments(frame, spans.spans, spans.first, affine, of_image, image)


def mean_image(total: AnyArray, full_scale: int) -> Float32Array:
    """Turn sums and counts into an image.

    Parameters
    ----------
    total
        int64 (..., 2, y, x), from `shift_and_add`.
    full_scale
        The grey level that becomes 1.

    Returns
    -------
    float32 (..., y, x), 1 = full scale; NaN where nothing was added.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total[..., 0, :, :] / (total[..., 1, :, :] * float(full_scale << VALUE_BITS))
    return mean.astype(np.float32)


def best_fragments(quality: FloatArray, number: int) -> BoolArray:
    """Select the best frames of each fragment.

    Parameters
    ----------
    quality
        float (frame, fragment); NaN for frames that must not be used.
    number
        How many frames to take; where fewer can be used, all of them are taken.

    Returns
    -------
    bool (frame, fragment); of equals, the earlier frames.
    """
    usable = ~np.isnan(quality)
    ranked = np.where(usable, quality, -np.inf)
    if number >= len(ranked):
        return usable
    place = len(ranked) - number
    limit = np.partition(ranked, place, axis=0)[place]
    above = ranked > limit
    equal = (ranked == limit) & usable
    missing = number - above.sum(axis=0)
    return above | (equal & (np.cumsum(equal, axis=0) <= missing))
