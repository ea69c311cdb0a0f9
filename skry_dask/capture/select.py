"""Selection: which frames of a capture are used, and which part of them.

A selection is a part of the labelled array: frames keep the numbers that they have in the file, and
pixels their ``y`` and ``x``, from which calibration and the colour filter array know where they
are. ``capture.isel(...)`` and ``capture.sel(...)`` of xarray do the same.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from skry_dask.errors import OptionsError
from skry_dask.io.files import cannot_read
from skry_dask.options import SelectOptions, frame_ranges
from skry_dask.store.digest import digest_of

if TYPE_CHECKING:
    import xarray as xr

    from skry_dask.types import BoolArray, IntArray

EXPORTED = "frame;active frame"
"""How the table of frames begins that Stackistry exports."""


def select(capture: xr.Dataset, options: SelectOptions | None = None) -> xr.Dataset:
    """Take some frames of a capture, or a region of interest.

    Parameters
    ----------
    capture
        With ``frames`` (frame, y, x[, channel]) and their numbers ``frame``.
    options
        See `SelectOptions`.

    Returns
    -------
    xarray.Dataset
        The same variables with fewer frames or pixels; lazy ones stay lazy.

    Raises
    ------
    OptionsError
        If a frame or pixel that is named is not in the capture, or no frame is left.
    ReaderError
        If the file of active flags cannot be read.

    Examples
    --------
    >>> import skry_dask as skry
    >>> capture = skry.simulate("moon", skry.SimulateOptions(frames=8, height=160, width=200))
    >>> part = skry.select(capture, skry.SelectOptions(frames="2:6", exclude="4"))
    >>> part["frame"].values.tolist()
    [2, 3, 5]
    """
    options = options or SelectOptions()
    numbers = capture["frame"].to_numpy()
    taken = np.ones(len(numbers), bool)
    if options.frames is not None:
        taken &= listed("frames", options.frames, numbers)
    if options.exclude is not None:
        taken &= ~listed("exclude", options.exclude, numbers)
    if options.active_flags is not None:
        taken &= np.isin(numbers, active_numbers(Path(options.active_flags), numbers))
    where = capture.attrs.get("source", "the capture")
    if len(numbers) and not taken.any():
        raise OptionsError(
            f"no frame of {where} is left by the selection: its frames are numbered {numbers[0]} "
            f"to {numbers[-1]}"
        )
    chosen = capture
    if not taken.all():
        chosen = chosen.isel(frame=np.flatnonzero(taken))
    if options.roi_px is not None:
        y, x, height, width = options.roi_px
        known = capture.sizes["y"], capture.sizes["x"]
        if y + height > known[0] or x + width > known[1]:
            raise OptionsError(
                f"roi {options.roi} leaves the frames of {where}: they have {known[0]} rows and "
                f"{known[1]} columns, and it ends at row {y + height}, column {x + width}"
            )
        chosen = chosen.isel(y=slice(y, y + height), x=slice(x, x + width))
    if chosen is capture or "digest" not in capture.attrs:
        return chosen
    kept = numbers[taken].tolist()
    return chosen.assign_attrs(
        digest=digest_of(capture.attrs["digest"], "select", options.version, kept, options.roi)
    )


def listed(name: str, text: str, numbers: IntArray) -> BoolArray:
    """Find the frames that a list of numbers and ranges names.

    Parameters
    ----------
    name
        Of the option, for messages.
    text
        See `frame_ranges`.
    numbers
        int64 (frame), increasing.

    Returns
    -------
    bool (frame)

    Raises
    ------
    OptionsError
        If a single number is none of the frames', or a range begins beyond them.
    """
    found = np.zeros(len(numbers), bool)
    if not len(numbers):
        return found
    first, end = int(numbers[0]), int(numbers[-1]) + 1
    for start, stop, step in frame_ranges(name, text):
        begin = first if start is None else start + end * (start < 0)
        if step == 0:
            part = numbers == begin
        else:
            last = end if stop is None else stop + end * (stop < 0)
            part = (numbers >= begin) & (numbers < last) & ((numbers - begin) % step == 0)
        if not (step or part.any()) or begin >= end:
            raise OptionsError(
                f"{name} {text} names frame {begin}: the capture has frames {first} to {end - 1}"
                f"{'' if begin < first or begin >= end else ', but not this one'}"
            )
        found |= part
    return found


def active_numbers(path: Path, numbers: IntArray) -> IntArray:
    """Read which frames are active.

    Parameters
    ----------
    path
        A text file: 0 and 1 for every frame of the file, with or without spaces, commas, semicolons
        or lines between them; or a table with the columns ``Frame;Active frame`` (and more), -1 for
        inactive frames.
    numbers
        int64 (frame), of the capture.

    Returns
    -------
    int64, numbers of the active frames.

    Raises
    ------
    ReaderError
        If the file cannot be read.
    OptionsError
        If it is neither, or has flags for another number of frames.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise cannot_read(path, error) from error
    lines = [line.strip() for line in text.splitlines()]
    header = next((i for i, line in enumerate(lines) if line.lower().startswith(EXPORTED)), None)
    try:
        if header is not None:
            rows = [line.split(";")[:2] for line in lines[header + 1 :] if line]
            named = [(int(frame), int(active) >= 0) for frame, active in rows]
            _check_count(path, max((frame for frame, _ in named), default=-1) + 1, numbers, "rows")
            return np.array([frame for frame, active in named if active], np.int64)
        flags = [int(flag) for flag in re.sub(r"[\s,;]", "", text)]
        if not set(flags) <= {0, 1} or not flags:
            raise ValueError
    except OptionsError:
        raise
    except ValueError:
        raise OptionsError(
            f"{path} has no active flags: give 0 or 1 for each frame, or a table that begins with "
            "Frame;Active frame"
        ) from None
    if len(numbers) and len(flags) <= numbers[-1]:
        raise OptionsError(
            f"{path} has {len(flags)} active flags, the capture has frames {numbers[0]} to "
            f"{numbers[-1]}: give one flag for each frame of the file"
        )
    _check_count(path, len(flags), numbers, "flags")
    return np.flatnonzero(flags)


def _check_count(path: Path, count: int, numbers: IntArray, what: str) -> None:
    """Refuse flags of a longer capture; where frames were dropped, the last ones may have been."""
    whole = len(numbers) and numbers[-1] == numbers[0] + len(numbers) - 1
    if whole and count > numbers[-1] + 1:
        raise OptionsError(
            f"{path} has {what} up to frame {count - 1}, the capture has frames {numbers[0]} to "
            f"{numbers[-1]}: give the file that belongs to this capture"
        )
