"""Calibration: removing a camera's dark signal, uneven response and bad pixels.

No frame is changed here. The capture gets variables ``dark``, ``gain`` and ``bad``, labelled with
the pixels that they belong to, and whoever reads frames applies them (`Developer`). So they follow
the frames through cropping and selecting, as every labelled array does.

Cost: the masters and a few sampled frames are read; searching for bad pixels takes 0.5 to 1.5 us a
pixel. Memory: about ten times a frame in float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from skry_dask.capture.bad_pixels import bad_in_capture, gain_of_flat, hot_in_dark
from skry_dask.capture.develop import cfa_at_first_pixel, full_scale
from skry_dask.capture.masters import Master, check_dark, check_exposure, check_flat
from skry_dask.errors import OptionsError, ReaderError
from skry_dask.graph.datasets import variable, whole_frames
from skry_dask.graph.frame_passes import fold_frames, single_frames
from skry_dask.kernels.frame.calibration import replace_bad_pixels
from skry_dask.options import CalibrationOptions, HotPixels, as_json
from skry_dask.store.digest import digest_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from skry_dask.capture.masters import MasterImage
    from skry_dask.types import BoolArray, Float32Array, FloatArray, Frames, IntArray

COMPARED_FRAMES = 5
"""Number of evenly spaced frames that are compared with a master."""

SEARCHED_FRAMES = 32
"""Number of evenly spaced frames whose mean is searched for bad pixels."""

FAINT_FLAT = 0.05
"""Median of a flat, as a fraction of full scale, below which most of it is noise of the camera."""


def calibrate(capture: xr.Dataset, options: CalibrationOptions | None = None) -> xr.Dataset:
    """Add dark, gain and bad pixels to a capture, by which its frames will be calibrated.

    Reads the masters, 5 frames to compare them with the dark, and 32 frames if bad pixels are
    searched in the capture: one after the other, in the calling thread.

    Parameters
    ----------
    capture
        With ``frames`` (frame, y, x[, channel]). Coordinates ``y`` and ``x`` say which pixels of
        the masters belong to it.
    options
        See `CalibrationOptions`.

    Returns
    -------
    xarray.Dataset
        The capture with up to three variables (y, x[, channel]): ``dark`` float32, grey levels, to
        be subtracted; ``gain`` float32, 1/8 to 8, by which the rest is multiplied; ``bad`` bool,
        pixels to be replaced by their neighbours. Bad pixels have the dark and the gain of their
        neighbours, too. The attribute ``problems`` has what the user should know, and ``digest``
        depends on the content of the masters, not on where they are.

    Raises
    ------
    OptionsError
        If a master does not fit the frames, or cannot be a dark or a flat.
    ReaderError
        If a master or frame cannot be read.

    Examples
    --------
    >>> import skry_dask as skry
    >>> capture = skry.simulate("moon", skry.SimulateOptions(frames=8, height=160, width=200))
    >>> calibrated = calibrate(capture, skry.CalibrationOptions(hot_pixels="capture"))
    >>> "bad" in calibrated  # the simulated camera has none
    False
    """
    options = options or CalibrationOptions()
    if options == CalibrationOptions():
        return capture
    whole_frames(capture)
    pattern, white = cfa_at_first_pixel(capture), full_scale(capture)
    masters: dict[str, Master] = {}
    levels = gain = bad = None
    problems: list[str] = []
    if options.dark is not None:
        dark = masters["dark"] = Master.read(options.dark, "dark", capture, pattern)
        levels = _dark_levels(dark, sampled_mean(capture, COMPARED_FRAMES), capture)
        if options.hot_pixels is HotPixels.DARK:
            bad = dark.of_capture(hot_in_dark(dark.image, dark.cfa))
            problems = _note_on_bad(bad, np.zeros_like(bad))
    if options.flat is not None:
        flat = masters["flat"] = Master.read(options.flat, "flat", capture, pattern)
        check_flat(flat.name, flat.image, flat.cfa)
        gain = flat.of_capture(gain_of_flat(flat.image, flat.cfa))
    if options.hot_pixels is HotPixels.CAPTURE:
        mean = sampled_mean(capture, SEARCHED_FRAMES)
        mean = mean if levels is None else mean - levels
        mean = mean if gain is None else mean * gain
        hot, dead = bad_in_capture(mean / white, pattern)
        bad, problems = hot | dead, _note_on_bad(hot, dead)
    problems = [*(m.problem for m in masters.values() if m.problem), *problems]
    calibrated = capture.assign(_variables(capture, levels, gain, bad))
    return calibrated.assign_attrs(_attributes(capture, options, masters, problems))


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
    >>> flat = skry.open_capture("flat.ser")  # doctest: +SKIP
    >>> master_flat(flat, "dark.tif")["master"].compute()  # doctest: +SKIP
    """
    name, white, pattern = _source(capture), full_scale(capture), cfa_at_first_pixel(capture)
    frames = _sampled_frames(capture, COMPARED_FRAMES)
    check_exposure(name, max(float((frame >= white).mean()) for frame in frames))
    mean = sampled_mean(capture, COMPARED_FRAMES)
    subtracted, problems = None, []
    if dark is not None:
        master = Master.read(dark, "dark", capture, pattern)
        mean = mean - _dark_levels(master, mean, capture)
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


