"""Atmospheric dispersion: how far red and blue are displaced from green.

Air refracts blue light more than red, so an object below the zenith appears at a different place in
each colour, by fractions of a pixel to several pixels (A. V. Filippenko, "The importance of
atmospheric differential refraction in spectrophotometry", PASP 94, 1982, 715-721). The shift
follows the altitude of the object, so it changes slowly: blocks of green are searched in the other
colours of the best frames of each part of the capture, medians are taken over blocks, and a smooth
curve through them gives the shift in every frame.

Raw colour is measured on the samples of each colour, every second pixel. Demosaicing would mix
green into the other colours and draw them together.

Cost: 20 ms a frame of 840 x 612. Memory: one frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import dask
import dask.array as da
import numpy as np

from skry_dask.capture.calibration.develop import COLOURS
from skry_dask.graph.frame_passes import FrameSource
from skry_dask.graph.frame_tables import call_each
from skry_dask.kernels.field.block_kriging import invert_positive_definite
from skry_dask.kernels.matching.block_match import match_blocks
from skry_dask.kernels.matching.reference_blocks import make_reference_blocks

if TYPE_CHECKING:
    from dask.delayed import Delayed

    from skry_dask.capture.calibration.develop import Developer
    from skry_dask.types import AnyArray, Float32Array, FloatArray, Frames, IntArray

N_PARTS = 12
"""Number of parts of a capture, in each of which dispersion is measured."""

N_FRAMES = 4
"""Number of best frames of each part in which it is."""

N_KNOTS = 9
"""Largest number of places in time between which the shift changes linearly."""

FRAMES_PER_KNOT = 4
"""Least number of measured frames for each of these places; with fewer than two, one vector is
taken for the whole capture."""

STEP_PX = 0.25
"""Standard deviation of the change of a shift from one of these places to the next, px."""

BEND_PX = 0.1
"""The same of the change of that change, px."""

LEAST_ERROR_PX = 0.02
"""Least error of a frame's measurement, px."""

OUTLIER = 2.0
"""A frame that lies this many standard deviations off the curve has half of its weight."""

N_ROUNDS = 10
"""How often weights are made of what lies off."""

ROUNDING = 1024
"""Shifts are rounded to this fraction of a px, so that they are the same on all machines."""

SEARCH_RADIUS = 6
"""Largest shift of a colour that is found, samples of that colour."""

SMOOTHINGS = 2
"""Number of times the samples of a mosaic, which are two px apart, are averaged over 3 x 3."""

SIGNIFICANCE = 6.0
"""A block is found where its correlation exceeds this many times 1 / block side, the standard
deviation of its correlation with white noise."""


def channel_shift(
    frames: da.Array,
    frame_quality: Float32Array,
    offset: FloatArray,
    position: IntArray,
    block_size: int,
    developer: Delayed,
) -> da.Array:
    """Measure the shift of each colour against green in all frames, lazily.

    Parameters
    ----------
    frames
        uint8 or uint16 (frame, y, x[, channel]), raw colour or RGB.
    frame_quality
        float32 (frame); NaN for frames that must not be used.
    offset
        float64 (frame, axis), px.
    position
        int64 (point, axis), reference points on the canvas, px.
    block_size
        Side of the blocks around them, px.
    developer
        Lazy `Developer` of the frames.

    Returns
    -------
    float64 (frame, channel, axis), lazy, in the chunks of ``frames``, px: position of red, green
    and blue minus that of green.
    """
    best = best_of_parts(frame_quality)
    items = [(int(i), position + np.rint(offset[i]), block_size) for i in best]
    source = dask.delayed(FrameSource(frames), traverse=False)
    measured = call_each(_measure_one, [source, developer], items)
    n_frames = len(frame_quality)
    shift = dask.delayed(shift_of_frames)(measured, best, n_frames)
    whole = da.from_delayed(shift, (n_frames, len(COLOURS), 2), np.float64)
    return whole.rechunk((frames.chunks[0], -1, -1))


def best_of_parts(frame_quality: Float32Array) -> IntArray:
    """Choose the best frames of each part of a capture.

    Parameters
    ----------
    frame_quality
        float32 (frame); NaN for frames that must not be used.

    Returns
    -------
    int64 (chosen), ascending.
    """
    usable = np.flatnonzero(~np.isnan(frame_quality))
    chosen = [
        part[np.argsort(-frame_quality[part], kind="stable")[:N_FRAMES]]
        for part in np.array_split(usable, N_PARTS)
    ]
    return np.sort(np.concatenate(chosen))


def _measure_one(
    source: FrameSource, developer: Developer, index: int, centres: FloatArray, block_size: int
) -> FloatArray:
    return measure_frame(source[index : index + 1][0], centres, block_size, developer)


