"""Calibration: removing a camera's dark signal, uneven response, bad pixels, and what stands still.

No frame is changed here. The capture gets variables ``dark``, ``gain``, ``bad`` and ``overlay``,
labelled with the pixels that they belong to, and whoever reads frames applies them (`Developer`).
So they follow the frames through cropping and selecting, as every labelled array does.

Cost: the masters and a few sampled frames are read; searching for bad pixels takes 0.7 to 1.7 us a
pixel. Memory: about ten times a frame in float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skry_dask.capture.calibration.bad_lines import bad_lines_in_capture
from skry_dask.capture.calibration.bad_pixels import bad_in_capture, gain_of_flat, hot_in_dark
from skry_dask.capture.calibration.develop import cfa_at_first_pixel, full_scale
from skry_dask.capture.calibration.filling import Filling
from skry_dask.capture.calibration.frame_means import COMPARED_FRAMES, sampled_mean
from skry_dask.capture.calibration.masters import Master, check_flat, dark_levels
from skry_dask.capture.calibration.standing import mask_standing
from skry_dask.graph.datasets import variable, whole_frames
from skry_dask.kernels.frame.calibration import replace_bad_pixels
from skry_dask.options import CalibrationOptions, HotPixels, as_json
from skry_dask.options.given import options_of
from skry_dask.store.digest import digest_of

if TYPE_CHECKING:
    import xarray as xr

    from skry_dask.types import BoolArray, Float32Array, FloatArray, IntArray

SEARCHED_FRAMES = 32
"""Number of evenly spaced frames whose mean is searched for bad pixels."""


def calibrate(
    capture: xr.Dataset, options: CalibrationOptions | None = None, **choices: Any
) -> xr.Dataset:
    """Add dark, gain, bad pixels and overlays to a capture, by which its frames are calibrated.

    Reads the masters, 5 frames to compare them with the dark, 32 frames if bad pixels are searched
    in the capture, 16 to search for what stands still: one by one, in the calling thread.

    Parameters
    ----------
    capture
        With ``frames`` (frame, y, x[, channel]). Coordinates ``y`` and ``x`` say which pixels of
        the masters belong to it.
    options
        See `CalibrationOptions`.
    **choices
        Options by name, such as ``dark="dark.tif"``. They win over ``options``.

    Returns
    -------
    xarray.Dataset
        The capture with up to four variables (y, x[, channel]): ``dark`` float32, grey levels, to
        be subtracted; ``gain`` float32, 1/8 to 8, by which the rest is multiplied; ``bad`` bool,
        pixels to be replaced by their neighbours; ``overlay`` bool (y, x), text, marks and strong
        hot pixels. Bars are cut off; see `mask_standing`. Bad pixels have the dark and the gain of
        their neighbours, too. The attribute ``problems`` has what the user should know, and
        ``digest`` depends on the content of the masters, not on where they are.

    Raises
    ------
    OptionsError
        If a master does not fit the frames, or cannot be a dark or a flat.
    ReaderError
        If a master or frame cannot be read.

    Examples
    --------
    >>> import skry_dask as skry
    >>> capture = skry.simulate("moon", frames=8, height=160, width=200)
    >>> calibrated = skry.calibrate(capture, hot_pixels="capture")
    >>> "bad" in calibrated  # the simulated camera has none
    False
    """
    options = options_of(CalibrationOptions, options, choices, "calibrate")
    capture = mask_standing(capture, options)
    if options.dark is options.flat is None and options.hot_pixels is HotPixels.NONE:
        return capture
    whole_frames(capture)
    pattern, white = cfa_at_first_pixel(capture), full_scale(capture)
    masters: dict[str, Master] = {}
    levels = gain = bad = None
    problems: list[str] = []
    if options.dark is not None:
        dark = masters["dark"] = Master.read(options.dark, "dark", capture, pattern)
        levels = dark_levels(dark, sampled_mean(capture, COMPARED_FRAMES), capture)
        if options.hot_pixels is HotPixels.DARK:
            bad = dark.of_capture(hot_in_dark(dark.image, dark.cfa))
            problems = _note_on_bad(bad, np.zeros_like(bad))
    if options.flat is not None:
        flat = masters["flat"] = Master.read(options.flat, "flat", capture, pattern)
        check_flat(flat.name, flat.image, flat.cfa)
        gain = flat.of_capture(gain_of_flat(flat.image, flat.cfa))
    if options.hot_pixels is HotPixels.CAPTURE:
        mean = _without_overlays(sampled_mean(capture, SEARCHED_FRAMES), capture)
        mean = mean if levels is None else mean - levels
        mean = mean if gain is None else mean * gain
        lines = bad_lines_in_capture(mean / white, 2 if pattern else 1)
        hot, dead = bad_in_capture(lines.without, pattern)
        bad = hot | dead | lines.columns | lines.rows
        problems = _note_on_bad(hot, dead, lines.n_columns, lines.n_rows)
    problems = [*(m.problem for m in masters.values() if m.problem), *problems]
    calibrated = capture.assign(_variables(capture, levels, gain, bad))
    return calibrated.assign_attrs(_attributes(capture, options, masters, problems))


def _without_overlays(mean: FloatArray, capture: xr.Dataset) -> FloatArray:
    """Fill what text and marks hide in a mean of frames, grey levels; in units of 1/65535."""
    if "overlay" not in capture:
        return mean
    unit = full_scale(capture) / 65535
    fixed = np.rint(mean / unit).astype(np.uint16)
    mask = capture["overlay"].to_numpy()
    Filling.of(mask, 2 if cfa_at_first_pixel(capture) else 1).fill(fixed)
    return fixed.astype(np.float64) * unit


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
        found["bad"] = variable(dims, bad, "1", "hot and dead pixels, bad columns and rows")
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
        choices.pop("mask")  # what it has found is in the capture's digest
        found["digest"] = digest_of(
            capture.attrs["digest"], options.phase, options.version, choices
        )
    return found


def _note_on_bad(hot: BoolArray, dead: BoolArray, n_columns: int = 0, n_rows: int = 0) -> list[str]:
    """Say how many pixels, columns and rows are replaced; nothing if there are none."""
    n_hot, n_dead = (int(bad.sum()) for bad in (hot, dead))
    pixels = " and ".join(f"{n} {name}" for n, name in ((n_hot, "hot"), (n_dead, "dead")) if n)
    kinds = [f"{pixels} {_counted(n_hot + n_dead, 'pixel')}"] if pixels else []
    lines = ((n_columns, "bad column"), (n_rows, "bad row"))
    kinds += [f"{n} {_counted(n, name)}" for n, name in lines if n]
    if n_hot + n_dead + n_columns + n_rows == 1:
        return [f"{kinds[0]} is replaced by its neighbours."]
    return [f"{' and '.join(kinds)} are replaced by their neighbours."] if kinds else []


def _counted(number: int, noun: str) -> str:
    return noun if number == 1 else f"{noun}s"
