"""Dispersion: by how much red and blue lie off green.

Air refracts blue light more than red, so that an object below the zenith shows in each colour at
another place, by parts of a pixel to several pixels. It hardly changes during a capture, so it is
measured as one shift per colour: blocks of green are searched in the other colours of the best
frames, and medians taken over blocks, then over frames.

Raw colour is measured on the samples of each colour as they are, every second pixel: demosaicing
mixes green into the others, which would draw them together.

Memory: one frame. Cost: 20 ms a frame of 840 x 612.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dask
import dask.array as da
import numpy as np

from skry_dask.capture.develop import COLOURS
from skry_dask.graph.frame_passes import single_frames
from skry_dask.kernels.matching.block_match import match_blocks
from skry_dask.kernels.matching.templates import cut_blocks

if TYPE_CHECKING:
    from dask.delayed import Delayed

    from skry_dask.capture.develop import Developer
    from skry_dask.graph.frame_passes import FrameChunk
    from skry_dask.types import AnyArray, Float32Array, FloatArray, Frames, IntArray

FRAMES = 32
"""Dispersion is measured in so many of the best frames."""

REACH = 6
"""and looked for up to this distance, in samples of a colour."""

SOFTENED = 2
"""Samples of a mosaic, which lie two px apart, are smoothed so often by boxes of 3 x 3."""

CHANCE = 6.0
"""A block has been found when its correlation is above this many standard deviations of chance."""


def channel_shift(
    frames: da.Array,
    frame_quality: Float32Array,
    offset: FloatArray,
    position: IntArray,
    block_size: int,
    developer: Delayed,
) -> da.Array:
    """Measure dispersion, lazily.

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
    float64 (channel, axis), px: where red, green and blue show, less where green does.
    """
    ranked = np.argsort(-np.nan_to_num(frame_quality, nan=-1.0), kind="stable")
    best = np.sort([i for i in ranked[:FRAMES] if not np.isnan(frame_quality[i])])
    measured = [
        dask.delayed(measure_frame)(chunk, position + np.rint(offset[i]), block_size, developer)
        for i, chunk in zip(best, single_frames(frames, best), strict=True)
    ]
    shape = (len(COLOURS), 2)
    return da.from_delayed(dask.delayed(median_shift)(measured), shape, np.float64)


def measure_frame(
    chunk: FrameChunk, centres: FloatArray, block_size: int, developer: Developer
) -> FloatArray:
    """Measure the shift of each colour against green in one frame.

    Parameters
    ----------
    chunk
        A single frame.
    centres
        float64 (point, axis), where blocks are, px.
    block_size
        px.
    developer
        Of the frames.

    Returns
    -------
    float64 (channel, axis), px; NaN where nothing was found.
    """
    frame = developer.calibrated(chunk.read()[0])
    samples, places, step = colour_samples(frame, developer.cfa)
    if step > 1:
        samples = [_softened(one) for one in samples]
    green = samples[1]
    size = max(8, block_size // step) // 2 * 2
    corners = np.rint(centres / step).astype(np.int64) - size // 2
    seen = ((corners >= REACH) & (corners + size + REACH <= green.shape)).all(axis=1)
    out = np.zeros((len(COLOURS), 2))
    blocks = cut_blocks(green, corners[seen], size)
    for channel in (0, 2):
        like_green = _as_bright(samples[channel], green)
        (found,) = match_blocks(like_green[None], corners[None, seen], blocks, REACH)
        sure = found[:, 2] > CHANCE / size
        if sure.any():
            shift = np.median(found[sure, :2], axis=0)
            out[channel] = step * shift + places[channel] - places[1]
        else:
            out[channel] = np.nan
    return out


def colour_samples(frame: Frames, cfa: str | None) -> tuple[list[Frames], FloatArray, int]:
    """Take the samples of each colour of a frame as they are.

    Parameters
    ----------
    frame
        uint8 or uint16: raw colour (y, x), or (y, x, channel).
    cfa
        Colour filter array of raw colour, else None.

    Returns
    -------
    samples
        Three arrays (y, x) of one shape, uint16: red, green, blue.
    places
        float64 (channel, axis): where the first sample of each lies in the frame, px.
    step
        From sample to sample, px.
    """
    if cfa is None:
        planes = [np.ascontiguousarray(frame[..., i]).astype(np.uint16) for i in range(3)]
        return planes, np.zeros((3, 2)), 1
    height, width = (n // 2 * 2 for n in frame.shape)
    found: dict[str, list[tuple[int, int]]] = {"R": [], "G": [], "B": []}
    for i, colour in enumerate(cfa):
        found[colour].append(divmod(i, 2))
    samples = []
    for colour in "RGB":
        parts = [frame[y:height:2, x:width:2].astype(np.uint32) for y, x in found[colour]]
        samples.append((sum(parts[1:], parts[0]) // len(parts)).astype(np.uint16))
    places = np.array([np.mean(found[colour], axis=0) for colour in "RGB"])
    return samples, places, 2


def _softened(samples: Frames) -> Frames:
    """Smooth samples of a mosaic: what is finer than they are far apart would be told wrongly."""
    from scipy import ndimage

    smooth = samples.astype(np.float64)
    for _ in range(SOFTENED):
        smooth = ndimage.uniform_filter(smooth, 3, mode="nearest")
    return np.rint(smooth).astype(np.uint16)


def _as_bright(samples: AnyArray, green: AnyArray) -> Frames:
    """Scale a colour to green's brightness: blocks are compared in as many bits of either."""
    one, other = samples.astype(np.float64), green.astype(np.float64)
    scaled = (one - one.mean()) * (other.std() / max(one.std(), 1e-9)) + other.mean()
    return np.rint(scaled).clip(0, 65535).astype(np.uint16)


def median_shift(measured: list[FloatArray]) -> Any:
    """Take the median over frames; a colour that was found in none does not move."""
    stacked = np.array(measured).reshape(-1, len(COLOURS), 2)
    out = np.zeros((len(COLOURS), 2))
    for channel in range(len(COLOURS)):
        valid = stacked[~np.isnan(stacked[:, channel, 0]), channel]
        if len(valid):
            out[channel] = np.median(valid, axis=0)
    return out