def measure_frame(
    frame: Frames, centres: FloatArray, block_size: int, developer: Developer
) -> FloatArray:
    """Measure the shift of each colour against green in one frame.

    Parameters
    ----------
    frame
        uint8 or uint16 (y, x[, channel]), raw.
    centres
        float64 (point, axis), centres of blocks in the frame, px.
    block_size
        Side of the blocks, px.
    developer
        Of the frames.

    Returns
    -------
    float64 (channel, axis), px; NaN for a colour in which no block was found.
    """
    samples, places, step = colour_samples(developer.calibrated(frame), developer.cfa)
    if step > 1:
        samples = [_smooth(plane) for plane in samples]
    green = samples[1]
    size = max(8, block_size // step) // 2 * 2
    corners = np.rint(centres / step).astype(np.int64) - size // 2
    inside = (corners >= SEARCH_RADIUS) & (corners + size + SEARCH_RADIUS <= green.shape)
    corners = corners[inside.all(axis=1)]
    blocks = make_reference_blocks(green, corners, size)
    shift = np.zeros((len(COLOURS), 2))
    for channel in (0, 2):
        scaled = _scale_like(samples[channel], green)
        (matches,) = match_blocks(scaled[None], corners[None], blocks, SEARCH_RADIUS)
        found = matches[:, 2] > SIGNIFICANCE / size
        if found.any():
            median = np.median(matches[found, :2], axis=0)
            shift[channel] = step * median + places[channel] - places[1]
        else:
            shift[channel] = np.nan
    return shift


def colour_samples(frame: Frames, cfa: str | None) -> tuple[list[Frames], FloatArray, int]:
    """Separate the samples of each colour of a frame, without demosaicing.

    Parameters
    ----------
    frame
        uint8 or uint16: raw colour (y, x), or RGB (y, x, channel).
    cfa
        Colour filter array of raw colour, else None.

    Returns
    -------
    samples
        Red, green and blue: uint16 (y, x) of one shape.
    places
        float64 (channel, axis), px: position of the first sample of each colour in the frame.
    step
        Distance of neighbouring samples, px.
    """
    if cfa is None:
        planes = [np.ascontiguousarray(frame[..., i]).astype(np.uint16) for i in range(3)]
        return planes, np.zeros((3, 2)), 1
    height, width = (n // 2 * 2 for n in frame.shape)
    sites: dict[str, list[tuple[int, int]]] = {"R": [], "G": [], "B": []}
    for i, colour in enumerate(cfa):
        sites[colour].append(divmod(i, 2))
    samples = []
    for colour in "RGB":
        planes = [frame[y:height:2, x:width:2].astype(np.uint32) for y, x in sites[colour]]
        samples.append((sum(planes[1:], planes[0]) // len(planes)).astype(np.uint16))
    places = np.array([np.mean(sites[colour], axis=0) for colour in "RGB"])
    return samples, places, 2


def _smooth(samples: Frames) -> Frames:
    """Smooth the samples of a mosaic, since detail finer than their distance is aliased."""
    from scipy import ndimage

    smooth = samples.astype(np.float64)
    for _ in range(SMOOTHINGS):
        smooth = ndimage.uniform_filter(smooth, 3, mode="nearest")
    return np.rint(smooth).astype(np.uint16)


def _scale_like(samples: AnyArray, green: AnyArray) -> Frames:
    """Scale a colour to the mean and standard deviation of green, so that it has as many bits."""
    colour, target = samples.astype(np.float64), green.astype(np.float64)
    scaled = (colour - colour.mean()) * (target.std() / max(colour.std(), 1e-9)) + target.mean()
    return np.rint(scaled).clip(0, 65535).astype(np.uint16)


def shift_of_frames(measured: list[FloatArray], chosen: IntArray, n_frames: int) -> FloatArray:
    """Lay a smooth curve in time through the shifts of each colour.

    Parameters
    ----------
    measured
        float64 (channel, axis) of each chosen frame, px; NaN for a colour that was not found.
    chosen
        int64 (chosen), indices of these frames.
    n_frames
        Number of all frames.

    Returns
    -------
    float64 (frame, channel, axis), px; 0 for a colour that was found in no frame.
    """
    stacked = np.array(measured, np.float64).reshape(-1, len(COLOURS), 2)
    shift = np.zeros((n_frames, len(COLOURS), 2))
    for channel in range(len(COLOURS)):
        valid = ~np.isnan(stacked[:, channel, 0])
        for axis in range(2) if valid.any() else ():
            values = stacked[valid, channel, axis]
            shift[:, channel, axis] = _curve(values, chosen[valid], n_frames)
    return np.rint(shift * ROUNDING) / ROUNDING


def _curve(values: FloatArray, at: IntArray, n_frames: int) -> FloatArray:
    """Lay a curve through values at some frames: its value in each frame, float64 (frame)."""
    n_knots = min(N_KNOTS, len(values) // FRAMES_PER_KNOT)
    if n_knots < 2:
        return np.full(n_frames, np.median(values))
    terms = _hats(at, n_frames, n_knots)
    prior = sum(
        steps.T @ steps / spread**2
        for order, spread in ((1, STEP_PX), (2, BEND_PX))
        for steps in (np.diff(np.eye(n_knots), order, axis=0),)
    )
    error = values - np.median(values)
    knots = np.zeros(n_knots)
    for _ in range(N_ROUNDS):
        spread = max(1.4826 * float(np.median(np.abs(error))), LEAST_ERROR_PX)
        weight = 1 / (1 + (error / (OUTLIER * spread)) ** 2) / spread**2
        inverse = invert_positive_definite((terms * weight[:, None]).T @ terms + prior)
        knots = inverse @ (terms.T @ (weight * values))
        error = values - terms @ knots
    return _hats(np.arange(n_frames), n_frames, n_knots) @ knots


def _hats(at: IntArray, n_frames: int, n_knots: int) -> FloatArray:
    """Return the share of each knot in the value at some frames: float64 (at, knot)."""
    place = at * ((n_knots - 1) / max(n_frames - 1, 1))
    return np.clip(1 - np.abs(place[:, None] - np.arange(n_knots)), 0, None)
