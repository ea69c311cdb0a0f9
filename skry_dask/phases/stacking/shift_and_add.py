"""Shift and add as a reduction over chunks of frames.

Chunks of frames fold into accumulators inside their tasks, and these are added to one running sum.
Everything is an integer, so the image does not depend on chunks, scheduler or order.

How many frames there are at a pixel follows from what was chosen: only where a frame may show a
part of a fragment, or drops cover a part of a pixel, is that added up pixel by pixel as well.

Memory: an accumulator is 4 bytes a pixel of each image where a task's sums fit 32 bits, else 8;
there are two more of them than threads, and the running sum of 8. Where pixels are counted one by
one, all that is twice as much.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import dask
import dask.array as da
import numpy as np

from skry_dask.capture.develop import COLOURS
from skry_dask.geometry.mesh import pack, unpack
from skry_dask.graph.frame_passes import fold_frames
from skry_dask.kernels.frame.scale_light import SCALED_BITS, scale_light
from skry_dask.kernels.stacking.drizzle import DROP_BITS, add_drops, drop_table
from skry_dask.kernels.stacking.mean_light import mean_light
from skry_dask.kernels.stacking.rasterise import paint
from skry_dask.kernels.stacking.resample import MOST_BITS, VALUE_BITS, add_fragments
from skry_dask.phases.stacking.interpolation_loss import give_back

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dask.delayed import Delayed

    from skry_dask.capture.develop import Developer
    from skry_dask.geometry.mesh import Fragments, Spans
    from skry_dask.phases.stacking.corner_motion import Motion
    from skry_dask.types import AnyArray, BoolArray, Float32Array, FloatArray, Frames, IntArray

WIDE = 2**40
"""What a frame adds to a sum where nothing is known of it."""

HOLE = 4
"""Pixels on which no drop fell are filled from neighbours up to this distance, px of the image."""


BILINEAR, SHARP_BILINEAR = "bilinear", "sharp-bilinear"


class Image(NamedTuple):
    """An image to be made: which plane of the frames it is of, and which selection it takes."""

    plane: str
    selection: int = 0


# --- from frames to the canvas ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Interpolated:
    """Frames are interpolated at the canvas's pixels.

    Parameters
    ----------
    interpolation
        "sharp-bilinear", or as in `kernels.stacking.resample`. Sharp-bilinear
        is bilinear, with the contrast that this takes given back to the mean: see `contrast`.
    seen_only
        Whether places outside a frame add nothing; else they are taken from its nearest edge.
    """

    interpolation: str = "cubic"
    seen_only: bool = False

    @property
    def counts_pixels(self) -> bool:
        """Whether a fragment may lack pixels in a frame, so that they are counted one by one."""
        return self.seen_only

    def most(self, peak: int) -> int:
        """Tell what a frame adds to a sum at most."""
        return peak << MOST_BITS

    @property
    def gives_back(self) -> bool:
        """Whether the mean is to be given back what interpolation takes."""
        return self.interpolation == SHARP_BILINEAR

    def develop(self, developer: Developer, frame: Frames, planes: Sequence[str]) -> list[AnyArray]:
        """Develop one frame to planes (y, x)."""
        return developer.develop(frame, planes)

    def add(
        self,
        plane: AnyArray,
        _sites: IntArray,
        spans: Spans,
        affine: FloatArray,
        chosen: BoolArray,
        total: IntArray,
    ) -> None:
        """Add a plane's chosen fragments to ``total``, int64 (1 or 2, y, x)."""
        add_fragments(
            plane,
            spans.spans,
            spans.first,
            affine,
            chosen,
            total,
            interpolation=BILINEAR if self.gives_back else self.interpolation,
            seen_only=self.seen_only,
        )

    def plane_units(self, developer: Developer, plane: str) -> int:
        """How many units of a plane's values make one grey level."""
        return developer.units(plane)

    @property
    def fraction(self) -> float:
        """How many units of a sum, divided by its count, make one of the plane's."""
        return 2.0**VALUE_BITS


