"""Means of frames: of all of them, as masters, and of a few, to check and to search.

A master is a reduction over all frames in integers, so that it does not depend on chunks. Samples
are read one by one in the calling thread. Memory: one frame in int64 for each thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from skry_dask.capture.calibration.develop import cfa_at_first_pixel, full_scale
from skry_dask.capture.calibration.masters import Master, check_exposure, check_flat, dark_levels
from skry_dask.capture.samples import sampled_numbers
from skry_dask.errors import OptionsError, ReaderError
from skry_dask.graph.datasets import variable, whole_frames
from skry_dask.graph.frame_folds import fold_frames
from skry_dask.graph.frame_passes import FrameSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from skry_dask.capture.calibration.masters import MasterImage
    from skry_dask.types import Float32Array, FloatArray, Frames, IntArray

COMPARED_FRAMES = 5
"""Number of evenly spaced frames that are compared with a master."""

FAINT_FLAT = 0.05
"""Median of a flat, as a fraction of full scale, below which most of it is noise of the camera."""


def master_dark(capture: xr.Dataset) -> xr.Dataset:
    """Make a master dark: the mean of frames without light.

    Parameters
    ----------
    capture
        With ``frames`` (frame, y, x[, channel]), taken with the telescope covered, at the exposure
        time, gain and temperature of the captures that it is for.

    Returns
    -------
    xarray.Dataset
        Lazy. ``master`` float32 (y, x[, channel]), 1 = full scale; ``n_frames`` int64, the number
        of frames averaged.

    Raises
    ------
    ReaderError
        If there are no frames.

    Examples
    --------
    >>> import skry_dask as skry
    >>> capture = skry.simulate("moon", skry.SimulateOptions(frames=8, height=160, width=200))
    >>> master_dark(capture.isel(frame=slice(2)))["master"].dtype  # with the telescope open
    dtype('float32')
    """
    return _mean_of_all(capture, None, "mean of frames without light")


def master_flat(capture: xr.Dataset, dark: MasterImage | None = None) -> xr.Dataset:
    """Make a master flat: the mean of frames of an evenly lit field.

    Five frames are read here, to check that they can be a flat.

    Parameters
    ----------
    capture
        With ``frames`` (frame, y, x[, channel]).
    dark
        Master dark of the flat's own exposure time, to be subtracted.

    Returns
    -------
    xarray.Dataset
        As from `master_dark`, with the dark subtracted.

    Raises
    ------
    OptionsError
        If the flat is overexposed, dark or unevenly lit, or the dark does not fit.
    ReaderError
        If the dark cannot be read, or there are no frames.

    Examples
    --------
    >>> import skry_dask as skry
    >>> flat = skry.open_capture("moon.ser")
    >>> master_flat(flat)["master"].dims
    ('y', 'x')
    """
    name, white, pattern = _source(capture), full_scale(capture), cfa_at_first_pixel(capture)
    frames = sampled_frames(capture, COMPARED_FRAMES)
    check_exposure(name, max(float((frame >= white).mean()) for frame in frames))
    mean = sampled_mean(capture, COMPARED_FRAMES)
    subtracted, problems = None, []
    if dark is not None:
        master = Master.read(dark, "dark", capture, pattern)
        mean = mean - dark_levels(master, mean, capture)
        subtracted = master.of_capture(master.image)
        problems = [master.problem] if master.problem else []
    level = float(np.median(mean)) / white
    if level < FAINT_FLAT:
        raise OptionsError(
            f"{name}: the median of the flat is {level:.1%} of full scale: record it at about half "
            "of full scale"
        )
    check_flat(name, (mean / white).astype(np.float32), pattern)
    made = _mean_of_all(capture, subtracted, "mean of frames of an evenly lit field")
    return made.assign_attrs(problems=problems)


def sampled_mean(capture: xr.Dataset, number: int) -> FloatArray:
    """Compute the mean of evenly spaced frames, read one by one in the calling thread.

    Parameters
    ----------
    capture
        With ``frames`` (frame, y, x[, channel]).
    number
        Maximum number of frames.

    Returns
    -------
    float64 (y, x[, channel])
        Grey levels.

    Raises
    ------
    ReaderError
        If there are no frames.
    """
    total, n_frames = np.zeros(capture["frames"].shape[1:], np.int64), 0
    for frame in sampled_frames(capture, number):
        total += frame
        n_frames += 1
    return total / n_frames


def sampled_frames(capture: xr.Dataset, number: int) -> Iterator[Frames]:
    """Read evenly spaced frames, one by one in the calling thread.

    Parameters
    ----------
    capture
        With ``frames`` (frame, y, x[, channel]).
    number
        Maximum number of frames.

    Yields
    ------
    uint8 or uint16 (y, x[, channel]), raw.

    Raises
    ------
    ReaderError
        If there are no frames.
    """
    frames = whole_frames(capture)
    if not len(frames):
        raise ReaderError(f"{_source(capture)} has no frames: record it again")
    source = FrameSource(frames)
    for index in sampled_numbers(len(frames), number):
        yield source[index : index + 1][0]


def _mean_of_all(capture: xr.Dataset, dark: Float32Array | None, long_name: str) -> xr.Dataset:
    """Average all frames and subtract the dark, lazily; 1 = full scale."""
    frames = whole_frames(capture)
    if not len(frames):
        raise ReaderError(f"{_source(capture)} has no frames: record it again")
    white = int(np.iinfo(frames.dtype).max)
    total = fold_frames(add_up, frames, shape=frames.shape[1:], max_increment=white)
    mean = total / (len(frames) * float(full_scale(capture)))
    mean = (mean if dark is None else mean - dark).astype(np.float32)
    dims = tuple(str(dim) for dim in capture["frames"].dims[1:])
    coords = {dim: capture.coords[dim].variable for dim in dims if dim in capture.coords}
    return xr.Dataset(
        {
            "master": variable(dims, mean, "1", long_name),
            "n_frames": variable((), np.int64(len(frames)), "1", "number of frames"),
        },
        coords,
        {"problems": []},
    )


def add_up(frames: Frames, total: IntArray) -> None:
    """Add frames (frame, y, x[, channel]) to ``total``, int64 (y, x[, channel])."""
    for frame in frames:
        total += frame


def _source(capture: xr.Dataset) -> str:
    return str(capture.attrs.get("source", "the capture"))