# --- variables and attributes of a calibrated capture ----------------------------------------


def _variables(
    capture: xr.Dataset,
    dark: Float32Array | None,
    gain: Float32Array | None,
    bad: BoolArray | None,
) -> dict[str, Any]:
    """Build the variables of the masters and bad pixels that there are."""
    dims = tuple(str(dim) for dim in capture["frames"].dims[1:])
    found: dict[str, Any] = {}
    if bad is not None and bad.any():
        found["bad"] = variable(dims, bad, "1", "hot and dead pixels")
        places, step = np.argwhere(bad), 2 if cfa_at_first_pixel(capture) else 1
        # A bad pixel gets the values of its neighbours, so it must also get their dark and gain:
        # otherwise hot pixels of the dark would leave holes.
        dark, gain = (a if a is None else _without_bad(a, places, step) for a in (dark, gain))
    if dark is not None:
        found["dark"] = variable(dims, dark, "grey level", "what pixels show without light")
    if gain is not None:
        found["gain"] = variable(dims, gain, "1", "factor by which light is multiplied")
    return found


def _without_bad(values: Float32Array, bad: IntArray, step: int) -> Float32Array:
    """Replace values at bad pixels by `replace_bad_pixels`, rounded to 1/65536."""
    fixed = np.rint(values.astype(np.float64) * 65536).astype(np.int64)
    replace_bad_pixels(fixed, bad, step)
    replaced = values.copy()
    where = tuple(bad.T)
    replaced[where] = fixed[where] / 65536
    return replaced


def _attributes(
    capture: xr.Dataset,
    options: CalibrationOptions,
    masters: dict[str, Master],
    problems: list[str],
) -> dict[str, Any]:
    """Return the attributes that calibration changes."""
    found: dict[str, Any] = {"problems": [*capture.attrs.get("problems", ()), *problems]}
    if "digest" in capture.attrs:
        contents = {name: master.fingerprint for name, master in masters.items()}
        choices = as_json(options) | contents
        found["digest"] = digest_of(
            capture.attrs["digest"], options.phase, options.version, choices
        )
    return found


def _note_on_bad(hot: BoolArray, dead: BoolArray) -> list[str]:
    """Say how many pixels are replaced; nothing if there are none."""
    n_hot, n_dead = (int(bad.sum()) for bad in (hot, dead))
    kinds = " and ".join(f"{n} {name}" for n, name in ((n_hot, "hot"), (n_dead, "dead")) if n)
    if n_hot + n_dead == 1:
        return [f"{kinds} pixel is replaced by its neighbours."]
    return [f"{kinds} pixels are replaced by their neighbours."] if kinds else []


def _dark_levels(dark: Master, mean: FloatArray, capture: xr.Dataset) -> Float32Array:
    """Return the dark at the capture's pixels, grey levels, checked against the mean of frames."""
    white = full_scale(capture)
    levels: Float32Array = dark.of_capture(dark.image) * np.float32(white)
    dark_mean = float(levels.mean(dtype=np.float64))
    check_dark(dark.name, dark_mean, float(mean.mean()), white, _source(capture))
    return levels


# --- frames ----------------------------------------------------------------------------------


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
    for frame in _sampled_frames(capture, number):
        total += frame
        n_frames += 1
    return total / n_frames


def _sampled_frames(capture: xr.Dataset, number: int) -> Iterator[Frames]:
    """Read evenly spaced frames, at most ``number``."""
    frames = whole_frames(capture)
    if not len(frames):
        raise ReaderError(f"{_source(capture)} has no frames: record it again")
    numbers = np.unique(np.linspace(0, len(frames) - 1, number).round().astype(np.int64))
    for chunk in single_frames(frames, numbers):
        yield chunk.read()[0]


def _mean_of_all(capture: xr.Dataset, dark: Float32Array | None, long_name: str) -> xr.Dataset:
    """Average all frames and subtract the dark, lazily; 1 = full scale."""
    frames = whole_frames(capture)
    if not len(frames):
        raise ReaderError(f"{_source(capture)} has no frames: record it again")
    most = int(np.iinfo(frames.dtype).max)
    total = fold_frames(add_up, frames, shape=frames.shape[1:], most=most)
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
