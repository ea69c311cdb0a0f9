"""Shift and add as a reduction over chunks of frames.

Chunks of frames fold into accumulators inside their tasks, and these are added up in pairs.
Everything is an integer, so the image does not depend on chunks, scheduler or order.

Memory: an accumulator is 16 bytes a pixel of the region and image; a handful exist at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import dask
import numpy as np

from skry_dask.kernels.resample import VALUE_BITS, add_fragments
from skry_dask.passes import fold_frames

if TYPE_CHECKING:
    from collections.abc import Sequence

    import dask.array as da
    from dask.delayed import Delayed

    from skry_dask.develop import Developer
    from skry_dask.mesh import Fragments
    from skry_dask.types import AnyArray, BoolArray, Float32Array, FloatArray, Frames, IntArray


class Image(NamedTuple):
    """An image to be made: which plane of the frames it is of, and which selection it takes."""

    plane: str
    selection: int = 0


def shift_and_add(
    frames: da.Array,
    selected: BoolArray | da.Array,
    motion: FloatArray | da.Array,
    fragments: Fragments,
    developer: Delayed,
    images: Sequence[Image],
    shifts: Delayed | None = None,
) -> da.Array:
    """Add selected fragments of all frames, lazily.

    Parameters
    ----------
    frames
        uint8 or uint16 (frame, y, x[, channel]), chunked along frames only.
    selected
        bool (frame, selection, fragment).
    motion
        float64 (frame, corner, axis); see `Fragments.affine`.
    fragments
        The mesh; it enters the graph once.
    developer
        Lazy `Developer` of the frames.
    images
        What is made in this one pass.
    shifts
        Lazy float64 (image, axis), px: by how much each image's plane lies off the motion.

    Returns
    -------
    int64 (image, 2, y, x): sums in units of ``2**-VALUE_BITS`` of the plane's own, and counts.
    """
    return fold_frames(
        add_chunk,
        frames,
        selected,
        motion,
        shared=[
            dask.delayed(fragments, traverse=False),
            developer,
            dask.delayed(tuple(images), traverse=False),
            dask.delayed(None) if shifts is None else shifts,
        ],
        shape=(len(images), 2, *fragments.spans.shape),
        dtype=np.int64,
    )


def add_chunk(
    frames: Frames,
    selected: BoolArray,
    motion: FloatArray,
    fragments: Fragments,
    developer: Developer,
    images: Sequence[Image],
    shifts: FloatArray | None,
    total: IntArray,
) -> None:
    """Add a chunk of frames to ``total``, int64 (image, 2, y, x); see `shift_and_add`."""
    spans = fragments.spans
    for frame, chosen, moved in zip(frames, selected, motion, strict=True):
        wanted = [i for i, image in enumerate(images) if chosen[image.selection].any()]
        if not wanted:
            continue
        affine = fragments.affine(moved)
        planes = developer.develop(frame, [images[i].plane for i in wanted])
        for i, plane in zip(wanted, planes, strict=True):
            own = affine
            if shifts is not None:
                own = affine.copy()
                own[:, :, 0] += shifts[i]
            of_image = chosen[images[i].selection]
            add_fragments(plane, spans.spans, spans.first, own, of_image, total[i])


def mean_image(total: AnyArray, units: Sequence[int], black: int, white: int) -> Float32Array:
    """Turn sums and counts into images.

    Parameters
    ----------
    total
        int64 (image, 2, y, x), from `shift_and_add`.
    units
        Of each image: how many units of its plane make a grey level; see `Developer.units`.
    black, white
        Grey level that becomes 0, and how many more become 1.

    Returns
    -------
    float32 (image, y, x), 0 = no light, 1 = full scale; NaN where nothing was added.
    """
    unit = np.array(units, float)[:, None, None] * 2.0**VALUE_BITS
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total[:, 0] / (total[:, 1] * unit)
    return ((mean - black) / white).astype(np.float32)


def lazy_images(total: da.Array, developer: Developer, images: Sequence[Image]) -> da.Array:
    """Turn sums and counts into images lazily; see `mean_image`."""
    units = [developer.units(image.plane) for image in images]
    return total.map_blocks(
        mean_image, units, developer.black, developer.white, dtype=np.float32, drop_axis=1
    )


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
