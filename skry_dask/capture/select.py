"""Selection: which frames of a capture are used, and which region of interest.

Frames keep the numbers, and pixels the ``y`` and ``x``, that they have in the file: by these,
calibration and the colour filter array know where a pixel lies on the sensor. So
``capture.isel(...)`` and ``capture.sel(...)`` of xarray will do as well.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skry_dask.errors import OptionsError
from skry_dask.graph.datasets import with_excluded
from skry_dask.graph.frame_parts import select_parts
from skry_dask.io.files import read_text
from skry_dask.options import SelectOptions, frame_ranges
from skry_dask.options.given import options_of
from skry_dask.store.digest import digest_of

if TYPE_CHECKING:
    import xarray as xr

    from skry_dask.types import BoolArray, IntArray

MAX_FLAGS_BYTES = 2**28
"""Longer files are refused; a table of two million frames has that length."""

EXPORTED = "frame;active frame"
"""Beginning of the header of a table of frames, ours or Stackistry's, in lower case."""


def select(capture: xr.Dataset, options: SelectOptions | None = None, **choices: Any) -> xr.Dataset:
    """Take some frames of a capture, or a region of interest.

    Parameters
    ----------
    capture
        With ``frames`` (frame, y, x[, channel]) and their numbers ``frame``.
    options
        See `SelectOptions`.
    **choices
        Options by name, such as ``frames="100:900"``. They win over ``options``.

    Returns
    -------
    xarray.Dataset
        The same variables with fewer frames or pixels; lazy ones stay lazy. Excluded frames stay in
        it: they are measured like the others, so that results do not depend on them, but not
        stacked. Where there are any, a coordinate ``excluded`` bool (frame) marks them.

    Raises
    ------
    OptionsError
        If the capture lacks a frame or a pixel that is named, or no frame is left.
    ReaderError
        If the file of active flags cannot be read.

    Examples
    --------
    >>> import skry_dask as skry
    >>> capture = skry.simulate("moon", frames=8, height=160, width=200)
    >>> selected = skry.select(capture, frames="2:6", exclude="4")
    >>> selected["frame"].values.tolist()
    [2, 3, 4, 5]
    >>> selected["excluded"].values.tolist()
    [False, False, True, False]
    """
    options = options_of(SelectOptions, options, choices, "select")
    numbers = capture["frame"].to_numpy()
    wanted = _wanted_frames(numbers, options)
    excluded = _excluded_frames(numbers, options)
    if len(numbers) and not (wanted & ~excluded).any():
        raise OptionsError(
            f"no frame of {_source(capture)} is left by the selection: its frames are numbered "
            f"{numbers[0]} to {numbers[-1]}"
        )
    selected = capture
    if not wanted.all():
        selected = select_parts(selected, frame=np.flatnonzero(wanted))
    if options.roi_px is not None:
        selected = _crop(selected, options.roi_px)
    if selected is not capture and "digest" in capture.attrs:
        left = numbers[wanted].tolist()
        of_capture = capture.attrs["digest"]
        digest = digest_of(of_capture, "select", options.version, left, options.roi)
        selected = selected.assign_attrs(digest=digest)
    return with_excluded(selected, excluded[wanted])


def _wanted_frames(numbers: IntArray, options: SelectOptions) -> BoolArray:
    """Return whether each frame is in the selection, excluded or not: bool (frame)."""
    if options.frames is None:
        return np.ones(len(numbers), bool)
    return named_frames("frames", options.frames, numbers)


def _excluded_frames(numbers: IntArray, options: SelectOptions) -> BoolArray:
    """Return whether each frame is excluded from the stack: bool (frame)."""
    excluded = np.zeros(len(numbers), bool)
    if options.exclude is not None:
        excluded |= named_frames("exclude", options.exclude, numbers)
    if options.active_flags is not None:
        excluded |= ~np.isin(numbers, active_numbers(Path(options.active_flags), numbers))
    return excluded


def _crop(capture: xr.Dataset, roi: tuple[int, int, int, int]) -> xr.Dataset:
    """Crop frames to the region of interest: y, x, height, width, px."""
    y, x, height, width = roi
    n_rows, n_columns = capture.sizes["y"], capture.sizes["x"]
    if y + height > n_rows or x + width > n_columns:
        raise OptionsError(
            f"roi {','.join(map(str, roi))} leaves the frames of {_source(capture)}: they have "
            f"{n_rows} rows and {n_columns} columns, and it ends at row {y + height}, column "
            f"{x + width}"
        )
    return select_parts(capture, y=slice(y, y + height), x=slice(x, x + width))


