"""Parts of frames: tasks that need a few rows of some frames read no more than these.

A pass over whole frames gets them from dask, chunk by chunk. A task that knows only when it runs
which rows it needs, because motion decides that, reads them itself. It reads from what the chunks
of the capture are made of, which is noted when they are made (`remember_unread`): 300 frames in two
or three calls of 0.2 ms. If anything else was done to the frames since, they are computed, 1 ms a
call and as much as dask takes to compute them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import dask
import dask.array as da

from skry_dask.graph.datasets import whole_frames

if TYPE_CHECKING:
    import xarray as xr

    from skry_dask.types import Frames, IntArray

UNREAD = "unread_frames"
"""Entry of the encoding of a capture's frames: what they were before they got chunks."""


class _Unread(NamedTuple):
    name: str
    variable: xr.Variable


def remember_unread(chunked: xr.DataArray, unread: xr.Variable) -> xr.DataArray:
    """Note in the encoding of chunked frames what they are read from, chunk by chunk.

    Whatever is done to the frames later gives them another dask name, so the note is not used for
    frames that it does not describe.

    Parameters
    ----------
    chunked
        uint8 or uint16 (frame, y, x[, channel]), a dask array.
    unread
        The same frames, read when they are indexed.
    """
    noted = chunked.copy(deep=False)
    noted.encoding = {**chunked.encoding, UNREAD: _Unread(chunked.data.name, unread)}
    return noted


def select_parts(capture: xr.Dataset, **indexers: slice | IntArray) -> xr.Dataset:
    """Select frames, rows or columns of a capture, as its `isel` does, and what they are read from.

    Parameters
    ----------
    capture
        With ``frames``.
    indexers
        By dim.
    """
    selected = capture.isel(indexers)
    unread = _unread(capture["frames"])
    if unread is None:
        return selected
    frames = remember_unread(selected["frames"], unread.isel(indexers))
    return selected.assign(frames=frames)


def _unread(frames: xr.DataArray) -> xr.Variable | None:
    """Find what chunked frames are read from, if nothing was done to them since they were noted."""
    noted = frames.encoding.get(UNREAD)
    if frames.chunks is None or not isinstance(noted, _Unread) or noted.name != frames.data.name:
        return None
    return noted.variable


@dataclass(frozen=True, slots=True, eq=False)
class FrameParts:
    """Frames of which any part can be read.

    Parameters
    ----------
    frames
        uint8 or uint16 (frame, y, x[, channel]): a variable whose values are read when they are
        indexed, or a dask array.
    """

    frames: xr.Variable | da.Array

    @classmethod
    def of(cls, capture: xr.Dataset) -> FrameParts:
        """Find what the frames of a capture are read from.

        Parameters
        ----------
        capture
            With ``frames``, see `whole_frames`.
        """
        frames = capture["frames"]
        if frames.chunks is None:
            return cls(frames.variable)
        unread = _unread(frames)
        return cls(whole_frames(capture) if unread is None else unread)

    @property
    def shape(self) -> tuple[int, ...]:
        """Numbers of frames, rows, columns and, if there are any, channels."""
        return tuple(self.frames.shape)

    def read(self, frames: IntArray, rows: slice, columns: slice) -> Frames:
        """Read the same part of some frames.

        Parameters
        ----------
        frames
            int64 (frame), ascending: indices of the frames.
        rows, columns
            The part.

        Returns
        -------
        (frame, y, x[, channel])
        """
        first, last = int(frames[0]), int(frames[-1])
        consecutive = last - first + 1 == len(frames)
        part = self.frames[slice(first, last + 1) if consecutive else frames, rows, columns]
        if isinstance(part, da.Array):
            # Not "synchronous": given the name of a scheduler, dask imports distributed (0.2 s).
            return part.compute(scheduler=dask.get)
        return part.to_numpy()


@dataclass(frozen=True, slots=True, eq=False)
class FrameNumbers:
    """Stands for frames in a pass whose tasks read them: each gets the indices of its frames.

    Parameters
    ----------
    numbers
        int64 (frame): indices of the frames of the pass in their capture.
    n_chunk
        Number of frames of each task.
    """

    numbers: IntArray
    n_chunk: int

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, rows: slice) -> IntArray:
        """Take the indices of a task's frames."""
        return self.numbers[rows]

    @property
    def chunks(self) -> tuple[tuple[int, ...]]:
        """Numbers of frames of all tasks, as a dask array has them along its first dim."""
        n = len(self.numbers)
        return (tuple(min(self.n_chunk, n - i) for i in range(0, n, self.n_chunk)),)
