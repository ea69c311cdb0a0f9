"""What stands still in frames while the scene moves, and must not be followed.

Even bars along the borders are cut off. Text and marks that a program has drawn, and strong hot
pixels, are masked: the developer fills them in from their surroundings before any phase sees them.
All of them are found in 16 frames, from the second least and second greatest value of each pixel.

Cost: reading 16 frames; 1 ns a pixel of these. Memory: six frames.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from skry_dask.capture.calibration.bars import picture_in
from skry_dask.capture.calibration.develop import Developer, cfa_at_first_pixel
from skry_dask.capture.calibration.drawn_edges import (
    Envelope,
    drawn_edges,
    lone_pixels,
    values_at,
)
from skry_dask.capture.calibration.frame_means import sampled_frames
from skry_dask.capture.calibration.overlays import (
    MARK_PX,
    MIN_COVERED,
    MIN_HEIGHT,
    overlays_in,
)
from skry_dask.graph.datasets import variable
from skry_dask.graph.frame_parts import select_parts
from skry_dask.kernels.frame.connected_pixels import label_pixels
from skry_dask.options import CalibrationOptions, HotPixels, Mask
from skry_dask.store.digest import digest_of

if TYPE_CHECKING:
    import xarray as xr

    from skry_dask.types import BoolArray

SEARCHED_FRAMES = 16
"""Number of evenly spaced frames that are searched."""

LEAST_FRAMES = 4
"""In fewer frames, what moves cannot be told from what does not."""

MAX_HOT = 0.005
"""Where more than this fraction of the pixels stands out, it is no camera's hot pixels."""

LISTED_PLACES = 3
"""Number of texts and marks whose place is told."""


def mask_standing(capture: xr.Dataset, options: CalibrationOptions | None = None) -> xr.Dataset:
    """Cut off bars, and mask text, marks and strong hot pixels; reads 16 frames.

    Parameters
    ----------
    capture
        With ``frames`` (frame, y, x[, channel]).
    options
        ``mask`` says whether anything is looked for; hot pixels are left to ``hot_pixels``, if that
        finds them.

    Returns
    -------
    xarray.Dataset
        The capture itself, if there is nothing, or it has been masked before. Else the picture
        inside the bars, with ``overlay`` bool (y, x), what is to be filled in, if anything is; the
        attribute ``problems`` tells what was found, and ``digest`` depends on it.

    Raises
    ------
    ReaderError
        If a frame cannot be read.
    """
    options = options or CalibrationOptions()
    small = min(capture["frames"].shape[1:3], default=0) < MARK_PX
    if options.mask is Mask.OFF or "overlay" in capture:
        return capture
    if small or capture.sizes["frame"] < LEAST_FRAMES:
        return capture
    envelope = _envelope_of(capture)
    if np.array_equal(*envelope):  # nothing moves
        return capture
    picture = picture_in(envelope)
    if picture is not None:
        envelope = envelope.part(*picture)
        capture = _cut_out(capture, picture, options)
    step = 2 if cfa_at_first_pixel(capture) else 1
    overlay = overlays_in(envelope, step)
    mask = np.zeros(envelope.low.shape, bool) if overlay is None else overlay
    problems = [] if overlay is None else [describe_overlay(overlay)]
    if options.hot_pixels is HotPixels.NONE:
        hot = hot_pixels_in(envelope, mask, step)
        if hot.any():
            mask = mask | hot
            problems.append(describe_hot_pixels(int(hot.sum())))
    return _masked(capture, mask, problems, options) if problems else capture


def hot_pixels_in(envelope: Envelope, mask: BoolArray, step: int) -> BoolArray:
    """Find strong hot and dead pixels in an envelope: bool (y, x).

    Parameters
    ----------
    envelope
        Of the frames.
    mask
        bool (y, x), pixels that are masked already.
    step
        Distance of pixels of the same colour.
    """
    height = max(MIN_HEIGHT * float(envelope.high.max()), 2.0)
    edges = drawn_edges(envelope, height, step)
    hot = lone_pixels(edges, envelope, step) | lone_pixels(edges.negative, envelope.negative, step)
    hot &= ~mask
    others = ~(values_at(mask, edges.bright) | values_at(mask, edges.dark))
    of_hot = values_at(hot, edges.bright) | values_at(hot, edges.dark)
    # Where a scene has such edges everywhere, it is sharp and does not move.
    is_scene = of_hot[others].sum() < MIN_COVERED * others.sum()
    return hot & (not is_scene and hot.mean() <= MAX_HOT)


def describe_overlay(overlay: BoolArray) -> str:
    """Tell in one line where the text and marks of a mask (y, x) are."""
    labels = label_pixels(overlay)
    places = []
    for number in range(1, int(labels.max()) + 1):
        pixels = np.argwhere(labels == number)
        (top, left), (bottom, right) = pixels.min(axis=0), pixels.max(axis=0)
        places.append(f"rows {top} to {bottom}, columns {left} to {right}")
    listed = "; ".join(places[:LISTED_PLACES])
    if len(places) > LISTED_PLACES:
        listed += f"; {len(places) - LISTED_PLACES} more"
    return (
        f"Text or marks are drawn into the frames ({listed}) and masked: --mask off leaves them, "
        "--roi cuts them off."
    )


def describe_hot_pixels(number: int) -> str:
    """Tell in one line that so many pixels are masked."""
    which = "1 pixel stands" if number == 1 else f"{number} pixels stand"
    return (
        f"{which} out in all frames and {'is' if number == 1 else 'are'} masked: --hot-pixels "
        "capture finds fainter ones, --mask off leaves them."
    )


def _cut_out(
    capture: xr.Dataset, picture: tuple[slice, slice], options: CalibrationOptions
) -> xr.Dataset:
    """Take the picture inside bars, and tell which one it is."""
    rows, columns = picture
    found = select_parts(capture, y=rows, x=columns)
    told = (
        f"Even bars surround the picture and are cut off: rows {rows.start} to {rows.stop - 1}, "
        f"columns {columns.start} to {columns.stop - 1} are left; --mask off leaves all."
    )
    place = [rows.start, rows.stop, columns.start, columns.stop]
    return found.assign_attrs(_attributes(capture, [told], ["bars", options.version, place]))


def _masked(
    capture: xr.Dataset, mask: BoolArray, problems: list[str], options: CalibrationOptions
) -> xr.Dataset:
    """Add a mask to a capture, and tell what it is."""
    content = hashlib.sha256(np.packbits(mask).tobytes()).hexdigest()
    about = ["overlay", options.version, list(mask.shape), content]
    name = "text, marks and hot pixels in the frames"
    masked = capture.assign(overlay=variable(("y", "x"), mask, "1", name))
    return masked.assign_attrs(_attributes(capture, problems, about))


def _attributes(capture: xr.Dataset, problems: list[str], about: list[Any]) -> dict[str, Any]:
    """Return the attributes that change."""
    attrs: dict[str, Any] = {"problems": [*capture.attrs.get("problems", ()), *problems]}
    if "digest" in capture.attrs:
        attrs["digest"] = digest_of(capture.attrs["digest"], *about)
    return attrs


def _envelope_of(capture: xr.Dataset) -> Envelope:
    """Compute the envelope of sampled frames, grey where they have channels."""
    frames = sampled_frames(capture, SEARCHED_FRAMES)
    if capture["frames"].ndim > 3:
        developer = Developer.of(capture[["frames"]])
        frames = (developer.grey(frame[None])[0] for frame in frames)
    return Envelope.of(frames)
