"""Sums of the selected fragments in a window of the image: shift-and-add of what it needs.

Only frames are read that give a fragment to the window, and of these only the rows that the
fragments touch; only the window's fragments are moved and added. A pixel gets the same integers as
in the sums of the whole image: see `geometry.mesh_window` for spans, `counted_from` for places.

Cost: in proportion to the window's area, from 100 px on a side. Each task takes as many bytes of
frames as one of the whole image, so that there are fewer tasks.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from skry_dask.graph.frame_folds import fold_frames
from skry_dask.graph.frame_parts import FrameNumbers
from skry_dask.graph.parcels import share
from skry_dask.kernels.stacking.row_spans import counted_from
from skry_dask.phases.stacking.corner_motion import motion_of
from skry_dask.phases.stacking.fragment_selection import (
    pack_selection,
    unpack_fragments,
    unpack_selection,
)
from skry_dask.phases.stacking.shift_and_add import (
    FrameImages,
    ImageSums,
    pixel_counts,
    shared_by_images,
    shift_fragments,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from skry_dask.capture.calibration.develop import Developer
    from skry_dask.geometry.mesh_window import MeshWindow
    from skry_dask.graph.frame_parts import FrameParts
    from skry_dask.phases.stacking.corner_motion import CornerMotion
    from skry_dask.phases.stacking.resampling import ImageRequest, Resampling
    from skry_dask.phases.stacking.stack_plan import StackPlan
    from skry_dask.types import AnyArray, BoolArray, FloatArray, IntArray

REACH_PX = 4
"""Interpolation takes pixels up to 3 px from the place of a pixel; and one for rounding."""

DRIFT_PX = 32
"""Rows of a frame that are expected to be read beyond the height of the window."""

MAX_SPREAD = 2
"""Frames are read together if they touch at most this many times the rows that one of them does."""

MAX_CHUNKS = 8
"""A task has at most as many frames as this many chunks of the capture: stores read them whole."""


def window_sums(
    plan: StackPlan,
    frames: FrameParts,
    packed: AnyArray,
    requests: list[ImageRequest],
    window: MeshWindow,
) -> ImageSums:
    """Add up the selected fragments in a window of the image, lazily.

    Parameters
    ----------
    plan
        Of the whole stack.
    frames
        Of the capture.
    packed
        uint8 (frame, selection, byte), of all fragments; see `pack_selection`.
    requests
        The images to make.
    window
        Part of the plan's mesh.

    Returns
    -------
    See `shift_and_add`; of the window's rows and columns.
    """
    of_window = unpack_fragments(packed, window.fragments)
    used = np.flatnonzero(of_window.any(axis=(1, 2)))
    numbers = used if len(used) else np.zeros(1, np.int64)
    resampling, developer = plan.resampling, plan.developer
    gain = np.zeros(len(numbers), np.int64) if plan.gain is None else plan.gain[numbers]
    shift = plan.colour_shift
    shift = np.zeros((len(numbers), 0, 2)) if shift is None else shift[numbers]
    total = fold_frames(
        add_window,
        FrameNumbers(numbers, _frames_per_task(plan, window)),
        pack_selection(of_window[numbers]),
        motion_of(plan.motion, numbers, window.corners),
        gain,
        shift,
        shared=[
            *map(share, (frames, window, developer)),
            *shared_by_images(requests, resampling),
        ],
        shape=(len(requests), 1 + resampling.counts_pixels, *window.spans.shape),
        max_increment=plan.max_increment,
    )
    if resampling.counts_pixels:
        weights = total[:, 1]
    else:
        weights = pixel_counts(of_window, requests, window.spans)
    return ImageSums(*(sums[..., window.n_before :] for sums in (total[:, 0], weights)))


def _frames_per_task(plan: StackPlan, window: MeshWindow) -> int:
    """Choose the number of frames whose parts are about as large as a chunk of whole frames."""
    n_chunk, height = max(plan.frames.chunks[0]), plan.frames.shape[1]
    n_rows = min(window.spans.shape[0] / window.scale + DRIFT_PX, height)
    return min(int(n_chunk * height / n_rows), n_chunk * MAX_CHUNKS)


def add_window(
    numbers: IntArray,
    packed: AnyArray,
    motion: FloatArray | CornerMotion,
    gain: IntArray,
    colour_shift: FloatArray,
    frames: FrameParts,
    window: MeshWindow,
    developer: Developer,
    requests: Sequence[ImageRequest],
    resampling: Resampling,
    sums: IntArray,
) -> None:
    """Add the selected fragments of some frames to the sums of a window.

    Parameters
    ----------
    numbers
        int64 (frame), indices of the frames.
    packed
        uint8 (frame, selection, byte), of the window's fragments.
    motion
        float64 (frame, corner, axis), px, of the window's corners.
    gain, colour_shift, developer, requests, resampling
        See `add_chunk`.
    frames
        All frames of the capture.
    window
        The fragments and where their pixels are.
    sums
        int32 or int64 (image, 1 or 2, y, x), changed in place.
    """
    selected = unpack_selection(packed, len(window.fragments))
    wanted = np.asarray(selected.any(axis=1))
    if not wanted.any():
        return
    affine = window.affine(np.asarray(motion))
    shifts = colour_shift.swapaxes(0, 1) if colour_shift.shape[1] else np.zeros((1, len(affine), 2))
    in_image = np.stack([shift_fragments(affine, shift[:, None]) for shift in shifts])
    places, kept = counted_from(in_image, window.row, window.column)
    exact = (kept | ~wanted).all(axis=(0, 2))
    parts = _parts(places, wanted, np.flatnonzero(exact), frames.shape, window, developer)
    for some, rows, columns in parts:
        images = FrameImages(window.spans, developer.cropped(rows, columns), requests, resampling)
        read = frames.read(numbers[some], rows, columns)
        moved = places[:, some]
        moved[..., :2, 0] -= [rows.start, columns.start]
        for i, frame, frame_places in zip(some, read, moved.swapaxes(0, 1), strict=True):
            images.add(frame, selected[i], partial(_of_image, frame_places), int(gain[i]), sums)
    for i in np.flatnonzero(~exact):
        whole = frames.read(numbers[i : i + 1], *(slice(0, n) for n in frames.shape[1:3]))
        spans = window.spans_in_image
        images = FrameImages(spans, developer, requests, resampling)
        in_whole = np.zeros((*sums.shape[:2], *spans.shape), sums.dtype)
        images.add(
            whole[0], selected[i], partial(_of_image, in_image[:, i]), int(gain[i]), in_whole
        )
        sums += in_whole[..., window.row :, window.column :]


def _of_image(places: FloatArray, image: int) -> FloatArray:
    """Take the places of an image from those of each plane (plane, fragment, 2, 3)."""
    return np.ascontiguousarray(places[image % len(places)])


def _parts(
    places: FloatArray,
    wanted: BoolArray,
    exact: IntArray,
    shape: tuple[int, ...],
    window: MeshWindow,
    developer: Developer,
) -> Iterator[tuple[IntArray, slice, slice]]:
    """Divide frames into groups, and find the rows and columns that the fragments of each touch.

    Parameters
    ----------
    places
        float64 (plane, frame, fragment, 2, 3), for rows and columns of the sums.
    wanted
        bool (frame, fragment).
    exact
        int64 (frame), indices of the frames to divide.
    shape
        Of the capture's frames.
    window
        The fragments.
    developer
        Of whole frames.

    Yields
    ------
    Indices of frames, and the rows and columns to read.
    """
    places, wanted = places[:, exact], wanted[exact]
    reached = [_reach(places[..., axis, :], wanted, window.bounds) for axis in (0, 1)]
    size = np.array(shape[1:3])
    first, last = (np.stack(ends, axis=1).clip(0, size - 1) for ends in zip(*reached, strict=True))
    step = 2 if developer.cfa else 1
    for group in _near_each_other(first[:, 0], last[:, 0]):
        start = np.maximum(first[group].min(axis=0) - developer.reach, 0)
        start -= start % step
        stop = np.minimum(last[group].max(axis=0) + developer.reach + 1, size)
        rows, columns = (slice(*ends) for ends in zip(start.tolist(), stop.tolist(), strict=True))
        yield exact[group], rows, columns


def _reach(places: FloatArray, wanted: BoolArray, bounds: IntArray) -> tuple[IntArray, IntArray]:
    """Find the first and the last pixel that fragments touch in each frame, along one axis.

    Parameters
    ----------
    places
        float64 (plane, frame, fragment, 3): place = places @ (1, row, column).
    wanted
        bool (frame, fragment).
    bounds
        See `MeshWindow.bounds`.

    Returns
    -------
    Two of int64 (frame); they may lie outside the frame.
    """
    place, down, along = (np.ascontiguousarray(places[..., k]) for k in range(3))
    (top, bottom), (left, right) = bounds[:, 0].T, bounds[:, 1].T
    # Linear in row and column: the extremes are at the corners of a fragment's bounds.
    low, high = (
        place + pick(down * top, down * bottom) + pick(along * left, along * right)
        for pick in (np.minimum, np.maximum)
    )
    first = np.where(wanted, low, np.inf).min(axis=(0, 2)) - REACH_PX
    last = np.where(wanted, high, -np.inf).max(axis=(0, 2)) + REACH_PX
    return first.astype(np.int64), last.astype(np.int64)


def _near_each_other(first: IntArray, last: IntArray) -> Iterator[IntArray]:
    """Divide frames into groups that touch about the same rows.

    Parameters
    ----------
    first, last
        int64 (frame): the rows that each frame touches.

    Yields
    ------
    Indices of frames, ascending. All of a group's rows are at most `MAX_SPREAD` times as many as
    those of the frame that has most.
    """
    if not len(first):
        return
    order = np.argsort(first, kind="stable")
    most = int((last - first + 1).max())
    begins = [0]
    for i in range(1, len(order)):
        if last[order[i]] - first[order[begins[-1]]] >= MAX_SPREAD * most:
            begins.append(i)
    for begin, end in pairwise([*begins, len(order)]):
        yield np.sort(order[begin:end])