def _source(capture: xr.Dataset) -> str:
    return str(capture.attrs.get("source", "the capture"))


def named_frames(name: str, text: str, numbers: IntArray) -> BoolArray:
    """Find the frames that a list of numbers and ranges names.

    Parameters
    ----------
    name
        Name of the option, for messages.
    text
        See `frame_ranges`.
    numbers
        int64 (frame), increasing: numbers of the capture's frames.

    Returns
    -------
    bool (frame)

    Raises
    ------
    OptionsError
        If the capture lacks a frame that is named by itself, or a range begins after its last
        frame.
    """
    found = np.zeros(len(numbers), bool)
    if not len(numbers):
        return found
    first, end = int(numbers[0]), int(numbers[-1]) + 1
    for start, stop, step in frame_ranges(name, text):
        begin = first if start is None else start + end * (start < 0)
        if step == 0:
            named = numbers == begin
        else:
            last = end if stop is None else stop + end * (stop < 0)
            named = (numbers >= begin) & (numbers < last) & ((numbers - begin) % step == 0)
        if not (step or named.any()) or begin >= end:
            raise OptionsError(
                f"{name} {text} names frame {begin}: the capture has frames {first} to {end - 1}"
                f"{'' if begin < first or begin >= end else ', but not this one'}"
            )
        found |= named
    return found


def active_numbers(path: Path, numbers: IntArray) -> IntArray:
    """Read the numbers of the active frames from a file.

    Parameters
    ----------
    path
        A text file: 0 or 1 for every frame of the file, with or without spaces, commas, semicolons
        or line ends between them; or a table with the columns ``Frame;Active frame`` (and more),
        where -1 marks inactive frames.
    numbers
        int64 (frame), increasing: numbers of the capture's frames.

    Returns
    -------
    int64 (active frame)

    Raises
    ------
    ReaderError
        If the file cannot be read.
    OptionsError
        If the file is anything else, or has flags for another number of frames.
    """
    text = read_text(path, MAX_FLAGS_BYTES)
    lines = [re.sub(r"\s*[;,\t]\s*", ";", line.strip()) for line in text.splitlines()]
    header = next((i for i, line in enumerate(lines) if _is_header(line)), None)
    try:
        count, active = _flags_in(text) if header is None else _table_in(lines[header + 1 :])
    except ValueError:
        raise OptionsError(
            f"{path} has no active flags: give 0 or 1 for each frame, or a table that begins with "
            "Frame;Active frame"
        ) from None
    if header is None and len(numbers) and count <= numbers[-1]:
        raise OptionsError(
            f"{path} has {count} active flags, the capture has frames {numbers[0]} to "
            f"{numbers[-1]}: give one flag for each frame of the file"
        )
    _check_count(path, count, numbers, "flags" if header is None else "rows")
    return active


def _is_header(line: str) -> bool:
    return line.lower().replace("_", " ").startswith(EXPORTED)


def _flags_in(text: str) -> tuple[int, IntArray]:
    """Read 0 or 1 for every frame; return the number of frames, and the active ones."""
    flags = re.sub(r"[\s,;]", "", text)
    if not flags or set(flags) - set("01"):
        raise ValueError
    return len(flags), np.flatnonzero([flag == "1" for flag in flags])


def _table_in(lines: list[str]) -> tuple[int, IntArray]:
    """Read the rows of a table of frames; return the number of frames, and the active ones."""
    rows = [line.split(";")[:2] for line in lines if line]
    flags = [(int(frame), int(active) >= 0) for frame, active in rows]
    count = max((frame for frame, _ in flags), default=-1) + 1
    return count, np.array([frame for frame, active in flags if active], np.int64)


def _check_count(path: Path, count: int, numbers: IntArray, what: str) -> None:
    """Refuse flags of a longer capture, unless its last frames may have been dropped."""
    whole = len(numbers) and numbers[-1] == numbers[0] + len(numbers) - 1
    if whole and count > numbers[-1] + 1:
        raise OptionsError(
            f"{path} has {what} up to frame {count - 1}, the capture has frames {numbers[0]} to "
            f"{numbers[-1]}: give the file that belongs to this capture"
        )
