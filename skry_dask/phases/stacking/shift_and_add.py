"""Shift and add: sums of the selected fragments of all frames, in one pass.

Each task adds its chunk of frames to an accumulator, and accumulators are added up: `fold_frames`.
All sums are integers, so the image does not depend on chunks, scheduler or order.

Counts of frames per pixel follow from the selection. They are added up pixel by pixel only where a
frame may show part of a fragment, or where drops cover part of a pixel.

Memory: an accumulator takes 4 bytes a pixel of each image where the sums of a task fit into int32,
otherwise 8; there is one for each thread, and a total of 8 bytes a pixel. All of this doubles where
counts are added up pixel by pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, NamedTuple

import dask
import dask.array as da
import numpy as np

from skry_dask.graph.frame_folds import fold_frames
from skry_dask.graph.frame_parts import FrameNumbers
from skry_dask.graph.parcels import share
from skry_dask.kernels.frame.brightness import scale_brightness
from skry_dask.kernels.stacking.rasterise import fill_fragments
from skry_dask.phases.stacking.changed_fragments import cost_of, runs_of
from skry_dask.phases.stacking.fragment_selection import (
    count_selected,
    pack_selection,
    unpack_selection,
)
from skry_dask.phases.stacking.resampling import CUBIC, UNBOUNDED_INCREMENT, colour_sites

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dask.delayed import Delayed

    from skry_dask.capture.calibration.develop import Developer
    from skry_dask.geometry.mesh import Mesh, Spans
    from skry_dask.graph.frame_parts import FrameParts
    from skry_dask.graph.kept.known_sums import KnownSums
    from skry_dask.graph.kept.sums import SumKeeper
    from skry_dask.graph.row_tables import AnyRows
    from skry_dask.phases.stacking.area_motion import TurningCorners
    from skry_dask.phases.stacking.corner_motion import CornerMotion
    from skry_dask.phases.stacking.resampling import ImageRequest, Resampling
    from skry_dask.types import AnyArray, BoolArray, FloatArray, Frames, IntArray


class ImageSums(NamedTuple):
    """Sums of the selected fragments of all frames.

    Parameters
    ----------
    values
        int64 (image, y, x), lazy, in the units of the resampling.
    weights
        (image, y, x), lazy: int32 or int64 number of frames added; of weighted frames int64, sum
        of their weights; for drizzle int64, sum of the overlaps of pixels with drops.
    """

    values: da.Array
    weights: da.Array


def shift_and_add(
    frames: da.Array,
    selected: AnyArray | da.Array,
    motion: FloatArray | CornerMotion | TurningCorners | da.Array,
    mesh: Mesh,
    developer: Delayed,
    requests: Sequence[ImageRequest],
    *,
    colour_shift: AnyRows | da.Array | None = None,
    peak: int = UNBOUNDED_INCREMENT,
    resampling: Resampling = CUBIC,
    gain: IntArray | da.Array | None = None,
    keeper: SumKeeper | None = None,
) -> ImageSums:
    """Add up the selected fragments of all frames, lazily.

    Parameters
    ----------
    frames
        uint8 or uint16 (frame, y, x[, channel]), raw, chunked along frames only.
    selected
        bool (frame, selection, fragment), or in memory and packed: see `pack_selection`.
    motion
        float64 (frame, corner, axis), px; see `Mesh.affine`.
    mesh
        Divides the image into fragments.
    developer
        Lazy `Developer` of the frames.
    requests
        The images to make in this pass.
    colour_shift
        float64 (frame, plane, axis), px: position of each plane relative to the motion; None = all
        planes are where the motion says.
    peak
        Greatest value of the planes, see `Developer.peak`; saves memory where it is known.
    resampling
        How frames get onto the canvas.
    gain
        int64 (frame), factor of each frame's brightness in units of ``2**-FRAME_GAIN_BITS``, never
        0; or None to leave all frames as they are.
    keeper
        Finds sums of other selections, and keeps these; None: neither.
    """
    n_planes = 1 + resampling.counts_pixels
    shape = (len(requests), n_planes, *mesh.spans.shape)
    packed = pack_selection(selected)
    known = None if keeper is None else _known_sums(keeper, shape, packed, frames, len(requests))
    kept: list[Any] = [packed] if known is None else [packed, known.held]
    total = fold_frames(
        add_chunk if known is None else add_changes,
        frames if known is None else FrameNumbers(np.arange(len(frames)), frames.chunksize[0]),
        *kept,
        motion,
        np.zeros(len(frames), np.int64) if gain is None else gain,
        np.zeros((len(frames), 0, 2)) if colour_shift is None else colour_shift,
        shared=[
            *(
                []
                if keeper is None or known is None
                else [dask.delayed(keeper.frames, traverse=False)]
            ),
            share(mesh),
            developer,
            *shared_by_images(requests, resampling),
        ],
        shape=shape,
        max_increment=(UNBOUNDED_INCREMENT if gain is not None else resampling.max_increment(peak)),
        keeper=keeper,
    )
    if resampling.counts_pixels:
        return ImageSums(total[:, 0], total[:, 1])
    return ImageSums(total[:, 0], pixel_counts(selected, requests, mesh.spans))


def shared_by_images(requests: Sequence[ImageRequest], resampling: Resampling) -> list[Delayed]:
    """List the lazy values that all calls of a pass need to make images; see `shift_and_add`."""
    return [
        dask.delayed(tuple(requests), traverse=False),
        dask.delayed(resampling, traverse=False),
    ]


def _known_sums(
    keeper: SumKeeper,
    shape: tuple[int, ...],
    packed: AnyArray | da.Array,
    frames: da.Array,
    n_images: int,
) -> KnownSums | None:
    """Find sums from which the wanted ones follow at a smaller cost than from none."""
    n_selections, n_bytes = packed.shape[1:]
    per_fragment = shape[-2] * shape[-1] / (8 * n_bytes) * n_images / n_selections
    frame_pixels = int(np.prod(frames.shape[1:]))
    wanted = None if isinstance(packed, da.Array) else packed
    return keeper.find(
        shape,
        packed.shape,
        wanted,
        lambda bits, known: cost_of(bits, frame_pixels, per_fragment, one_by_one=known),
    )


def pixel_counts(
    selected: AnyArray | da.Array, requests: Sequence[ImageRequest], spans: Spans
) -> da.Array:
    """Count the selected frames at each pixel, lazily: int32 (image, y, x).

    Parameters
    ----------
    selected
        See `shift_and_add`.
    requests
        The images.
    spans
        Pixels of the fragments.
    """
    # A selection in memory is summed now, so that it does not travel in the graph.
    return da.map_blocks(
        _paint_counts,
        da.asarray(count_selected(selected, spans.n_fragments)).rechunk(-1),
        [request.selection for request in requests],
        share(spans),
        dtype=np.int32,
        drop_axis=1,
        new_axis=(1, 2),
        chunks=((len(requests),), *((n,) for n in spans.shape)),
    )


def _paint_counts(counts: IntArray, selections: list[int], spans: Spans) -> AnyArray:
    """Give each pixel the count (selection, fragment) of its fragment: int32 (image, y, x)."""
    images = np.empty((len(selections), *spans.shape), np.int32)
    for image, selection in zip(images, selections, strict=True):
        fill_fragments(spans.spans, spans.first, counts[selection], image)
    return images


def add_chunk(
    frames: Frames,
    packed: AnyArray,
    motion: FloatArray | CornerMotion | TurningCorners,
    gain: IntArray,
    colour_shift: FloatArray | AnyRows,
    mesh: Mesh,
    developer: Developer,
    requests: Sequence[ImageRequest],
    resampling: Resampling,
    sums: IntArray,
) -> None:
    """Add the selected fragments of a chunk of frames to an accumulator.

    Parameters
    ----------
    frames
        uint8 or uint16 (frame, y, x[, channel]), raw.
    packed
        uint8 (frame, selection, byte), see `pack_selection`.
    motion, mesh, developer, requests, resampling
        See `shift_and_add`; of this chunk, and in memory.
    gain
        int64 (frame), in units of ``2**-FRAME_GAIN_BITS``; 0 leaves a frame as it is, without the
        fractional bits that scaling adds.
    colour_shift
        float64 (frame, plane, axis), see `shift_and_add`; without planes where nothing is shifted.
    sums
        int32 or int64 (image, 1 or 2, y, x), changed in place.
    """
    selected = unpack_selection(packed, mesh.spans.n_fragments)
    images = FrameImages(mesh.spans, developer, requests, resampling)
    for frame, of_frame, moved, factor, shift in zip(
        frames, selected, np.asarray(motion), gain, np.asarray(colour_shift), strict=True
    ):
        if not of_frame.any():
            continue
        affine = mesh.affine(moved)
        images.add(frame, of_frame, partial(_places, affine, shift), int(factor), sums)


def _places(affine: FloatArray, shift: FloatArray, image: int) -> FloatArray:
    # All planes of a selection follow one another.
    return shift_fragments(affine, shift[image % len(shift)]) if len(shift) else affine


def shift_fragments(affine: FloatArray, shift: FloatArray) -> FloatArray:
    """Shift all fragments (..., 2 or 3, 3) by the same vector, or those of each frame: px."""
    shifted = affine.copy()
    shifted[..., :2, 0] += shift
    return shifted


@dataclass(frozen=True, eq=False)
class FrameImages:
    """The images that are made of each frame, and where their fragments are.

    Parameters
    ----------
    spans
        Pixels of the fragments in the sums.
    developer
        Of the frames.
    requests
        The images.
    resampling
        How frames get onto the canvas.
    """

    spans: Spans
    developer: Developer
    requests: Sequence[ImageRequest]
    resampling: Resampling

    @cached_property
    def sites(self) -> list[IntArray]:
        """Of each image, see `colour_sites`."""
        return [colour_sites(self.developer, request.plane) for request in self.requests]

    def add(
        self,
        frame: Frames,
        selected: BoolArray,
        places: Callable[[int], FloatArray],
        gain: int,
        sums: IntArray,
    ) -> None:
        """Add the selected fragments of one frame to sums.

        Parameters
        ----------
        frame
            uint8 or uint16 (y, x[, channel]), raw.
        selected
            bool (selection, fragment).
        places
            Called with the index of an image; returns float64 (fragment, 2, 3), see `Mesh.affine`.
        gain
            In units of ``2**-FRAME_GAIN_BITS``; 0 leaves the frame as it is, without the
            fractional bits that scaling adds.
        sums
            int32 or int64 (image, 1 or 2, y, x), changed in place.
        """
        developer, resampling = self.developer, self.resampling
        wanted = [i for i, request in enumerate(self.requests) if selected[request.selection].any()]
        names = list(dict.fromkeys(self.requests[i].plane for i in wanted))
        planes = dict(zip(names, resampling.develop(developer, frame, names), strict=True))
        if gain:
            for name in names:
                black = developer.black * resampling.plane_units(developer, name)
                planes[name] = scale_brightness(planes[name], gain, black)
        for i in wanted:
            plane, selection = self.requests[i]
            resampling.add(
                planes[plane], self.sites[i], self.spans, places(i), selected[selection], sums[i]
            )


def add_changes(
    numbers: IntArray,
    wanted: AnyArray,
    held: AnyArray,
    motion: Any,
    gain: IntArray,
    colour_shift: FloatArray | AnyRows,
    parts: FrameParts,
    *rest: Any,
) -> None:
    """Add the difference between two selections of a chunk of frames to an accumulator.

    Sums that hold other fragments become the wanted ones to the bit, because fragments add to
    integers one by one. Only frames are read of which a fragment changes. Values are rounded when
    they are added, so none is subtracted as a negative value: instead the sums change their sign,
    the fragments are added, and the sums change their sign again, once for each chunk.

    Parameters
    ----------
    numbers
        int64 (frame): indices of the frames.
    wanted, held
        uint8 (frame, selection, byte), see `pack_selection`: what the sums are to hold, and what
        known sums hold.
    motion, gain, colour_shift
        As for `add_chunk`.
    parts
        The frames, read when they are needed.
    rest
        All further arguments of `add_chunk`; the last one is the accumulator.
    """
    sums: IntArray = rest[-1]
    more, less = wanted & ~held, held & ~wanted
    subtracted = []
    changed = np.asarray((more | less).any(axis=(1, 2)))
    whole = [slice(0, n) for n in parts.shape[1:3]]
    for rows in runs_of(changed):
        read = parts.read(numbers[rows], *whole)
        along = motion[rows], gain[rows], colour_shift[rows]
        add_chunk(read, more[rows], *along, *rest)
        if less[rows].any():
            subtracted.append((read, less[rows], *along))
    if subtracted:
        np.negative(sums, out=sums)
        for chunk in subtracted:
            add_chunk(*chunk, *rest)
        np.negative(sums, out=sums)
