"""How many frames a SER file has, by its header and its size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.io.files import read_into
from skry_dask.io.raw.ser_header import HEADER_BYTES, UNIX_EPOCH
from skry_dask.io.raw.ser_layout import STAMP_BYTES

if TYPE_CHECKING:
    from skry_dask.io.files import BinaryFile
    from skry_dask.io.raw.ser_layout import SerLayout

_MAX_CHANGE = 2.0  # ratio of the brightness or roughness of two frames of a capture


def count_frames(file: BinaryFile, layout: SerLayout, body: int, problems: list[str]) -> SerLayout:
    """Return the layout with the number of complete frames.

    Parameters
    ----------
    file
        The file.
    layout
        Where its frames lie; the header may claim a wrong number.
    body
        Bytes after the header.
    problems
        What is wrong with the number is appended, one sentence each.
    """
    claimed, frame_bytes = layout.header.n_frames, layout.frame_bytes
    if layout.fits(body):
        return layout._replace(n_frames=claimed, has_times=body != claimed * frame_bytes)
    n_complete, rest = divmod(body, frame_bytes)
    n_stamped, rest_stamped = divmod(body, frame_bytes + STAMP_BYTES)
    if n_stamped and not rest_stamped and (rest or _ends_in_times(file, body, n_stamped)):
        n_complete, rest, words = n_stamped, 0, " and their time stamps"
        layout = layout._replace(has_times=True)
    else:
        words = ""
    layout = layout._replace(n_frames=n_complete)
    if claimed <= 0 or claimed > n_complete:
        problems.append(
            f"The header claims {claimed} frames; {n_complete} complete ones are there{words}, "
            f"which are read."
        )
        return layout
    if n_complete == claimed:
        return layout
    follow = f"The header claims {claimed} frames; {n_complete - claimed} more"
    if not rest or _are_alike(file, layout, claimed):
        problems.append(f"{follow} follow: all {n_complete} frames{words} are read.")
        return layout
    problems.append(f"{follow} would fit the size of the file, but are no pictures; none is read.")
    return layout._replace(n_frames=claimed)


def _ends_in_times(file: BinaryFile, body: int, n_frames: int) -> bool:
    """Return whether a file ends in time stamps that increase."""
    stamps = np.empty(n_frames, "<i8")
    read_into(file, HEADER_BYTES + body - stamps.nbytes, stamps)
    return bool((stamps > UNIX_EPOCH).all() and (np.diff(stamps) >= 0).all())


def _are_alike(file: BinaryFile, layout: SerLayout, claimed: int) -> bool:
    """Return whether frames after the header's last one are as bright and as rough as that."""
    numbers = (claimed - 1, claimed, layout.n_frames - 1)
    frame = np.empty((layout.frame_rows, layout.row_bytes), np.uint8)
    measured = np.empty((len(numbers), 3))
    for target, number in zip(measured, numbers, strict=True):
        read_into(file, HEADER_BYTES + number * layout.frame_bytes, frame)
        target[0] = frame.mean()
        steps = np.abs(np.diff(frame.astype(np.int16), axis=0))
        # Bytes at even and at odd places, which are low and high ones where samples have 16 bits.
        target[1:] = [2 * steps[:, first::2].sum() / frame.size for first in (0, 1)]
    ratios = (measured[1:] + 1) / (measured[0] + 1)
    return bool((ratios > 1 / _MAX_CHANGE).all() and (ratios < _MAX_CHANGE).all())
