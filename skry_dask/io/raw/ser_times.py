"""Time stamps after the frames of a SER file.

One for each frame ("SER format description, version 3", Heiko Wilkens and Grischa Hahn, 2014). Many
programs write them carelessly: what makes no sense is left out and reported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.io.files import read_into
from skry_dask.io.raw.ser_header import (
    HEADER_BYTES,
    MAX_TICKS,
    TICKS_PER_SECOND,
    UNIX_EPOCH,
    is_date,
)

if TYPE_CHECKING:
    from skry_dask.io.files import BinaryFile
    from skry_dask.io.raw.ser_header import SerHeader
    from skry_dask.io.raw.ser_layout import SerLayout
    from skry_dask.types import IntArray


def read_times(
    file: BinaryFile, layout: SerLayout, size: int, problems: list[str]
) -> IntArray | None:
    """Read the time stamps after the frames.

    Parameters
    ----------
    file
        The SER file.
    layout
        Where the frames lie.
    size
        Size of the file, bytes.
    problems
        What is wrong with the time stamps is appended, one sentence each.

    Returns
    -------
    int64 (frame) or None
        ns since 1970-01-01 UTC; None if there are no time stamps, or they make no sense.
    """
    n_frames = layout.n_frames
    end = HEADER_BYTES + n_frames * layout.frame_bytes
    n_bytes = size - end
    if not layout.has_times:
        if n_frames == layout.header.n_frames and 0 < n_bytes < layout.frame_bytes:
            problems.append(
                f"{n_bytes} bytes follow the frames, where time stamps need {8 * n_frames}; they "
                f"are ignored."
            )
        return None
    stamps = np.empty(n_frames, "<i8")
    read_into(file, end, stamps)
    ticks = stamps.astype(np.int64)
    n_outside = int(np.count_nonzero((ticks <= UNIX_EPOCH) | (ticks > MAX_TICKS)))
    if n_outside:
        reason = "all zero" if not ticks.any() else "not between the years 1970 and 2200"
        problems.append(f"{n_outside} of {n_frames} time stamps are {reason}; none is used.")
        return None
    _report_odd_times(ticks, layout.header, problems)
    return (ticks - UNIX_EPOCH) * 100


def _report_odd_times(ticks: IntArray, header: SerHeader, problems: list[str]) -> None:
    """Report time stamps that are equal, out of order or in local time."""
    steps = np.diff(ticks)
    if steps.size and not steps.any():
        problems.append("All time stamps are equal.")
    elif not steps.all():
        n_equal = np.count_nonzero(steps == 0)
        problems.append(f"{n_equal} time stamps equal the one before.")
    if (steps < 0).any():
        n_back = np.count_nonzero(steps < 0)
        problems.append(f"Time stamps are out of order: {n_back} lie before the one before.")
    local, utc = header.date_local, header.date_utc
    quarter_hour = 900 * TICKS_PER_SECOND
    if is_date(local) and is_date(utc) and abs(local - utc) >= quarter_hour:
        first = int(ticks[0])
        if abs(first - local) < abs(first - utc):
            problems.append(
                "The first time stamp is closer to the header's local time than to its UTC: the "
                "times are probably local."
            )