@dataclass(frozen=True, slots=True)
class Drizzled:
    """Pixels of frames are dropped onto a finer canvas.

    Parameters
    ----------
    scale
        How many pixels of the canvas there are along one of the frame.
    drop
        Side of a drop, px of the frame.
    """

    scale: float
    drop: float

    @property
    def counts_pixels(self) -> bool:
        """Whether weights are added up pixel by pixel."""
        return True

    def develop(self, developer: Developer, frame: Frames, planes: Sequence[str]) -> list[AnyArray]:
        """Develop one frame to planes (y, x); of raw colour all are the frame as it is."""
        if not developer.cfa or not set(planes) <= set(COLOURS):
            return developer.develop(frame, planes)
        raw = developer.calibrated(frame)
        return [raw] * len(planes)

    def add(
        self,
        plane: AnyArray,
        sites: IntArray,
        spans: Spans,
        affine: FloatArray,
        chosen: BoolArray,
        total: IntArray,
    ) -> None:
        """Add a plane's chosen fragments to ``total``, int64 (2, y, x)."""
        table = drop_table(self.scale, self.drop)
        add_drops(plane, spans.spans, spans.first, affine, chosen, table, sites, total)

    def plane_units(self, _developer: Developer, _plane: str) -> int:
        """How many units of a plane's values make one grey level: nothing is demosaiced."""
        return 1

    @property
    def fraction(self) -> float:
        """How many units of a sum, divided by its weight, make one of the plane's."""
        return 1.0

    def most(self, _peak: int) -> int:
        """Tell what a frame adds to a sum at most: any number of pixels can share one."""
        return WIDE

    def frames(self, developer: Developer, plane: str) -> float:
        """How many frames a unit of the weights' sum is, on average over the canvas."""
        share = sites_of(developer, plane).mean()
        return float((self.scale / self.drop / 2**DROP_BITS) ** 2 / share)


Resampling: TypeAlias = Interpolated | Drizzled


def sites_of(developer: Developer, plane: str) -> IntArray:
    """Find which pixels of raw frames a plane is of: int64 (2, 2), 1 or 0, all where it is grey."""
    if not developer.cfa or plane not in COLOURS:
        return np.ones((2, 2), np.int64)
    own = [colour == plane[0].upper() for colour in developer.cfa]
    return np.array(own, np.int64).reshape(2, 2)


# --- sums ------------------------------------------------------------------------------------


class Added(NamedTuple):
    """Fragments of all frames, added up lazily.

    Parameters
    ----------
    sums
        int64 (image, y, x), in the units of the resampling.
    weights
        (image, y, x): int32, how many frames were added, or int64, overlaps with their drops.
    """

    sums: da.Array
    weights: da.Array


def shift_and_add(
    frames: da.Array,
    selected: BoolArray | da.Array,
    motion: FloatArray | Motion | da.Array,
    fragments: Fragments,
    developer: Delayed,
    images: Sequence[Image],
    shifts: Delayed | None = None,
    *,
    peak: int = WIDE,
    resampling: Resampling = Interpolated(),
    gain: IntArray | da.Array | None = None,
) -> Added:
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
    peak
        The greatest value of the planes, see `Developer.peak`; where it is known, less memory is
        taken.
    resampling
        How frames get onto the canvas.
    gain
        int64 (frame), by how much each frame is made brighter, in units of ``2**-UNITY_BITS``; for
        all frames or none.
    """
    n_planes = 1 + resampling.counts_pixels
    total = fold_frames(
        add_chunk,
        frames,
        pack(selected),
        motion,
        np.zeros(len(frames), np.int64) if gain is None else gain,
        shared=[
            dask.delayed(fragments, traverse=False),
            developer,
            dask.delayed(tuple(images), traverse=False),
            dask.delayed(None) if shifts is None else shifts,
            dask.delayed(resampling, traverse=False),
        ],
        shape=(len(images), n_planes, *fragments.spans.shape),
        most=WIDE if gain is not None else resampling.most(peak),
    )
    if resampling.counts_pixels:
        return Added(total[:, 0], total[:, 1])
    # Of a selection in memory now: it must not travel in the graph.
    weights = da.map_blocks(
        _paint_counts,
        da.asarray(selected.sum(axis=0)).rechunk(-1),
        [image.selection for image in images],
        fragments.spans,
        dtype=np.int32,
        drop_axis=1,
        new_axis=(1, 2),
        chunks=((len(images),), *((n,) for n in fragments.spans.shape)),
    )
    return Added(total[:, 0], weights)


def _paint_counts(numbers: IntArray, of_images: list[int], spans: Spans) -> AnyArray:
    """Give pixels the numbers of their fragments (selection, fragment): int32 (image, y, x)."""
    out = np.empty((len(of_images), *spans.shape), np.int32)
    for image, own in zip(out, of_images, strict=True):
        paint(spans.spans, spans.first, numbers[own], image)
    return out


def add_chunk(
    frames: Frames,
    packed: AnyArray,
    motion: FloatArray | Motion,
    gain: IntArray,
    fragments: Fragments,
    developer: Developer,
    images: Sequence[Image],
    shifts: FloatArray | None,
    resampling: Resampling,
    total: IntArray,
) -> None:
    """Add a chunk of frames to ``total``, int64 (image, 1 or 2, y, x); see `shift_and_add`.

    Selections come packed, see `pack`. A gain of 0 leaves a frame as it is, without the fractional
    bits of those that are scaled.
    """
    spans = fragments.spans
    selected = unpack(packed, len(spans.first) - 1)
    sites = [sites_of(developer, image.plane) for image in images]
    for frame, chosen, moved, factor in zip(
        frames, selected, np.asarray(motion), gain, strict=True
    ):
        wanted = [i for i, image in enumerate(images) if chosen[image.selection].any()]
        if not wanted:
            continue
        affine = fragments.affine(moved)
        names = list(dict.fromkeys(images[i].plane for i in wanted))
        planes = dict(zip(names, resampling.develop(developer, frame, names), strict=True))
        if factor:
            for name in names:
                black = developer.black * resampling.plane_units(developer, name)
                planes[name] = scale_light(planes[name], int(factor), black)
        for i in wanted:
            own = affine
            if shifts is not None:
                own = affine.copy()
                own[:, :, 0] += shifts[i]
            of_image = chosen[images[i].selection]
            resampling.add(planes[images[i].plane], sites[i], spans, own, of_image, total[i])


# --- from sums to images ---------------------------------------------------------------------


def mean_image(
    sums: IntArray, weights: IntArray, units: Sequence[float], black: int, white: int
) -> Float32Array:
    """Turn sums and weights into images.

    Parameters
    ----------
    sums, weights
        (image, y, x), see `Added`.
    units
        Of each image: how many units of its sums make a grey level.
    black, white
        Grey level that becomes 0, and how many more become 1.

    Returns
    -------
    float32 (image, y, x), 0 = no light, 1 = full scale; NaN where nothing was added.
    """
    out = np.empty(sums.shape, np.float32)
    for image, light, weight, unit in zip(out, sums, weights, units, strict=True):
        mean_light(light, weight, unit, black, white, image)
    return out


def lazy_images(
    added: Added,
    developer: Developer,
    images: Sequence[Image],
    resampling: Resampling = Interpolated(),
    *,
    scaled: bool = False,
    lost: da.Array | None = None,
) -> da.Array:
    """Turn sums and weights into images lazily; see `mean_image`.

    Parameters
    ----------
    added
        From `shift_and_add` with this developer, these images and this resampling.
    developer, images, resampling
        As there. Of a drizzled image, holes are filled; see `fill_holes`.
    scaled
        Whether frames were scaled by gains.
    lost
        int64 (selection, axis, 2), from `lost_variance`: contrast to be given back.
    """
    finer = resampling.fraction * 2.0 ** (SCALED_BITS if scaled else 0)
    units = [finer * resampling.plane_units(developer, image.plane) for image in images]
    made = da.map_blocks(
        mean_image, *added, units, developer.black, developer.white, dtype=np.float32
    )
    if isinstance(resampling, Drizzled):
        made = made.map_blocks(fill_holes, dtype=np.float32)
    elif lost is not None:
        of_images = lost[[image.selection for image in images]].rechunk(-1)
        made = da.blockwise(
            give_back, "iyx", made, "iyx", of_images, "jab", dtype=np.float32, concatenate=True
        )
    return made


def lazy_weights(
    added: Added, developer: Developer, images: Sequence[Image], resampling: Drizzled
) -> da.Array:
    """Turn sums of overlaps into weights, lazily.

    Returns
    -------
    float32 (image, y, x), in frames: their mean over a canvas on which n frames were drizzled is n.
    """
    unit = [resampling.frames(developer, image.plane) for image in images]
    return (added.weights * np.array(unit)[:, None, None]).astype(np.float32)


def fill_holes(images: Float32Array) -> Float32Array:
    """Fill pixels without light that lie among pixels with light.

    Parameters
    ----------
    images
        float32 (image, y, x), NaN without light.

    Returns
    -------
    (image, y, x): holes up to ``2 * HOLE`` px wide have the mean of their neighbours, from the rim
    inwards; what lies outside all light stays NaN.
    """
    from scipy import ndimage

    out = images.copy()
    around = np.ones((3, 3), bool)
    for image in out:
        known = ~np.isnan(image)
        if known.all():
            continue
        grown = ndimage.binary_dilation(known, around, HOLE)
        closed = ndimage.binary_erosion(grown, around, HOLE, border_value=1)
        for _ in range(HOLE):
            known = ~np.isnan(image)
            sums = ndimage.convolve(np.where(known, image, 0.0).astype(float), around.astype(float))
            n_known = ndimage.convolve(known.astype(float), around.astype(float))
            rim = closed & ~known & (n_known > 0)
            image[rim] = sums[rim] / n_known[rim]
    return out
